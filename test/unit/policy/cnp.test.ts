import { describe, expect, test } from 'vitest';
import type { ClusterChange, ClusterNetworkPolicySubject } from '../../../src/policy/model.ts';
import {
  accept,
  deny,
  inNamespaces,
  JudgedScenario,
  networks,
  pass,
  podsIn,
  ports,
  removeClusterPolicy,
  setClusterPolicy,
} from '../../support/cnp-builders.ts';
import {
  block,
  makeEndpoint,
  makeNamespace,
  makePod,
  makePolicy,
  namedPort,
  namespaces,
  remove,
  rule,
  selector,
  set,
  webPod,
} from '../../support/policy-builders.ts';

const HARRY = '10.2.0.10';
const DRACO = '10.2.0.20';
const DRACO_2 = '10.2.0.21';
const NOBODY = '10.2.0.99';
const OUTSIDE = '203.0.113.5';
const GRYFFINDOR = { house: 'gryffindor' };
const SLYTHERIN = { house: 'slytherin' };

/** Endpoint 1 is pod `web` of namespace `default`, of house gryffindor; two more houses around it. */
function houses(...changes: readonly ClusterChange[]): JudgedScenario {
  return new JudgedScenario([
    ...webPod({ namedPorts: [namedPort('http', 8080), namedPort('http', 8081, 'UDP')] }),
    set.namespace(makeNamespace('default', GRYFFINDOR)),
    set.namespace(makeNamespace('gryffindor', GRYFFINDOR)),
    set.namespace(makeNamespace('slytherin', SLYTHERIN)),
    set.pod(makePod('gryffindor/harry', { podIPs: [HARRY, 'fd02::10'], namedPorts: [namedPort('http', 9090)] })),
    set.pod(makePod('slytherin/draco', { podIPs: [DRACO, 'fd02::20'], labels: { app: 'draco' } })),
    set.pod(makePod('slytherin/draco-2', { podIPs: [DRACO_2], labels: { app: 'draco' } })),
    ...changes,
  ]);
}

const isolated = set.policy(makePolicy('isolated', { types: ['Ingress', 'Egress'] }));
const opened = set.policy(makePolicy('opened', { ingress: [rule()], egress: [rule()] }));

