import { describe, expect, test } from 'vitest';
import { PEER_CLASS_UNKNOWN_POD } from '../../../src/policy/ids.ts';
import {
  block,
  makeEndpoint,
  makeNamespace,
  makePod,
  makePolicy,
  namespaces,
  NODE,
  pods,
  port,
  remove,
  requirement,
  rule,
  set,
  webScenario,
  type Scenario,
} from '../../support/policy-builders.ts';
import type { NetworkPolicyPeer } from '../../../src/policy/model.ts';

const PEER = '10.2.0.9';

function from(...peers: readonly NetworkPolicyPeer[]): ReturnType<typeof set.policy> {
  return set.policy(makePolicy('in', { ingress: [rule(peers)] }));
}

describe('pods', () => {
  test('NP-21: a podSelector alone means the namespace of the policy', () => {
    const scenario = webScenario(
      from(pods({ app: 'peer' })),
      set.pod(makePod('peer', { ip: PEER })),
      set.pod(makePod('other/peer', { ip: '10.2.0.10' })),
    );
    expect(scenario.allows('ingress', PEER)).toBe(true);
    expect(scenario.allows('ingress', '10.2.0.10')).toBe(false);
  });

  test('NP-21: both selectors in one peer are an AND, in two peers an OR', () => {
    const changes = [
      set.namespace(makeNamespace('a', { team: 'x' })),
      set.namespace(makeNamespace('b')),
      set.pod(makePod('a/peer', { ip: '10.2.0.1' })),
      set.pod(makePod('a/other', { ip: '10.2.0.2' })),
      set.pod(makePod('b/peer', { ip: '10.2.0.3' })),
      set.pod(makePod('peer', { ip: '10.2.0.4' })),
    ];
    const verdicts = (scenario: Scenario): boolean[] =>
      [1, 2, 3, 4].map((last) => scenario.allows('ingress', `10.2.0.${last}`));
    expect(verdicts(webScenario(...changes, from(namespaces({ team: 'x' }, { app: 'peer' }))))).toEqual([
      true,
      false,
      false,
      false,
    ]);
    expect(verdicts(webScenario(...changes, from(namespaces({ team: 'x' }), pods({ app: 'peer' }))))).toEqual([
      true,
      true,
      false,
      true,
    ]);
  });

  test('NP-20: a peer that says nothing matches nothing', () => {
    const scenario = webScenario(from({}), set.pod(makePod('peer', { ip: PEER })));
    expect(scenario.allows('ingress', PEER)).toBe(false);
  });

  test('NP-27: every namespace is not everything', () => {
    const scenario = webScenario(from(namespaces()), set.pod(makePod('peer', { ip: PEER })));
    expect(scenario.allows('ingress', PEER)).toBe(true);
    for (const address of ['8.8.8.8', '192.168.0.2', '10.2.0.200']) {
      expect(scenario.allows('ingress', address)).toBe(false);
    }
  });

  test('NP-28: a namespaceSelector does not reach pods whose Namespace is not known', () => {
    const scenario = webScenario(from(namespaces()), set.pod(makePod('a/peer', { ip: PEER })));
    expect(scenario.allows('ingress', PEER)).toBe(false);
    expect(scenario.change(set.namespace(makeNamespace('a'))).allows('ingress', PEER)).toBe(true);
    expect(scenario.change(remove.namespace('a')).allows('ingress', PEER)).toBe(false);
  });

  test('NP-26: labels of pods and namespaces count as they are now', () => {
    const scenario = webScenario(
      from(namespaces({ team: 'x' }, { role: 'client' })),
      set.namespace(makeNamespace('a')),
      set.pod(makePod('a/peer', { ip: PEER })),
    );
    expect(scenario.change(set.namespace(makeNamespace('a', { team: 'x' }))).allows('ingress', PEER)).toBe(false);
    const labelled = makePod('a/peer', { ip: PEER, labels: { role: 'client' } });
    expect(scenario.change(set.pod(labelled)).allows('ingress', PEER)).toBe(true);
    expect(scenario.change(set.namespace(makeNamespace('a'))).allows('ingress', PEER)).toBe(false);
  });

  test('NP-26: a pod that loses its labels, to what no term matches or another pod has, loses what they allowed', () => {
    const scenario = webScenario(
      from(pods({ app: 'peer' })),
      set.pod(makePod('peer', { ip: PEER })),
      set.pod(makePod('bare', { ip: '10.2.0.10', labels: {} })),
    );
    expect(scenario.change(set.pod(makePod('peer', { ip: PEER, labels: {} }))).allows('ingress', PEER)).toBe(false);
    expect(scenario.change(set.pod(makePod('peer', { ip: PEER }))).allows('ingress', PEER)).toBe(true);
    const other = makePod('peer', { ip: PEER, labels: { app: 'other' } });
    expect(scenario.change(set.pod(other)).allows('ingress', PEER)).toBe(false);
  });

  test('NP-23: NotIn matches a pod without the label', () => {
    const scenario = webScenario(
      from(pods({}, requirement('tier', 'NotIn', 'db'))),
      set.pod(makePod('peer', { ip: PEER })),
      set.pod(makePod('db', { ip: '10.2.0.10', labels: { tier: 'db' } })),
    );
    expect(scenario.allows('ingress', PEER)).toBe(true);
    expect(scenario.allows('ingress', '10.2.0.10')).toBe(false);
  });

  test('NP-123: every address of a pod is the pod', () => {
    const scenario = webScenario(
      from(pods({ app: 'peer' })),
      set.pod(makePod('peer', { podIPs: [PEER, 'fd02::9', PEER] })),
    );
    expect(scenario.allows('ingress', PEER) && scenario.allows('ingress', 'fd02::9')).toBe(true);
    expect(scenario.result.problems).toEqual([]);
  });

  test.each([
    ['NP-120: a terminal pod', { terminal: true }],
    ['NP-84: a pod on the host`s network', { hostNetwork: true }],
  ])('%s is no peer', (_, fields) => {
    const scenario = webScenario(from(pods({ app: 'peer' })), set.pod(makePod('peer', { ip: PEER, ...fields })));
    expect(scenario.allows('ingress', PEER)).toBe(false);
  });

  test('NP-120: a new pod with the address of a completed one has only its own labels', () => {
    const scenario = webScenario(
      from(pods({ app: 'job' })),
      set.pod(makePod('job', { ip: PEER, terminal: true })),
      set.pod(makePod('new', { ip: PEER })),
    );
    expect(scenario.allows('ingress', PEER)).toBe(false);
    expect(scenario.result.problems).toEqual([]);
  });
});

