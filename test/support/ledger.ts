/**
 * What a test made in the kernel and on disk, so that it goes again whatever happens: at the end, after a failure, on
 * Ctrl-C. Removal is synchronous (it has to work while the process exits), in reverse order, and may be repeated.
 */
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { makeNetns, type TestNetns } from './netns.ts';
import { makeOwnDirectory } from './own-directory.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

interface Entry {
  readonly what: string;
  readonly remove: () => void;
}

const open = new Set<Ledger>();
let isWatching = false;

export class Ledger implements Disposable {
  readonly #entries: Entry[] = [];

  constructor() {
    open.add(this);
    if (!isWatching) watchForTheEnd();
  }

  add(what: string, remove: () => void): void {
    this.#entries.push({ what, remove });
  }

  /** A directory of its own, removed with everything in it. */
  makeDirectory(name: string, parent?: string): string {
    const path = makeOwnDirectory(name, parent);
    this.add(path, () => {
      rmSync(path, { recursive: true, force: true });
    });
    return path;
  }

  /** A namespace with loopback up, named for its process and `suffix`. */
  makeNetns(suffix: string): TestNetns {
    const netns = makeNetns(suffix);
    this.add(`namespace ${netns.name}`, () => {
      netns.remove();
    });
    runSync('ip', ['-n', netns.name, 'link', 'set', 'lo', 'up']);
    return netns;
  }

  /** Mounts a bpffs on the (existing) directory. */
  mountBpf(directory: string): void {
    runSync('mount', ['-t', 'bpf', 'bpf', directory]);
    this.add(`bpffs on ${directory}`, () => {
      runSync('umount', ['--lazy', directory]);
    });
  }

  /** Ends the program at the end, unless `isRunning` says that it has ended. */
  addProcess(what: string, pid: number, isRunning: () => boolean): void {
    this.add(`${what} (pid ${pid})`, () => {
      if (isRunning()) process.kill(pid, 'SIGKILL');
    });
  }

  /** @throws AggregateError naming what could not be removed, after everything was tried. */
  removeAll(): void {
    open.delete(this);
    const failures: Error[] = [];
    for (let entry = this.#entries.pop(); entry !== undefined; entry = this.#entries.pop()) {
      try {
        entry.remove();
      } catch (error) {
        failures.push(new Error(`could not remove ${entry.what}`, { cause: error }));
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, failures.map((failure) => failure.message).join('; '));
  }

  [Symbol.dispose](): void {
    this.removeAll();
  }
}

/** On exit, and on the signals that end a process: those take their usual effect afterwards. */
function watchForTheEnd(): void {
  isWatching = true;
  process.on('exit', removeEverything);
  for (const signal of SIGNALS) {
    const end = (): void => {
      removeEverything();
      process.off(signal, end);
      process.kill(process.pid, signal);
    };
    process.on(signal, end);
  }
}

function removeEverything(): void {
  for (const ledger of [...open].toReversed()) {
    try {
      ledger.removeAll();
    } catch (error) {
      console.error(error);
    }
  }
}

function runSync(command: string, args: readonly string[]): void {
  const result = spawnSync(command, args, { encoding: 'utf8' });
  if (result.error !== undefined) throw result.error;
  if (result.status !== 0) {
    throw new Error(`${command} ${args.join(' ')}: exit code ${result.status}: ${result.stderr}`);
  }
}
