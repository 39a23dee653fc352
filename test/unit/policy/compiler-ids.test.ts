import { describe, expect, test } from 'vitest';
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
  Scenario,
  selector,
  set,
  webPod,
  webScenario,
} from '../../support/policy-builders.ts';

const ingress = (name: string, number: number): ReturnType<typeof set.policy> =>
  set.policy(makePolicy(name, { ingress: [rule([pods({ app: 'peer' })], [port(number)])] }));

const forOther = (number: number): ReturnType<typeof set.policy> =>
  set.policy(makePolicy('x', { subject: selector({ app: 'other' }), ingress: [rule([], [port(number)])] }));

describe('ids', () => {
  test('start behind the ids that the kernel still uses, which are released like retired ones', () => {
    const reserved = { ruleSets: [2, 3], peerClasses: [3], portClasses: [3, 4] };
    const scenario = new Scenario([...webPod(), ingress('in', 80)], { reserved });
    expect(scenario.ruleSet('ingress')).toBe(4);
    expect(scenario.result.tables.addresses.classes).not.toContain(3);
    expect(Math.min(...scenario.result.tables.ports.portClass)).toBe(5);
    expect(scenario.result.retired).toEqual({ revision: 1, ...reserved });
    scenario.compiler.release(scenario.result.retired);
    expect(scenario.change().result.retired).toMatchObject({ ruleSets: [], peerClasses: [], portClasses: [] });
  });

  test('of an unchanged state stay what they are, and revisions count', () => {
    const scenario = webScenario(ingress('in', 80));
    const { tables } = scenario.result;
    expect(scenario.change().result.tables).toEqual({ ...tables, revision: 2 });
  });

  test('a rule set keeps its id while its content stays, whoever the policies are', () => {
    const scenario = webScenario(ingress('a', 80));
    const id = scenario.ruleSet('ingress');
    expect(scenario.change(remove.policy('a'), ingress('b', 80)).ruleSet('ingress')).toBe(id);
    expect(scenario.result.tables.endpoints.ingressPolicies).toEqual([['default/b']]);
  });

  test('a retired id is listed by every compile until it is released, and then used again', () => {
    const scenario = webScenario(ingress('a', 80));
    const id = scenario.ruleSet('ingress');
    scenario.change(ingress('a', 81));
    expect(scenario.result.retired.ruleSets).toEqual([id]);
    expect(scenario.change(ingress('a', 82)).result.retired.ruleSets).toContain(id);
    expect(scenario.ruleSet('ingress')).not.toBe(id);
    expect(scenario.compiler.describeRuleSet(id)?.entries).toEqual([
      { peer: 'pods app=peer in namespace default', ports: ['TCP 80'] },
    ]);
    scenario.compiler.release(scenario.result.retired);
    expect(scenario.compiler.describeRuleSet(id)).toBeUndefined();
    expect(scenario.change(ingress('a', 83)).ruleSet('ingress')).toBe(id);
  });

  test('releasing tables that were made before an id came back leaves it in use', () => {
    const scenario = webScenario(ingress('a', 80));
    const id = scenario.ruleSet('ingress');
    scenario.change(ingress('a', 81));
    const { retired } = scenario.result;
    scenario.change(ingress('a', 80));
    expect(scenario.ruleSet('ingress')).toBe(id);
    scenario.compiler.release(retired);
    expect(scenario.change(ingress('b', 443)).compiler.describeRuleSet(id)).toBeDefined();
  });

  test('the row of a rule set that stays keeps the bits of port classes that are retired', () => {
    const other = makePod('other', { nodeName: NODE });
    const range = set.policy(
      makePolicy('in', { subject: selector({ app: 'web' }), ingress: [rule([], [port(8000, 'TCP', 8999)])] }),
    );
    const scenario = webScenario(range, set.pod(other), set.endpoint(makeEndpoint(2, 'other', [])), forOther(8080));
    const portClass = scenario.reader.portClassOf(6, 8080);
    scenario.change(forOther(9090));
    expect(scenario.result.retired.portClasses).toContain(portClass);
    expect(scenario.reader.verdict(scenario.ruleSet('ingress'), 1, portClass)).toBe(true);
    scenario.compiler.release(scenario.result.retired);
    scenario.change();
    expect(scenario.reader.verdict(scenario.ruleSet('ingress'), 1, portClass)).toBe(false);
  });

  test('tables share nothing with the compiler', () => {
    const scenario = webScenario(ingress('in', 80), set.pod(makePod('peer', { ip: '10.2.0.9' })));
    const first = scenario.result.tables;
    const copy = structuredClone(first);
    for (const table of [first.addresses, first.prefixes, first.ports, first.rows, first.endpoints]) {
      for (const array of Object.values(table)) if (ArrayBuffer.isView(array)) new Uint8Array(array.buffer).fill(0xee);
    }
    expect(scenario.change().result.tables).toEqual({ ...copy, revision: 2 });
  });
});

