/**
 * One random cluster and what happens to it, judged four ways that must agree: by the oracle, by the tables of a compiler
 * that lived through the changes, by those of one that saw only the end, and by the loaded programs.
 */
import * as fc from 'fast-check';
import type { Arbitrary } from 'fast-check';
import { Compiler } from '../../src/policy/compiler.ts';
import type { ClusterChange } from '../../src/policy/model.ts';
import {
  changeCluster,
  emptyCluster,
  evaluateFlow,
  type FlowEvaluation,
  type OracleCluster,
  type OracleFlow,
} from '../../src/policy/oracle.ts';
import { type Direction, TableReader } from '../../src/policy/simulate.ts';
import {
  clusterPolicyScenarioArb,
  type FlowSeed,
  flowOf,
  flowSeedArb,
  flowSpace,
  LOCAL_NODE,
  scenarioArb,
} from './generators.ts';
import type { PolicyPrograms } from './policy-programs.ts';

export interface TrialInput {
  readonly initial: readonly ClusterChange[];
  readonly changes: readonly ClusterChange[];
  /** Of the flows: they are not part of what is shrunk, the failure names the one that shows it. */
  readonly flowSeed: number;
}

export interface TrialCounts {
  clusters: number;
  /** Flows judged by the programs, and by everything else besides. */
  flows: number;
  denied: number;
  /** Judged at both ends at once. */
  local: number;
  ipv6: number;
  clusterPolicies: number;
}

export const NO_TRIALS: TrialCounts = { clusters: 0, flows: 0, denied: 0, local: 0, ipv6: 0, clusterPolicies: 0 };

/** Stretches of changes after the beginning; the flows are spread over them. */
const STRETCHES = 2;
const FLOWS = 180;
const PORTLESS = new Set<OracleFlow['protocol']>([47]);
const IANA = { TCP: 6, UDP: 17, SCTP: 132, ICMP: 1, ICMPv6: 58 } as const;

/** Two in three clusters have ClusterNetworkPolicies. */
export const trialArb: Arbitrary<TrialInput> = fc
  .record({
    scenario: fc.oneof({ weight: 1, arbitrary: scenarioArb }, { weight: 2, arbitrary: clusterPolicyScenarioArb }),
    flowSeed: fc.noShrink(fc.nat(2 ** 31 - 1)),
  })
  .map(({ scenario, flowSeed }) => ({ ...scenario, flowSeed }));

/** @throws Error that tells the flow and who says what. */
export async function runTrial(programs: PolicyPrograms, input: TrialInput, counts: TrialCounts): Promise<void> {
  const compiler = new Compiler({ node: LOCAL_NODE });
  let cluster = emptyCluster(LOCAL_NODE);
  const stretches = [input.initial, ...splitInto(input.changes, STRETCHES)];
  const seeds = fc.sample(flowSeedArb, { seed: input.flowSeed, numRuns: FLOWS });
  const perStretch = splitInto(seeds, stretches.length);
  await programs.clear();
  for (const [i, changes] of stretches.entries()) {
    for (const change of changes) {
      compiler.update(change);
      cluster = changeCluster(cluster, change);
    }
    const { tables, retired } = compiler.compile();
    await programs.apply(tables, cluster.endpoints);
    compiler.release(retired);
    const flows = flowsFor(cluster, perStretch[i] ?? []);
    expectAgreement(programs, cluster, { lived: new TableReader(tables), fresh: fromScratch(stretches, i) }, flows);
    count(cluster, flows, counts);
  }
  counts.clusters += 1;
  if (cluster.clusterPolicies.size > 0) counts.clusterPolicies += 1;
}

interface Readers {
  readonly lived: TableReader;
  readonly fresh: TableReader;
}

function fromScratch(stretches: readonly (readonly ClusterChange[])[], last: number): TableReader {
  const compiler = new Compiler({ node: LOCAL_NODE });
  for (const change of stretches.slice(0, last + 1).flat()) compiler.update(change);
  return new TableReader(compiler.compile().tables);
}

/**
 * Those that some local end judges. What the programs decide before any policy is left out: a pod and itself (NP-85),
 * addresses that are nobody's, and the second flow without ports between two ends, which is the first one's answer.
 */
