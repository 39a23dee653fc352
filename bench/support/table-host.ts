/**
 * The tables of a cluster in the kernel, through the real compiler and datapath, with a namespace, interfaces and pins of
 * its own; and the programs beside them, pinned, so that a program outside this process can run them on frames.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EbpfDatapath } from '../../src/datapath/ebpf/datapath.ts';
import { Pins } from '../../src/datapath/ebpf/pins.ts';
import type { EndpointWiring } from '../../src/datapath/datapath.ts';
import { BpfObject } from '../../src/kernel/bpf-object.ts';
import { callLibbpf } from '../../src/kernel/libbpf.ts';
import { withNetns } from '../../src/kernel/namespace.ts';
import { Compiler } from '../../src/policy/compiler.ts';
import type { VerdictTables } from '../../src/policy/tables.ts';
import { Ledger } from '../../test/support/ledger.ts';
import type { TestNetns } from '../../test/support/netns.ts';
import { type ClusterSize, clusterChanges, NODE, podOf } from './cluster.ts';

export const OBJECT: string = join(import.meta.dirname, '../../dist/bpf/sluice.bpf.o');
const INSTANCE = 'bench';

export class TableHost implements AsyncDisposable {
  readonly netns: TestNetns;
  /** A BPF file system of its own. */
  readonly pinRoot: string;
  readonly wirings: readonly EndpointWiring[];
  readonly datapath: EbpfDatapath;
  readonly #stack: AsyncDisposableStack;

  private constructor(
    stack: AsyncDisposableStack,
    parts: Pick<TableHost, 'netns' | 'pinRoot' | 'wirings' | 'datapath'>,
  ) {
    this.#stack = stack;
    this.netns = parts.netns;
    this.pinRoot = parts.pinRoot;
    this.wirings = parts.wirings;
    this.datapath = parts.datapath;
  }

  /** The endpoints of the cluster, attached and closed. Removes what it made when that fails. */
  static async open(size: ClusterSize): Promise<TableHost> {
    await using stack = new AsyncDisposableStack();
    const ledger = stack.use(new Ledger());
    const netns = ledger.makeNetns('tables');
    const pinRoot = ledger.makeDirectory('sluice-bench');
    ledger.mountBpf(pinRoot);
    const datapath = stack.use(
      await EbpfDatapath.open({
        object: OBJECT,
        pinRoot,
        instance: INSTANCE,
        inNamespace: (work) => withNetns(netns.fd, work),
      }),
    );
    const wirings = makeInterfaces(netns, size);
    for (const wiring of wirings) await datapath.attachEndpoint(wiring);
    return new TableHost(stack.move(), { netns, pinRoot, wirings, datapath });
  }

  /** Compiles the whole cluster and brings it in force. */
  async load(size: ClusterSize): Promise<Loaded> {
    const compiler = new Compiler({ node: NODE });
    for (const change of clusterChanges(size)) compiler.update(change);
    const { tables, problems } = compiler.compile();
    if (problems.length > 0) throw new Error(`${size.name}: ${JSON.stringify(problems[0])}`);
    await this.datapath.apply(tables);
    return { compiler, tables };
  }

  /** Path of each of the instance's maps, by name. */
  get mapPins(): ReadonlyMap<string, string> {
    return Pins.open(this.pinRoot, INSTANCE, {}).maps;
  }

  /** Loads the programs of an object beside those in use, on the same maps; they are pinned as `<name>-<label>`. */
  loadPrograms(label: string, source: string | Uint8Array = OBJECT): LoadedBeside {
    const maps = Object.fromEntries([...this.mapPins].map(([name, pin]) => [name, { pin }]));
    const object = this.#stack.use(BpfObject.load({ source, name: 'sluice', maps }));
    const pin = (name: string): string => pinProgram(object.program(name), join(this.pinRoot, `${name}-${label}`));
    return { object, fromPod: pin('from_pod'), toPod: pin('to_pod') };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

/** The compiler that has the cluster, and what it made of it. */
export interface Loaded {
  readonly compiler: Compiler;
  readonly tables: VerdictTables;
}

export interface LoadedBeside {
  readonly object: BpfObject;
  /** Where the programs are pinned. */
  readonly fromPod: string;
  readonly toPod: string;
}

/** Returns the path. It goes with the file system it lies in. */
export function pinProgram(fd: number, path: string): string {
  callLibbpf('bpf_obj_pin', path, (lib) => lib.pin(fd, path));
  return path;
}

/** sluice.bpf.c with `header` ahead of it. @throws Error with clang's messages. */
export function compileWith(header: string): Uint8Array {
  const root = join(import.meta.dirname, '../..');
  const output = join(root, 'dist/bench', 'counted.bpf.o');
  const include = `/usr/include/${execFileSync('gcc', ['-dumpmachine'], { encoding: 'utf8' }).trim()}`;
  const flags = ['-O2', '-g', '-target', 'bpf', '-mcpu=v3', '-idirafter', include, '-include', header];
  execFileSync('clang', [...flags, '-c', join(root, 'bpf/sluice.bpf.c'), '-o', output]);
  return readFileSync(output);
}

/** A veth for each endpoint, in one batch: nothing passes over them, they only give the programs an interface. */
function makeInterfaces(netns: TestNetns, size: ClusterSize): readonly EndpointWiring[] {
  const names = Array.from({ length: size.endpoints }, (_, index) => `pod${index}`);
  const batch = names.map((name) => `link add ${name} type veth peer name ${name}p\n`).join('');
  execFileSync('ip', ['-n', netns.name, '-batch', '-'], { input: batch });
  const links = netns.ip('link', 'show');
  return names.map((name, index) => ({
    id: index + 1,
    ifindex: Number(links.find(({ ifname }) => ifname === name)?.['ifindex']),
    addresses: podOf(size, index).podIPs,
    mac: `02:00:00:00:00:${(index + 1).toString(16).padStart(2, '0')}`,
    hostMac: `02:00:00:00:01:${(index + 1).toString(16).padStart(2, '0')}`,
    noPeer: false,
  }));
}

/** Every map that holds the policy: what the programs and the flows need is not among them. */
export const POLICY_MAPS: readonly string[] = [
  'config',
  'endpoints',
  'locals',
  'addresses',
  'prefixes',
  'ports',
  'rows',
];
