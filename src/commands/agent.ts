/** `sluice agent`: the node daemon, until SIGTERM or SIGINT. What it enforces stays in force when it ends. */
import { pino } from 'pino';
import { startAgent } from '../agent/agent.ts';
import { toAgentOptions } from '../agent/options.ts';
import { settleFrom, type SettingOptions } from './support/agent-settings.ts';

/** @param object path of the programs that come with this installation. */
export async function runAgent(given: SettingOptions, object: string): Promise<void> {
  const options = toAgentOptions((await settleFrom(given, object)).settings);
  const log = pino({
    level: options.logLevel,
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
  agent.ready.catch(ended.reject);
  try {
    await ended.promise;
  } finally {
    await agent.stop();
  }
}
