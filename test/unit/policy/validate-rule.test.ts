/** Peers, selectors and ports of a rule, by the API server's rules. */
import { describe, expect, test } from 'vitest';
import type { NetworkPolicyRule } from '../../../src/policy/model.ts';
import { type Problem, readNetworkPolicy } from '../../../src/policy/validate.ts';

function read(rule: object): { rule: NetworkPolicyRule | undefined; problems: readonly Problem[] } {
  const { object, problems } = readNetworkPolicy({ metadata: { name: 'web' }, spec: { ingress: [rule] } });
  return { rule: object?.ingress[0], problems };
}

/** What is said of a rule, with the path from the rule on. */
function said(rule: object, severity: Problem['severity'] = 'error'): readonly string[] {
  return read(rule)
    .problems.filter((problem) => problem.severity === severity)
    .map(({ path, message, hint }) => {
      return `${path.replace('spec.ingress[0].', '')}: ${message}${hint === undefined ? '' : ` (${hint})`}`;
    });
}

const port = (value: unknown): object => ({ ports: [value] });
const peer = (value: unknown): object => ({ from: [value] });
const block = (cidr: unknown, ...except: unknown[]): object => peer({ ipBlock: { cidr, except } });
const labels = (matchLabels: unknown): object => peer({ podSelector: { matchLabels } });
const expression = (value: unknown): object => peer({ podSelector: { matchExpressions: [value] } });

describe('ports', () => {
  test.each([
    [{}, { protocol: 'TCP' }],
    [{ protocol: 'UDP' }, { protocol: 'UDP' }],
    [{ port: 1 }, { protocol: 'TCP', port: 1 }],
    [
      { port: 65535, protocol: 'SCTP' },
      { protocol: 'SCTP', port: 65535 },
    ],
    [{ port: 'web-1' }, { protocol: 'TCP', port: 'web-1' }],
    [
      { port: 80, endPort: 80 },
      { protocol: 'TCP', port: 80, endPort: 80 },
    ],
    [{ protocol: null, port: null, endPort: null }, { protocol: 'TCP' }],
  ])('NP-40 to NP-43: %j is %j', (raw, expected) => {
    expect(read(port(raw)).rule?.ports).toEqual([expected]);
    expect(said(port(raw))).toEqual([]);
  });

  test.each([
    [{ protocol: 'tcp' }, 'ports[0].protocol: "tcp" is none of TCP, UDP, SCTP (write TCP)'],
    [
      { protocol: 'ICMP' },
      'ports[0].protocol: "ICMP" is none of TCP, UDP, SCTP (only a rule without ports admits ICMP)',
    ],
    [{ protocol: '' }, 'ports[0].protocol: "" is none of TCP, UDP, SCTP'],
    [{ protocol: 6 }, 'ports[0].protocol: must be a string, is 6 (write it in quotes: "6")'],
    [{ port: 0 }, 'ports[0].port: must be a number from 1 to 65535, is 0'],
    [{ port: 65536 }, 'ports[0].port: must be a number from 1 to 65535, is 65536'],
    [{ port: 80.5 }, 'ports[0].port: must be a number from 1 to 65535, is 80.5'],
    [{ port: true }, 'ports[0].port: must be a number from 1 to 65535, is true'],
    [{ port: {} }, 'ports[0].port: must be a number from 1 to 65535, is an object'],
    [{ port: 90, endPort: 80 }, 'ports[0].endPort: must not be less than port, which is 90'],
    [{ endPort: 80 }, 'ports[0].endPort: needs port, the first port of the range'],
    [{ port: 'web', endPort: 80 }, 'ports[0].endPort: cannot follow a named port (give the range in numbers)'],
    [
      { port: 80, endPort: '90' },
      'ports[0].endPort: must be a number from 1 to 65535, is the string "90" (write it without quotes: 90)',
    ],
  ])('NP-40 to NP-43: %j is refused', (raw, expected) => {
    expect(said(port(raw))).toEqual([expected]);
  });

  test('NP-42: a number in quotes is a name without a letter', () => {
    expect(said(port({ port: '80' }))).toEqual([
      'ports[0].port: the port name "80" must consist of a-z, 0-9 and single "-" between them, with at least one letter (a number is written without quotes: 80)',
    ]);
  });

  test.each(['', 'Web', 'a--b', '-a', 'a-', 'a_b', '1-2', 'a'.repeat(16)])('NP-42: %j is no port name', (name) => {
    expect(said(port({ port: name }))).toHaveLength(1);
  });
});

