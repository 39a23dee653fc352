/** The diff against the oracle on both sides. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseAddress } from '../../../src/net/address.ts';
import { diffClusters, type PolicyDiff } from '../../../src/policy/diff.ts';
import type { ClusterChange, Protocol } from '../../../src/policy/model.ts';
import { evaluateFlow, type OracleCluster } from '../../../src/policy/oracle.ts';
import { placeOf } from '../../../src/policy/port-set.ts';
import { policyArb } from '../../support/generators.ts';
import { matrixClusterArb, wholeCluster } from './matrix-cluster.ts';

const RUNS = Number(process.env['SLUICE_PROPERTY_RUNS'] ?? 100);

/** The same cluster with some policies taken away and others put in. */
const sidesArb = fc
  .record({
    before: matrixClusterArb,
    dropped: fc.array(fc.boolean(), { maxLength: 8 }),
    added: fc.array(policyArb, { maxLength: 3 }),
  })
  .map(({ before, dropped, added }) => {
    let index = 0;
    const kept = before.filter(({ kind }) => kind !== 'NetworkPolicy' || dropped[index++] !== true);
    const after = [...kept, ...added.map((object): ClusterChange => ({ kind: 'NetworkPolicy', op: 'set', object }))];
    return { before, after };
  });

function passes(
  cluster: OracleCluster,
  source: string,
  destination: string,
  protocol: Protocol | 'ICMP' | 'ICMPv6',
  port: number,
): boolean {
  const { egress, ingress } = evaluateFlow(cluster, { source, destination, protocol, destinationPort: port });
  return egress !== 'deny' && ingress !== 'deny';
}

test('the witness of every group passes on the one side and not on the other', { timeout: 120_000 }, () => {
  fc.assert(
    fc.property(sidesArb, ({ before, after }) => {
      const sides = [wholeCluster(before), wholeCluster(after)];
      for (const { change, witness, ends } of diffClusters(before, after).groups) {
        const { source, destination, protocol, port } = witness;
        const told = sides.map((cluster, i) =>
          passes(cluster, source.addresses[i]!, destination.addresses[i]!, protocol, port),
        );
        expect(told).toEqual(change === 'allowed' ? [false, true] : [true, false]);
        expect(ends.length).toBeGreaterThan(0);
        expect(source.pod).not.toBe(destination.pod);
      }
    }),
    { numRuns: RUNS },
  );
});

test('a flow is in a group of the diff exactly when its verdict differs', { timeout: 120_000 }, () => {
  const flows = fc.array(
    fc.record({
      a: fc.nat(50),
      b: fc.nat(50),
      port: fc.constantFrom(0, 80, 81, 443, 8080),
      protocol: fc.constantFrom('TCP' as const, 'UDP' as const),
    }),
    { minLength: 30, maxLength: 30 },
  );
  fc.assert(
    fc.property(sidesArb, flows, ({ before, after }, seeds) => {
      const diff = diffClusters(before, after);
      const sides = [wholeCluster(before), wholeCluster(after)];
      for (const { a, b, port, protocol } of seeds) {
        const [source, destination] = [a, b].map((index) => diff.common[index % Math.max(1, diff.common.length)]);
        if (source === undefined || destination === undefined || source === destination) continue;
        const pairs = (sides[0]!.pods.get(source)?.podIPs ?? []).flatMap((x) =>
          (sides[0]!.pods.get(destination)?.podIPs ?? [])
            .filter((y) => parseAddress(x)?.family === parseAddress(y)?.family)
            .map((y) => [x, y] as const),
        );
        const changes = new Set(
          pairs.flatMap(([x, y]) => {
            const [was, is] = sides.map((cluster) => passes(cluster, x, y, protocol, port));
            return was === is ? [] : [is === true ? 'allowed' : 'denied'];
          }),
        );
        for (const change of ['allowed', 'denied'] as const) {
          expect(isCovered(diff, change, source, destination, placeOf(protocol === 'TCP' ? 0 : 1, port))).toBe(
            changes.has(change),
          );
        }
      }
    }),
    { numRuns: RUNS },
  );
});

test('nothing differs from itself, and the way back mirrors the way', { timeout: 120_000 }, () => {
  fc.assert(
    fc.property(sidesArb, ({ before, after }) => {
      expect(diffClusters(before, before).groups).toEqual([]);
      expect(summary(diffClusters(after, before))).toEqual(
        summary(diffClusters(before, after), { allowed: 'denied', denied: 'allowed' }),
      );
    }),
    { numRuns: RUNS },
  );
});

test('pods of one side only are listed and not judged', () => {
  fc.assert(
    fc.property(matrixClusterArb, (changes) => {
      const without = changes.filter(({ kind }) => kind !== 'Pod');
      const diff = diffClusters(changes, without);
      expect(diff).toMatchObject({ groups: [], common: [], onlyAfter: [] });
      expect(diff.onlyBefore.length).toBe(diffClusters(changes, changes).common.length);
    }),
    { numRuns: 20 },
  );
});

function isCovered(
  { groups, sets }: PolicyDiff,
  change: string,
  source: string,
  destination: string,
  place: number,
): boolean {
  return groups.some(
    (group) =>
      group.change === change &&
      sets.has(group.ports, place) &&
      group.sources.some(({ pods }) => pods.includes(source)) &&
      group.destinations.some(({ pods }) => pods.includes(destination)),
  );
}

/** Every pair of pods with its change and ports, whatever the groups. */
function summary({ groups, sets }: PolicyDiff, rename: Readonly<Record<string, string>> = {}): readonly string[] {
  return groups
    .flatMap(({ change, ports, sources, destinations }) =>
      sources.flatMap((a) =>
        destinations.flatMap((b) =>
          namesOf(a).flatMap((x) => namesOf(b).map((y) => `${rename[change] ?? change} ${x} ${y} ${sets.text(ports)}`)),
        ),
      ),
    )
    .sort();
}

function namesOf({ pods, label }: { readonly pods: readonly string[]; readonly label: string }): readonly string[] {
  return pods.length > 0 ? pods : [label];
}
