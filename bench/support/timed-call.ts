/** One execution of a CNI plugin as a runtime makes it, timed from before it is started until it has ended. */
import { spawnSync } from 'node:child_process';
import { withNetns } from '../../src/kernel/namespace.ts';
import type { TestNetns } from '../../test/support/netns.ts';
import { compiledTool } from './compiled-tool.ts';

export interface PluginCall {
  readonly program: string;
  readonly configuration: object;
  /** CNI_* */
  readonly env: Readonly<Record<string, string>>;
  /** The node's namespace, in which the runtime runs. */
  readonly netns: TestNetns;
}

const TIMEOUT_MS = 30_000;

/**
 * Milliseconds. Starting the clock's own program is not in them. This process stands still meanwhile: nothing of it competes
 * with the plugin or an agent.
 * @throws Error with what the plugin printed when it fails.
 */
export function timedCall({ program, configuration, env, netns }: PluginCall): number {
  // A child is in the namespace of the thread that starts it.
  const result = withNetns(netns.fd, () =>
    spawnSync(compiledTool('time-exec'), [program], {
      env: { PATH: process.env['PATH'] ?? '', ...env },
      input: JSON.stringify(configuration),
      encoding: 'utf8',
      timeout: TIMEOUT_MS,
    }),
  );
  if (result.status !== 0) {
    throw new Error(`${program} ${env['CNI_COMMAND']}: status ${result.status}: ${result.stdout}${result.stderr}`);
  }
  const [nanoseconds] = /[0-9]+\n$/.exec(result.stderr) ?? [];
  return Number(nanoseconds) / 1e6;
}
