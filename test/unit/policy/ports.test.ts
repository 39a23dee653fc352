import { describe, expect, test } from 'vitest';
import type { NetworkPolicyPort } from '../../../src/policy/model.ts';
import {
  block,
  makeEndpoint,
  makePod,
  makePolicy,
  namedPort,
  NODE,
  pods,
  port,
  rule,
  selector,
  set,
  webPod,
  webScenario,
  type Scenario,
} from '../../support/policy-builders.ts';

const PEER = '10.2.0.9';
const peer = set.pod(makePod('peer', { ip: PEER }));

function ingressOn(...ports: readonly NetworkPolicyPort[]): Scenario {
  return webScenario(peer, set.policy(makePolicy('in', { ingress: [rule([], ports)] })));
}

describe('numbers and ranges', () => {
  test('NP-41: no port means every port of the protocol', () => {
    const scenario = ingressOn(port(undefined, 'UDP'));
    expect([1, 53, 65535].every((number) => scenario.allowsPort('ingress', PEER, 'UDP', number))).toBe(true);
    expect(scenario.allowsPort('ingress', PEER, 'TCP', 53)).toBe(false);
  });

  test('NP-43: endPort is inclusive at both ends', () => {
    const scenario = ingressOn(port(8000, 'TCP', 8010));
    expect([7999, 8000, 8010, 8011].map((number) => scenario.allows('ingress', PEER, number))).toEqual([
      false,
      true,
      true,
      false,
    ]);
  });

  test('NP-43: the ends of the range of ports', () => {
    const scenario = ingressOn(port(1), port(65000, 'TCP', 65535));
    expect([1, 2, 64999, 65000, 65535].map((number) => scenario.allows('ingress', PEER, number))).toEqual([
      true,
      false,
      false,
      true,
      true,
    ]);
  });

  test('NP-51: protocols are separate', () => {
    const scenario = ingressOn(port(81, 'SCTP'));
    expect(scenario.allowsPort('ingress', PEER, 'SCTP', 81)).toBe(true);
    expect(scenario.allowsPort('ingress', PEER, 'TCP', 81)).toBe(false);
  });

  test('NP-52: a rule with ports never matches a protocol without ports', () => {
    const scenario = ingressOn(port(undefined, 'TCP'), port(undefined, 'UDP'), port(undefined, 'SCTP'));
    expect((['ICMP', 'ICMPv6', 'GRE'] as const).some((protocol) => scenario.allows('ingress', PEER, protocol))).toBe(
      false,
    );
  });

  test('NP-52: a rule without ports does, for the peers it names', () => {
    const scenario = webScenario(peer, set.policy(makePolicy('in', { ingress: [rule([pods({ app: 'peer' })])] })));
    expect((['ICMP', 'ICMPv6', 'GRE'] as const).every((protocol) => scenario.allows('ingress', PEER, protocol))).toBe(
      true,
    );
    expect(scenario.allows('ingress', '8.8.8.8', 'ICMP')).toBe(false);
  });

  test('a peer may more than everyone', () => {
    const scenario = webScenario(
      peer,
      set.policy(
        makePolicy('in', { ingress: [rule([], [port(80)]), rule([pods({ app: 'peer' })], [port(81), port(80)])] }),
      ),
    );
    expect([80, 81].map((number) => scenario.allows('ingress', PEER, number))).toEqual([true, true]);
    expect([80, 81].map((number) => scenario.allows('ingress', '8.8.8.8', number))).toEqual([true, false]);
  });

  test('more port classes than one block holds', () => {
    const ports = Array.from({ length: 600 }, (_, i) => port(1000 + i * 2));
    const rules = [rule([pods({ app: 'peer' })], ports), rule([pods({ app: 'all' })])];
    const each = ports.map((one) => rule([block('203.0.113.0/24')], [one]));
    const subjects = each.map((one, i) =>
      set.policy(makePolicy(`p${i}`, { subject: selector({ app: `none-${i}` }), ingress: [one] })),
    );
    const scenario = webScenario(
      peer,
      set.pod(makePod('all', { ip: '10.2.0.10' })),
      set.policy(makePolicy('in', { ingress: rules })),
      ...subjects,
    );
    expect([1000, 1001, 2198, 2199].map((number) => scenario.allows('ingress', PEER, number))).toEqual([
      true,
      false,
      true,
      false,
    ]);
    expect([999, 2198, 65535].every((number) => scenario.allows('ingress', '10.2.0.10', number))).toBe(true);
  });
});

describe('named ports on ingress', () => {
  const policy = set.policy(makePolicy('in', { ingress: [rule([], [port('http'), port('dns', 'UDP')])] }));

  test('NP-45: resolved on the selected pod, by name and protocol', () => {
    const scenario = webScenario(...webPod({ namedPorts: [namedPort('http', 8080), namedPort('dns', 53)] }), policy);
    expect(scenario.allows('ingress', PEER, 8080)).toBe(true);
    expect(scenario.allowsPort('ingress', PEER, 'UDP', 53)).toBe(false);
    expect(scenario.allows('ingress', PEER, 53)).toBe(false);
  });

  test('NP-46: a name the pod does not declare matches nothing', () => {
    const scenario = webScenario(policy);
    expect([80, 8080].some((number) => scenario.allows('ingress', PEER, number))).toBe(false);
  });

  test('NP-49: every number of the name counts', () => {
    const scenario = webScenario(...webPod({ namedPorts: [namedPort('http', 8081), namedPort('http', 8080)] }), policy);
    expect([8080, 8081, 8082].map((number) => scenario.allows('ingress', PEER, number))).toEqual([true, true, false]);
  });

  test('a pod whose ports change gets another rule set', () => {
    const scenario = webScenario(...webPod({ namedPorts: [namedPort('http', 8080)] }), policy);
    scenario.change(...webPod({ namedPorts: [namedPort('http', 9090)] }));
    expect([8080, 9090].map((number) => scenario.allows('ingress', PEER, number))).toEqual([false, true]);
  });
});