describe('tiers', () => {
  test('CNP-20: Admin comes before NetworkPolicy, NetworkPolicy before Baseline, Baseline before allow', () => {
    const admin = { ingress: [deny(inNamespaces(SLYTHERIN))] };
    const baseline = { tier: 'Baseline', ingress: [deny(inNamespaces())] } as const;
    const all = houses(setClusterPolicy('admin', admin), setClusterPolicy('base', baseline), opened);
    expect([all.verdict('ingress', DRACO), all.verdict('ingress', HARRY)]).toEqual(['deny', 'allow']);
    expect(all.decision('ingress', DRACO)).toEqual({ stage: 'Admin', policy: 'admin', index: 0 });
    expect(all.decision('ingress', HARRY)).toEqual({ stage: 'NetworkPolicy' });
    all.change(remove.policy('opened'));
    expect([all.verdict('ingress', DRACO), all.verdict('ingress', HARRY)]).toEqual(['deny', 'deny']);
    expect(all.decision('ingress', HARRY)).toEqual({ stage: 'Baseline', policy: 'base', index: 0 });
    all.change(removeClusterPolicy('base'));
    expect([all.verdict('ingress', DRACO), all.verdict('ingress', HARRY)]).toEqual(['deny', 'allow']);
    expect(all.decision('ingress', HARRY)).toEqual({ stage: 'default' });
    all.change(removeClusterPolicy('admin'));
    expect(all.verdict('ingress', DRACO)).toBe('allow');
    expect(all.decision('ingress', DRACO)).toBeUndefined();
  });

  test('CNP-21: Accept is final over a NetworkPolicy that isolates, in its direction only', () => {
    const admin = { ingress: [accept(inNamespaces(SLYTHERIN))], egress: [] };
    const scenario = houses(setClusterPolicy('admin', admin), isolated);
    expect([scenario.verdict('ingress', DRACO), scenario.verdict('egress', DRACO)]).toEqual(['allow', 'deny']);
    expect([scenario.verdict('ingress', DRACO, 'ICMP'), scenario.verdict('ingress', HARRY)]).toEqual(['allow', 'deny']);
  });

  test('CNP-22: Deny is final over a NetworkPolicy that allows', () => {
    const scenario = houses(setClusterPolicy('admin', { egress: [deny(inNamespaces(SLYTHERIN))] }), opened);
    expect([scenario.verdict('egress', DRACO), scenario.verdict('egress', HARRY)]).toEqual(['deny', 'allow']);
  });

  test('CNP-23: Pass skips the rest of its tier, to the NetworkPolicies or to Baseline', () => {
    const admin = { ingress: [pass(inNamespaces(SLYTHERIN)), deny(inNamespaces())] };
    const scenario = houses(setClusterPolicy('admin', admin), isolated);
    expect([scenario.verdict('ingress', DRACO), scenario.verdict('ingress', HARRY)]).toEqual(['deny', 'deny']);
    scenario.change(remove.policy('isolated'));
    expect([scenario.verdict('ingress', DRACO), scenario.verdict('ingress', HARRY)]).toEqual(['allow', 'deny']);
    scenario.change(setClusterPolicy('base', { tier: 'Baseline', ingress: [deny(inNamespaces())] }));
    expect(scenario.verdict('ingress', DRACO)).toBe('deny');
  });

  test('CNP-23: Pass in Baseline is allow', () => {
    const base = { tier: 'Baseline', ingress: [pass(inNamespaces(SLYTHERIN)), deny(inNamespaces())] } as const;
    const scenario = houses(setClusterPolicy('base', base));
    expect([scenario.verdict('ingress', DRACO), scenario.verdict('ingress', HARRY)]).toEqual(['allow', 'deny']);
  });

  test('CNP-24: Baseline has no say where a NetworkPolicy isolates, for each direction', () => {
    const base = { ingress: [deny(inNamespaces())], egress: [deny(inNamespaces())] };
    const onlyIngress = set.policy(makePolicy('opened', { ingress: [rule()] }));
    const scenario = houses(setClusterPolicy('base', { tier: 'Baseline', ...base }), onlyIngress);
    expect([scenario.verdict('ingress', DRACO), scenario.verdict('egress', DRACO)]).toEqual(['allow', 'deny']);
    const { endpoints } = scenario.compiled.result.tables;
    expect([endpoints.ingressPolicies, endpoints.egressPolicies]).toEqual([[['default/opened']], [['cnp:base']]]);
  });

  test('CNP-4: what no rule mentions falls through, for each port', () => {
    const admin = {
      ingress: [accept(inNamespaces(SLYTHERIN), ports('TCP', 80)), deny(inNamespaces(SLYTHERIN), ports('UDP', 53))],
    };
    const scenario = houses(setClusterPolicy('admin', admin), isolated);
    expect(scenario.verdict('ingress', DRACO, 'TCP', 80)).toBe('allow');
    expect(scenario.verdict('ingress', DRACO, 'TCP', 81)).toBe('deny');
    scenario.change(remove.policy('isolated'));
    expect(scenario.verdict('ingress', DRACO, 'TCP', 81)).toBe('allow');
    expect(scenario.verdict('ingress', DRACO, 'UDP', 53)).toBe('deny');
    expect(scenario.verdict('ingress', DRACO, 'ICMP')).toBe('allow');
  });
});

