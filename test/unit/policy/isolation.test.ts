import { describe, expect, test } from 'vitest';
import { RULE_SET_CLOSED, RULE_SET_OPEN } from '../../../src/policy/ids.ts';
import {
  block,
  makeEndpoint,
  makePod,
  makePolicy,
  NODE,
  pods,
  port,
  remove,
  rule,
  selector,
  set,
  webPod,
  webScenario,
} from '../../support/policy-builders.ts';

const PEER = '10.2.0.9';
const peer = set.pod(makePod('peer', { ip: PEER }));

describe('who is isolated', () => {
  test('NP-1: a policy of another namespace selects nothing here', () => {
    expect(webScenario(set.policy(makePolicy('other/deny'))).ruleSet('ingress')).toBe(RULE_SET_OPEN);
  });

  test('NP-1: the subject selector decides', () => {
    const policy = set.policy(makePolicy('deny', { subject: selector({ app: 'db' }) }));
    expect(webScenario(policy).ruleSet('ingress')).toBe(RULE_SET_OPEN);
  });

  test('NP-2: isolation is per direction', () => {
    const scenario = webScenario(peer, set.policy(makePolicy('deny', { types: ['Ingress'] })));
    expect(scenario.allows('ingress', PEER)).toBe(false);
    expect(scenario.ruleSet('egress')).toBe(RULE_SET_OPEN);
  });

  test('NP-6: rules of a type that is not in effect do not allow and do not isolate', () => {
    const policy = makePolicy('in', { types: ['Ingress'], ingress: [], egress: [rule()] });
    expect(webScenario(set.policy(policy)).ruleSet('egress')).toBe(RULE_SET_OPEN);
  });

  test('NP-8: deny by policy has a rule set of its own, apart from closed', () => {
    const scenario = webScenario(set.policy(makePolicy('deny', { types: ['Egress', 'Ingress'] })));
    expect(scenario.ruleSet('ingress')).toBe(scenario.ruleSet('egress'));
    expect(scenario.ruleSet('ingress')).toBeGreaterThan(RULE_SET_OPEN);
    expect(scenario.result.tables.rows.ruleSet).toHaveLength(0);
    expect(scenario.compiler.describeRuleSet(scenario.ruleSet('ingress'))?.entries).toEqual([]);
  });

  test('NP-8: one empty rule allows everything', () => {
    const scenario = webScenario(set.policy(makePolicy('all', { ingress: [rule()] })));
    for (const address of [PEER, '8.8.8.8', '2001:db8::1', '10.1.0.77']) {
      expect(scenario.allows('ingress', address)).toBe(true);
      expect(scenario.allows('ingress', address, 'ICMP')).toBe(true);
      expect(scenario.allows('ingress', address, 'GRE')).toBe(true);
    }
  });

  test('an invalid policy isolates and allows nothing', () => {
    const scenario = webScenario(peer, set.policy(makePolicy('bad', { ingress: [rule()], invalid: true })));
    expect(scenario.allows('ingress', PEER)).toBe(false);
    expect(scenario.result.tables.endpoints.ingressPolicies).toEqual([['default/bad']]);
  });

  test('NP-4: policies add up, and the deny of one does not take away', () => {
    const scenario = webScenario(
      peer,
      set.policy(makePolicy('deny')),
      set.policy(makePolicy('a', { ingress: [rule([pods({ app: 'peer' })], [port(80)])] })),
      set.policy(makePolicy('b', { ingress: [rule([block('10.2.0.0/24')], [port(443)])] })),
    );
    expect([80, 443, 22].map((number) => scenario.allows('ingress', PEER, number))).toEqual([true, true, false]);
  });

  test('removing the last policy opens the direction', () => {
    const scenario = webScenario(set.policy(makePolicy('deny'))).change(remove.policy('deny'));
    expect(scenario.ruleSet('ingress')).toBe(RULE_SET_OPEN);
  });

  test('NP-26: new labels of the pod change which policies select it', () => {
    const scenario = webScenario(peer, set.policy(makePolicy('deny', { subject: selector({ app: 'db' }) })));
    scenario.change(set.pod(makePod('web', { nodeName: NODE, labels: { app: 'db' } })));
    expect(scenario.allows('ingress', PEER)).toBe(false);
    scenario.change(set.pod(makePod('web', { nodeName: NODE })));
    expect(scenario.ruleSet('ingress')).toBe(RULE_SET_OPEN);
  });
});

