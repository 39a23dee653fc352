import { expect, test } from 'vitest';
import { ascending } from '../../../src/policy/ascending.ts';
import type { NetworkPolicyPeer, NetworkPolicyRule } from '../../../src/policy/model.ts';
import { RulePool } from '../../../src/policy/rule-pool.ts';

const named = (key: string, value: string): NetworkPolicyPeer => ({
  namespaceSelector: { matchLabels: { [key]: value }, matchExpressions: [] },
});
const local: NetworkPolicyPeer = { podSelector: { matchLabels: { app: 'web' }, matchExpressions: [] } };
const block = (cidr: string): NetworkPolicyPeer => ({ ipBlock: { cidr, except: [] } });
const rule = (peers: readonly NetworkPolicyPeer[], port = 80): NetworkPolicyRule => ({
  peers,
  ports: [{ protocol: 'TCP', port }],
});

test('rules that say the same are one object, whoever wrote them', () => {
  const pool = new RulePool();
  const first = pool.compile(rule([named('team', 'a'), block('10.0.0.0/8')]), 'shop', []);
  expect(pool.compile(rule([named('team', 'a'), block('10.0.0.0/8')]), 'bank', [])).toBe(first);
});

test('rules that differ in a peer, in a port or in whether they have peers are told apart', () => {
  const pool = new RulePool();
  const rules = [
    rule([named('team', 'a')]),
    rule([named('team', 'a')], 81),
    rule([named('team', 'a'), named('team', 'b')]),
    rule([named('tea', 'ma')]),
    rule([]),
    rule([block('nonsense')]),
  ].map((each) => pool.compile(each, 'shop', []));
  expect(new Set(rules.map(({ serial }) => serial)).size).toBe(rules.length);
  expect(rules.map(({ everyone }) => everyone)).toEqual([false, false, false, false, true, false]);
});

test('NP-21: a pod selector without a namespace selector is about the namespace of its policy', () => {
  const pool = new RulePool();
  const texts = ['shop', 'bank'].map((namespace) => pool.compile(rule([local]), namespace, []).peers[0]?.text);
  expect(texts).toEqual(['pods app=web in namespace shop', 'pods app=web in namespace bank']);
});

test('every policy with a block that cannot be read hears of it, not only the first', () => {
  const pool = new RulePool();
  const heard = ['a', 'b'].map((namespace) => {
    const unreadable: string[] = [];
    pool.compile(rule([block('10.0.0.0/99')]), namespace, unreadable);
    return unreadable;
  });
  expect(heard).toEqual([['10.0.0.0/99'], ['10.0.0.0/99']]);
});

test('short and long lists come in order and without duplicates', () => {
  for (const length of [0, 1, 2, 7, 32, 33, 500]) {
    const list = Array.from({ length }, (_, i) => (i * 7919) % 97);
    expect(ascending([...list])).toEqual([...new Set(list)].sort((a, b) => a - b));
  }
});
