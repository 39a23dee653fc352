/** Explanations where ClusterNetworkPolicies have a say: which rule of which tier decided. */
import { describe, expect, test } from 'vitest';
import { judgeFlow } from '../../../src/policy/answer.ts';
import { DryRun } from '../../../src/policy/dry-run.ts';
import type { ClusterChange, ClusterNetworkPolicy } from '../../../src/policy/model.ts';
import { makeNamespace, makePod, makePolicy, pods, rule, selector, set } from '../../support/policy-builders.ts';

const ALL = { namespaces: selector() };

function clusterPolicy(name: string, fields: Partial<ClusterNetworkPolicy>): ClusterChange {
  const object: ClusterNetworkPolicy = {
    name,
    tier: 'Admin',
    priority: 10,
    subject: ALL,
    ingress: [],
    egress: [],
    ...fields,
  };
  return { kind: 'ClusterNetworkPolicy', op: 'set', object };
}

function ingressOf(...changes: readonly ClusterChange[]): unknown {
  const dryRun = new DryRun([
    set.namespace(makeNamespace('default')),
    set.pod(makePod('a', { ip: '10.1.0.1' })),
    set.pod(makePod('b', { ip: '10.1.0.2' })),
    ...changes,
  ]);
  return judgeFlow(dryRun, { source: '10.1.0.1', destination: '10.1.0.2', protocol: 'TCP', port: 80 }).ingress;
}

const step = (action: 'Accept' | 'Deny' | 'Pass'): ClusterNetworkPolicy['ingress'][number] => ({
  name: '',
  action,
  peers: [ALL],
  protocols: [],
});
const allow = set.policy(makePolicy('in', { ingress: [rule([pods({ app: 'a' })])] }));
const deny = set.policy(makePolicy('in'));

describe('the last word', () => {
  test('CNP-22: an Admin rule that denies, whatever NetworkPolicies allow', () => {
    expect(ingressOf(allow, clusterPolicy('top', { ingress: [step('Deny')] }))).toMatchObject({
      verdict: 'deny',
      reason: 'cluster-rule',
      clusterRule: { policy: 'top', index: 0, tier: 'Admin', action: 'Deny' },
      allowedBy: [],
      nearMiss: undefined,
    });
  });

  test('CNP-21: an Admin rule that accepts, whatever NetworkPolicies deny', () => {
    expect(ingressOf(deny, clusterPolicy('top', { ingress: [step('Accept')] }))).toMatchObject({
      verdict: 'allow',
      reason: 'cluster-rule',
      clusterRule: { policy: 'top', action: 'Accept' },
    });
  });

  test('CNP-23: after a Pass the NetworkPolicies are explained', () => {
    const pass = clusterPolicy('top', { ingress: [step('Pass'), step('Deny')] });
    expect(ingressOf(allow, pass)).toMatchObject({
      verdict: 'allow',
      reason: 'rule',
      allowedBy: [{ policy: 'default/in' }],
      clusterRule: undefined,
    });
    expect(ingressOf(deny, pass)).toMatchObject({ verdict: 'deny', reason: 'no-rule' });
    expect(ingressOf(pass)).toMatchObject({ verdict: 'allow', reason: 'not-isolated' });
  });

  test('CNP-24: a Baseline rule only where no NetworkPolicy isolates', () => {
    const base = clusterPolicy('base', { tier: 'Baseline', ingress: [step('Deny')] });
    expect(ingressOf(base)).toMatchObject({
      verdict: 'deny',
      reason: 'cluster-rule',
      clusterRule: { policy: 'base', tier: 'Baseline' },
    });
    expect(ingressOf(base, allow)).toMatchObject({ verdict: 'allow', reason: 'rule' });
  });
});

describe('the rule that came closest', () => {
  const only = (
    port: number,
    peers: ClusterNetworkPolicy['ingress'][number]['peers'],
  ): ClusterNetworkPolicy['ingress'][number] => ({
    name: 'metrics',
    action: 'Accept',
    peers,
    protocols: [{ protocol: 'TCP', port }],
  });

  test('CNP-22: of a denial by a rule, the Accept before it', () => {
    const top = clusterPolicy('top', { ingress: [only(9090, [ALL]), step('Deny'), only(80, [ALL])] });
    expect(ingressOf(top)).toMatchObject({
      clusterRule: { policy: 'top', index: 1 },
      nearMiss: { rule: { policy: 'cnp:top', index: 0 }, failures: [{ text: 'port 80 is not 9090' }] },
    });
  });

  test('CNP-20: of a denial by NetworkPolicies, an Accept of tier Admin where it came closer', () => {
    const top = clusterPolicy('top', { ingress: [only(9090, [ALL])] });
    const base = clusterPolicy('base', { tier: 'Baseline', ingress: [step('Accept')] });
    const far = set.policy(makePolicy('in', { ingress: [rule([pods({ app: 'x', tier: 'y' })])] }));
    expect(ingressOf(top, base, far)).toMatchObject({ reason: 'no-rule', nearMiss: { rule: { policy: 'cnp:top' } } });
    expect(ingressOf(top, base, deny)).toMatchObject({ reason: 'no-rule', nearMiss: { rule: { policy: 'cnp:top' } } });
  });

  test('CNP-8: a rule with a peer that is not enforced says so', () => {
    const egress = [
      { name: '', action: 'Accept' as const, peers: [{ domainNames: ['example.com'] }], protocols: [] },
      { name: '', action: 'Deny' as const, peers: [{ networks: ['0.0.0.0/0'] }], protocols: [] },
    ];
    const dryRun = new DryRun([
      set.namespace(makeNamespace('default')),
      set.pod(makePod('a', { ip: '10.1.0.1' })),
      clusterPolicy('top', { egress }),
    ]);
    const flow = { source: '10.1.0.1', destination: '192.0.2.1', protocol: 'TCP', port: 443 } as const;
    expect(judgeFlow(dryRun, flow).egress?.nearMiss?.failures).toMatchObject([
      { text: 'domainNames is not enforced, and accepts nothing' },
    ]);
  });
});
