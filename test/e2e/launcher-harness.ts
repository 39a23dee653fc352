/**
 * Builds sluice-cni from its sources and runs it as a container runtime does, against a local server in this process
 * whose pod network is a fake.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { addCniRoute } from '../../src/agent/cni-route.ts';
import { LocalServer } from '../../src/agent/local-server.ts';
import { CniHandler } from '../../src/cni/handler.ts';
import { DelJournal } from '../../src/cni/journal.ts';
import { CNI_BODY_BYTES_MAX } from '../../src/cni/limits.ts';
import { peerCredentials } from '../../src/kernel/system.ts';
import { FakePodNetwork } from '../unit/cni/fake-pod-network.ts';
import { MemoryLog } from '../unit/cni/memory-log.ts';
import { systemClock } from '../../src/lib/clock.ts';

const SOURCES = join(import.meta.dirname, '../../launcher');
/** In place of -static, for builds with sanitizers, which cannot be static. */
const LINKING = (process.env['SLUICE_LAUNCHER_LINKING'] ?? '-static').split(' ');
const INSTANCE = 'test';

export interface Outcome {
  /** Null when a signal ended it. */
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The CNI error object that a failed call printed: exactly that, on one line. */
export function errorOf(outcome: Outcome): { cniVersion: string; code: number; msg: string; details: string } {
  const error = JSON.parse(outcome.stdout) as { cniVersion: string; code: number; msg: string; details: string };
  if (outcome.exitCode !== 1) throw new Error(`exit code ${outcome.exitCode ?? 'none'} with ${outcome.stdout}`);
  return error;
}

/** A folder with a launcher in it, where the agent's and the launcher's files are. */
export class LauncherBench implements AsyncDisposable {
  readonly root: string;
  readonly binary: string;

  private constructor(root: string) {
    this.root = root;
    this.binary = join(root, 'sluice-cni');
  }

  /** @param definitions further options of the compiler: `-DADD_DEADLINE_MS=300` */
  static async build(...definitions: readonly string[]): Promise<LauncherBench> {
    const bench = new LauncherBench(await mkdtemp(join(tmpdir(), 'sluice-launcher-')));
    const sources = (await readdir(SOURCES)).filter((name) => name.endsWith('.c')).map((name) => join(SOURCES, name));
    const flags = ['-std=c11', '-O2', '-Wall', '-Wextra', '-Werror', ...LINKING, ...definitions];
    const compiler = spawn('cc', [...flags, '-o', bench.binary, ...sources], { stdio: 'inherit' });
    const [exitCode] = (await once(compiler, 'close')) as [number | null];
    if (exitCode !== 0) throw new Error('the launcher does not compile');
    await bench.reset();
    return bench;
  }

  get socketPath(): string {
    return join(this.root, 'run', INSTANCE, 'agent.sock');
  }

  get journalDirectory(): string {
    return join(this.root, 'state', INSTANCE, 'del-journal');
  }

  /** The configuration that leads the launcher here. */
  get config(): Readonly<Record<string, unknown>> {
    return {
      cniVersion: '1.0.0',
      name: 'sluice',
      type: 'sluice-cni',
      instance: INSTANCE,
      runDir: join(this.root, 'run'),
      stateDir: join(this.root, 'state'),
    };
  }

  /** Forgets what the tests before have left. */
  async reset(): Promise<void> {
    await rm(join(this.root, 'run'), { recursive: true, force: true });
    await rm(join(this.root, 'state'), { recursive: true, force: true });
    await mkdir(join(this.root, 'run', INSTANCE), { recursive: true });
  }

  /** Starts the launcher with nothing in its environment but this. */
  start(
    environment: Readonly<Record<string, string>>,
    stdin: object | string | Uint8Array = this.config,
  ): ChildProcess {
    return this.startCommand([this.binary], environment, stdin);
  }

  startCommand(
    command: readonly string[],
    environment: Readonly<Record<string, string>>,
    stdin: object | string | Uint8Array = this.config,
  ): ChildProcess {
    const [program = this.binary, ...args] = command;
    const child = spawn(program, args, { env: { ...environment }, stdio: 'pipe' });
    // A launcher that refuses early does not read its stdin.
    child.stdin.on('error', () => undefined);
    const isText = typeof stdin === 'string' || stdin instanceof Uint8Array;
    child.stdin.end(isText ? stdin : JSON.stringify(stdin));
    return child;
  }

  async run(
    environment: Readonly<Record<string, string>>,
    stdin: object | string | Uint8Array = this.config,
  ): Promise<Outcome> {
    return await outcomeOf(this.start(environment, stdin));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.root, { recursive: true, force: true });
  }
}

export async function outcomeOf(child: ChildProcess): Promise<Outcome> {
  if (child.stdout === null || child.stderr === null) throw new Error('the launcher was started without pipes');
  const [stdout, stderr, [exitCode]] = await Promise.all([
    buffer(child.stdout),
    buffer(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ]);
  return { exitCode, stdout: stdout.toString(), stderr: stderr.toString() };
}

/** The agent's side: real server, real verbs, fake network. */
export class FakeAgent implements AsyncDisposable {
  readonly network: FakePodNetwork = new FakePodNetwork();
  readonly log: MemoryLog = new MemoryLog();
  readonly handler: CniHandler;
  readonly server: LocalServer;

  private constructor(bench: LauncherBench) {
    const { network, log } = this;
    const journal = new DelJournal({ directory: bench.journalDirectory, log, now: () => Date.now() });
    this.handler = new CniHandler({ network, journal, log });
    this.server = new LocalServer({
      socketPath: bench.socketPath,
      peerCredentials,
      log,
      bodyBytesMax: CNI_BODY_BYTES_MAX,
    });
    addCniRoute(this.server, this.handler, systemClock, () => undefined);
  }

  static async listen(bench: LauncherBench): Promise<FakeAgent> {
    const agent = new FakeAgent(bench);
    await agent.server.listen();
    return agent;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.close();
  }
}

/** Waits until something holds, for what the other process does in its own time. */
export async function eventually(what: string, holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 5_000;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`not within 5 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
