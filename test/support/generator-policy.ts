/**
 * Raw NetworkPolicy objects over the corner matrix: policyTypes, rules, peers and ports each absent, empty, of every
 * form. They are made raw so that what validation makes of absent and empty things is part of every property.
 */
import * as fc from 'fast-check';
import type { Arbitrary } from 'fast-check';
import type { NetworkPolicy } from '../../src/policy/model.ts';
import { readNetworkPolicy } from '../../src/policy/validate.ts';
import { containsCidr, parseCidr } from '../../src/net/cidr.ts';
import {
  GHOST_NAMESPACE,
  LABEL_VALUES,
  NAMESPACE_LABEL_KEYS,
  NAMESPACES,
  OTHER_BLOCKS,
  POD_BLOCKS,
  POD_LABEL_KEYS,
  POLICY_NAMES,
  PORT_NAMES,
  PORT_NUMBERS,
  PROTOCOLS,
  UNKNOWN_PORT_NAME,
} from './generator-alphabet.ts';

export type RawPolicy = Readonly<Record<string, unknown>>;

const NAME_LABEL = 'kubernetes.io/metadata.name';

function requirementArb(keys: readonly string[], values: readonly string[]): Arbitrary<object> {
  const key = fc.constantFrom(...keys);
  return fc.oneof(
    fc.record({
      key,
      operator: fc.constantFrom('In', 'NotIn'),
      values: fc.uniqueArray(fc.constantFrom(...values), { minLength: 1, maxLength: 2 }),
    }),
    fc.record({ key, operator: fc.constantFrom('Exists', 'DoesNotExist') }),
  );
}

function selectorArb(keys: readonly string[], values: readonly string[]): Arbitrary<object> {
  const matchLabels = fc.dictionary(fc.constantFrom(...keys), fc.constantFrom(...values), {
    maxKeys: 2,
    noNullPrototype: true,
  });
  const matchExpressions = fc.array(requirementArb(keys, values), { maxLength: 2 });
  return fc.oneof(fc.constant({}), fc.record({ matchLabels, matchExpressions }, { requiredKeys: [] }));
}

const podSelectorArb = selectorArb(POD_LABEL_KEYS, LABEL_VALUES);
const namespaceSelectorArb = fc.oneof(
  selectorArb(NAMESPACE_LABEL_KEYS, LABEL_VALUES),
  selectorArb([NAME_LABEL], NAMESPACES),
);

const BLOCKS = [...POD_BLOCKS, ...OTHER_BLOCKS];

function exceptsOf(cidr: string): readonly string[] {
  const outer = parseCidr(cidr);
  return BLOCKS.filter((text) => {
    const inner = parseCidr(text);
    return outer && inner && containsCidr(outer, inner) && inner.length > outer.length;
  });
}

const EXCEPTS = new Map(BLOCKS.map((cidr) => [cidr, exceptsOf(cidr)]));

const ipBlockArb: Arbitrary<object> = fc
  .record({ cidr: fc.constantFrom(...BLOCKS, ...POD_BLOCKS), picks: fc.array(fc.nat(BLOCKS.length), { maxLength: 3 }) })
  .map(({ cidr, picks }) => {
    const possible = EXCEPTS.get(cidr) ?? [];
    const except = possible.length === 0 ? [] : picks.map((pick) => possible[pick % possible.length]);
    return except.length === 0 ? { cidr } : { cidr, except };
  });

const peerArb: Arbitrary<object> = fc.oneof(
  fc.record({ podSelector: podSelectorArb }),
  fc.record({ namespaceSelector: namespaceSelectorArb }),
  fc.record({ podSelector: podSelectorArb, namespaceSelector: namespaceSelectorArb }),
  { weight: 2, arbitrary: fc.record({ ipBlock: ipBlockArb }) },
);

const portNumberArb = fc.constantFrom(...PORT_NUMBERS);
const rangeArb = fc
  .record({ one: portNumberArb, other: portNumberArb })
  .map(({ one, other }) => ({ port: Math.min(one, other), endPort: Math.max(one, other) }));
const portArb: Arbitrary<object> = fc
  .record({
    protocol: fc.option(fc.constantFrom(...PROTOCOLS), { nil: undefined, freq: 2 }),
    where: fc.oneof(
      fc.constant({}),
      fc.record({ port: portNumberArb }),
      { weight: 2, arbitrary: fc.record({ port: fc.constantFrom(...PORT_NAMES, ...PORT_NAMES, UNKNOWN_PORT_NAME) }) },
      rangeArb,
    ),
  })
  .map(({ protocol, where }) => (protocol === undefined ? where : { protocol, ...where }));

function ruleArb(peersField: 'from' | 'to'): Arbitrary<object> {
  const peers = fc.array(peerArb, { maxLength: 3 });
  const ports = fc.array(portArb, { maxLength: 2 });
  return fc.record({ [peersField]: peers, ports }, { requiredKeys: [] });
}

function rulesArb(peersField: 'from' | 'to'): Arbitrary<readonly object[]> {
  return fc.oneof(
    { weight: 1, arbitrary: fc.constant([]) },
    { weight: 1, arbitrary: fc.constant([{}]) },
    { weight: 4, arbitrary: fc.array(ruleArb(peersField), { minLength: 1, maxLength: 3 }) },
  );
}

const policyTypesArb = fc.constantFrom(
  ['Ingress'],
  ['Egress'],
  ['Ingress', 'Egress'],
  ['Egress', 'Ingress'],
  ['Ingress', 'Ingress'],
);

const specArb: Arbitrary<object> = fc.record(
  {
    podSelector: fc.oneof(fc.constant({}), podSelectorArb),
    policyTypes: policyTypesArb,
    ingress: rulesArb('from'),
    egress: rulesArb('to'),
  },
  { requiredKeys: [] },
);

/** Valid by the API server's rules. */
export const rawPolicyArb: Arbitrary<RawPolicy> = fc.record({
  apiVersion: fc.constant('networking.k8s.io/v1'),
  kind: fc.constant('NetworkPolicy'),
  metadata: fc.record({
    namespace: fc.constantFrom('x', 'x', 'y', ...NAMESPACES, GHOST_NAMESPACE),
    name: fc.constantFrom(...POLICY_NAMES),
  }),
  spec: specArb,
});

/** As validation reads it; one in twenty is invalid and only isolates. */
export const policyArb: Arbitrary<NetworkPolicy> = fc
  .record({ raw: rawPolicyArb, broken: fc.nat(19).map((n) => n === 0) })
  .map(({ raw, broken }) => {
    const spec = broken ? { ...(raw['spec'] as object), ingress: [{ from: [{}] }] } : raw['spec'];
    const { object, problems } = readNetworkPolicy({ ...raw, spec });
    if (object === undefined)
      throw new Error(`the generator made a policy without a name: ${JSON.stringify(problems)}`);
    return object;
  });
