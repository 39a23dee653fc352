/** The matrix against the oracle: what it says of two ends is what holds for every pair of their pods. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseAddress } from '../../../src/net/address.ts';
import { DryRun } from '../../../src/policy/dry-run.ts';
import { buildMatrix, type Matrix } from '../../../src/policy/matrix.ts';
import type { ClusterChange, Pod } from '../../../src/policy/model.ts';
import { evaluateFlow, type OracleCluster } from '../../../src/policy/oracle.ts';
import { knownAddresses, outsideCells } from '../../../src/policy/outside.ts';
import { isSubject, podKey } from '../../../src/policy/pod-kind.ts';
import { placeOf, PORTLESS_PLACE, PortSets } from '../../../src/policy/port-set.ts';
import {
  block,
  makeNamespace,
  makePod,
  makePolicy,
  namedPort,
  pods,
  port,
  rule,
  selector,
  set,
} from '../../support/policy-builders.ts';
import { matrixClusterArb, wholeCluster } from './matrix-cluster.ts';

const RUNS = Number(process.env['SLUICE_PROPERTY_RUNS'] ?? 60);
const PORTS = [0, 79, 80, 81, 443, 8080, 65535];
const PLACES = [
  ...PORTS.flatMap((number) =>
    (['TCP', 'UDP'] as const).map((protocol) => ({
      protocol,
      port: number,
      place: placeOf(protocol === 'TCP' ? 0 : 1, number),
    })),
  ),
  { protocol: 47, port: 0, place: PORTLESS_PLACE },
] as const;

function passes(
  cluster: OracleCluster,
  source: string,
  destination: string,
  { protocol, port: number }: (typeof PLACES)[number],
): boolean {
  const { egress, ingress } = evaluateFlow(cluster, { source, destination, protocol, destinationPort: number });
  return egress !== 'deny' && ingress !== 'deny';
}

function sameFamily(a: string, b: string): boolean {
  return parseAddress(a)?.family === parseAddress(b)?.family;
}

test('every cell holds for all pairs of its pods, and what it says of some holds for one', { timeout: 120_000 }, () => {
  const inputs = fc.tuple(matrixClusterArb, fc.constantFrom('pod' as const, 'namespace' as const));
  fc.assert(
    fc.property(inputs, ([changes, by]) => {
      const endOf = (key: string): string => (by === 'pod' ? key : key.split('/')[0]!);
      const matrix = buildMatrix({ changes, endOf, outside: false });
      const cluster = wholeCluster(changes);
      const members = (name: string): readonly Pod[] =>
        [...cluster.pods.values()].filter((pod) => isSubject(pod) && endOf(podKey(pod)) === name);
      for (const from of matrix.ends) {
        for (const to of matrix.ends) {
          const passage = matrix.passage(from, to);
          const pairs = members(from.name).flatMap((a) =>
            members(to.name).flatMap((b) =>
              a === b
                ? []
                : a.podIPs.flatMap((x) => b.podIPs.filter((y) => sameFamily(x, y)).map((y) => [x, y] as const)),
            ),
          );
          expect(passage === undefined).toBe(pairs.length === 0);
          if (passage === undefined) continue;
          for (const place of PLACES) {
            const verdicts = pairs.map(([source, destination]) => passes(cluster, source, destination, place));
            expect(matrix.sets.has(passage.always, place.place)).toBe(verdicts.every(Boolean));
            expect(matrix.sets.has(passage.sometimes, place.place)).toBe(verdicts.some(Boolean));
          }
        }
      }
    }),
    { numRuns: RUNS },
  );
});

test('an end outside answers as each of its addresses does', { timeout: 120_000 }, () => {
  fc.assert(
    fc.property(matrixClusterArb, (changes) => {
      const matrix = buildMatrix({ changes, endOf: (key) => key, outside: true });
      const cluster = wholeCluster(changes);
      const { result, reader } = new DryRun(changes);
      const cells = outsideCells([{ tables: result.tables, reader }], knownAddresses(changes));
      for (const { label, address } of cells) {
        const outside = matrix.ends.find(({ name, kind }) => kind === 'outside' && name === label);
        for (const end of matrix.ends) {
          const own = cluster.pods.get(end.name)?.podIPs.find((text) => sameFamily(text, address));
          if (end.kind === 'outside' || own === undefined || outside === undefined) continue;
          for (const place of PLACES) {
            for (const [from, to, source, destination] of [
              [outside, end, address, own],
              [end, outside, own, address],
            ] as const) {
              const passage = matrix.passage(from, to)!;
              const passed = passes(cluster, source, destination, place);
              if (matrix.sets.has(passage.always, place.place)) expect(passed).toBe(true);
              if (passed) expect(matrix.sets.has(passage.sometimes, place.place)).toBe(true);
            }
          }
        }
      }
    }),
    { numRuns: RUNS },
  );
});

describe('a small cluster', () => {
  const changes: readonly ClusterChange[] = [
    set.namespace(makeNamespace('shop')),
    ...['web-1', 'web-2'].map((name, i) =>
      set.pod(makePod(`shop/${name}`, { ip: `10.0.0.${i + 1}`, labels: { app: 'web' } })),
    ),
    set.pod(makePod('shop/db', { ip: '10.0.0.9', namedPorts: [namedPort('sql', 5432)] })),
    set.policy(
      makePolicy('shop/db', {
        subject: selector({ app: 'db' }),
        ingress: [rule([pods({ app: 'web' })], [port('sql')])],
      }),
    ),
    set.policy(
      makePolicy('shop/web', {
        subject: selector({ app: 'web' }),
        egress: [rule([block('192.0.2.0/24', '192.0.2.9/32')], [port(443)]), rule([pods({ app: 'db' })])],
      }),
    ),
  ];
  const matrix: Matrix = buildMatrix({
    changes,
    endOf: (key) => (key.startsWith('shop/web') ? 'web' : key),
    outside: true,
  });
  const text = (from: string, to: string): string | undefined => {
    const [a, b] = [from, to].map((name) => matrix.ends.find((end) => end.name === name)!);
    const passage = matrix.passage(a!, b!);
    return passage && matrix.sets.text(passage.always);
  };

  test('has its pods, the internet and the blocks that policies name as ends', () => {
    expect(matrix.ends.map(({ name, pods: own }) => [name, own])).toEqual([
      ['shop/db', 1],
      ['web', 2],
      ['internet', 0],
      ['192.0.2.0/24 except 192.0.2.9', 0],
    ]);
  });

  test('says what passes in words', () => {
    expect(text('web', 'shop/db')).toBe('TCP 5432');
    expect(text('web', 'web')).toBe('nothing');
    expect(text('shop/db', 'web')).toBe('everything');
    expect(text('web', '192.0.2.0/24 except 192.0.2.9')).toBe('TCP 443');
    expect(text('web', 'internet')).toBe('nothing');
    expect(text('internet', 'shop/db')).toBe('nothing');
  });

  test('NP-85: says nothing of one pod and itself, nor of two ends outside', () => {
    expect(text('shop/db', 'shop/db')).toBeUndefined();
    expect(text('internet', '192.0.2.0/24 except 192.0.2.9')).toBeUndefined();
  });
});

test('sets of ports read as a person says them', () => {
  const sets = new PortSets();
  const all = (protocol: number): readonly number[] => [placeOf(protocol, 0), placeOf(protocol, 0) + 65536];
  expect(sets.text(sets.of([80, 81, 8000, 8010, placeOf(1, 53), placeOf(1, 54)]))).toBe('TCP 80, 8000-8009; UDP 53');
  expect(sets.text(sets.of(all(1)))).toBe('all UDP');
  expect(sets.text(sets.without(sets.of([0, PORTLESS_PLACE + 1]), sets.of([22, 23])))).toBe('everything but TCP 22');
  expect(sets.text(sets.both(sets.of([80, 90]), sets.of([90, 95])))).toBe('nothing');
});