describe('order', () => {
  test('CNP-2: the lower priority number comes first, across policies', () => {
    const scenario = houses(
      setClusterPolicy('a', { priority: 60, ingress: [accept(inNamespaces(SLYTHERIN))] }),
      setClusterPolicy('b', { priority: 50, ingress: [deny(inNamespaces(SLYTHERIN))] }),
    );
    expect(scenario.verdict('ingress', DRACO)).toBe('deny');
    scenario.change(setClusterPolicy('a', { priority: 40, ingress: [accept(inNamespaces(SLYTHERIN))] }));
    expect(scenario.verdict('ingress', DRACO)).toBe('allow');
    expect(scenario.compiled.result.problems).toEqual([]);
  });

  test('CNP-2: equal priorities are taken by name, whatever came first, and reported', () => {
    const first = setClusterPolicy('a', { ingress: [accept(inNamespaces())] });
    const second = setClusterPolicy('b', { ingress: [deny(inNamespaces())] });
    for (const changes of [
      [first, second],
      [second, first],
    ]) {
      const scenario = houses(...changes);
      expect(scenario.verdict('ingress', DRACO)).toBe('allow');
      expect(scenario.compiled.result.problems).toEqual([
        {
          kind: 'priority-tie',
          policies: ['cnp:a', 'cnp:b'],
          message: 'tier Admin, priority 50 is that of cnp:a, cnp:b: the order of their names decides',
        },
      ]);
    }
  });

  test('CNP-2: equal priorities in different tiers are no tie', () => {
    const scenario = houses(setClusterPolicy('a'), setClusterPolicy('b', { tier: 'Baseline' }));
    expect(scenario.compiled.result.problems).toEqual([]);
  });

  test.each([25, 24, 2, 1])(
    'CNP-4: the first of %i rules that matches decides, and swapping it changes that',
    (count) => {
      const accepts = Array.from({ length: count }, (_, i) => accept(inNamespaces(SLYTHERIN), ports('TCP', 1000 + i)));
      const last = deny(inNamespaces(SLYTHERIN));
      const port = 1000 + count - 1;
      const scenario = houses(setClusterPolicy('admin', { ingress: [...accepts, last] }));
      expect(scenario.verdict('ingress', DRACO, 'TCP', port)).toBe('allow');
      expect(scenario.verdict('ingress', DRACO, 'TCP', port + 1)).toBe('deny');
      scenario.change(setClusterPolicy('admin', { ingress: [last, ...accepts] }));
      expect(scenario.verdict('ingress', DRACO, 'TCP', port)).toBe('deny');
    },
  );
});

describe('subject', () => {
  const everyone = { ingress: [deny(inNamespaces())] };

  test.each<[string, ClusterNetworkPolicySubject, 'allow' | 'deny']>([
    ['namespaces {}', { namespaces: selector() }, 'deny'],
    ['namespaces of its house', { namespaces: selector(GRYFFINDOR) }, 'deny'],
    ['namespaces of another', { namespaces: selector(SLYTHERIN) }, 'allow'],
    ['its pods', { pods: { namespaceSelector: selector(GRYFFINDOR), podSelector: selector({ app: 'web' }) } }, 'deny'],
    [
      'other pods of its namespace',
      { pods: { namespaceSelector: selector(GRYFFINDOR), podSelector: selector({ app: 'db' }) } },
      'allow',
    ],
    [
      'like pods elsewhere',
      { pods: { namespaceSelector: selector(SLYTHERIN), podSelector: selector({ app: 'web' }) } },
      'allow',
    ],
  ])('CNP-3: %s', (_, subject, verdict) => {
    expect(houses(setClusterPolicy('a', { ...everyone, subject })).verdict('ingress', DRACO)).toBe(verdict);
  });

  test('CNP-3: it follows the labels of the namespace and of the pod', () => {
    const scenario = houses(setClusterPolicy('a', { ...everyone, subject: { namespaces: selector(SLYTHERIN) } }));
    expect(scenario.verdict('ingress', HARRY)).toBe('allow');
    scenario.change(set.namespace(makeNamespace('default', SLYTHERIN)));
    expect(scenario.verdict('ingress', HARRY)).toBe('deny');
    scenario.change(set.namespace(makeNamespace('default', GRYFFINDOR)));
    expect(scenario.verdict('ingress', HARRY)).toBe('allow');
  });

  test('a subject whose namespace is not known gets the denials that it may be about, and no Accept', () => {
    const rules = [accept(inNamespaces(GRYFFINDOR)), deny(inNamespaces(SLYTHERIN))];
    const scenario = houses(setClusterPolicy('a', { ingress: rules }), remove.namespace('default'), isolated);
    expect([scenario.verdict('ingress', HARRY), scenario.verdict('ingress', DRACO)]).toEqual(['deny', 'deny']);
    scenario.change(remove.policy('isolated'));
    expect([scenario.verdict('ingress', HARRY), scenario.verdict('ingress', DRACO)]).toEqual(['allow', 'deny']);
  });

  test('CNP-3: a pod on the network of its node is no peer', () => {
    const onHost = set.pod(makePod('slytherin/host', { podIPs: ['192.168.0.2'], hostNetwork: true }));
    const scenario = houses(setClusterPolicy('a', { ingress: [deny(inNamespaces())] }), onHost);
    expect(scenario.verdict('ingress', '192.168.0.2')).toBe('allow');
  });
});

