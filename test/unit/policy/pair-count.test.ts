/** All pairs counted at once against every pair asked for by itself. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseAddress, type Family } from '../../../src/net/address.ts';
import { evaluateFlow, type OracleCluster } from '../../../src/policy/oracle.ts';
import { countPairs } from '../../../src/policy/pair-count.ts';
import { isSubject } from '../../../src/policy/pod-kind.ts';
import { placeOf, PORTLESS_PLACE } from '../../../src/policy/port-set.ts';
import {
  makeNamespace,
  makePod,
  makePolicy,
  namedPort,
  namespaces,
  rule,
  selector,
  set,
} from '../../support/policy-builders.ts';
import { matrixClusterArb, wholeCluster } from './matrix-cluster.ts';

const RUNS = Number(process.env['SLUICE_PROPERTY_RUNS'] ?? 60);
const QUESTIONS = [
  { protocol: 'TCP', port: 80, place: placeOf(0, 80) },
  { protocol: 'UDP', port: 53, place: placeOf(1, 53) },
  { protocol: 'TCP', port: 8080, place: placeOf(0, 8080) },
  { protocol: 47, port: 0, place: PORTLESS_PLACE },
] as const;

/** The first address of each live pod that has one of the family. */
function addressesOf(cluster: OracleCluster, family: Family): readonly string[] {
  return [...cluster.pods.values()]
    .filter(isSubject)
    .flatMap(({ podIPs }) => podIPs.find((text) => parseAddress(text)?.family === family) ?? []);
}

test('the pairs that let a flow through are as many as the oracle finds one by one', { timeout: 120_000 }, () => {
  fc.assert(
    fc.property(matrixClusterArb, (changes) => {
      const { families, sets } = countPairs(changes);
      const cluster = wholeCluster(changes);
      for (const family of [4, 6] as const) {
        const addresses = addressesOf(cluster, family);
        const counted = families.find((each) => each.family === family);
        expect(counted?.pods ?? 0).toBe(addresses.length);
        const total = counted?.pairs.reduce((sum, { pairs }) => sum + pairs, 0) ?? 0;
        expect(total).toBe(addresses.length * Math.max(0, addresses.length - 1));
        for (const { protocol, port, place } of QUESTIONS) {
          let expected = 0;
          for (const source of addresses) {
            for (const destination of addresses) {
              if (source === destination) continue;
              const told = evaluateFlow(cluster, { source, destination, protocol, destinationPort: port });
              if (told.egress !== 'deny' && told.ingress !== 'deny') expected += 1;
            }
          }
          const found = (counted?.pairs ?? [])
            .filter(({ ports }) => sets.has(ports, place))
            .reduce((sum, { pairs }) => sum + pairs, 0);
          expect(found).toBe(expected);
        }
      }
    }),
    { numRuns: RUNS },
  );
});

test('replicas are counted, not compiled: labels and port names that no policy asks for make no kinds', () => {
  const labelsOf = (i: number): Record<string, string> => ({ app: i % 2 === 0 ? 'a' : 'b', 'pod-name': `p${i}` });
  const changes = [
    set.namespace(makeNamespace('x')),
    ...Array.from({ length: 10_000 }, (_, i) =>
      set.pod(
        makePod(`x/p${i}`, {
          ip: `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`,
          labels: labelsOf(i),
          namedPorts: [namedPort('http', 80 + i)],
        }),
      ),
    ),
    set.policy(
      makePolicy('x/only-a', { subject: selector({ app: 'a' }), ingress: [rule([namespaces({}, { app: 'a' })])] }),
    ),
  ];
  const { pods, kinds, families, sets } = countPairs(changes);
  expect({ pods, kinds }).toEqual({ pods: 10_000, kinds: 2 });
  expect(families[0]?.pairs.map(({ ports, pairs }) => [sets.text(ports), pairs])).toEqual([
    ['everything', 10_000 * 9_999 - 5_000 * 5_000],
    ['nothing', 5_000 * 5_000],
  ]);
});