function flowsFor(cluster: OracleCluster, seeds: readonly FlowSeed[]): readonly OracleFlow[] {
  const space = flowSpace(cluster);
  const local = new Set([...cluster.endpoints.values()].flatMap(({ addresses }) => addresses));
  const portless = new Set<string>();
  return seeds
    .map((seed) => flowOf(space, seed))
    .filter(({ source, destination, protocol }) => {
      if (source === destination || isNobodys(source) || isNobodys(destination)) return false;
      if (!local.has(source) && !local.has(destination)) return false;
      if (isForeignIcmp(source, protocol)) return false;
      if (!PORTLESS.has(protocol)) return true;
      const pair = [source, destination].sort().join(' ');
      const isFirst = !portless.has(pair);
      portless.add(pair);
      return isFirst;
    });
}

/** Unspecified, broadcast, multicast, loopback: no unicast packet has them. */
function isNobodys(address: string): boolean {
  if (address.includes(':')) return address === '::' || address === '::1' || address.startsWith('ff');
  const first = Number(address.slice(0, address.indexOf('.')));
  return first === 0 || first === 127 || first >= 224;
}

/** ICMPv6 in IPv4 and the other way round: no ICMP of its family. */
function isForeignIcmp(source: string, protocol: OracleFlow['protocol']): boolean {
  return protocol === (source.includes(':') ? 'ICMP' : 'ICMPv6');
}

function expectAgreement(
  programs: PolicyPrograms,
  cluster: OracleCluster,
  readers: Readers,
  flows: readonly OracleFlow[],
): void {
  const owners = new Map<string, number>();
  for (const { id, addresses } of cluster.endpoints.values()) for (const address of addresses) owners.set(address, id);
  const dropsBefore = programs.policyDrops();
  const judged = programs.judge(flows);
  let denials = 0;
  for (const [i, flow] of flows.entries()) {
    const told = evaluateFlow(cluster, flow);
    for (const direction of ['egress', 'ingress'] as const) {
      const [own, peer] = direction === 'egress' ? [flow.source, flow.destination] : [flow.destination, flow.source];
      const id = owners.get(own);
      if (id === undefined) continue;
      const answers = { policies: told[direction], ...tablesAt(readers, id, direction, peer, flow) };
      if (new Set(Object.values(answers)).size > 1) throw disagreement(flow, direction, answers);
    }
    const found = judged[i]!;
    const expected = expectedOf(told, owners, flow);
    if (found.verdict !== expected)
      throw disagreement(flow, found.hook, { policies: expected, programs: found.verdict });
    if (expected === 'deny') denials += 1;
  }
  const drops = programs.policyDrops() - dropsBefore;
  if (drops !== denials) throw new Error(`${denials} flows are denied, but the programs dropped ${drops} for policy`);
}

function tablesAt(
  { lived, fresh }: Readers,
  endpoint: number,
  direction: Direction,
  peer: string,
  { protocol, destinationPort }: OracleFlow,
): Record<'tables' | 'fromScratch', string | undefined> {
  const number = typeof protocol === 'number' ? protocol : IANA[protocol];
  return {
    tables: lived.judge(endpoint, direction, peer, number, destinationPort),
    fromScratch: fresh.judge(endpoint, direction, peer, number, destinationPort),
  };
}

/** Both ends where both are local (NP-3). */
function expectedOf(
  { egress, ingress }: FlowEvaluation,
  owners: ReadonlyMap<string, number>,
  { source, destination }: OracleFlow,
): 'allow' | 'deny' {
  const isDenied = (owners.has(source) && egress === 'deny') || (owners.has(destination) && ingress === 'deny');
  return isDenied ? 'deny' : 'allow';
}

function disagreement(flow: OracleFlow, where: string, answers: Readonly<Record<string, unknown>>): Error {
  return new Error(`${JSON.stringify(flow)} at ${where}: ${JSON.stringify(answers)}`);
}

function count(cluster: OracleCluster, flows: readonly OracleFlow[], counts: TrialCounts): void {
  const local = new Set([...cluster.endpoints.values()].flatMap(({ addresses }) => addresses));
  for (const flow of flows) {
    const { egress, ingress } = evaluateFlow(cluster, flow);
    counts.flows += 1;
    if (egress === 'deny' || ingress === 'deny') counts.denied += 1;
    if (local.has(flow.source) && local.has(flow.destination)) counts.local += 1;
    if (flow.source.includes(':')) counts.ipv6 += 1;
  }
}

function splitInto<T>(list: readonly T[], parts: number): readonly (readonly T[])[] {
  const size = Math.ceil(list.length / parts);
  return Array.from({ length: parts }, (_, i) => list.slice(i * size, (i + 1) * size));
}