describe('peers', () => {
  test('CNP-28: namespaces and pods match neither nodes nor the outside', () => {
    const scenario = houses(setClusterPolicy('a', { ingress: [deny(inNamespaces())], egress: [deny(podsIn({}))] }));
    for (const peer of [OUTSIDE, '192.168.0.2', '2001:db8::5']) {
      expect([scenario.verdict('ingress', peer), scenario.verdict('egress', peer)]).toEqual(['allow', 'allow']);
    }
    expect([scenario.verdict('ingress', DRACO), scenario.verdict('egress', 'fd02::20')]).toEqual(['deny', 'deny']);
  });

  test('CNP-27: networks match pods, nodes and the outside, ICMP too', () => {
    const scenario = houses(setClusterPolicy('a', { egress: [deny(networks('0.0.0.0/0', '::/0'))] }));
    for (const peer of [DRACO, '192.168.0.2', OUTSIDE, 'fd02::20', '2001:db8::5', NOBODY]) {
      expect([scenario.verdict('egress', peer), scenario.verdict('egress', peer, 'ICMP')]).toEqual(['deny', 'deny']);
    }
    expect(scenario.verdict('ingress', DRACO)).toBe('allow');
  });

  test('CNP-27: a network beside an ipBlock of the same prefix keeps the two apart', () => {
    const policy = set.policy(makePolicy('p', { egress: [rule([block('203.0.113.0/24')])] }));
    const scenario = houses(
      setClusterPolicy('a', { egress: [deny(networks('203.0.113.0/28'), ports('TCP', 80))] }),
      policy,
    );
    expect([scenario.verdict('egress', OUTSIDE), scenario.verdict('egress', OUTSIDE, 'TCP', 81)]).toEqual([
      'deny',
      'allow',
    ]);
    expect([scenario.verdict('egress', '203.0.113.99'), scenario.verdict('egress', '198.51.100.1')]).toEqual([
      'allow',
      'deny',
    ]);
  });

  test('a pod that is not known gets every Deny that may be about it, and no Accept', () => {
    const selecting = houses(
      setClusterPolicy('a', { egress: [accept(inNamespaces()), deny(inNamespaces(SLYTHERIN))] }),
    );
    expect(selecting.verdict('egress', NOBODY)).toBe('deny');
    const inside = houses(setClusterPolicy('a', { egress: [deny(networks('10.2.0.96/28'))] }));
    expect([inside.verdict('egress', NOBODY), inside.verdict('egress', '10.2.0.120')]).toEqual(['deny', 'allow']);
    const accepted = houses(setClusterPolicy('a', { egress: [accept(networks('10.2.0.0/24'))] }), isolated);
    expect([accepted.verdict('egress', NOBODY), accepted.verdict('egress', DRACO)]).toEqual(['deny', 'allow']);
  });

  test('a pod that is not known is denied the whole protocol of a named port', () => {
    const scenario = houses(
      setClusterPolicy('a', { egress: [deny(inNamespaces(), { destinationNamedPort: 'http' })] }),
    );
    expect([scenario.verdict('egress', NOBODY, 'TCP', 1), scenario.verdict('egress', NOBODY, 'ICMP')]).toEqual([
      'deny',
      'allow',
    ]);
  });

  test('of a pod whose namespace is not known, Deny holds, Accept does not, and Pass must pass either way', () => {
    const ghost = set.pod(makePod('ghost/x', { podIPs: ['10.2.0.30'] }));
    const passing = { egress: [pass(inNamespaces()), accept(networks('10.2.0.0/24'))] };
    const scenario = houses(setClusterPolicy('a', passing), ghost);
    expect(scenario.verdict('egress', '10.2.0.30')).toBe('allow');
    scenario.change(isolated);
    expect([scenario.verdict('egress', '10.2.0.30'), scenario.verdict('egress', HARRY)]).toEqual(['deny', 'deny']);
    scenario.change(remove.policy('isolated'), setClusterPolicy('a', { egress: [deny(inNamespaces(SLYTHERIN))] }));
    expect(scenario.verdict('egress', '10.2.0.30')).toBe('deny');
    scenario.change(set.namespace(makeNamespace('ghost', GRYFFINDOR)));
    expect(scenario.verdict('egress', '10.2.0.30')).toBe('allow');
  });

  test('CNP-8: a rule with a peer that is not understood accepts nothing and denies all that it could', () => {
    const beside = [{}, inNamespaces(GRYFFINDOR)];
    expect(houses(setClusterPolicy('a', { ingress: [accept(beside)] }), isolated).verdict('ingress', HARRY)).toBe(
      'deny',
    );
    for (const make of [deny, pass]) {
      const scenario = houses(setClusterPolicy('a', { ingress: [make(beside, ports('TCP', 80))] }));
      for (const peer of [HARRY, DRACO, OUTSIDE, NOBODY]) expect(scenario.verdict('ingress', peer)).toBe('deny');
      expect(scenario.verdict('ingress', HARRY, 'TCP', 81)).toBe('allow');
    }
  });

  test('CNP-8: nodes are not enforced: denied is every address that is no known pod’s', () => {
    const nodes = { nodes: selector() };
    const scenario = houses(setClusterPolicy('a', { egress: [deny(nodes)] }));
    for (const peer of ['192.168.0.2', OUTSIDE, NOBODY]) expect(scenario.verdict('egress', peer)).toBe('deny');
    expect([scenario.verdict('egress', HARRY), scenario.verdict('ingress', OUTSIDE)]).toEqual(['allow', 'allow']);
    const accepting = houses(setClusterPolicy('a', { egress: [accept([nodes, inNamespaces()])] }), isolated);
    expect([accepting.verdict('egress', '192.168.0.2'), accepting.verdict('egress', HARRY)]).toEqual(['deny', 'deny']);
  });
});

