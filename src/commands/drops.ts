/** `sluice drops`: one line for each drop as it comes, until the agent ends or the terminal says so. */
import { createInterface } from 'node:readline';
import type { DropReport } from '../agent/drop-report.ts';
import { ConfigError, errorMessage } from '../lib/errors.ts';
import { callAgent, type InstanceOptions } from './local-agent.ts';

export interface DropsOptions extends InstanceOptions {
  readonly output: string;
}

export async function runDrops(options: DropsOptions): Promise<void> {
  if (options.output !== 'text' && options.output !== 'json') {
    throw new ConfigError(`--output ${JSON.stringify(options.output)}: use text or json`);
  }
  const response = await callAgent(options, 'GET', '/v1/drops');
  const lines = createInterface(response);
  let isRead = true;
  // Whoever reads has seen enough (`sluice drops | head`): that is no failure.
  process.stdout.on('error', () => {
    isRead = false;
    lines.close();
    response.destroy();
  });
  try {
    for await (const line of lines) {
      if (line === '' || !isRead) continue;
      console.log(options.output === 'json' ? line : formatDrop(JSON.parse(line) as DropReport));
    }
  } catch (error) {
    if (isRead) throw new Error(`the connection to the agent broke: ${errorMessage(error)}`, { cause: error });
  }
}

export function formatDrop(drop: DropReport): string {
  const more = drop.suppressed === 0 ? '' : ` (and ${drop.suppressed} like it before)`;
  return `${drop.time} ${drop.message}${more}`;
}
