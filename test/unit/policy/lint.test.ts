/** Each lint rule finds what it is for, and is silent where nothing is wrong. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { DryRun } from '../../../src/policy/dry-run.ts';
import { lintPolicies } from '../../../src/policy/lint.ts';
import { LINT_RULES, type LintFinding, type LintId } from '../../../src/policy/lint-rules.ts';
import type { ClusterChange, NetworkPolicyRule } from '../../../src/policy/model.ts';
import {
  block,
  makeNamespace,
  makeNode,
  makePod,
  makePolicy,
  namedPort,
  namespaces,
  pods,
  port,
  requirement,
  rule,
  selector,
  set,
} from '../../support/policy-builders.ts';

const DNS = rule([], [port(53, 'UDP')]);

function lint(changes: readonly ClusterChange[], raw?: Readonly<Record<string, unknown>>): readonly LintFinding[] {
  const cluster = [
    set.namespace(makeNamespace('default')),
    set.pod(makePod('web', { ip: '10.1.0.1', namedPorts: [namedPort('http', 8080)] })),
    set.pod(makePod('db', { ip: '10.1.0.2' })),
  ];
  return lintPolicies({
    dryRun: new DryRun([...cluster, ...changes]),
    raw: () => raw,
    isMadeUp: () => false,
    services: [],
  });
}

function ids(...changes: readonly ClusterChange[]): readonly LintId[] {
  return lint(changes).map(({ id }) => id);
}

const web = selector({ app: 'web' });
const ingress = (...rules: readonly NetworkPolicyRule[]): ClusterChange =>
  set.policy(makePolicy('p', { subject: web, ingress: rules }));
const egress = (...rules: readonly NetworkPolicyRule[]): ClusterChange =>
  set.policy(makePolicy('p', { subject: web, egress: rules }));

describe('whom policies select', () => {
  test('SL010: a policy that selects no pod, with the pod that came closest', () => {
    const [finding] = lint([set.policy(makePolicy('p', { subject: selector({ app: 'wbe' }) }))]);
    expect(finding).toMatchObject({ id: 'SL010', policy: 'default/p', path: 'spec.podSelector' });
    expect(finding?.message).toContain('label app is web, not wbe');
    expect(ids(ingress(rule([pods({ app: 'db' })])))).toEqual([]);
  });

  test('SL010: nothing is said when the input has no pods', () => {
    const dryRun = new DryRun([set.namespace(makeNamespace('default')), ingress(rule([pods({ app: 'x' })]))]);
    expect(lintPolicies({ dryRun, raw: () => undefined, isMadeUp: () => false, services: [] })).toEqual([]);
  });

  test('SL011: a peer that matches no pod, with pods of other namespaces that would', () => {
    const far = set.pod(makePod('shop/cart', { ip: '10.1.0.9' }));
    const [finding] = lint([set.namespace(makeNamespace('shop')), far, ingress(rule([pods({ app: 'cart' })]))]);
    expect(finding).toMatchObject({ id: 'SL011', path: 'spec.ingress[0].from[0]' });
    expect(finding?.message).toContain('shop/cart would, with a namespaceSelector');
    expect(ids(ingress(rule([pods({ app: 'db' }), block('192.0.2.0/24')])))).toEqual([]);
  });

  test('SL012: a pod on the host network', () => {
    const agent = set.pod(makePod('agent', { ip: '192.168.0.1', hostNetwork: true }));
    const all = set.policy(makePolicy('p', { ingress: [rule()] }));
    expect(ids(agent, all)).toEqual(['SL012']);
    expect(ids(all)).toEqual([]);
  });
});

describe('SL020: a redundant rule', () => {
  test.each<[string, NetworkPolicyRule, NetworkPolicyRule]>([
    ['the same twice', rule([pods({ app: 'db' })], [port(80)]), rule([pods({ app: 'db' })], [port(80)])],
    ['everyone', rule([], [port(80)]), rule([pods({ app: 'db' })], [port(80)])],
    ['a wider selector', rule([pods({ app: 'db' })]), rule([pods({ app: 'db', tier: 'x' })], [port(80)])],
    [
      'a wider range of ports',
      rule([pods({ app: 'db' })], [port(80, 'TCP', 90)]),
      rule([pods({ app: 'db' })], [port(85)]),
    ],
    ['a wider block', rule([block('10.0.0.0/8', '10.9.0.0/16')]), rule([block('10.1.0.0/16')])],
    [
      'a namespace by name',
      rule([namespaces({ 'kubernetes.io/metadata.name': 'default' })]),
      rule([pods({ app: 'db' })]),
    ],
    ['In and NotIn', rule([pods({}, requirement('app', 'NotIn', 'web'))]), rule([pods({ app: 'db' })])],
  ])('%s', (_, wide, narrow) => {
    const findings = lint([ingress(wide, narrow)]).filter(({ id }) => id === 'SL020');
    expect(findings).toMatchObject([{ path: 'spec.ingress[1]' }]);
  });

  test.each<[string, NetworkPolicyRule, NetworkPolicyRule]>([
    ['other ports', rule([pods({ app: 'db' })], [port(80)]), rule([pods({ app: 'db' })], [port(81)])],
    ['another protocol', rule([], [port(80)]), rule([], [port(80, 'UDP')])],
    ['NP-61: what the other excepts', rule([block('10.0.0.0/8', '10.1.0.0/16')]), rule([block('10.1.2.0/24')])],
    ['NP-52: all ports of all protocols are more than those of one', rule([], [port(undefined, 'TCP')]), rule()],
    [
      'NP-48: a port name beside a block',
      rule([block('10.0.0.0/8')], [port('http')]),
      rule([pods({ app: 'db' })], [port('http')]),
    ],
    ['pods and their addresses', rule([block('0.0.0.0/0')]), rule([pods({ app: 'db' })])],
  ])('not: %s', (_, one, other) => {
    const findings = lint([ingress(one, other)]).filter(({ id, path }) => id === 'SL020' && path === 'spec.ingress[1]');
    expect(findings).toEqual([]);
  });

  test('across policies only where the other selects at least the same pods', () => {
    const allow = rule([pods({ app: 'db' })], [port(80)]);
    const all = set.policy(makePolicy('all', { ingress: [allow] }));
    const one = set.policy(makePolicy('one', { subject: web, ingress: [allow] }));
    expect(lint([all, one])).toMatchObject([{ id: 'SL020', policy: 'default/one' }]);
    expect(ids(set.policy(makePolicy('one', { subject: selector({ app: 'db' }), ingress: [allow] })), one)).toEqual([]);
  });
});

describe('how policies are written', () => {
  test('SL030: egress rules without policyTypes isolate ingress too', () => {
    const written = [{ to: [], ports: [{ port: 53, protocol: 'UDP' }] }];
    const policy = set.policy(makePolicy('p', { subject: web, types: ['Egress', 'Ingress'], egress: [DNS] }));
    const found = (spec: Readonly<Record<string, unknown>>): readonly LintId[] =>
      lint([policy], { spec }).map(({ id }) => id);
    expect(found({ egress: written })).toEqual(['SL030']);
    expect(found({ egress: written, policyTypes: ['Ingress', 'Egress'] })).toEqual([]);
    expect(found({ egress: written, ingress: [] })).toEqual([]);
  });

  test('SL032: two peers where one may have been meant', () => {
    const team = set.namespace(makeNamespace('shop', { team: 'shop' }));
    const cart = set.pod(makePod('shop/cart', { ip: '10.1.0.9' }));
    const split = rule([namespaces({ team: 'shop' }), pods({ app: 'db' })]);
    expect(lint([team, cart, ingress(split)])).toMatchObject([{ id: 'SL032', path: 'spec.ingress[0].from[1]' }]);
    expect(ids(team, cart, ingress(rule([namespaces({ team: 'shop' }, { app: 'cart' })])))).toEqual([]);
    expect(ids(team, cart, ingress(rule([namespaces({ team: 'shop' }), pods({})])))).toEqual([]);
  });
});

describe('port names', () => {
  test('SL040: a name that no selected pod has', () => {
    const [finding] = lint([ingress(rule([], [port('htpp')]))]);
    expect(finding).toMatchObject({ id: 'SL040', path: 'spec.ingress[0].ports[0].port' });
    expect(finding?.message).toContain('they declare http (TCP)');
    expect(ids(ingress(rule([], [port('http')])))).toEqual([]);
    expect(ids(ingress(rule([], [port('http', 'UDP')])))).toEqual(['SL040']);
  });

  test('SL040: on egress it is the peers’ names that count', () => {
    const toWeb = (name: string): ClusterChange =>
      set.policy(
        makePolicy('p', {
          subject: selector({ app: 'db' }),
          egress: [DNS, rule([pods({ app: 'web' })], [port(name)])],
        }),
      );
    expect(ids(toWeb('http'))).toEqual([]);
    expect(ids(toWeb('sql'))).toEqual(['SL040']);
  });

  test('SL041: a name beside an ipBlock', () => {
    expect(ids(egress(DNS, rule([block('192.0.2.0/24')], [port('http')])))).toEqual(['SL041']);
    expect(ids(ingress(rule([block('192.0.2.0/24')], [port('http')])))).toEqual([]);
  });
});

describe('blocks that meet the cluster', () => {
  const node = set.node(makeNode('n', { podCIDRs: ['10.1.0.0/24'], addresses: ['192.168.0.1'] }));

  test('SL050: a block of pods', () => {
    expect(ids(node, ingress(rule([block('10.1.0.2/32')])))).toEqual(['SL050']);
    expect(ids(node, ingress(rule([block('192.0.2.0/24')])))).toEqual([]);
  });

  test('SL051: a block over pods or nodes', () => {
    expect(ids(node, ingress(rule([block('10.0.0.0/8')])))).toEqual(['SL051']);
    expect(ids(node, ingress(rule([block('192.168.0.0/16')])))).toEqual(['SL051']);
    expect(ids(node, ingress(rule([block('10.0.0.0/8', '10.1.0.0/16')])))).toEqual([]);
    expect(ids(node, ingress(rule([block('0.0.0.0/0')])))).toEqual([]);
  });

  test('addresses that were made up are nobody’s', () => {
    const dryRun = new DryRun([set.pod(makePod('web', { ip: '10.244.0.1' })), ingress(rule([block('10.0.0.0/8')]))]);
    expect(lintPolicies({ dryRun, raw: () => undefined, isMadeUp: () => true, services: [] })).toEqual([]);
  });
});

describe('reach', () => {
  test('SL060: names cannot be asked for', () => {
    expect(lint([egress(rule([block('192.0.2.0/24')], [port(443)]))])).toMatchObject([
      { id: 'SL060', path: 'spec.egress' },
    ]);
    expect(ids(egress(rule([block('192.0.2.0/24')], [port(443)]), rule([], [port(53)])))).toEqual([]);
    expect(ids(egress(rule([pods({ app: 'db' })])))).toEqual([]);
    expect(ids(egress(rule([pods({ app: 'db' })], [port(50, 'UDP', 60)])))).toEqual([]);
  });

  test('SL060: another policy may allow it', () => {
    const dns = set.policy(makePolicy('dns', { egress: [DNS] }));
    expect(ids(dns, egress(rule([block('192.0.2.0/24')], [port(443)])))).toEqual([]);
  });

  test('SL060: allowing nothing at all is no slip', () => {
    expect(ids(set.policy(makePolicy('p', { subject: web, types: ['Egress'] })))).toEqual([]);
  });

  test('SL061: a namespace that nothing reaches', () => {
    const deny = set.policy(makePolicy('deny'));
    expect(lint([deny])).toMatchObject([{ id: 'SL061', policy: 'default/deny' }]);
    expect(ids(deny, ingress(rule([pods({ app: 'db' })])))).toEqual([]);
  });
});

test('an invalid policy is not looked at: validation has spoken', () => {
  expect(ids(set.policy(makePolicy('p', { subject: selector({ app: 'none' }), invalid: true })))).toEqual([]);
});

test('every rule is documented, with its severity', () => {
  const text = readFileSync(join(import.meta.dirname, '../../../docs/lint.md'), 'utf8');
  for (const [id, { name, severity }] of Object.entries(LINT_RULES)) {
    expect(text).toContain(`## ${id}: ${name} (${severity})`);
  }
  expect(text.match(/^## SL\d+/gm)).toHaveLength(Object.keys(LINT_RULES).length);
});