describe('named ports on egress', () => {
  const a = set.pod(makePod('a', { ip: '10.2.0.1', labels: { role: 'db' }, namedPorts: [namedPort('sql', 5432)] }));
  const b = set.pod(makePod('b', { ip: '10.2.0.2', labels: { role: 'db' }, namedPorts: [namedPort('sql', 3306)] }));
  const c = set.pod(
    makePod('c', { ip: '10.2.0.3', labels: { role: 'db' }, namedPorts: [namedPort('sql', 53, 'UDP')] }),
  );
  const other = set.pod(makePod('d', { ip: '10.2.0.4', namedPorts: [namedPort('sql', 5432)] }));

  function allowed(scenario: Scenario): string[] {
    return ['10.2.0.1', '10.2.0.2', '10.2.0.3', '10.2.0.4', '8.8.8.8'].flatMap((address) =>
      [5432, 3306, 53]
        .filter((number) => scenario.allows('egress', address, number))
        .map((number) => `${address}:${number}`),
    );
  }

  function egress(...rules: readonly ReturnType<typeof rule>[]): Scenario {
    const policy = set.policy(makePolicy('out', { subject: selector({ app: 'web' }), egress: rules }));
    return webScenario(...webPod({ namedPorts: [namedPort('sql', 1)] }), a, b, c, other, policy);
  }

  test('NP-47: each destination its own number, and not the source`s', () => {
    const scenario = egress(rule([pods({ role: 'db' })], [port('sql')]));
    expect(allowed(scenario)).toEqual(['10.2.0.1:5432', '10.2.0.2:3306']);
    expect(scenario.allows('egress', '10.2.0.1', 1)).toBe(false);
  });

  test('without peers: every pod that declares it, each its own number, and nothing else', () => {
    expect(allowed(egress(rule([], [port('sql')])))).toEqual(['10.2.0.1:5432', '10.2.0.2:3306', '10.2.0.4:5432']);
  });

  test('without peers: a pod that comes later with a number of its own', () => {
    const scenario = egress(rule([], [port('sql')]));
    scenario.change(set.pod(makePod('late', { ip: '10.2.0.5', namedPorts: [namedPort('sql', 7777)] })));
    expect(scenario.allows('egress', '10.2.0.5', 7777)).toBe(true);
    expect(scenario.allows('egress', '10.2.0.5', 5432) || scenario.allows('egress', '10.2.0.1', 7777)).toBe(false);
  });

  test('NP-48: a block with a named port matches nothing, pods in it included', () => {
    expect(allowed(egress(rule([block('0.0.0.0/0')], [port('sql')])))).toEqual([]);
  });

  test('NP-48: the block does not lend its pods to the name, the selector beside it does', () => {
    const scenario = egress(
      rule([block('10.2.0.0/24'), pods({ app: 'd' })], [port('sql')]),
      rule([pods({ role: 'db' })], [port(53)]),
    );
    const late = set.pod(makePod('d', { ip: '10.2.0.4', labels: { app: 'd' }, namedPorts: [namedPort('sql', 5432)] }));
    expect(allowed(scenario.change(late))).toEqual(['10.2.0.1:53', '10.2.0.2:53', '10.2.0.3:53', '10.2.0.4:5432']);
  });

  test('NP-48: not even when another endpoint`s policy reaches the pod by the name', () => {
    const scenario = egress(rule([block('10.2.0.0/24')], [port('sql')]));
    const byName = makePolicy('x', {
      subject: selector({ app: 'x' }),
      egress: [rule([pods({ app: 'd' })], [port('sql')])],
    });
    scenario.change(
      set.policy(byName),
      set.pod(makePod('x', { nodeName: NODE })),
      set.endpoint(makeEndpoint(2, 'x', ['10.1.0.2'])),
    );
    expect(scenario.allows('egress', '10.2.0.4', 5432, 2)).toBe(true);
    expect(allowed(scenario)).toEqual([]);
  });

  test('a pod that changes its number is reached at the new one only', () => {
    const scenario = egress(rule([pods({ role: 'db' })], [port('sql')]));
    scenario.change(
      set.pod(makePod('a', { ip: '10.2.0.1', labels: { role: 'db' }, namedPorts: [namedPort('sql', 53)] })),
    );
    expect(allowed(scenario)).toEqual(['10.2.0.1:53', '10.2.0.2:3306']);
  });

  test('a name that no rule uses any more splits no classes', () => {
    const scenario = egress(rule([pods({ role: 'db' })], [port('sql')]));
    const numbered = set.policy(
      makePolicy('out', { subject: selector({ app: 'web' }), egress: [rule([pods({ role: 'db' })], [port(5432)])] }),
    );
    scenario.change(numbered);
    expect(allowed(scenario)).toEqual(['10.2.0.1:5432', '10.2.0.2:5432', '10.2.0.3:5432']);
    const classOf = (last: number): number =>
      scenario.reader.classOf(Uint8Array.of(4, 10, 2, 0, last, ...new Uint8Array(12)));
    expect(classOf(1)).toBe(classOf(2));
  });
});
