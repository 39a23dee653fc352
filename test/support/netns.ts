/**
 * Network namespaces for tests: named `slt-<pid>-<n>`, removed by `remove`, `using`, or at the latest when the process
 * ends. Those of test processes that were killed are removed by the next one.
 */
import { execFileSync } from 'node:child_process';
import { closeSync, existsSync, readdirSync } from 'node:fs';
import { openNetns } from '../../src/kernel/namespace.ts';

const NETNS_FOLDER = '/run/netns';
const PREFIX = 'slt-';
const COMMAND_TIMEOUT_MS = 20_000;

export interface TestNetns extends Disposable {
  readonly name: string;
  readonly path: string;
  /** Open until it is removed. */
  readonly fd: number;
  /** Runs a program in it and returns what it printed; throws, with what it wrote to stderr, when it fails. */
  exec(program: string, ...args: readonly string[]): string;
  /** Whether the program ends with 0. */
  succeeds(program: string, ...args: readonly string[]): boolean;
  /** What `ip -j -d ...` prints, parsed. */
  ip(...args: readonly string[]): readonly Record<string, unknown>[];
  remove(): void;
}

const made = new Map<string, TestNetns>();
let count = 0;

/** A new namespace; lo is down, as in a pod's. */
export function makeNetns(suffix = ''): TestNetns {
  if (count === 0) {
    process.on('exit', removeAll);
    removeAbandoned();
  }
  const name = `${PREFIX}${process.pid}-${++count}${suffix === '' ? '' : `-${suffix}`}`;
  run('ip', ['netns', 'add', name]);
  const path = `${NETNS_FOLDER}/${name}`;
  const fd = openNetns(path);
  const netns: TestNetns = {
    name,
    path,
    fd,
    exec: (program, ...args) => run('ip', ['netns', 'exec', name, program, ...args]),
    succeeds: (program, ...args) => {
      try {
        netns.exec(program, ...args);
        return true;
      } catch {
        return false;
      }
    },
    ip: (...args) => JSON.parse(run('ip', ['-n', name, '-j', '-d', ...args]) || '[]') as Record<string, unknown>[],
    remove: () => {
      if (!made.delete(name)) return;
      closeSync(fd);
      run('ip', ['netns', 'del', name]);
    },
    [Symbol.dispose]: () => netns.remove(),
  };
  made.set(name, netns);
  return netns;
}

/** Removes all that this process made. */
export function removeAll(): void {
  for (const netns of made.values()) netns.remove();
}

function removeAbandoned(): void {
  if (!existsSync(NETNS_FOLDER)) return;
  for (const name of readdirSync(NETNS_FOLDER)) {
    const pid = /^slt-([0-9]+)-/.exec(name)?.[1];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    try {
      run('ip', ['netns', 'del', name]);
    } catch (error) {
      // Another test process may have been faster.
      if (existsSync(`${NETNS_FOLDER}/${name}`)) throw error;
    }
  }
}

function run(program: string, args: readonly string[]): string {
  return execFileSync(program, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: COMMAND_TIMEOUT_MS,
  });
}