describe('protocols', () => {
  test('CNP-29: a named port is that of the destination pod, for every protocol it is declared for', () => {
    const named = { destinationNamedPort: 'http' };
    const scenario = houses(
      setClusterPolicy('a', { ingress: [deny(inNamespaces(), named)], egress: [deny(inNamespaces(), named)] }),
    );
    expect(scenario.verdict('ingress', DRACO, 'TCP', 8080)).toBe('deny');
    expect(scenario.verdict('ingress', DRACO, 'UDP', 8081)).toBe('deny');
    expect(scenario.verdict('ingress', DRACO, 'TCP', 8081)).toBe('allow');
    expect(scenario.verdict('egress', HARRY, 'TCP', 9090)).toBe('deny');
    expect(scenario.verdict('egress', HARRY, 'TCP', 8080)).toBe('allow');
    expect(scenario.verdict('egress', DRACO, 'TCP', 9090)).toBe('allow');
  });

  test.each(['TCP', 'UDP', 'SCTP'] as const)('CNP-30: a rule for %s says nothing of the others', (protocol) => {
    const scenario = houses(setClusterPolicy('a', { egress: [deny(inNamespaces(), ports(protocol, 80, 90))] }));
    for (const asked of ['TCP', 'UDP', 'SCTP'] as const) {
      expect(scenario.verdict('egress', DRACO, asked, 85)).toBe(asked === protocol ? 'deny' : 'allow');
    }
    expect(scenario.verdict('egress', DRACO, protocol, 91)).toBe('allow');
  });
});

