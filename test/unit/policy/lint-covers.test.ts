/** What lint calls redundant can be removed: no verdict changes, whatever the cluster. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { portsCover, selectorCovers } from '../../../src/policy/covers.ts';
import { DryRun } from '../../../src/policy/dry-run.ts';
import { lintPolicies } from '../../../src/policy/lint.ts';
import type {
  ClusterChange,
  LabelSelector,
  LabelSelectorRequirement,
  NetworkPolicy,
} from '../../../src/policy/model.ts';
import { evaluateFlow, changeCluster, emptyCluster, type OracleCluster } from '../../../src/policy/oracle.ts';
import { compileSelector } from '../../../src/policy/selector.ts';
import { flowOf, flowSeedArb, flowSpace, scenarioArb } from '../../support/generators.ts';
import { bareNamespace } from '../../../src/policy/validate.ts';
import { port } from '../../support/policy-builders.ts';

const RUNS = Number(process.env['SLUICE_PROPERTY_RUNS'] ?? 200);

const requirementArb: fc.Arbitrary<LabelSelectorRequirement> = fc
  .record({
    key: fc.constantFrom('a', 'b'),
    operator: fc.constantFrom('In' as const, 'NotIn' as const, 'Exists' as const, 'DoesNotExist' as const),
    values: fc.uniqueArray(fc.constantFrom('x', 'y', 'z'), { minLength: 1, maxLength: 2 }),
  })
  .map(({ key, operator, values }) => ({
    key,
    operator,
    values: operator === 'In' || operator === 'NotIn' ? values : [],
  }));
const selectorArb: fc.Arbitrary<LabelSelector> = fc.record({
  matchLabels: fc.dictionary(fc.constantFrom('a', 'b'), fc.constantFrom('x', 'y'), { maxKeys: 2 }),
  matchExpressions: fc.array(requirementArb, { maxLength: 2 }),
});
const EVERY_LABELS = [undefined, 'x', 'y', 'z', ''].flatMap((a) =>
  [undefined, 'x', 'y', 'z', ''].map((b) => ({ ...(a !== undefined && { a }), ...(b !== undefined && { b }) })),
);

test('a selector that covers another selects at least the same', () => {
  let covered = 0;
  fc.assert(
    fc.property(selectorArb, selectorArb, (wide, narrow) => {
      if (!selectorCovers(wide, narrow)) return;
      covered += 1;
      const [outer, inner] = [compileSelector(wide), compileSelector(narrow)];
      for (const labels of EVERY_LABELS) if (inner.matches(labels)) expect(outer.matches(labels)).toBe(true);
    }),
    { numRuns: 2_000 },
  );
  expect(covered).toBeGreaterThan(100);
});

test('ranges of ports add up', () => {
  const covers = (wide: Parameters<typeof portsCover>[0], narrow: typeof wide): boolean =>
    portsCover(wide, narrow, 'Ingress', undefined);
  expect(covers([port(80, 'TCP', 85), port(86, 'TCP', 90)], [port(84, 'TCP', 88)])).toBe(true);
  expect(covers([port(80, 'TCP', 85), port(87, 'TCP', 90)], [port(84, 'TCP', 88)])).toBe(false);
  expect(covers([port()], [port('http')])).toBe(true);
  expect(covers([port(1, 'TCP', 1024)], [port('http')])).toBe(false);
});

test('without the rules that lint calls redundant every verdict is the same', { timeout: 120_000 }, () => {
  let removed = 0;
  const seeds = fc.array(flowSeedArb, { minLength: 60, maxLength: 60 });
  fc.assert(
    fc.property(scenarioArb, seeds, ({ initial }, flowSeeds) => {
      const doubled = [...everyNamespace(initial), ...initial.flatMap(withCopies)];
      const cluster = doubled.reduce(changeCluster, emptyCluster('node-1'));
      const findings = lintPolicies({
        dryRun: new DryRun(withoutEndpoints(doubled)),
        raw: () => undefined,
        isMadeUp: () => false,
        services: [],
      });
      const redundant = new Set(
        findings.filter(({ id }) => id === 'SL020').map(({ policy, path }) => `${policy} ${path}`),
      );
      removed += redundant.size;
      if (redundant.size === 0) return;
      const lean: OracleCluster = {
        ...cluster,
        policies: new Map([...cluster.policies].map(([key, policy]) => [key, withoutRules(policy, redundant)])),
      };
      const space = flowSpace(cluster);
      for (const seed of flowSeeds) {
        const flow = flowOf(space, seed);
        const [before, after] = [evaluateFlow(cluster, flow), evaluateFlow(lean, flow)];
        expect([after.egress, after.ingress]).toEqual([before.egress, before.ingress]);
      }
    }),
    { numRuns: RUNS },
  );
  expect(removed).toBeGreaterThan(RUNS / 10);
});

/** A pod without its namespace can be seen for a moment, not for good: lint counts on the namespace (NP-25). */
function everyNamespace(changes: readonly ClusterChange[]): readonly ClusterChange[] {
  return changes.flatMap((change) =>
    change.kind === 'Pod' && change.op === 'set'
      ? [{ kind: 'Namespace', op: 'set', object: bareNamespace(change.object.namespace) } as const]
      : [],
  );
}

/** Rules of one policy in another as well: random rules seldom cover one another. */
function withCopies(change: ClusterChange): readonly ClusterChange[] {
  if (change.kind !== 'NetworkPolicy' || change.op !== 'set') return [change];
  const { object } = change;
  return [
    change,
    {
      ...change,
      object: {
        ...object,
        name: `${object.name}-copy`,
        ingress: object.ingress.slice(1),
        egress: object.egress.slice(0, 1),
      },
    },
  ];
}

function withoutEndpoints(changes: readonly ClusterChange[]): readonly ClusterChange[] {
  return changes.filter(({ kind }) => kind !== 'LocalEndpoint' && kind !== 'NodeAddresses');
}

function withoutRules(policy: NetworkPolicy, redundant: ReadonlySet<string>): NetworkPolicy {
  const key = `${policy.namespace}/${policy.name}`;
  return {
    ...policy,
    ingress: policy.ingress.filter((_, i) => !redundant.has(`${key} spec.ingress[${i}]`)),
    egress: policy.egress.filter((_, i) => !redundant.has(`${key} spec.egress[${i}]`)),
  };
}
