/** Whatever is thrown at the readers, they answer, within bounds, and nothing half-read passes for a policy. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { readNamespace, readNetworkPolicy, readNode, readPod } from '../../../src/policy/validate.ts';
import { LIST_ITEMS_MAX, OBJECT_ITEMS_MAX, PROBLEMS_MAX } from '../../../src/policy/validate-limits.ts';
import { rawPolicyArb } from '../../support/generators.ts';

const READERS = [readNamespace, readPod, readNode, readNetworkPolicy];
const metadata = { name: 'web' };
const policy = (spec: unknown): unknown => ({ metadata, spec });

/** Field names that mean something, with any JSON below. */
const FIELDS =
  'metadata name namespace labels spec status podSelector namespaceSelector ingress egress from to ports port endPort ' +
  'protocol policyTypes matchLabels matchExpressions key operator values ipBlock cidr except podIPs ip containers ' +
  'addresses podCIDRs __proto__';
const nearlyKubernetes = fc.object({
  key: fc.constantFrom(...FIELDS.split(' ')),
  values: [fc.string(), fc.integer(), fc.boolean(), fc.constant(null), fc.constantFrom('x', 'In', '10.0.0.0/8', 'TCP')],
  maxDepth: 6,
});

test('no input makes a reader throw, and an object comes with errors only when it is invalid', () => {
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), nearlyKubernetes, fc.anything()), (raw) => {
      for (const reader of READERS) expect(Array.isArray(reader(raw).problems)).toBe(true);
      const { object, problems } = readNetworkPolicy(raw);
      const failed = problems.some(({ severity }) => severity === 'error');
      if (object === undefined) expect(failed).toBe(true);
      else expect(object.invalid === true).toBe(failed);
      if (object?.invalid === true) expect([...object.ingress, ...object.egress]).toEqual([]);
    }),
    { numRuns: 2000 },
  );
});

test('every policy of the corner matrix is accepted, and reading it twice gives the same', () => {
  fc.assert(
    fc.property(rawPolicyArb, (raw) => {
      const { object, problems } = readNetworkPolicy(raw);
      expect(problems.filter(({ severity }) => severity === 'error')).toEqual([]);
      expect(readNetworkPolicy(JSON.parse(JSON.stringify(raw))).object).toEqual(object);
    }),
    { numRuns: 1000 },
  );
});

test('a list longer than the limit is refused as a whole', () => {
  const ports = Array.from({ length: LIST_ITEMS_MAX + 1 }, () => ({ port: 80 }));
  const { object, problems } = readNetworkPolicy(policy({ ingress: [{ ports }] }));
  expect(object?.invalid).toBe(true);
  expect(problems).toMatchObject([{ path: 'spec.ingress[0].ports', severity: 'error' }]);
});

test('lists that refer to one another are not multiplied out past the limit of an object', () => {
  const ports = Array.from({ length: 20_000 }, () => ({ port: 80 }));
  const ingress = Array.from({ length: 20_000 }, () => ({ ports }));
  const { object, problems } = readNetworkPolicy(policy({ ingress }));
  expect(object?.invalid).toBe(true);
  expect(problems[0]?.message).toContain(String(OBJECT_ITEMS_MAX));
  expect(problems.length).toBeLessThanOrEqual(PROBLEMS_MAX + 1);
});

test('of many problems the first are listed and the rest counted', () => {
  const { problems } = readNetworkPolicy(policy({ ingress: Array.from({ length: 1000 }, () => 0) }));
  expect(problems).toHaveLength(PROBLEMS_MAX + 1);
  expect(problems.at(-1)).toEqual({ path: '', message: '900 more problems are not listed', severity: 'error' });
});

test('long text is shortened in messages', () => {
  const long = 'a'.repeat(100_000);
  for (const spec of [{ [long]: 1 }, { podSelector: { matchLabels: { [long]: long } } }, { policyTypes: [long] }]) {
    for (const { path, message } of readNetworkPolicy(policy(spec)).problems) {
      expect(path.length).toBeLessThan(400);
      expect(message.length).toBeLessThan(400);
    }
  }
});

test('depth costs nothing: what is not read is not walked', () => {
  let deep: unknown = {};
  for (let i = 0; i < 100_000; i++) deep = { podSelector: deep, ingress: [deep] };
  expect(readNetworkPolicy(policy(deep)).object?.invalid).toBe(true);
});

test('a prototype brings no fields with it, and none gets one', () => {
  const inherited: unknown = Object.create({ metadata, spec: {} });
  expect(readNetworkPolicy(inherited).object).toBeUndefined();
  const { object, problems } = readPod(JSON.parse('{"metadata": {"name": "a", "labels": {"__proto__": "x"}}}'));
  expect(object).toBeUndefined();
  expect(problems).toMatchObject([{ path: 'metadata.labels["__proto__"]' }]);
  expect(Object.hasOwn(Object.prototype, 'x')).toBe(false);
});