describe('conformance', () => {
  test('integration: Admin Deny, then Pass to a NetworkPolicy, then Baseline, then Accept', () => {
    const into = (action: typeof deny): ClusterChange =>
      setClusterPolicy('admin', { ingress: [action(inNamespaces(SLYTHERIN))] });
    const allowing = set.policy(makePolicy('np', { ingress: [rule([namespaces(SLYTHERIN)])] }));
    const base = setClusterPolicy('default', { tier: 'Baseline', ingress: [deny(inNamespaces(SLYTHERIN))] });
    const scenario = houses(into(deny), allowing, base);
    expect(scenario.verdict('ingress', DRACO)).toBe('deny');
    expect(scenario.change(into(pass)).verdict('ingress', DRACO)).toBe('allow');
    expect(scenario.change(remove.policy('np')).verdict('ingress', DRACO)).toBe('deny');
    expect(scenario.change(isolated, into(accept)).verdict('ingress', DRACO)).toBe('allow');
  });

  test('priority: Deny at 50 before Pass at 60; at 40 the Pass wins and falls to a Baseline Accept', () => {
    const both = (action: typeof deny) => ({
      ingress: [action(inNamespaces(SLYTHERIN))],
      egress: [action(inNamespaces(SLYTHERIN))],
    });
    const scenario = houses(
      setClusterPolicy('old', { priority: 50, ...both(deny) }),
      setClusterPolicy('new', { priority: 60, ...both(pass) }),
      setClusterPolicy('default', { tier: 'Baseline', priority: 10, ...both(accept) }),
    );
    expect([scenario.verdict('ingress', DRACO), scenario.verdict('egress', DRACO)]).toEqual(['deny', 'deny']);
    scenario.change(setClusterPolicy('new', { priority: 40, ...both(pass) }));
    expect([scenario.verdict('ingress', DRACO), scenario.verdict('egress', DRACO)]).toEqual(['allow', 'allow']);
  });

  test.each(['Admin', 'Baseline'] as const)('CIDR suite in tier %s', (tier) => {
    const denied = deny(networks('10.2.0.0/24', 'fd02::/64'));
    const house = accept(inNamespaces(SLYTHERIN));
    const scenario = houses(setClusterPolicy('egress', { tier, egress: [house, denied] }));
    expect([scenario.verdict('egress', DRACO), scenario.verdict('egress', HARRY)]).toEqual(['allow', 'deny']);
    scenario.change(set.namespace(makeNamespace('slytherin', { house: 'muggle' })));
    expect([scenario.verdict('egress', DRACO), scenario.verdict('egress', 'fd02::20')]).toEqual(['deny', 'deny']);
    scenario.change(set.namespace(makeNamespace('slytherin', SLYTHERIN)));
    expect([scenario.verdict('egress', DRACO), scenario.verdict('egress', 'fd02::20')]).toEqual(['allow', 'allow']);
    const single = accept(networks(`${DRACO_2}/32`, `${HARRY}/32`));
    scenario.change(setClusterPolicy('egress', { tier, egress: [single, denied] }));
    expect([DRACO, DRACO_2, HARRY].map((peer) => scenario.verdict('egress', peer))).toEqual(['deny', 'allow', 'allow']);
  });
});

describe('tables', () => {
  test('pods with the same lines share a rule set, and a policy without rules for a direction leaves it alone', () => {
    const scenario = houses(
      setClusterPolicy('a', { ingress: [deny([inNamespaces(SLYTHERIN), inNamespaces(GRYFFINDOR)])] }),
      set.pod(makePod('gryffindor/local', { nodeName: 'node-1', podIPs: ['10.1.0.9'] })),
      set.endpoint(makeEndpoint(2, 'gryffindor/local', ['10.1.0.9'])),
    );
    const { compiled } = scenario;
    expect(compiled.ruleSet('ingress', 1)).toBe(compiled.ruleSet('ingress', 2));
    expect(compiled.ruleSet('egress', 1)).toBe(1);
    const before = compiled.ruleSet('ingress');
    scenario.change(setClusterPolicy('a', { ingress: [deny([inNamespaces(GRYFFINDOR), inNamespaces(SLYTHERIN)])] }));
    expect(compiled.ruleSet('ingress')).toBe(before);
  });

  test('a rule set says its lines in the order in which they are evaluated', () => {
    const admin = { ingress: [pass(inNamespaces(SLYTHERIN)), deny(inNamespaces(), ports('TCP', 80))] };
    const { compiled } = houses(setClusterPolicy('a', admin), isolated);
    expect(compiled.compiler.describeRuleSet(compiled.ruleSet('ingress'))?.entries).toEqual([
      { step: 'Admin MayPass', peer: 'pods (all) in namespaces house=slytherin or unknown', ports: ['everything'] },
      { step: 'Admin Pass', peer: 'pods (all) in namespaces house=slytherin', ports: ['everything'] },
      { step: 'Admin Deny', peer: 'pods (all) in namespaces (all) or unknown', ports: ['TCP 80'] },
    ]);
  });
});
