/** What an explanation says, case by case. */
import { describe, expect, test } from 'vitest';
import { answerFlows, judgeFlow } from '../../../src/policy/answer.ts';
import { DryRun } from '../../../src/policy/dry-run.ts';
import { podCells, rangeCells } from '../../../src/policy/flow-cells.ts';
import { parseCidr } from '../../../src/net/cidr.ts';
import { rangeOfCidr } from '../../../src/policy/address-range.ts';
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

const WEB = '10.1.0.1';
const CLIENT = '10.1.0.2';
const OTHER = '10.2.0.3';

function world(...changes: readonly ClusterChange[]): DryRun {
  return new DryRun([
    set.namespace(makeNamespace('default')),
    set.namespace(makeNamespace('prod', { env: 'prod' })),
    set.pod(makePod('web', { ip: WEB, namedPorts: [namedPort('http', 8080)] })),
    set.pod(makePod('client', { ip: CLIENT, labels: { app: 'client', tier: '' } })),
    set.pod(makePod('prod/other', { ip: OTHER })),
    ...changes,
  ]);
}

function ingressOf(...rules: readonly NetworkPolicyRule[]): ClusterChange {
  return set.policy(makePolicy('in', { subject: selector({ app: 'web' }), ingress: rules }));
}

function missAt(source: string, ...rules: readonly NetworkPolicyRule[]): readonly string[] | undefined {
  const { ingress } = judgeFlow(world(ingressOf(...rules)), { source, destination: WEB, protocol: 'TCP', port: 80 });
  return ingress?.nearMiss?.failures.map(({ text }) => text);
}

describe('the near miss names the term that failed', () => {
  test.each<[string, string, NetworkPolicyRule, readonly string[]]>([
    ['a port', CLIENT, rule([], [port(9090)]), ['port 80 is not 9090']],
    ['a range of ports', CLIENT, rule([], [port(8000, 'TCP', 8999)]), ['port 80 is not in 8000-8999']],
    ['a protocol', CLIENT, rule([], [port(80, 'UDP')]), ['protocol TCP is not UDP']],
    ['a missing label', CLIENT, rule([pods({ front: 'yes' })]), ['label front=yes is missing']],
    ['another value', CLIENT, rule([pods({ app: 'web' })]), ['label app is client, not web']],
    ['an empty value', CLIENT, rule([pods({ tier: 'front' })]), ['label tier is empty, not front']],
    [
      'a list of values',
      CLIENT,
      rule([pods({}, requirement('app', 'In', 'a', 'b'))]),
      ['label app is client, not one of a, b'],
    ],
    [
      'an excluded value',
      CLIENT,
      rule([pods({}, requirement('app', 'NotIn', 'client'))]),
      ['label app is client, which NotIn excludes'],
    ],
    [
      'a label that must not be',
      CLIENT,
      rule([pods({}, requirement('app', 'DoesNotExist'))]),
      ['label app is there (client) and must not be'],
    ],
    [
      'a namespace',
      OTHER,
      rule([pods({ app: 'other' })]),
      ['namespace is prod, and without a namespaceSelector only pods of default match'],
    ],
    ['a namespace label', OTHER, rule([namespaces({ env: 'dev' })]), ['namespace prod: label env is prod, not dev']],
    ['a block', '192.0.2.1', rule([block('198.51.100.0/24')]), ['address 192.0.2.1 is not in 198.51.100.0/24']],
    [
      'an except',
      '192.0.2.1',
      rule([block('192.0.2.0/24', '192.0.2.0/25')]),
      ['address 192.0.2.1 is excepted: it is in 192.0.2.0/25'],
    ],
    [
      'that it is no pod',
      '192.0.2.1',
      rule([pods({})]),
      ['192.0.2.1 is outside the cluster; selectors match pods only'],
    ],
    ['NP-45: a named port', CLIENT, rule([], [port('http')]), ['port 80 is not http, which is 8080 on default/web']],
    [
      'NP-46: a name that is not declared',
      CLIENT,
      rule([], [port('admin')]),
      ['default/web declares no TCP port named admin'],
    ],
    ['NP-46: a name of another protocol', CLIENT, rule([], [port('http', 'UDP')]), ['protocol TCP is not UDP']],
    [
      'all that failed',
      OTHER,
      rule([namespaces({ env: 'dev' })], [port(443)]),
      ['namespace prod: label env is prod, not dev', 'port 80 is not 443'],
    ],
  ])('%s', (_, source, ...rest) => {
    const [only, expected] = rest;
    expect(missAt(source, only)).toEqual(expected);
  });

  test('of several rules, the one with the least that is wrong', () => {
    expect(
      missAt(CLIENT, rule([pods({ app: 'web' })], [port(443)]), rule([pods({ app: 'client' })], [port(81)])),
    ).toEqual(['port 80 is not 81']);
  });

  test('NP-48: a port name beside an ipBlock', () => {
    const dryRun = world(set.policy(makePolicy('out', { egress: [rule([block('10.1.0.0/24')], [port('http')])] })));
    const { egress } = judgeFlow(dryRun, { source: CLIENT, destination: WEB, protocol: 'TCP', port: 8080 });
    expect(egress?.nearMiss?.failures.map(({ text }) => text)).toEqual([
      'the port name http matches nothing beside an ipBlock',
    ]);
  });
});

