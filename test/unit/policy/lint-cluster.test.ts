/** Lint of ClusterNetworkPolicies, and of policies beside Services. */
import { describe, expect, test } from 'vitest';
import { DryRun } from '../../../src/policy/dry-run.ts';
import { lintPolicies } from '../../../src/policy/lint.ts';
import type { LintFinding, LintId, LintService } from '../../../src/policy/lint-rules.ts';
import type { ClusterChange, ClusterNetworkPolicy } from '../../../src/policy/model.ts';
import {
  accept,
  deny,
  inNamespaces,
  networks,
  pass,
  podsIn,
  ports,
  setClusterPolicy,
} from '../../support/cnp-builders.ts';
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

function lint(changes: readonly ClusterChange[], services: readonly LintService[] = []): readonly LintFinding[] {
  const cluster = [
    set.namespace(makeNamespace('default')),
    set.pod(makePod('web', { ip: '10.1.0.1', namedPorts: [namedPort('http', 8080)] })),
    set.pod(makePod('db', { ip: '10.1.0.2' })),
  ];
  const dryRun = new DryRun([...cluster, ...changes]);
  return lintPolicies({ dryRun, raw: () => undefined, isMadeUp: () => false, services });
}

function ids(...changes: readonly ClusterChange[]): readonly LintId[] {
  return lint(changes).map(({ id }) => id);
}

const top = (fields: Partial<ClusterNetworkPolicy>): ClusterChange =>
  setClusterPolicy('top', { priority: 10, ...fields });
const all = inNamespaces();

describe('whom ClusterNetworkPolicies select', () => {
  test('SL010: a subject without a pod', () => {
    const subject = { namespaces: selector({ team: 'ops' }) };
    expect(lint([top({ subject, ingress: [deny(all)] })])).toMatchObject([
      { id: 'SL010', policy: 'cnp:top', path: 'spec.subject' },
    ]);
    expect(ids(top({ ingress: [deny(all)] }))).toEqual([]);
  });

  test('SL011: a peer that matches no pod', () => {
    const [finding] = lint([top({ ingress: [accept([all, podsIn({}, { app: 'wbe' })])] })]);
    expect(finding).toMatchObject({ id: 'SL011', policy: 'cnp:top', path: 'spec.ingress[0].from[1]' });
    expect(finding?.message).toContain('pods app=wbe');
  });
});

describe('SL070: a rule that is never reached', () => {
  const web = podsIn({}, { app: 'web' });
  const covered: readonly [string, readonly ClusterNetworkPolicy['ingress'][number][], readonly LintId[]][] = [
    ['behind a Deny of everything', [deny(all), accept(web)], ['SL070']],
    ['behind the same peer on all ports', [accept(web), deny(web, ports('TCP', 80))], ['SL070']],
    ['behind a range that holds its port', [accept(web, ports('TCP', 1, 100)), deny(web, ports('TCP', 80))], ['SL070']],
    ['not behind another port', [accept(web, ports('TCP', 443)), deny(web, ports('TCP', 80))], []],
    ['not behind fewer pods', [accept(web), deny(all)], []],
    ['not behind a peer that is not understood', [deny({}), accept(web)], []],
  ];
  test.each(covered)('%s', (_, ingress, expected) => {
    expect(ids(top({ ingress }), set.policy(makePolicy('p', { ingress: [rule()] })))).toEqual(expected);
  });

  test('of another policy, by priority, tier and subject', () => {
    const first = setClusterPolicy('first', { priority: 1, egress: [deny(networks('10.0.0.0/8'))] });
    const second = top({ egress: [accept(networks('10.1.0.0/16'))] });
    expect(lint([first, second])).toMatchObject([{ id: 'SL070', policy: 'cnp:top', path: 'spec.egress[0]' }]);
    expect(lint([first, second])[0]?.message).toContain('cnp:first egress[0] (Deny)');
    const narrow = { pods: { namespaceSelector: selector(), podSelector: selector({ app: 'web' }) } };
    const some = setClusterPolicy('first', { priority: 1, subject: narrow, egress: [deny(networks('10.0.0.0/8'))] });
    expect(ids(some, second)).toEqual([]);
    const base = setClusterPolicy('base', { tier: 'Baseline', egress: [accept(networks('10.1.0.0/16'))] });
    expect(ids(first, base)).toEqual(['SL070']);
    const passing = setClusterPolicy('first', { priority: 1, egress: [pass(networks('10.0.0.0/8'))] });
    expect(ids(passing, base)).toEqual([]);
  });
});

test('SL071: one tier and priority twice (CNP-2)', () => {
  const [finding] = lint([
    top({ ingress: [deny(all)] }),
    setClusterPolicy('also', { priority: 10, egress: [deny(all)] }),
  ]);
  expect(finding).toMatchObject({ id: 'SL071', policy: 'cnp:also', path: 'spec.priority' });
  expect(finding?.message).toContain('cnp:top');
});

