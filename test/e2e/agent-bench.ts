/**
 * A node with nothing but loopback, on which a test starts real agents with settings of its own, calls the real launcher
 * with whatever it likes, and compares what there is before and after.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import type { AgentStatus, EndpointStatus } from '../../src/agent/status.ts';
import { AgentClient } from '../support/agent-client.ts';
import type { CniInstance } from '../support/cni-call.ts';
import { Ledger } from '../support/ledger.ts';
import type { TestNetns } from '../support/netns.ts';
import { readNodeRemains, type NodeRemains } from '../support/node-remains.ts';
import { type CommandResult, tryCommand } from '../support/run-command.ts';

const ROOT = join(import.meta.dirname, '../..');
const LAUNCHER = join(ROOT, 'dist/sluice-cni');
const READY_TIMEOUT_MS = 20_000;
const STOP_TIMEOUT_MS = 15_000;
const POLL_MS = 20;
export const NODE = 'n1';

export const NODE_YAML: string = `
apiVersion: v1
kind: Node
metadata: {name: ${NODE}}
spec: {podCIDRs: [10.244.1.0/24, "fd00:244:1::/64"]}
`;

export const NAMESPACE_YAML: string = `
apiVersion: v1
kind: Namespace
metadata: {name: x}
`;

export function podYaml(name: string, spec = ''): string {
  return `
apiVersion: v1
kind: Pod
metadata: {name: ${name}, namespace: x, labels: {pod: ${name}}}
spec: {nodeName: ${NODE}, ${spec}containers: [{name: c, image: i}]}
`;
}

/** Isolates the pods of that label, in both directions. */
export function denyYaml(pod: string): string {
  return `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny-${pod}, namespace: x}
spec: {podSelector: {matchLabels: {pod: ${pod}}}, policyTypes: [Ingress, Egress]}
`;
}

/** The CNI error object of a call that failed, or what it printed instead. */
export interface CniRefusal {
  readonly exitCode: number;
  readonly code: number;
  readonly msg: string;
  readonly details: string;
}

export interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

let benches = 0;

export class AgentBench implements Disposable {
  readonly ledger: Ledger = new Ledger();
  readonly directory: string;
  readonly node: TestNetns;
  readonly instance: string;

  constructor() {
    benches += 1;
    this.instance = `b${process.pid.toString(36)}-${benches}`;
    try {
      this.directory = this.ledger.makeDirectory('sluice-agent');
      for (const name of ['manifests', 'staging', 'run', 'state', 'bpf']) mkdirSync(this.path(name));
      this.ledger.mountBpf(this.path('bpf'));
      this.node = this.ledger.makeNetns('node');
    } catch (error) {
      this.ledger.removeAll();
      throw error;
    }
  }

  path(...parts: readonly string[]): string {
    return join(this.directory, ...parts);
  }

  get cniInstance(): CniInstance {
    const { instance, node } = this;
    return { instance, nodeNetns: node, runDir: this.path('run'), stateDir: this.path('state') };
  }

  /** Puts a file into the folder of manifests, whole. */
  apply(name: string, text: string): void {
    writeFileSync(this.path('staging', name), text);
    renameSync(this.path('staging', name), this.path('manifests', name));
  }

  delete(name: string): void {
    rmSync(this.path('manifests', name));
  }

  /** Runs an agent that is expected to end by itself. Options given twice count as given last. */
  async startInVain(...options: readonly string[]): Promise<CommandResult> {
    const [program = '', ...args] = this.#command(options);
    return tryCommand(program, args, { netns: this.node });
  }