describe('what policies have no say about', () => {
  test('NP-85: a pod and itself', () => {
    const judged = judgeFlow(world(ingressOf()), { source: WEB, destination: WEB, protocol: 'TCP', port: 80 });
    expect(judged).toMatchObject({ verdict: 'allow', reason: 'self' });
  });

  test('NP-80, NP-81: a pod and its own node, and NP-82: not another', () => {
    const dryRun = world(
      ingressOf(),
      set.node(makeNode('node-2', { addresses: ['192.168.0.2'] })),
      set.node(makeNode('node-3', { addresses: ['192.168.0.3'] })),
    );
    const from = (source: string): unknown =>
      judgeFlow(dryRun, { source, destination: WEB, protocol: 'TCP', port: 80 });
    expect(from('192.168.0.2')).toMatchObject({ verdict: 'allow', reason: 'own-node' });
    expect(from('192.168.0.3')).toMatchObject({ verdict: 'deny', reason: 'policy' });
  });

  test('NP-83: a pod on the host network is neither subject nor peer', () => {
    const dryRun = world(
      ingressOf(rule([pods({ app: 'agent' })])),
      set.pod(makePod('agent', { ip: '192.168.0.9', hostNetwork: true, nodeName: 'node-9' })),
    );
    const judged = judgeFlow(dryRun, { source: '192.168.0.9', destination: WEB, protocol: 'TCP', port: 80 });
    expect(judged).toMatchObject({
      verdict: 'deny',
      sourceParty: { kind: 'node', nodes: ['node-9'] },
      egress: undefined,
    });
  });

  test('two addresses outside', () => {
    const judged = judgeFlow(world(), { source: '192.0.2.1', destination: '192.0.2.2', protocol: 'TCP', port: 80 });
    expect(judged).toMatchObject({ verdict: 'allow', reason: 'no-subject' });
  });
});

test('NP-20: an invalid policy is named as the one that isolates and allows nothing', () => {
  const dryRun = world(set.policy(makePolicy('broken', { invalid: true })));
  const { ingress } = judgeFlow(dryRun, { source: CLIENT, destination: WEB, protocol: 'TCP', port: 80 });
  expect(ingress).toMatchObject({
    verdict: 'deny',
    reason: 'no-rule',
    invalid: ['default/broken'],
    nearMiss: undefined,
  });
});

test('a range is cut where the answer changes, and like parts are told together', () => {
  const dryRun = world(ingressOf(rule([block('192.0.2.0/24', '192.0.2.64/26')])));
  const web = dryRun.pods.get('default/web')!;
  const cells = rangeCells(dryRun, [rangeOfCidr(parseCidr('192.0.2.0/23')!)]);
  const answer = answerFlows(dryRun, cells, podCells(web), () => ({ protocol: 'TCP', port: 80 }));
  if (!('parts' in answer)) throw new Error(answer.kind);
  expect(answer.verdict).toBe('mixed');
  const told = answer.parts.map(({ verdict, sources }) => [verdict, sources.map(({ label }) => label).join(' ')]);
  expect(told).toEqual([
    ['deny', '192.0.2.64/26'],
    ['deny', '192.0.3.0/24'],
    ['allow', '192.0.2.0/26 192.0.2.128/25'],
  ]);
});

test('ends without a common family have no answer', () => {
  const dryRun = world(set.pod(makePod('six', { ip: 'fd00::1' })));
  const cells = (key: string): ReturnType<typeof podCells> => podCells(dryRun.pods.get(key)!);
  const answer = answerFlows(dryRun, cells('default/six'), cells('default/web'), () => ({ protocol: 'TCP', port: 80 }));
  expect(answer).toEqual({ kind: 'no-common-family' });
});
