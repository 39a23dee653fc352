import { describe, expect, test } from 'vitest';
import { readClusterNetworkPolicy } from '../../../src/policy/validate.ts';

const EVERYTHING = { matchLabels: {}, matchExpressions: [] };
const CLOSED = [{ name: '', action: 'Deny', peers: [{}], protocols: [] }];

type Raw = Readonly<Record<string, unknown>>;

function raw(spec: unknown, more: Raw = {}): Raw {
  return {
    apiVersion: 'policy.networking.k8s.io/v1alpha2',
    kind: 'ClusterNetworkPolicy',
    metadata: { name: 'p' },
    spec,
    ...more,
  };
}

const HEAD = { tier: 'Admin', priority: 10, subject: { namespaces: {} } };
const FROM = [{ namespaces: {} }];

function read(spec: unknown): ReturnType<typeof readClusterNetworkPolicy> {
  return readClusterNetworkPolicy(raw(spec));
}

/** Of one egress rule with that much changed. */
function egress(rule: Raw): ReturnType<typeof readClusterNetworkPolicy> {
  return read({ ...HEAD, egress: [{ action: 'Deny', to: FROM, ...rule }] });
}

function errorsOf({ problems }: ReturnType<typeof readClusterNetworkPolicy>): string[] {
  return problems.flatMap(({ severity, path, message }) => (severity === 'error' ? `${path}: ${message}` : []));
}

test('CNP-1 to CNP-7: a whole policy is read', () => {
  const { object, problems } = read({
    tier: 'Baseline',
    priority: 1000,
    subject: { pods: { namespaceSelector: { matchLabels: { a: 'b' } }, podSelector: {} } },
    ingress: [
      { name: 'one', action: 'Pass', from: [{ namespaces: {} }], protocols: [{ destinationNamedPort: 'http' }] },
    ],
    egress: [
      {
        action: 'Accept',
        to: [{ networks: ['10.0.0.0/8', '2001:DB8::/32'] }, { pods: { namespaceSelector: {}, podSelector: {} } }],
        protocols: [
          { tcp: { destinationPort: { number: 80 } } },
          { udp: { destinationPort: { range: { start: 1, end: 65535 } } } },
          { sctp: { destinationPort: { number: 5 } } },
        ],
      },
    ],
  });
  expect(problems).toEqual([]);
  expect(object).toEqual({
    name: 'p',
    tier: 'Baseline',
    priority: 1000,
    subject: {
      pods: { namespaceSelector: { matchLabels: { a: 'b' }, matchExpressions: [] }, podSelector: EVERYTHING },
    },
    ingress: [
      {
        name: 'one',
        action: 'Pass',
        peers: [{ namespaces: EVERYTHING }],
        protocols: [{ destinationNamedPort: 'http' }],
      },
    ],
    egress: [
      {
        name: '',
        action: 'Accept',
        peers: [
          { networks: ['10.0.0.0/8', '2001:db8::/32'] },
          { pods: { namespaceSelector: EVERYTHING, podSelector: EVERYTHING } },
        ],
        protocols: [
          { protocol: 'TCP', port: 80 },
          { protocol: 'UDP', port: 1, endPort: 65535 },
          { protocol: 'SCTP', port: 5 },
        ],
      },
    ],
  });
});