  /** Returns when it is ready. */
  async start(...options: readonly string[]): Promise<BenchAgent> {
    return BenchAgent.start(this, this.#command(options));
  }

  /** The same, with a module that is loaded before the agent. */
  async startWith(module: string, ...options: readonly string[]): Promise<BenchAgent> {
    const [program = '', ...args] = this.#command(options);
    return BenchAgent.start(this, [program, '--import', module, ...args]);
  }

  /** `sluice COMMAND` of this instance. */
  async sluice(command: string, ...options: readonly string[]): Promise<CommandResult> {
    const args = [join(ROOT, 'src/main.ts'), command, '--instance', this.instance, '--run-dir', this.path('run')];
    return tryCommand(process.execPath, [...args, ...options]);
  }

  /** Runs the launcher for a pod of namespace x; an environment variable or setting that is undefined is left out. */
  async cni(
    verb: string,
    pod: { readonly name: string; readonly netns: string },
    change: {
      readonly env?: Readonly<Record<string, string | undefined>>;
      readonly conf?: Readonly<Record<string, unknown>>;
      readonly stdin?: string;
    } = {},
  ): Promise<CommandResult> {
    const { instance, runDir, stateDir } = this.cniInstance;
    const conf = {
      cniVersion: '1.0.0',
      name: 'sluice',
      type: 'sluice-cni',
      instance,
      runDir,
      stateDir,
      ...change.conf,
    };
    const env: Readonly<Record<string, string | undefined>> = {
      CNI_COMMAND: verb,
      CNI_CONTAINERID: `container-${pod.name}`,
      CNI_NETNS: pod.netns,
      CNI_IFNAME: 'eth0',
      CNI_PATH: '/opt/cni/bin',
      CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=x;K8S_POD_NAME=${pod.name}`,
      ...change.env,
    };
    const given = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined);
    return tryCommand(LAUNCHER, [], {
      netns: this.node,
      env: Object.fromEntries(given),
      input: change.stdin ?? JSON.stringify(conf),
    });
  }

  /** Adds the pod. @throws Error with what the launcher printed. */
  async add(name: string, netns: TestNetns): Promise<void> {
    const { exitCode, stdout, stderr } = await this.cni('ADD', { name, netns: netns.path });
    if (exitCode !== 0) throw new Error(`ADD of ${name}: ${stdout}${stderr}`);
  }

  /** Everything of pods that there is: links, routes, neighbours, pins, elements of maps, files. */
  async remains(): Promise<NodeRemains> {
    return readNodeRemains(this.cniInstance, this.path('bpf'));
  }

  [Symbol.dispose](): void {
    this.ledger.removeAll();
  }

  #command(options: readonly string[]): string[] {
    const settings = {
      '--source': `manifests:${this.path('manifests')}`,
      '--node': NODE,
      '--instance': this.instance,
      '--run-dir': this.path('run'),
      '--state-dir': this.path('state'),
      '--bpf-root': this.path('bpf'),
    };
    return [process.execPath, join(ROOT, 'src/main.ts'), 'agent', ...Object.entries(settings).flat(), ...options];
  }
}

/** An agent of the bench that has become ready. */
export class BenchAgent {
  readonly client: AgentClient;
  readonly log: LogLine[] = [];
  /** Lines of its output that are none of the log. */
  readonly noise: string[] = [];
  readonly #child: ChildProcess;

  private constructor(bench: AgentBench, child: ChildProcess) {
    this.client = new AgentClient(bench.path('run', bench.instance, 'agent.sock'));
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      if (stream !== null) createInterface(stream).on('line', (line) => this.#keep(line));
    }
  }

  static async start(bench: AgentBench, command: readonly string[]): Promise<BenchAgent> {
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'nsenter', `--net=${bench.node.path}`, ...command], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const agent = new BenchAgent(bench, child);
    await once(child, 'spawn');
    bench.ledger.addProcess('agent', child.pid ?? 0, () => agent.isRunning);
    const deadline = performance.now() + READY_TIMEOUT_MS;
    while (!(await agent.#isReady())) {
      if (!agent.isRunning || performance.now() > deadline) throw new Error(`the agent is not ready\n${agent.text()}`);
      await delay(POLL_MS);
    }
    return agent;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** What it wrote, for when a test fails. */
  text(): string {
    return [...this.noise, ...this.log.map((line) => JSON.stringify(line))].join('\n');
  }

  messages(level: string): string[] {
    return this.log.filter((line) => line.level === level).map(({ msg }) => msg);
  }

  async status(): Promise<AgentStatus> {
    return (await this.client.get('/v1/status')) as AgentStatus;
  }

  async endpoint(pod: string): Promise<EndpointStatus | undefined> {
    return (await this.status()).endpoints.find((endpoint) => endpoint.pod === `x/${pod}`);
  }

  /** Ends it and gives back its exit code, or null when it did not end by itself. */
  async end(signal: 'SIGTERM' | 'SIGINT' | 'SIGKILL'): Promise<number | null> {
    const ended = once(this.#child, 'close', { signal: AbortSignal.timeout(STOP_TIMEOUT_MS) });
    this.#child.kill(signal);
    await ended;
    return this.#child.exitCode;
  }

  async #isReady(): Promise<boolean> {
    try {
      return (await this.status()).ready;
    } catch {
      return false;
    }
  }

  #keep(line: string): void {
    try {
      this.log.push(JSON.parse(line) as LogLine);
    } catch {
      this.noise.push(line);
    }
  }
}

/** @throws Error when the call succeeded or printed something else than one CNI error object. */
export function refusalOf({ exitCode, stdout }: CommandResult): CniRefusal {
  const { code, msg, details } = JSON.parse(stdout) as CniRefusal;
  return { exitCode, code, msg, details };
}
