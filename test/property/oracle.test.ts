/**
 * The compiler against the oracle: whatever the cluster and however it came about, what the tables say of a packet at a
 * local endpoint is what the policies say. SLUICE_PROPERTY_RUNS sets the number of clusters.
 */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { Compiler } from '../../src/policy/compiler.ts';
import type { ClusterChange } from '../../src/policy/model.ts';
import {
  changeCluster,
  emptyCluster,
  evaluateFlow,
  type OracleCluster,
  type OracleFlow,
} from '../../src/policy/oracle.ts';
import { type Direction, TableReader } from '../../src/policy/simulate.ts';
import type { VerdictTables } from '../../src/policy/tables.ts';
import {
  clusterPolicyScenarioArb,
  type FlowSeed,
  flowOf,
  flowSeedArb,
  flowSpace,
  LOCAL_NODE,
  scenarioArb,
} from '../support/generators.ts';

const RUNS = Number(process.env['SLUICE_PROPERTY_RUNS'] ?? 500);
const FLOWS = 100;
/** Clusters a run looks at: the beginning, and after this many further stretches of changes. */
const STRETCHES = 2;
const IANA = { TCP: 6, UDP: 17, SCTP: 132, ICMP: 1, ICMPv6: 58 };

const flowsArb = fc.array(flowSeedArb, { minLength: FLOWS, maxLength: FLOWS });

/** What both say at each end of the flow that is a local endpoint. */
function compareAt(cluster: OracleCluster, tables: TableReader, flow: OracleFlow): readonly string[] {
  const told = evaluateFlow(cluster, flow);
  const protocol = typeof flow.protocol === 'number' ? flow.protocol : IANA[flow.protocol];
  const differences: string[] = [];
  for (const endpoint of cluster.endpoints.values()) {
    const ends: [Direction, string, string][] = [
      ['egress', flow.source, flow.destination],
      ['ingress', flow.destination, flow.source],
    ];
    for (const [direction, own, peer] of ends) {
      if (!endpoint.addresses.includes(own)) continue;
      const found = tables.judge(endpoint.id, direction, peer, protocol, flow.destinationPort);
      if (found !== told[direction]) {
        differences.push(`endpoint ${endpoint.id} ${direction}: tables ${found}, policies ${told[direction]}`);
      }
    }
  }
  return differences;
}

function expectAgreement(cluster: OracleCluster, tables: VerdictTables, seeds: readonly FlowSeed[]): void {
  const space = flowSpace(cluster);
  const reader = new TableReader(tables);
  for (const seed of seeds) {
    const flow = flowOf(space, seed);
    const differences = compareAt(cluster, reader, flow);
    if (differences.length > 0) expect({ flow, differences }).toEqual({ flow, differences: [] });
  }
}

function splitInto<T>(list: readonly T[], parts: number): readonly (readonly T[])[] {
  const size = Math.ceil(list.length / parts);
  return Array.from({ length: parts }, (_, i) => list.slice(i * size, (i + 1) * size));
}

function runScenario(stretches: readonly (readonly ClusterChange[])[], flows: readonly FlowSeed[]): void {
  const compiler = new Compiler({ node: LOCAL_NODE });
  let cluster = emptyCluster(LOCAL_NODE);
  const perStretch = splitInto(flows, stretches.length);
  for (const [i, changes] of stretches.entries()) {
    for (const change of changes) {
      compiler.update(change);
      cluster = changeCluster(cluster, change);
    }
    const { tables, retired } = compiler.compile();
    compiler.release(retired);
    expectAgreement(cluster, tables, perStretch[i] ?? []);
  }
}

test('tables judge every flow as the policies say, also after changes', { timeout: 60_000 + RUNS * 200 }, () => {
  fc.assert(
    fc.property(scenarioArb, flowsArb, ({ initial, changes }, flows) => {
      runScenario([initial, ...splitInto(changes, STRETCHES)], flows);
    }),
    { numRuns: RUNS },
  );
});

test('CNP-20: the same with ClusterNetworkPolicies in both tiers', { timeout: 60_000 + RUNS * 200 }, () => {
  fc.assert(
    fc.property(clusterPolicyScenarioArb, flowsArb, ({ initial, changes }, flows) => {
      runScenario([initial, ...splitInto(changes, STRETCHES)], flows);
    }),
    { numRuns: RUNS },
  );
});

test('NP-4: the order in which a cluster came about has no say', { timeout: 60_000 + RUNS * 200 }, () => {
  const shuffled = scenarioArb.chain(({ initial }) => {
    const changes = [...lastWordOnly(initial)];
    return fc.shuffledSubarray(changes, { minLength: changes.length });
  });
  fc.assert(
    fc.property(shuffled, flowsArb, (changes, flows) => runScenario([changes], flows)),
    { numRuns: Math.ceil(RUNS / 4) },
  );
});

/** The last change of each object: what is left can be put in any order. */
function lastWordOnly(changes: readonly ClusterChange[]): readonly ClusterChange[] {
  return [...new Map(changes.map((change) => [subjectOf(change), change])).values()];
}

function subjectOf(change: ClusterChange): string {
  if (change.op === 'delete') return `${change.kind} ${change.kind === 'LocalEndpoint' ? change.id : change.key}`;
  if (change.kind === 'NodeAddresses') return change.kind;
  if (change.kind === 'LocalEndpoint') return `${change.kind} ${change.object.id}`;
  const namespaced = change.kind === 'Pod' || change.kind === 'NetworkPolicy';
  return `${change.kind} ${namespaced ? `${change.object.namespace}/` : ''}${change.object.name}`;
}