describe('refused', () => {
  test.each<[string, Raw, string]>([
    ['CNP-2: no tier', { tier: undefined }, 'spec.tier: is missing'],
    ['CNP-2: another tier', { tier: 'admin' }, 'spec.tier: "admin" is none of'],
    ['CNP-2: no priority', { priority: undefined }, 'spec.priority: is missing'],
    ['CNP-2: priority -1', { priority: -1 }, 'spec.priority: must be a number from 0 to 1000'],
    ['CNP-2: priority 1001', { priority: 1001 }, 'spec.priority: must be a number from 0 to 1000'],
    ['CNP-2: priority 1.5', { priority: 1.5 }, 'spec.priority: must be a number from 0 to 1000'],
    ['CNP-2: priority as text', { priority: '5' }, 'spec.priority: must be a number from 0 to 1000'],
    ['CNP-3: no subject', { subject: undefined }, 'spec.subject: is missing'],
    ['CNP-3: an empty subject', { subject: {} }, 'spec.subject: must have exactly one of namespaces and pods'],
    [
      'CNP-3: both kinds of subject',
      { subject: { namespaces: {}, pods: { namespaceSelector: {}, podSelector: {} } } },
      'spec.subject: must have exactly one of namespaces and pods',
    ],
    [
      'CNP-3: pods without namespaceSelector',
      { subject: { pods: { podSelector: {} } } },
      'namespaceSelector: is missing',
    ],
    ['CNP-3: pods without podSelector', { subject: { pods: { namespaceSelector: {} } } }, 'podSelector: is missing'],
    [
      'CNP-4: 26 rules',
      { ingress: Array.from({ length: 26 }, () => ({ action: 'Deny', from: FROM })) },
      'spec.ingress: has 26 items',
    ],
    ['an unknown field', { ingres: [] }, 'spec.ingres: unknown field'],
  ])('%s', (_, change, message) => {
    const { tier, priority, subject } = { ...HEAD, ...change };
    const found = read({ ...HEAD, ...change, tier, priority, subject });
    expect(errorsOf(found).join('\n')).toContain(message);
    expect(found.object?.invalid).toBe(true);
  });

  const cidrs = (count: number): string[] => Array.from({ length: count }, (_, i) => `10.0.0.${i}/32`);
  const tcp = (port: unknown): Raw => ({ protocols: [{ tcp: port }] });

  test.each<[string, Raw, string]>([
    ['CNP-5: no action', { action: undefined }, 'action: is missing'],
    ['CNP-5: Allow', { action: 'Allow' }, '"Allow" is none of Accept, Deny, Pass'],
    ['CNP-5: a name of 101 characters', { name: 'x'.repeat(101) }, 'must not be longer than 100'],
    ['CNP-5: no peers', { to: undefined }, 'must name at least one peer'],
    ['CNP-5: an empty list of peers', { to: [] }, 'must name at least one peer'],
    ['CNP-5: 26 peers', { to: Array.from({ length: 26 }, () => ({ namespaces: {} })) }, 'has 26 items'],
    [
      'CNP-5: 26 protocols',
      { protocols: Array.from({ length: 26 }, () => ({ tcp: { destinationPort: { number: 1 } } })) },
      'has 26 items',
    ],
    ['CNP-5: an empty list of protocols', { protocols: [] }, 'must not be empty'],
    [
      'CNP-6: two kinds in one peer',
      { to: [{ namespaces: {}, networks: ['10.0.0.0/8'] }] },
      'has namespaces and networks',
    ],
    ['CNP-6: 26 networks', { to: [{ networks: cidrs(26) }] }, 'has 26 items'],
    ['CNP-6: no network', { to: [{ networks: [] }] }, 'must name at least one CIDR'],
    ['CNP-6: a network that is none', { to: [{ networks: ['10.0.0.0/33'] }] }, 'is no CIDR'],
    ['CNP-6: a network of 44 characters', { to: [{ networks: [`${'0'.repeat(36)}::1/128`] }] }, 'is no CIDR'],
    ['CNP-6: a peer of ingress rules', { from: FROM }, 'unknown field "from"'],
    ['CNP-6: an unknown peer', { to: [{ services: {} }] }, 'unknown field "services"'],
    ['CNP-6: a denied domain name', { to: [{ domainNames: ['a.example'] }] }, 'only Accept knows domain names'],
    ...['*', 'example', 'a.*.example', '*a.example', 'exa_mple.org', '-a.example', 'a..example', 'bücher.example'].map(
      (name): [string, Raw, string] => [
        `CNP-40: the domain name ${name}`,
        { action: 'Accept', to: [{ domainNames: [name] }] },
        'is no domain name',
      ],
    ),
    ['CNP-7: tcp: {}', tcp({}), 'tcp.destinationPort: is missing'],
    ['CNP-7: destinationPort: {}', tcp({ destinationPort: {} }), 'must have exactly one of number and range'],
    ['CNP-7: port 0', tcp({ destinationPort: { number: 0 } }), 'must be a number from 1 to 65535'],
    ['CNP-7: a range of one', tcp({ destinationPort: { range: { start: 5, end: 5 } } }), 'start must be less than end'],
    ['CNP-7: a range without an end', tcp({ destinationPort: { range: { start: 5 } } }), 'range.end: is missing'],
    ['CNP-7: an empty entry', { protocols: [{}] }, 'must have exactly one of tcp, udp, sctp'],
    [
      'CNP-7: two in one entry',
      { protocols: [{ tcp: { destinationPort: { number: 1 } }, destinationNamedPort: 'http' }] },
      'must have exactly one of tcp, udp, sctp',
    ],
    [
      'CNP-7: a named port beside networks',
      { to: [{ networks: ['10.0.0.0/8'] }], protocols: [{ destinationNamedPort: 'http' }] },
      'only pods have named ports',
    ],
    ['CNP-7: a named port that is no name', { protocols: [{ destinationNamedPort: '80' }] }, 'the port name "80"'],
    ['NetworkPolicy ports', { ports: [{ port: 80 }] }, 'unknown field "ports"'],
  ])('%s', (_, change, message) => {
    const found = egress(change);
    expect(errorsOf(found).join('\n')).toContain(message);
    expect(found.object).toMatchObject({ ingress: [], egress: CLOSED, invalid: true });
  });

  test('CNP-6: egress peers in an ingress rule', () => {
    const found = read({ ...HEAD, ingress: [{ action: 'Deny', from: [{ networks: ['10.0.0.0/8'] }] }] });
    expect(errorsOf(found)).toEqual(['spec.ingress[0].from[0].networks: unknown field "networks"']);
  });
});

