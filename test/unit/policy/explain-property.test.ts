/**
 * Explanations against the oracle: whatever the cluster, what an explanation says decided is what decides. The verdict is
 * the compiler's; the rules that allow, the near miss and the policies are found by reading the objects.
 */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { answerFlows, judgeFlow } from '../../../src/policy/answer.ts';
import { parseAddress } from '../../../src/net/address.ts';
import { addressNumber, formatNumber, rangeOfCidr } from '../../../src/policy/address-range.ts';
import { DryRun } from '../../../src/policy/dry-run.ts';
import { podCells, rangeCells } from '../../../src/policy/flow-cells.ts';
import type { ClusterChange } from '../../../src/policy/model.ts';
import { changeCluster, emptyCluster, evaluateFlow, type OracleCluster } from '../../../src/policy/oracle.ts';
import { clusterPolicyScenarioArb, flowOf, flowSeedArb, flowSpace, scenarioArb } from '../../support/generators.ts';

const RUNS = Number(process.env['SLUICE_PROPERTY_RUNS'] ?? 150);
const FLOWS = 40;
const NAMED: ReadonlySet<string> = new Set(['TCP', 'UDP', 'SCTP', 'ICMP', 'ICMPv6']);

/** The objects as a dry run takes them: no endpoints but those that it makes of the pods, and no duplicate addresses. */
function objectsOf(initial: readonly ClusterChange[]): readonly ClusterChange[] {
  const taken = new Set<string>();
  return initial.flatMap((change): readonly ClusterChange[] => {
    if (change.kind === 'LocalEndpoint' || change.kind === 'NodeAddresses') return [];
    if (change.kind !== 'Pod' || change.op !== 'set' || change.object.hostNetwork || change.object.terminal)
      return [change];
    const podIPs = change.object.podIPs.filter((address) => !taken.has(address));
    for (const address of podIPs) taken.add(address);
    return [{ ...change, object: { ...change.object, podIPs } }];
  });
}

/** The same cluster with every live pod as an endpoint. */
function oracleOf(dryRun: DryRun, changes: readonly ClusterChange[]): OracleCluster {
  let cluster = changes.reduce(changeCluster, emptyCluster(''));
  for (const [key, pod] of dryRun.pods) {
    const id = dryRun.endpointOf(key);
    if (id === undefined) continue;
    const object = { id, namespace: pod.namespace, name: pod.name, uid: pod.uid, addresses: pod.podIPs };
    cluster = changeCluster(cluster, { kind: 'LocalEndpoint', op: 'set', object });
  }
  return cluster;
}

const clusterArb = fc.oneof(scenarioArb, clusterPolicyScenarioArb).map(({ initial }) => objectsOf(initial));

test('verdict, policies and rules of an explanation are those of the oracle', { timeout: 120_000 }, () => {
  const seeds = fc.array(flowSeedArb, { minLength: FLOWS, maxLength: FLOWS });
  fc.assert(
    fc.property(clusterArb, seeds, (changes, flowSeeds) => {
      const dryRun = new DryRun(changes);
      const cluster = oracleOf(dryRun, changes);
      const space = flowSpace(cluster);
      for (const seed of flowSeeds) {
        const { source, destination, protocol, destinationPort } = flowOf(space, seed);
        if (typeof protocol === 'number' || !NAMED.has(protocol) || source === destination) continue;
        const flow = { source, destination, protocol, port: destinationPort };
        const judged = judgeFlow(dryRun, flow);
        if (judged.reason === 'own-node') continue;
        const told = evaluateFlow(cluster, { source, destination, protocol, destinationPort });
        for (const direction of ['egress', 'ingress'] as const) {
          const end = judged[direction];
          // A contested or unknown address is nobody's end; the oracle closes it, an explanation has nothing to say.
          if (end === undefined) continue;
          expect(end.verdict).toBe(told[direction]);
          const isolating = end.policies.filter((policy) => !policy.startsWith('cnp:'));
          expect(isolating).toEqual([...told[`${direction}Policies`]]);
          if (end.nearMiss !== undefined) {
            expect(end.verdict).toBe('deny');
            expect(end.nearMiss.failures.length).toBeGreaterThan(0);
          }
          const decision = told[`${direction}Decision`];
          if (decision?.stage === 'Admin' || decision?.stage === 'Baseline') {
            expect(end).toMatchObject({ reason: 'cluster-rule', allowedBy: [] });
            expect(end.clusterRule).toMatchObject({ policy: decision.policy, index: decision.index });
            continue;
          }
          const allowedBy = end.allowedBy.map(({ policy, index }) => `${policy}[${index}]`);
          expect(allowedBy.sort()).toEqual(
            told[`${direction}Rules`].map(({ policy, index }) => `${policy}[${index}]`).sort(),
          );
          expect(end.reason).toBe(
            isolating.length === 0 ? 'not-isolated' : end.verdict === 'allow' ? 'rule' : 'no-rule',
          );
        }
      }
    }),
    { numRuns: RUNS },
  );
});

test(
  'pods answer alike whether all pods are compiled as endpoints or only those that are asked about',
  { timeout: 120_000 },
  () => {
    fc.assert(
      fc.property(clusterArb, fc.constantFrom(80, 81, 443), (changes, port) => {
        const whole = new DryRun(changes);
        for (const [from, source] of whole.pods) {
          for (const [to, destination] of whole.pods) {
            const [a, b] = [source.podIPs[0], destination.podIPs[0]];
            if (a === undefined || b === undefined || a.includes(':') !== b.includes(':')) continue;
            const part = new DryRun(changes, new Set([from, to]));
            const flow = { source: a, destination: b, protocol: 'TCP', port } as const;
            expect(judgeFlow(part, flow, { source, destination })).toEqual(
              judgeFlow(whole, flow, { source, destination }),
            );
          }
        }
      }),
      { numRuns: Math.ceil(RUNS / 3) },
    );
  },
);

test('one address of a cell answers for every other address in it', { timeout: 120_000 }, () => {
  const range = rangeOfCidr({ family: 4, bytes: Uint8Array.of(10, 0, 0, 0), length: 8 });
  const inputs = fc.tuple(
    clusterArb,
    fc.constantFrom(0, 80, 443, 8080),
    fc.array(fc.nat(0xffffff), { minLength: 20, maxLength: 20 }),
  );
  fc.assert(
    fc.property(inputs, ([changes, port, offsets]) => {
      const dryRun = new DryRun(changes);
      const pod = [...dryRun.pods].find(
        ([key, { podIPs }]) => dryRun.endpointOf(key) !== undefined && podIPs.some((ip) => !ip.includes(':')),
      );
      if (pod === undefined) return;
      const [key, subject] = pod;
      const cells = rangeCells(dryRun, [range]);
      for (const offset of offsets) {
        const address = formatNumber(4, range.first + BigInt(offset));
        const number = addressNumber(parseAddress(address)!);
        const cell = cells.find(
          (each) => each.range !== undefined && each.range.first <= number && each.range.last >= number,
        );
        const verdict = (text: string): unknown => dryRun.judge(key, 'egress', text, 'TCP', port);
        expect(verdict(address)).toBe(verdict(cell!.address));
        expect(dryRun.partyAt(address).kind).toBe(dryRun.partyAt(cell!.address).kind);
      }
      const answer = answerFlows(dryRun, podCells(subject), cells, () => ({ protocol: 'TCP', port }));
      expect('parts' in answer && answer.parts.length > 0).toBe(true);
    }),
    { numRuns: Math.ceil(RUNS / 3) },
  );
});
