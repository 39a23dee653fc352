/** What is open between two pods is what every single port is judged to be. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DryRun, type FlowProtocol } from '../../../src/policy/dry-run.ts';
import { podCells } from '../../../src/policy/flow-cells.ts';
import { judgeFlow } from '../../../src/policy/answer.ts';
import type { ClusterChange } from '../../../src/policy/model.ts';
import { openParts } from '../../../src/policy/open-ports.ts';
import { scenarioArb } from '../../support/generators.ts';
import { makeNamespace, makePod, makePolicy, pods, port, rule, selector, set } from '../../support/policy-builders.ts';

const RUNS = Number(process.env['SLUICE_PROPERTY_RUNS'] ?? 60);

function isOpen(ports: readonly string[], protocol: FlowProtocol, number: number): boolean {
  return ports.some((text) => {
    if (text === 'everything' || text === protocol) return true;
    const [name, range = ''] = text.split(' ');
    const [first, last = first] = range.split('-').map(Number);
    return name === protocol && first !== undefined && last !== undefined && first <= number && number <= last;
  });
}

test('every port is judged as it is listed', { timeout: 60_000 }, () => {
  const portArb = fc.oneof(fc.integer({ min: 1, max: 65535 }), fc.constantFrom(53, 79, 80, 81, 443, 8080));
  fc.assert(
    fc.property(scenarioArb, fc.array(portArb, { minLength: 10, maxLength: 10 }), ({ initial }, ports) => {
      const dryRun = new DryRun(initial.filter(({ kind }) => kind !== 'LocalEndpoint' && kind !== 'NodeAddresses'));
      const cells = [...dryRun.pods]
        .filter(([key]) => dryRun.endpointOf(key) !== undefined)
        .flatMap(([, pod]) => podCells(pod));
      for (const source of cells.slice(0, 4)) {
        for (const destination of cells.slice(0, 4)) {
          const [part] = openParts(dryRun, [source], [destination]);
          if (part === undefined) continue;
          for (const number of ports) {
            for (const protocol of ['TCP', 'UDP'] as const) {
              const flow = { source: source.address, destination: destination.address, protocol, port: number };
              const { verdict } = judgeFlow(dryRun, flow, { source: source.pod!, destination: destination.pod! });
              expect(isOpen(part.ports, protocol, number)).toBe(verdict === 'allow');
            }
          }
        }
      }
    }),
    { numRuns: RUNS },
  );
});

describe('what is listed', () => {
  const world = (...changes: readonly ClusterChange[]): readonly (readonly string[])[] => {
    const dryRun = new DryRun([
      set.namespace(makeNamespace('default')),
      set.pod(makePod('a', { ip: '10.1.0.1' })),
      set.pod(makePod('b', { ip: '10.1.0.2' })),
      ...changes,
    ]);
    const cells = (name: string): ReturnType<typeof podCells> => podCells(dryRun.pods.get(`default/${name}`)!);
    return openParts(dryRun, cells('a'), cells('b')).map(({ ports }) => ports);
  };
  const toB = (...rules: readonly ReturnType<typeof rule>[]): ClusterChange =>
    set.policy(makePolicy('p', { subject: selector({ app: 'b' }), ingress: rules }));

  test.each([
    ['without a policy everything', [], ['everything']],
    ['isolated and nothing allowed', [toB()], []],
    ['ports that meet are one range', [toB(rule([], [port(80, 'TCP', 85), port(86)]))], ['TCP 80-86']],
    ['NP-41: a whole protocol', [toB(rule([pods({ app: 'a' })], [port(undefined, 'UDP')]))], ['UDP']],
    ['NP-52: a rule without ports covers ICMP and the rest', [toB(rule([pods({ app: 'a' })]))], ['everything']],
  ] as const)('%s', (_, changes, ports) => {
    expect(world(...changes)).toEqual([ports]);
  });
});