describe('what ids mean', () => {
  const scenario = webScenario(
    set.policy(
      makePolicy('out', {
        egress: [
          rule([pods({ app: 'db' })], [port('sql'), port(443)]),
          rule([block('10.2.0.0/24', '10.2.0.128/25')], [port(8000, 'UDP', 8010)]),
          rule([], [port(53, 'UDP')]),
        ],
      }),
    ),
    set.pod(makePod('db', { ip: '10.2.0.9', namedPorts: [{ name: 'sql', protocol: 'TCP', containerPort: 5432 }] })),
  );

  test('a rule set is its canonical content', () => {
    expect(scenario.compiler.describeRuleSet(scenario.ruleSet('egress'))).toEqual({
      id: scenario.ruleSet('egress'),
      kind: 'rules',
      entries: [
        { peer: 'everyone', ports: ['UDP 53'] },
        { peer: 'block 10.2.0.0/24 except 10.2.0.128/25', ports: ['UDP 8000-8010'] },
        { peer: 'pods app=db in namespace default', ports: ['TCP 443', 'TCP/sql'] },
      ],
    });
  });

  test('a peer class is its terms and the numbers of named ports', () => {
    const id = scenario.reader.classOf(Uint8Array.of(4, 10, 2, 0, 9, ...new Uint8Array(12)));
    expect(scenario.compiler.describePeerClass(id)).toEqual({
      id,
      kind: 'terms',
      terms: ['block 10.2.0.0/24 except 10.2.0.128/25', 'pods app=db in namespace default'],
      namedPorts: 'TCP/sql=5432',
    });
  });

  test('a port class is its terms', () => {
    const id = scenario.reader.portClassOf(17, 8005);
    expect(scenario.compiler.describePortClass(id)).toEqual({ id, kind: 'terms', terms: ['UDP 8000-8010'] });
  });

  test('fixed ids say what they are', () => {
    const { compiler } = scenario;
    expect([0, 1].map((id) => compiler.describeRuleSet(id)?.kind)).toEqual(['closed', 'open']);
    expect([1, 2].map((id) => compiler.describePeerClass(id)?.kind)).toEqual(['world', 'unknown-pod']);
    expect([0, 1, 2].map((id) => compiler.describePortClass(id)?.kind)).toEqual(['other', 'icmp', 'icmpv6']);
  });
});

describe('limits', () => {
  const many = set.policy(
    makePolicy('many', {
      ingress: [
        rule(
          [],
          Array.from({ length: 40 }, (_, i) => port(100 + 2 * i)),
        ),
      ],
    }),
  );
  const few = set.policy(makePolicy('few', { ingress: [rule([], [port(99)])] }));
  const each = Array.from({ length: 40 }, (_, i) =>
    set.policy(makePolicy(`z${i}`, { ingress: [rule([block('203.0.113.0/24')], [port(100 + 2 * i)])] })),
  );

  test('too many port classes: reported with the policies that need most, and closed, not wrong', () => {
    const scenario = new Scenario([...webPod(), many, few, ...each], { portClassLimit: 20 });
    const [problem] = scenario.result.problems;
    expect(problem).toMatchObject({ kind: 'limit', limit: 'LIMIT_PORT_CLASSES', available: 20 });
    expect(problem?.kind === 'limit' && problem.policies[0]).toBe('default/many');
    expect(problem?.message).toContain('default/many');
    for (let number = 99; number < 200; number++) {
      if (number !== 99 && number % 2 === 1) expect(scenario.allows('ingress', '8.8.8.8', number)).toBe(false);
    }
  });

  test('the problem goes when what needs too much goes', () => {
    const scenario = new Scenario([...webPod(), many, few], { portClassLimit: 20 });
    scenario.change(remove.policy('many'));
    scenario.compiler.release(scenario.result.retired);
    expect(scenario.change().result.problems).toEqual([]);
    expect(scenario.allows('ingress', '8.8.8.8', 99)).toBe(true);
  });
});