describe('SL072: a Pass that nothing follows', () => {
  test('where neither a NetworkPolicy nor Baseline has a say', () => {
    expect(lint([top({ ingress: [pass(all)] })])).toMatchObject([{ id: 'SL072', path: 'spec.ingress[0].action' }]);
    expect(ids(top({ ingress: [pass(all)] }), set.policy(makePolicy('p', { ingress: [rule()] })))).toEqual([]);
    const base = setClusterPolicy('base', { tier: 'Baseline', ingress: [deny(all)] });
    expect(ids(top({ ingress: [pass(all)] }), base)).toEqual([]);
  });

  test('in tier Baseline always', () => {
    expect(ids(top({ tier: 'Baseline', ingress: [pass(all)] }))).toEqual(['SL072']);
  });
});

describe('Services', () => {
  const service = (fields: Partial<LintService> = {}): LintService => ({
    namespace: 'default',
    name: 'web',
    selector: { app: 'web' },
    ports: [{ protocol: 'TCP', port: 80, targetPort: 8080 }],
    clusterIPs: ['10.96.0.10'],
    ...fields,
  });
  const admit = (...numbers: readonly (number | string)[]): ClusterChange =>
    set.policy(
      makePolicy('p', {
        subject: selector({ app: 'web' }),
        ingress: [
          rule(
            [pods({ app: 'db' })],
            numbers.map((number) => port(number)),
          ),
        ],
      }),
    );

  test('SL042: the number of the Service where that of the pod counts', () => {
    expect(lint([admit(80)], [service()])).toMatchObject([{ id: 'SL042', path: 'spec.ingress[0].ports[0].port' }]);
    expect(lint([admit(80)], [service()])[0]?.hint).toContain('write 8080');
    const byName = service({ ports: [{ protocol: 'TCP', port: 80, targetPort: 'http' }] });
    expect(lint([admit(80)], [byName]).map(({ id }) => id)).toEqual(['SL042']);
  });

  test.each<[string, ClusterChange, LintService]>([
    ['the port of the pod', admit(8080), service()],
    ['both', admit(80, 8080), service()],
    [
      'a Service that translates nothing',
      admit(80),
      service({ ports: [{ protocol: 'TCP', port: 80, targetPort: undefined }] }),
    ],
    ['another protocol', admit(80), service({ ports: [{ protocol: 'UDP', port: 80, targetPort: 8080 }] })],
    ['a Service of other pods', admit(80), service({ selector: { app: 'db' } })],
    ['a Service of another namespace', admit(80), service({ namespace: 'shop' })],
    ['a Service without a selector', admit(80), service({ selector: {} })],
  ])('SL042: silent for %s', (_, change, each) => {
    expect(lint([change], [each])).toEqual([]);
  });

  test('CNP-26, SL073: a Deny that a pod meets on its way to itself, once a rule', () => {
    const denial = top({ ingress: [deny(all)] });
    const web = service();
    const labelled = ['a', 'b'].map((name, i) => set.pod(makePod(name, { ip: `10.1.1.${i}`, labels: { app: 'web' } })));
    expect(lint([denial, ...labelled], [web])).toMatchObject([
      { id: 'SL073', policy: 'cnp:top', path: 'spec.ingress[0]' },
    ]);
    expect(lint([denial, ...labelled], [service({ selector: {} })])).toEqual([]);
    expect(lint([top({ ingress: [accept(all), deny(networks('10.0.0.0/8'))] }), ...labelled], [web])).toEqual([]);
  });

  test('SL052: an ipBlock of Service addresses', () => {
    const to = (cidr: string): ClusterChange =>
      set.policy(makePolicy('p', { subject: selector({ app: 'db' }), egress: [rule([block(cidr)])] }));
    expect(lint([to('10.96.0.0/12')], [service()])).toMatchObject([
      { id: 'SL052', path: 'spec.egress[0].to[0].ipBlock.cidr' },
    ]);
    expect(lint([to('192.0.2.0/24')], [service()])).toEqual([]);
    expect(lint([to('10.0.0.0/8')], [service()]).map(({ id }) => id)).toEqual(['SL051']);
  });
});

test('SL060: names may be asked for where an Admin policy accepts that', () => {
  const some = set.policy(
    makePolicy('p', { subject: selector({ app: 'web' }), egress: [rule([pods({ app: 'db' })], [port(5432)])] }),
  );
  expect(ids(some)).toEqual(['SL060']);
  expect(ids(some, top({ egress: [accept(all, ports('UDP', 53))] }))).toEqual([]);
});