describe('peers', () => {
  const all = { matchLabels: {}, matchExpressions: [] };

  test.each([
    [{ podSelector: {} }, { podSelector: all }],
    [{ namespaceSelector: {} }, { namespaceSelector: all }],
    [
      { podSelector: {}, namespaceSelector: {}, ipBlock: null },
      { podSelector: all, namespaceSelector: all },
    ],
    [{ ipBlock: { cidr: '::/0', except: null } }, { ipBlock: { cidr: '::/0', except: [] } }],
  ])('NP-20, NP-21: %j is read', (raw, expected) => {
    expect(read(peer(raw)).rule?.peers).toEqual([expected]);
  });

  test('NP-20: an empty peer is refused, and so is one of empty fields', () => {
    const expected = [
      'from[0]: must have podSelector, namespaceSelector or ipBlock (for every pod: namespaceSelector: {})',
    ];
    expect(said(peer({}))).toEqual(expected);
    expect(said(peer({ podSelector: null }))).toEqual(expected);
  });

  test('NP-20: an ipBlock stands alone', () => {
    expect(said(peer({ podSelector: {}, ipBlock: { cidr: '10.0.0.0/8' } }))).toEqual([
      'from[0]: must not have ipBlock beside a selector (make two peers of it)',
    ]);
  });

  test.each([
    ['10.1.2.3/8', '10.0.0.0/8'],
    ['010.001.0.0/16', '10.1.0.0/16'],
    ['::ffff:10.0.0.0/104', '10.0.0.0/8'],
    ['FD00::1/64', 'fd00::/64'],
  ])('NP-63: %s is read as %s, with a warning', (cidr, canonical) => {
    expect(read(block(cidr)).rule?.peers).toEqual([{ ipBlock: { cidr: canonical, except: [] } }]);
    expect(said(block(cidr), 'warning')).toEqual([
      `from[0].ipBlock.cidr: "${cidr}" is read as ${canonical} (write ${canonical})`,
    ]);
  });

  test('other spellings of the same IPv6 prefix pass without a word', () => {
    expect(read(block('FD00:0:0::/64')).problems).toEqual([]);
  });

  test.each([
    [block('10.0.0.0'), 'from[0].ipBlock.cidr: "10.0.0.0" is no CIDR (for the one address write 10.0.0.0/32)'],
    [block('fd00::1'), 'from[0].ipBlock.cidr: "fd00::1" is no CIDR (for the one address write fd00::1/128)'],
    [block('10.0.0.0/33'), 'from[0].ipBlock.cidr: "10.0.0.0/33" is no CIDR (write it like 10.0.0.0/8 or fd00::/64)'],
    [block(10), 'from[0].ipBlock.cidr: must be a string, is 10 (write it in quotes: "10")'],
    [peer({ ipBlock: {} }), 'from[0].ipBlock.cidr: is missing'],
    [
      block('10.0.0.0/8', '10.0.0.0/8'),
      'from[0].ipBlock.except[0]: 10.0.0.0/8 must lie inside 10.0.0.0/8 and be smaller',
    ],
    [
      block('10.0.0.1/32', '10.0.0.1/32'),
      'from[0].ipBlock.except[0]: 10.0.0.1/32 must lie inside 10.0.0.1/32 and be smaller',
    ],
    [
      block('10.0.0.0/8', '11.0.0.0/16'),
      'from[0].ipBlock.except[0]: 11.0.0.0/16 must lie inside 10.0.0.0/8 and be smaller',
    ],
    [block('0.0.0.0/0', 'fd00::/64'), 'from[0].ipBlock.except[0]: fd00::/64 is of another family than 0.0.0.0/0'],
  ])('NP-60, NP-62: %j is refused', (rule, expected) => {
    expect(said(rule)).toEqual([expected]);
  });
});

