/** Changes told one by one come to the same tables as tables made whole each time. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Compiler } from '../../src/policy/compiler.ts';
import { applyDelta } from '../../src/policy/table-delta.ts';
import { LOCAL_NODE, clusterPolicyScenarioArb, scenarioArb } from '../support/generators.ts';

const RUNS = Number(process.env['SLUICE_PROPERTY_RUNS'] ?? 100);

/** After each change, or the first few together: whether to compile, and whether to release what is retired by then. */
const stepsArb = fc.array(fc.record({ compile: fc.boolean(), whole: fc.nat(5), release: fc.boolean() }), {
  minLength: 13,
  maxLength: 13,
});

describe.each([
  { what: 'NetworkPolicies', scenarios: scenarioArb },
  { what: 'ClusterNetworkPolicies too', scenarios: clusterPolicyScenarioArb },
])('with $what', ({ scenarios }) => {
  test(
    'tables brought up to date by deltas are those of a compiler that makes them whole',
    { timeout: 120_000 },
    () => {
      fc.assert(
        fc.property(scenarios, stepsArb, ({ initial, changes }, steps) => {
          const whole = new Compiler({ node: LOCAL_NODE });
          const partial = new Compiler({ node: LOCAL_NODE });
          for (const change of initial) for (const compiler of [whole, partial]) compiler.update(change);
          let { tables } = partial.compile();
          whole.compile();
          for (const [i, change] of changes.entries()) {
            for (const compiler of [whole, partial]) compiler.update(change);
            const step = steps[i];
            if (step?.compile !== true) continue;
            const expected = whole.compile();
            if (step.whole === 0) {
              ({ tables } = partial.compile());
            } else {
              const { delta, problems, retired } = partial.compileDelta();
              tables = applyDelta(tables, delta);
              expect(problems).toEqual(expected.problems);
              expect(retired).toEqual(expected.retired);
            }
            expect(tables).toEqual(expected.tables);
            if (step.release) for (const compiler of [whole, partial]) compiler.release(expected.retired);
          }
        }),
        { numRuns: RUNS },
      );
    },
  );

  test('a compile after which nothing changed is an empty delta', { timeout: 120_000 }, () => {
    fc.assert(
      fc.property(scenarios, ({ initial }) => {
        const compiler = new Compiler({ node: LOCAL_NODE });
        for (const change of initial) compiler.update(change);
        compiler.compile();
        for (const change of initial.slice(-1)) compiler.update(change);
        const { delta } = compiler.compileDelta();
        const { addresses, prefixes, ports, ruleSets, endpoints, goneEndpoints } = delta;
        const parts = [addresses.classes, prefixes.classes, ruleSets, endpoints.id, goneEndpoints];
        expect(parts.map(({ length }) => length)).toEqual([0, 0, 0, 0, 0]);
        expect(ports).toBeUndefined();
      }),
      { numRuns: RUNS },
    );
  });
});
