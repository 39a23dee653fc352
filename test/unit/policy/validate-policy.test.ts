import { describe, expect, test } from 'vitest';
import { type Problem, readNetworkPolicy } from '../../../src/policy/validate.ts';

const metadata = { namespace: 'shop', name: 'web' };
const nothing = { matchLabels: {}, matchExpressions: [] };

function read(spec: unknown): ReturnType<typeof readNetworkPolicy> {
  return readNetworkPolicy({ apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata, spec });
}

function errors(spec: unknown): readonly string[] {
  return listed(read(spec).problems, 'error');
}

function warnings(spec: unknown): readonly string[] {
  return listed(read(spec).problems, 'warning');
}

function listed(problems: readonly Problem[], severity: Problem['severity']): readonly string[] {
  return problems
    .filter((problem) => problem.severity === severity)
    .map(({ path, message, hint }) => `${path}: ${message}${hint === undefined ? '' : ` (${hint})`}`);
}

const oneRule = (rule: object): object => ({ podSelector: {}, ingress: [rule] });

describe('the object', () => {
  test('a whole policy is read into its slim form', () => {
    const { object, problems } = read({
      podSelector: { matchLabels: { app: 'web' } },
      policyTypes: ['Ingress', 'Egress'],
      ingress: [
        {
          from: [{ podSelector: {}, namespaceSelector: { matchLabels: { team: '' } } }],
          ports: [{ port: 80 }, { protocol: 'UDP', port: 'dns' }, { port: 8000, endPort: 9000 }],
        },
      ],
      egress: [{ to: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } }] }],
    });
    expect(problems).toEqual([]);
    expect(object).toEqual({
      namespace: 'shop',
      name: 'web',
      podSelector: { matchLabels: { app: 'web' }, matchExpressions: [] },
      policyTypes: ['Egress', 'Ingress'],
      ingress: [
        {
          peers: [{ podSelector: nothing, namespaceSelector: { matchLabels: { team: '' }, matchExpressions: [] } }],
          ports: [
            { protocol: 'TCP', port: 80 },
            { protocol: 'UDP', port: 'dns' },
            { protocol: 'TCP', port: 8000, endPort: 9000 },
          ],
        },
      ],
      egress: [{ peers: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } }], ports: [] }],
    });
  });

  test.each([
    [{}, ['Ingress']],
    [{ egress: [] }, ['Ingress']],
    [{ egress: [{}] }, ['Egress', 'Ingress']],
    [{ policyTypes: [] }, ['Ingress']],
    [{ policyTypes: null, egress: null }, ['Ingress']],
    [{ policyTypes: ['Egress'] }, ['Egress']],
    [{ policyTypes: ['Ingress'], egress: [{}] }, ['Ingress']],
    [{ policyTypes: ['Ingress', 'Ingress'] }, ['Ingress']],
  ])('NP-5, NP-6, NP-7: the effective types of %j are %j', (spec, types) => {
    const { object } = read(spec);
    expect(object?.policyTypes).toEqual(types);
    expect(object?.invalid).toBeUndefined();
  });

  test('NP-6: rules of a direction that is not in effect are dropped, with a warning', () => {
    const spec = { policyTypes: ['Ingress'], egress: [{}] };
    expect(read(spec).object?.egress).toEqual([]);
    expect(warnings(spec)).toEqual([
      'spec.egress: has no effect: Egress is not among the policyTypes, so this policy does not isolate egress (add Egress to policyTypes, or remove egress)',
    ]);
  });

  test('NP-9, NP-11: absent, null and empty lists are the same', () => {
    for (const rule of [{}, { from: [], ports: [] }, { from: null, ports: null }]) {
      expect(read(oneRule(rule)).object?.ingress).toEqual([{ peers: [], ports: [] }]);
    }
    for (const spec of [{}, { ingress: [] }, { ingress: null }]) expect(read(spec).object?.ingress).toEqual([]);
  });

  test('no namespace is the namespace default', () => {
    expect(readNetworkPolicy({ metadata: { name: 'web' }, spec: {} }).object?.namespace).toBe('default');
  });

  test('a policy without spec closes its namespace, and says so', () => {
    const { object, problems } = readNetworkPolicy({ metadata });
    expect(object).toMatchObject({ podSelector: nothing, policyTypes: ['Ingress'], ingress: [] });
    expect(listed(problems, 'warning')).toHaveLength(1);
  });

  test.each([
    [null],
    ['text'],
    [[]],
    [{}],
    [{ metadata: {} }],
    [{ metadata: { name: 5 } }],
    [{ metadata: { name: 'web', namespace: 'a/b' } }],
    [{ kind: 'Pod', metadata }],
  ])('%j is no policy at all: no object, an error', (raw) => {
    const { object, problems } = readNetworkPolicy(raw);
    expect(object).toBeUndefined();
    expect(problems.some(({ severity }) => severity === 'error')).toBe(true);
  });
});