describe('addresses that several claim', () => {
  const allowPeer = from(pods({ app: 'peer' }));

  test('NP-29: an address of two live pods is an unknown pod`s, until one of them goes', () => {
    const scenario = webScenario(
      allowPeer,
      set.pod(makePod('peer', { ip: PEER })),
      set.pod(makePod('late', { ip: PEER })),
    );
    expect(scenario.allows('ingress', PEER)).toBe(false);
    expect(scenario.result.problems).toMatchObject([
      { kind: 'contested-address', address: PEER, claimants: ['pod default/late', 'pod default/peer'] },
    ]);
    expect(scenario.change(remove.pod('late')).allows('ingress', PEER)).toBe(true);
    expect(scenario.result.problems).toEqual([]);
  });

  test('NP-124: a local endpoint wins over a pod elsewhere', () => {
    const scenario = webScenario(
      allowPeer,
      set.pod(makePod('peer', { nodeName: NODE })),
      set.endpoint(makeEndpoint(2, 'peer', ['10.1.0.2'])),
      set.pod(makePod('stale', { ip: '10.1.0.2' })),
    );
    expect(scenario.allows('ingress', '10.1.0.2')).toBe(true);
    expect(scenario.result.problems).toMatchObject([{ claimants: ['endpoint 2', 'pod default/stale'] }]);
  });

  test('NP-124: the addresses of a local pod are those of its endpoint, not its podIPs', () => {
    const scenario = webScenario(
      allowPeer,
      set.pod(makePod('peer', { nodeName: NODE, ip: PEER })),
      set.endpoint(makeEndpoint(2, 'peer', ['10.1.0.2'])),
    );
    expect(scenario.allows('ingress', '10.1.0.2')).toBe(true);
    expect(scenario.allows('ingress', PEER)).toBe(false);
    expect(scenario.change(remove.endpoint(2)).allows('ingress', PEER)).toBe(true);
  });

  test('two local endpoints on one address are an unknown pod', () => {
    const scenario = webScenario(
      allowPeer,
      set.pod(makePod('peer', { nodeName: NODE })),
      set.endpoint(makeEndpoint(2, 'peer', ['10.1.0.2'])),
      set.endpoint(makeEndpoint(3, 'peer', ['10.1.0.2'])),
    );
    expect(scenario.allows('ingress', '10.1.0.2')).toBe(false);
  });

  test('NP-84: an address of the node is no pod`s, whatever a pod claims', () => {
    const scenario = webScenario(allowPeer, set.pod(makePod('peer', { ip: '192.168.0.1' })));
    expect(scenario.allows('ingress', '192.168.0.1')).toBe(false);
  });

  test('an endpoint whose pod is not known has the class unknown pod, also outside podCIDRs', () => {
    const scenario = webScenario(
      set.policy(makePolicy('in', { ingress: [rule([block('0.0.0.0/0')])] })),
      set.endpoint(makeEndpoint(2, 'ghost', ['172.16.0.1'])),
    );
    expect(scenario.allows('ingress', '172.16.0.1')).toBe(false);
    expect(scenario.result.tables.addresses.classes).toContain(PEER_CLASS_UNKNOWN_POD);
  });

  test('an address that cannot be read is left out and reported', () => {
    const scenario = webScenario(set.pod(makePod('peer', { ip: 'nonsense' })));
    expect(scenario.result.problems).toMatchObject([
      { kind: 'unreadable', object: 'pod default/peer', text: 'nonsense' },
    ]);
  });
});

test('NP-10: peers and ports of one rule belong together', () => {
  const scenario = webScenario(
    set.policy(
      makePolicy('in', {
        ingress: [rule([pods({ app: 'a' })], [port(80)]), rule([pods({ app: 'b' })], [port(81)])],
      }),
    ),
    set.pod(makePod('a', { ip: '10.2.0.1' })),
    set.pod(makePod('b', { ip: '10.2.0.2' })),
  );
  expect([80, 81].map((number) => scenario.allows('ingress', '10.2.0.1', number))).toEqual([true, false]);
  expect([80, 81].map((number) => scenario.allows('ingress', '10.2.0.2', number))).toEqual([false, true]);
});