describe('endpoints and their pods', () => {
  test('an endpoint whose pod is not known is closed in both directions and reported', () => {
    const scenario = webScenario(set.endpoint(makeEndpoint(2, 'ghost', ['10.1.0.2'])));
    expect([scenario.ruleSet('ingress', 2), scenario.ruleSet('egress', 2)]).toEqual([RULE_SET_CLOSED, RULE_SET_CLOSED]);
    expect(scenario.result.problems).toMatchObject([{ kind: 'unknown-pod', endpoint: 2, pod: 'default/ghost' }]);
  });

  test('NP-125: a pod with the same name and another uid is not the endpoint`s pod', () => {
    const scenario = webScenario(set.endpoint(makeEndpoint(2, 'web', ['10.1.0.2'], 'another-uid')));
    expect(scenario.ruleSet('ingress', 2)).toBe(RULE_SET_CLOSED);
    expect(scenario.ruleSet('ingress', 1)).toBe(RULE_SET_OPEN);
  });

  test.each([
    ['the endpoint', makeEndpoint(1, 'web', ['10.1.0.1'], ''), 'uid-web'],
    ['the pod', makeEndpoint(1, 'web', ['10.1.0.1'], 'some-uid'), ''],
  ])('NP-125: without a uid of %s the name decides', (_, endpoint, uid) => {
    const scenario = webScenario(...webPod({ uid }), set.endpoint(endpoint));
    expect(scenario.ruleSet('ingress')).toBe(RULE_SET_OPEN);
  });

  test('NP-14: a pod that becomes known is judged by its policies at once', () => {
    const scenario = webScenario(
      peer,
      set.policy(makePolicy('deny', { subject: selector({ app: 'late' }) })),
      set.endpoint(makeEndpoint(2, 'late', ['10.1.0.2'])),
    );
    scenario.change(set.pod(makePod('late', { nodeName: NODE })));
    expect(scenario.allows('ingress', PEER, 80, 2)).toBe(false);
    expect(scenario.ruleSet('egress', 2)).toBe(RULE_SET_OPEN);
    expect(scenario.result.problems).toEqual([]);
  });

  test.each([
    ['NP-120: a terminal pod', { terminal: true }],
    ['NP-83: a pod on the host`s network', { hostNetwork: true }],
  ])('%s is no subject: its endpoint is closed', (_, fields) => {
    expect(webScenario(...webPod(fields)).ruleSet('ingress')).toBe(RULE_SET_CLOSED);
  });

  test('a pod that goes leaves its endpoint closed, and one without endpoint has none', () => {
    const scenario = webScenario().change(remove.pod('web'));
    expect(scenario.ruleSet('egress')).toBe(RULE_SET_CLOSED);
    scenario.change(remove.endpoint(1));
    expect(scenario.result.tables.endpoints.id).toHaveLength(0);
  });

  test('pods with the same policies share a rule set', () => {
    const scenario = webScenario(
      set.policy(makePolicy('in', { ingress: [rule([pods({ app: 'peer' })])] })),
      set.pod(makePod('web-2', { nodeName: NODE, labels: { app: 'web' } })),
      set.endpoint(makeEndpoint(2, 'web-2', ['10.1.0.2'])),
    );
    expect(scenario.ruleSet('ingress', 2)).toBe(scenario.ruleSet('ingress', 1));
  });

  test('one pod with two endpoints is both', () => {
    const scenario = webScenario(
      set.policy(makePolicy('in', { ingress: [rule([pods({ app: 'web' })])] })),
      set.endpoint(makeEndpoint(2, 'web', ['10.1.0.2'])),
    );
    expect(scenario.allows('ingress', '10.1.0.2', 80, 1)).toBe(true);
    expect(scenario.allows('ingress', '10.1.0.1', 80, 2)).toBe(true);
  });
});