describe('a policy with an error isolates and allows nothing', () => {
  const bad = { ingress: [{}, { ports: [{ port: 0 }] }] };

  test('selector and types are kept where they can be read', () => {
    const { object } = read({ podSelector: { matchLabels: { app: 'web' } }, policyTypes: ['Ingress'], ...bad });
    expect(object).toEqual({
      namespace: 'shop',
      name: 'web',
      podSelector: { matchLabels: { app: 'web' }, matchExpressions: [] },
      policyTypes: ['Ingress'],
      ingress: [],
      egress: [],
      invalid: true,
    });
    expect(read(bad).object?.policyTypes).toEqual(['Ingress']);
  });

  test.each([
    [{ podSelectors: { matchLabels: { app: 'web' } }, policyTypes: ['Ingress'] }, ['Ingress']],
    [{ podSelector: { matchLabels: { app: 1 } }, policyTypes: ['Egress'] }, ['Egress']],
    [{ podSelector: { app: 'web' }, policyTypes: ['ingress'] }, ['Egress', 'Ingress']],
    [{ policyTypes: ['Ingress', 'Egress', 'Ingress'] }, ['Egress', 'Ingress']],
    [{ policyType: ['Ingress'] }, ['Egress', 'Ingress']],
    [{ egress: {} }, ['Egress', 'Ingress']],
    ['text', ['Egress', 'Ingress']],
  ])('%j selects the whole namespace, types %j', (spec, types) => {
    expect(read(spec).object).toMatchObject({ podSelector: nothing, policyTypes: types, invalid: true });
  });

  test('an unknown field beside spec may be a part of it: the whole namespace, both ways', () => {
    const { object, problems } = readNetworkPolicy({ metadata, spec: { podSelector: {} }, ingress: [] });
    expect(object).toMatchObject({ policyTypes: ['Egress', 'Ingress'], invalid: true });
    expect(listed(problems, 'error')).toEqual(['ingress: unknown field "ingress" (put it below spec)']);
  });

  test('a wrong annotation makes it invalid but takes nothing from the selector', () => {
    const spec = { podSelector: { matchLabels: { app: 'web' } } };
    const { object } = readNetworkPolicy({ metadata: { ...metadata, annotations: { a: 1 } }, spec });
    expect(object).toMatchObject({ podSelector: { matchLabels: { app: 'web' } }, invalid: true });
  });
});

describe('unknown fields', () => {
  test.each([
    [{ podSelectors: {} }, 'spec.podSelectors: unknown field "podSelectors" (did you mean "podSelector"?)'],
    [{ Ingress: [] }, 'spec.Ingress: unknown field "Ingress" (did you mean "ingress"?)'],
    [{ podSelector: { app: 'web' } }, 'spec.podSelector.app: unknown field "app" (labels go below matchLabels)'],
    [
      { podSelector: { matchLabel: { app: 'web' } } },
      'spec.podSelector.matchLabel: unknown field "matchLabel" (did you mean "matchLabels"?)',
    ],
    [oneRule({ to: [] }), 'spec.ingress[0].to: unknown field "to" (the peers of an ingress rule are called from)'],
    [
      { egress: [{ from: [] }] },
      'spec.egress[0].from: unknown field "from" (the peers of an egress rule are called to)',
    ],
    [
      oneRule({ podSelector: {} }),
      'spec.ingress[0].podSelector: unknown field "podSelector" (put it in a peer, below from)',
    ],
    [
      oneRule({ ports: [{ port: 1, endport: 2 }] }),
      'spec.ingress[0].ports[0].endport: unknown field "endport" (did you mean "endPort"?)',
    ],
    [{ zebra: 1 }, 'spec.zebra: unknown field "zebra" (known here: podSelector, policyTypes, ingress, egress)'],
  ])('%j', (spec, expected) => {
    expect(errors(spec)).toContain(expected);
  });

  test('a field that inherited names would hide is unknown, too', () => {
    expect(errors(JSON.parse('{"__proto__": {"ingress": []}, "constructor": 1}'))).toHaveLength(2);
  });

  test('status is what older API servers stored', () => {
    expect(readNetworkPolicy({ metadata, spec: {}, status: {} }).problems).toEqual([]);
  });
});

describe('rules and types', () => {
  test.each([
    [{ policyTypes: ['ingress'] }, 'spec.policyTypes[0]: "ingress" is neither Ingress nor Egress (write Ingress)'],
    [{ policyTypes: 'Ingress' }, 'spec.policyTypes: must be a list, is the string "Ingress"'],
    [{ ingress: {} }, 'spec.ingress: must be a list, is an object'],
    [{ ingress: [null] }, 'spec.ingress[0]: must be an object, is empty (to allow everything write {})'],
    [{ ingress: [[]] }, 'spec.ingress[0]: must be an object, is a list'],
    [oneRule({ from: {} }), 'spec.ingress[0].from: must be a list, is an object'],
    [oneRule({ from: [null] }), 'spec.ingress[0].from[0]: must be an object, is empty'],
    [oneRule({ ports: 80 }), 'spec.ingress[0].ports: must be a list, is 80'],
  ])('%j', (spec, expected) => {
    expect(errors(spec)).toEqual([expected]);
    expect(read(spec).object?.invalid).toBe(true);
  });

  test('a field that is written but empty is pointed out', () => {
    expect(warnings(oneRule({ from: [{ podSelector: null, namespaceSelector: {} }] }))).toEqual([
      'spec.ingress[0].from[0].podSelector: is empty, which is read as if the field were not there',
    ]);
  });
});
