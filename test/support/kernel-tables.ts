/** The pinned tables of an instance, read as the programs read them, and what the oracle and a fresh compile say. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { loadManifests } from '../../src/cluster/manifests/load-manifests.ts';
import type { FlowVerdict } from '../../src/datapath/datapath.ts';
import { judge } from '../../src/datapath/judge.ts';
import { KernelStore, tableMapsOf } from '../../src/datapath/ebpf/store.ts';
import { BpfMap } from '../../src/kernel/bpf-map.ts';
import { Compiler } from '../../src/policy/compiler.ts';
import type { ClusterChange, LocalEndpoint } from '../../src/policy/model.ts';
import { changeCluster, emptyCluster, evaluateFlow, type OracleCluster } from '../../src/policy/oracle.ts';

const PROTOCOLS = [
  ['TCP', 6],
  ['UDP', 17],
] as const;

export interface Disagreement {
  readonly flow: string;
  readonly kernel: FlowVerdict;
  readonly oracle: FlowVerdict;
}

export interface TableCounts {
  readonly endpoints: number;
  readonly addresses: number;
  readonly prefixes: number;
  readonly rows: number;
}

export interface DesiredState {
  readonly node: string;
  readonly changes: readonly ClusterChange[];
}

/** What the folder of manifests and the endpoints ask for on the node. nodeAddresses: of its own interfaces. */
export async function readDesired(
  node: string,
  folder: string,
  endpoints: readonly LocalEndpoint[],
  nodeAddresses: readonly string[] = [],
): Promise<DesiredState> {
  const { changes } = await loadManifests([folder]);
  return {
    node,
    changes: [
      ...changes,
      { kind: 'NodeAddresses', op: 'set', object: nodeAddresses },
      ...endpoints.map((object): ClusterChange => ({ kind: 'LocalEndpoint', op: 'set', object })),
    ],
  };
}

/**
 * Flows between all of the addresses on all of the ports whose verdict the kernel holds otherwise than the oracle, at each
 * end that is one of the endpoints; the kernel has none to hold at others.
 */
export function compareWithOracle(
  directory: string,
  desired: DesiredState,
  addresses: readonly string[],
  ports: readonly number[],
): readonly Disagreement[] {
  const local = new Set(
    desired.changes.flatMap((change) =>
      change.kind === 'LocalEndpoint' && change.op === 'set' ? change.object.addresses : [],
    ),
  );
  const cluster = desired.changes.reduce<OracleCluster>(changeCluster, emptyCluster(desired.node));
  return withStore(directory, (store) => {
    const found: Disagreement[] = [];
    for (const source of addresses) {
      for (const destination of addresses) {
        if (source === destination || source.includes(':') !== destination.includes(':')) continue;
        for (const destinationPort of ports) {
          for (const [protocol, number] of PROTOCOLS) {
            const kernel = judge(store, { source, destination, protocol: number, destinationPort });
            const evaluation = evaluateFlow(cluster, { source, destination, protocol, destinationPort });
            const egress = local.has(source) ? evaluation.egress : undefined;
            const ingress = local.has(destination) ? evaluation.ingress : undefined;
            if (kernel.egress === egress && kernel.ingress === ingress) continue;
            const flow = `${source} -> ${destination} ${destinationPort}/${protocol}`;
            found.push({ flow, kernel, oracle: { egress, ingress } });
          }
        }
      }
    }
    return found;
  });
}

/** How many elements there are, and how many there would be if everything were written for the first time. */
export function compareCounts(directory: string, desired: DesiredState): { kernel: TableCounts; fresh: TableCounts } {
  const compiler = new Compiler({ node: desired.node });
  for (const change of desired.changes) compiler.update(change);
  const { tables } = compiler.compile();
  const kernel = withStore(directory, (store) => ({
    endpoints: [...store.endpoints()].length,
    addresses: [...store.addresses()].length,
    prefixes: [...store.prefixes()].length,
    rows: [...store.rows()].length,
  }));
  const fresh = {
    endpoints: tables.endpoints.id.length,
    addresses: tables.addresses.classes.length,
    prefixes: tables.prefixes.classes.length,
    rows: tables.rows.block.length,
  };
  return { kernel, fresh };
}

function withStore<T>(directory: string, read: (store: KernelStore) => T): T {
  using opened = new DisposableStack();
  const pins = readdirSync(directory);
  const map = (name: string): BpfMap => {
    const found = pins.filter((pin) => pin.startsWith(`${name}-`));
    if (found.length !== 1) throw new Error(`${directory} has ${found.length} pins of map ${name}: ${pins.join(' ')}`);
    return opened.use(BpfMap.openPinned(join(directory, found[0]!)));
  };
  return read(opened.use(new KernelStore(tableMapsOf(map))));
}
