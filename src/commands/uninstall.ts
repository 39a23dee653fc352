/** `sluice uninstall`: takes an instance off this node and shows that nothing is left. */
import { once } from 'node:events';
import { resolve } from 'node:path';
import { type TraceOutcome, uninstall } from '../agent/install/uninstall.ts';
import { instancePaths } from '../agent/paths.ts';
import { openNodeNetwork } from '../agent/wiring/node.ts';
import { ConfigError } from '../lib/errors.ts';

export interface RawUninstallOptions {
  readonly instance: string;
  readonly runDir: string;
  readonly stateDir: string;
  readonly bpfRoot: string;
  readonly cniConf: string;
  readonly cniBin: string;
  readonly force?: boolean;
  readonly stay?: boolean;
}

const NAMED_MAX = 5;

export async function runUninstall(raw: RawUninstallOptions): Promise<void> {
  if (process.geteuid?.() !== 0) throw new ConfigError('only root can uninstall: interfaces, rules and programs go');
  const { instance, runDir, stateDir, bpfRoot, cniConf, cniBin, force = false, stay = false } = raw;
  const paths = instancePaths(instance, {
    runDir: resolve(runDir),
    stateDir: resolve(stateDir),
    bpfRoot: resolve(bpfRoot),
  });
  using node = openNodeNetwork();
  const outcomes = await uninstall(
    { instance, paths, cniConf: resolve(cniConf), cniBin: resolve(cniBin), force },
    node,
  );
  for (const outcome of outcomes) for (const line of outcomeLines(outcome)) console.log(line);
  const left = outcomes.filter(({ remains, failure }) => remains.length > 0 || failure !== '');
  if (left.length > 0) throw new Error(`${left.length} of ${outcomes.length} kinds of things are not gone; see above`);
  console.log(`nothing of instance ${instance} is left on this node: ${outcomes.length} kinds of things looked for`);
  if (stay) await untilStopped();
}

export function outcomeLines(outcome: TraceOutcome): readonly string[] {
  const { what, found, remains, failure } = outcome;
  const state = stateOf(outcome);
  const shown = remains.length > 0 ? remains : found;
  const more = shown.length > NAMED_MAX ? [`... and ${shown.length - NAMED_MAX} more`] : [];
  return [
    `${state.padEnd(8)} ${what}`,
    ...[...shown.slice(0, NAMED_MAX), ...more, ...(failure === '' ? [] : [`failed: ${failure}`])].map(
      (line) => `         ${line}`,
    ),
  ];
}

function stateOf({ found, remains, failure }: TraceOutcome): string {
  if (remains.length > 0) return 'NOT GONE';
  if (failure !== '') return 'FAILED';
  return found.length > 0 ? 'removed' : 'none';
}

/** A DaemonSet's containers must not end. */
async function untilStopped(): Promise<void> {
  const keepAlive = setInterval(() => undefined, 2 ** 30);
  await Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);
  clearInterval(keepAlive);
}