describe('selectors', () => {
  test('NP-23: an empty value is a value', () => {
    const selector = {
      matchLabels: { app: '' },
      matchExpressions: [{ key: 'a.b/c', operator: 'In', values: ['', 'x'] }],
    };
    expect(read(peer({ podSelector: selector })).rule?.peers).toEqual([{ podSelector: selector }]);
  });

  test('absent values of Exists are empty ones', () => {
    const { rule } = read(expression({ key: 'app', operator: 'Exists' }));
    expect(rule?.peers[0]?.podSelector?.matchExpressions).toEqual([{ key: 'app', operator: 'Exists', values: [] }]);
  });

  const at = 'from[0].podSelector.matchExpressions[0]';
  test.each([
    [{ key: 'a', operator: 'In' }, `${at}.values: must have at least one value for In`],
    [{ key: 'a', operator: 'NotIn', values: [] }, `${at}.values: must have at least one value for NotIn`],
    [{ key: 'a', operator: 'Exists', values: ['x'] }, `${at}.values: must be empty for Exists (did you mean In?)`],
    [{ key: 'a', operator: 'DoesNotExist', values: ['x'] }, `${at}.values: must be empty for DoesNotExist`],
    [
      { key: 'a', operator: 'in', values: ['x'] },
      `${at}.operator: "in" is none of In, NotIn, Exists, DoesNotExist (write In)`,
    ],
    [{ key: 'a', operator: 'Gt', values: ['1'] }, `${at}.operator: "Gt" is none of In, NotIn, Exists, DoesNotExist`],
    [{ key: 'a' }, `${at}.operator: is missing; one of In, NotIn, Exists, DoesNotExist`],
    [{ operator: 'Exists' }, `${at}.key: is missing`],
    [{ key: 'a', operator: 'In', values: [1] }, `${at}.values[0]: must be a string, is 1 (write it in quotes: "1")`],
    [{ key: 'a', operator: 'In', values: 'x' }, `${at}.values: must be a list, is the string "x"`],
  ])('NP-24: %j is refused', (raw, expected) => {
    expect(said(expression(raw))).toContain(expected);
  });

  test.each(['', '-a', 'a b', 'a/b/c', '/a', 'A.b/c', 'a/', '__proto__', 'a'.repeat(64), `${'a'.repeat(254)}/b`])(
    'NP-24: %j is no label key',
    (key) => {
      expect(said(labels(JSON.parse(`{${JSON.stringify(key)}: "x"}`)))).toHaveLength(1);
      expect(said(expression({ key, operator: 'Exists' }))).toHaveLength(1);
    },
  );

  test.each(['-a', 'a b', 'a/b', 'ä', 'a'.repeat(64)])('NP-24: %j is no label value', (value) => {
    expect(said(labels({ app: value }))).toHaveLength(1);
    expect(said(expression({ key: 'app', operator: 'In', values: [value] }))).toHaveLength(1);
  });

  test.each([
    [true, 'must be a string, is true (write it in quotes: "true")'],
    [null, 'must be a string, is empty (write "" for an empty one)'],
    [{}, 'must be a string, is an object'],
  ])('a label value that is no string, %j, is refused with its place', (value, expected) => {
    expect(said(labels({ app: value }))).toEqual([`from[0].podSelector.matchLabels["app"]: ${expected}`]);
  });

  test('a label called constructor is a label', () => {
    const { rule } = read(labels({ constructor: 'x' }));
    expect(Object.entries(rule?.peers[0]?.podSelector?.matchLabels ?? {})).toEqual([['constructor', 'x']]);
    expect(read(labels({})).rule?.peers[0]?.podSelector?.matchLabels['constructor']).toBeUndefined();
  });
});