describe('an invalid policy denies everything at its place', () => {
  test('as far as subject, tier, priority and directions can be read', () => {
    const subject = { namespaces: { matchLabels: { a: 'b' } } };
    const { object } = read({ tier: 'Baseline', priority: 7, subject, ingress: [{ action: 'Deny' }], egress: [] });
    expect(object).toEqual({
      name: 'p',
      tier: 'Baseline',
      priority: 7,
      subject: { namespaces: { matchLabels: { a: 'b' }, matchExpressions: [] } },
      ingress: CLOSED,
      egress: [],
      invalid: true,
    });
  });

  test.each([
    ['a spec that is missing', undefined],
    ['a spec that is a list', []],
    ['an unknown field in it', { ...HEAD, ingres: [] }],
  ])('both ways with %s', (_, spec) => {
    expect(read(spec).object).toMatchObject({
      ...HEAD,
      priority: expect.any(Number),
      subject: { namespaces: EVERYTHING },
      ingress: CLOSED,
      egress: CLOSED,
    });
  });

  test('for every pod when the subject cannot be read', () => {
    const found = read({
      ...HEAD,
      subject: { namespaces: { matchLabel: {} } },
      egress: [{ action: 'Pass', to: FROM }],
    });
    expect(found.object).toMatchObject({ subject: { namespaces: EVERYTHING }, ingress: [], egress: CLOSED });
  });

  test('and is no object at all without a name', () => {
    expect(readClusterNetworkPolicy(raw(HEAD, { metadata: {} })).object).toBeUndefined();
    expect(readClusterNetworkPolicy(raw(HEAD, { kind: 'NetworkPolicy' })).object).toBeUndefined();
  });
});

test('CNP-8: peers that are not enforced are accepted with a warning that says what happens', () => {
  const found = egress({ to: [{ nodes: {} }, {}] });
  expect(found.object?.egress[0]?.peers).toEqual([{ nodes: EVERYTHING }, {}]);
  expect(found.problems.map(({ severity, path, message }) => `${severity} ${path}: ${message}`)).toEqual([
    'warning spec.egress[0].to[0].nodes: nodes is not enforced: the rule denies all that it could be about',
    'warning spec.egress[0].to[1]: says nothing that is understood: the rule denies all that it could be about',
  ]);
  const accepted = egress({ action: 'Accept', to: [{ domainNames: ['*.example.com'] }] });
  expect(accepted.problems.map(({ message }) => message)).toEqual([
    'domainNames is not enforced: the rule accepts nothing',
  ]);
});

test('CNP-40: domain names may end in a dot, begin with a wildcard, and be written in any case', () => {
  const names = ['example.com', 'example.com.', '*.example.com', 'WWW.Example.COM', 'xn--bcher-kva.example'];
  const { object } = egress({ action: 'Accept', to: [{ domainNames: names }] });
  expect(object?.invalid).toBeUndefined();
  expect(object?.egress[0]?.peers).toEqual([{ domainNames: names }]);
});

test('CNP-1: status is ignored, and a name of 100 characters is one', () => {
  const rule = { name: 'x'.repeat(100), action: 'Deny', from: FROM };
  const found = readClusterNetworkPolicy(raw({ ...HEAD, ingress: [rule] }, { status: { conditions: [] } }));
  expect(found.problems).toEqual([]);
});
