import { describe, expect, test } from 'vitest';
import { PEER_CLASS_NONE } from '../../../src/policy/ids.ts';
import type { NetworkPolicyPeer } from '../../../src/policy/model.ts';
import {
  block,
  makeNode,
  makePod,
  makePolicy,
  NODE,
  pods,
  port,
  remove,
  rule,
  set,
  webScenario,
} from '../../support/policy-builders.ts';

function from(...peers: readonly NetworkPolicyPeer[]): ReturnType<typeof set.policy> {
  return set.policy(makePolicy('in', { ingress: [rule(peers)] }));
}

describe('blocks and excepts', () => {
  test.each([
    ['NP-60: inside', '203.0.113.7', true],
    ['NP-60: inside an except', '203.0.113.130', false],
    ['NP-60: behind an except', '203.0.113.160', true],
    ['outside', '203.0.114.1', false],
    ['NP-62: the other family', '2001:db8::1', false],
  ])('%s', (_, address, expected) => {
    const scenario = webScenario(from(block('203.0.113.0/24', '203.0.113.128/27', '203.0.113.129/32')));
    expect(scenario.allows('ingress', address)).toBe(expected);
  });

  test('NP-61: another peer may allow what an except leaves out', () => {
    const scenario = webScenario(from(block('203.0.113.0/24', '203.0.113.0/25'), block('203.0.113.5/32')));
    expect(scenario.allows('ingress', '203.0.113.5')).toBe(true);
    expect(scenario.allows('ingress', '203.0.113.6')).toBe(false);
  });

  test('NP-62: 0.0.0.0/0 is every IPv4 address and no IPv6 address', () => {
    const scenario = webScenario(from(block('0.0.0.0/0')));
    expect(scenario.allows('ingress', '8.8.8.8')).toBe(true);
    expect(scenario.allows('ingress', '255.255.255.255')).toBe(true);
    expect(scenario.allows('ingress', '2001:db8::1')).toBe(false);
    expect(scenario.allows('ingress', '::ffff:8.8.8.8')).toBe(false);
  });

  test('NP-62: ::/0 is every IPv6 address and no IPv4 address', () => {
    const scenario = webScenario(from(block('::/0')));
    expect(scenario.allows('ingress', '2001:db8::1')).toBe(true);
    expect(scenario.allows('ingress', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff')).toBe(true);
    expect(scenario.allows('ingress', '8.8.8.8')).toBe(false);
  });

  test.each([
    ['/32', block('203.0.113.7/32'), '203.0.113.7', '203.0.113.8'],
    ['/31', block('203.0.113.6/31'), '203.0.113.7', '203.0.113.8'],
    ['/128', block('2001:db8::7/128'), '2001:db8::7', '2001:db8::8'],
    ['/127', block('2001:db8::6/127'), '2001:db8::7', '2001:db8::8'],
  ])('NP-67: %s', (_, peer, inside, outside) => {
    const scenario = webScenario(from(peer));
    expect([scenario.allows('ingress', inside), scenario.allows('ingress', outside)]).toEqual([true, false]);
  });

  test('NP-67: overlapping blocks with different ports', () => {
    const scenario = webScenario(
      set.policy(
        makePolicy('in', {
          ingress: [
            rule([block('203.0.113.0/24')], [port(80)]),
            rule([block('203.0.113.64/26', '203.0.113.64/32')], [port(443)]),
          ],
        }),
      ),
    );
    const ports = (address: string): boolean[] =>
      [80, 443].map((number) => scenario.allows('ingress', address, number));
    expect(ports('203.0.113.1')).toEqual([true, false]);
    expect(ports('203.0.113.65')).toEqual([true, true]);
    expect(ports('203.0.113.64')).toEqual([true, false]);
  });

  test('NP-67: a block that is excepted in two halves matches nothing', () => {
    const scenario = webScenario(from(block('203.0.113.0/24', '203.0.113.0/25', '203.0.113.128/25')));
    expect(scenario.allows('ingress', '203.0.113.1') || scenario.allows('ingress', '203.0.113.200')).toBe(false);
  });

  test('a block that cannot be read matches nothing and is reported', () => {
    const scenario = webScenario(from(block('nonsense'), block('203.0.113.0/24', 'nonsense')));
    expect(scenario.allows('ingress', '203.0.113.1')).toBe(false);
    expect(scenario.result.problems).toMatchObject([{ object: 'policy default/in' }, { object: 'policy default/in' }]);
  });
});

describe('blocks and pods', () => {
  test('NP-64: a block matches addresses of pods', () => {
    const scenario = webScenario(
      from(block('10.2.0.8/30')),
      set.pod(makePod('peer', { podIPs: ['10.2.0.9', '10.2.0.20'] })),
    );
    expect(scenario.allows('ingress', '10.2.0.9')).toBe(true);
    expect(scenario.allows('ingress', '10.2.0.20')).toBe(false);
  });

  test('NP-67: an except of one pod', () => {
    const scenario = webScenario(
      from(block('10.2.0.0/24', '10.2.0.9/32')),
      set.pod(makePod('a', { ip: '10.2.0.9' })),
      set.pod(makePod('b', { ip: '10.2.0.10' })),
    );
    expect([9, 10].map((last) => scenario.allows('ingress', `10.2.0.${last}`))).toEqual([false, true]);
  });

  test('a block does not match unknown pods in podCIDRs, however deep it lies', () => {
    const scenario = webScenario(from(block('10.0.0.0/8'), block('10.2.0.8/30'), block('10.2.0.9/32')));
    expect(scenario.allows('ingress', '10.3.0.1')).toBe(true);
    expect(scenario.allows('ingress', '10.2.0.9')).toBe(false);
    expect(scenario.allows('ingress', '10.2.0.200')).toBe(false);
  });

  test('a new podCIDR makes its addresses unknown pods; when the node goes they are outside again', () => {
    const scenario = webScenario(from(block('10.0.0.0/8')));
    scenario.change(set.node(makeNode('node-3', { podCIDRs: ['10.3.0.0/24'] })));
    expect(scenario.allows('ingress', '10.3.0.1')).toBe(false);
    expect(scenario.change(remove.node('node-3')).allows('ingress', '10.3.0.1')).toBe(true);
  });

  test('a block that comes or goes reclassifies the pods in it and no others', () => {
    const scenario = webScenario(
      set.pod(makePod('a', { ip: '10.2.0.9' })),
      set.pod(makePod('b', { ip: '10.2.0.20' })),
      set.policy(makePolicy('other', { ingress: [rule([pods({ app: 'b' })])] })),
    );
    const before = scenario.reader.classOf(Uint8Array.of(4, 10, 2, 0, 20, ...new Uint8Array(12)));
    scenario.change(from(block('10.2.0.8/30')));
    expect(scenario.allows('ingress', '10.2.0.9')).toBe(true);
    expect(scenario.reader.classOf(Uint8Array.of(4, 10, 2, 0, 20, ...new Uint8Array(12)))).toBe(before);
    expect(scenario.change(remove.policy('in')).allows('ingress', '10.2.0.9')).toBe(false);
  });

  test('a prefix that says what the one around it says is left out', () => {
    const scenario = webScenario(from(block('203.0.113.0/24', '203.0.113.0/26'), block('203.0.113.0/26')));
    const lengths = [...scenario.result.tables.prefixes.classes.keys()].map(
      (i) => scenario.result.tables.prefixes.keys[i * 18 + 1],
    );
    expect(lengths).toContain(26);
    const without = webScenario(set.node(makeNode('node-3', { podCIDRs: ['10.2.0.0/26'] })));
    expect(without.result.tables.prefixes.classes).toHaveLength(4);
  });
});

describe('nodes', () => {
  test('NP-82: addresses of nodes match blocks', () => {
    const scenario = webScenario(from(block('192.168.0.0/24')));
    expect(scenario.allows('ingress', '192.168.0.1')).toBe(true);
    expect(scenario.allows('ingress', '192.168.0.2')).toBe(true);
  });

  test('own addresses come from the Node object and from the interfaces', () => {
    const scenario = webScenario(set.nodeAddresses('10.1.0.254', '192.168.0.1'));
    const { addresses } = scenario.result.tables;
    const own = [...addresses.flags.keys()].filter((i) => addresses.flags[i] === 1);
    expect(own.map((i) => [...addresses.keys.subarray(i * 17, i * 17 + 5)])).toEqual([
      [4, 10, 1, 0, 254],
      [4, 192, 168, 0, 1],
    ]);
    expect(own.map((i) => addresses.classes[i])).toEqual([PEER_CLASS_NONE, PEER_CLASS_NONE]);
    scenario.change(set.nodeAddresses(), set.node(makeNode(NODE)));
    expect(scenario.result.tables.addresses.flags).not.toContain(1);
  });

  test('an address of another node is no own address', () => {
    const { flags } = webScenario().result.tables.addresses;
    expect([...flags].filter((flag) => flag === 1)).toHaveLength(1);
  });
});
