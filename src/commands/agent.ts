/** `sluice agent`: the node daemon, until SIGTERM or SIGINT. What it enforces stays in force when it ends. */
import { pino } from 'pino';
import { startAgent } from '../agent/agent.ts';
import { type RawAgentOptions, readAgentOptions } from '../agent/options.ts';
import { ConfigError } from '../lib/errors.ts';

export interface RawAgentCommand extends RawAgentOptions {
  readonly logLevel: string;
}

const LOG_LEVELS: readonly string[] = [...Object.keys(pino.levels.values), 'silent'];

export async function runAgent(raw: RawAgentCommand): Promise<void> {
  const options = readAgentOptions(raw);
  if (!LOG_LEVELS.includes(raw.logLevel)) {
    throw new ConfigError(`--log-level ${JSON.stringify(raw.logLevel)}: use one of ${LOG_LEVELS.join(', ')}`);
  }
  const log = pino({
    level: raw.logLevel,
    base: { instance: options.instance },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  });
  const ended = Promise.withResolvers<void>();
  // It may end while it starts, before anybody waits for it.
  ended.promise.catch(() => undefined);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      log.info({ signal }, 'stopping; enforcement stays in place');
      ended.resolve();
    });
  }
  const agent = await startAgent(options, log, (error) => {
    log.fatal({ err: error }, 'the agent cannot go on; start it again, enforcement stays meanwhile');
    ended.reject(error);
  });
  try {
    await ended.promise;
  } finally {
    await agent.stop();
  }
}
