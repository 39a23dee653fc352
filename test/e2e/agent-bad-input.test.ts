/** What a running agent refuses: one clear message, the right code, and nothing half-made. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFailed, test } from 'vitest';
import type { TestNetns } from '../support/netns.ts';
import {
  AgentBench,
  type BenchAgent,
  type CniRefusal,
  denyYaml,
  NAMESPACE_YAML,
  NODE_YAML,
  podYaml,
  refusalOf,
} from './agent-bench.ts';

const INVALID_POLICY = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: x}
spec:
  podSelector: {matchLabels: {pod: a}}
  policyTypes: [Ingress]
  ingress:
  - ports:
    - port: 99999
`;

let bench: AgentBench;
let agent: BenchAgent;

function showLogOnFailure(): void {
  onTestFailed(() => console.error(agent.text()));
}

describe('a CNI request', () => {
  let a: TestNetns;

  beforeAll(async () => {
    bench = new AgentBench();
    const pods = [podYaml('a'), podYaml('b'), podYaml('host', 'hostNetwork: true, ')];
    bench.apply('all.yaml', [NODE_YAML, NAMESPACE_YAML, ...pods].join('---'));
    agent = await bench.start('--pod-wait', '0');
    a = bench.ledger.makeNetns('a');
    // Ids are counted from the first ADD on; what they are counted in is there from then on.
    const first = bench.ledger.makeNetns('first');
    await bench.add('b', first);
    await bench.cni('DEL', { name: 'b', netns: first.path });
  });

  afterAll(() => {
    bench[Symbol.dispose]();
  });

  beforeEach(showLogOnFailure);

  interface Bad {
    readonly pod?: string;
    readonly netns?: () => string;
    readonly change?: Parameters<AgentBench['cni']>[2];
    readonly refusal: Omit<CniRefusal, 'exitCode'>;
  }

  test.each<[string, Bad]>([
    [
      'that is no JSON',
      {
        change: { stdin: '{"cniVersion"' },
        refusal: {
          code: 6,
          msg: "line 1, column 14 in the network configuration on stdin: expected ':'",
          details: '',
        },
      },
    ],
    [
      'without its variables',
      {
        change: { env: { CNI_CONTAINERID: undefined, CNI_IFNAME: undefined } },
        refusal: { code: 4, msg: 'required env variables [CNI_CONTAINERID, CNI_IFNAME] missing', details: '' },
      },
    ],
    [
      'that names no pod',
      {
        change: { env: { CNI_ARGS: 'IgnoreUnknown=1' } },
        refusal: {
          code: 4,
          msg: 'CNI_ARGS names no pod',
          details: 'K8S_POD_NAMESPACE and K8S_POD_NAME are needed: Sluice wires Kubernetes pods',
        },
      },
    ],
    [
      'for a pod that is not in the desired state',
      { pod: 'nobody', refusal: { code: 11, msg: 'pod x/nobody is not in the desired state', details: 'waited 0 s' } },
    ],
    [
      'for a pod on the network of the host',
      { pod: 'host', refusal: { code: 4, msg: 'pod x/host has hostNetwork: it gets no interface', details: '' } },
    ],
    [
      'for a namespace that is not there',
      {
        netns: () => '/run/netns/nobody',
        refusal: { code: 3, msg: 'CNI_NETNS "/run/netns/nobody" does not exist', details: 'No such file or directory' },
      },
    ],
    [
      'for a file that is no namespace',
      {
        netns: () => '/etc/passwd',
        refusal: {
          code: 8,
          msg: 'CNI_NETNS "/etc/passwd" is not a network namespace',
          details: 'a plain file is left at this path when the namespace was unmounted',
        },
      },
    ],
    [
      "for the node's own namespace, even if the caller insists",
      {
        netns: () => bench.node.path,
        change: { env: { CNI_NETNS_OVERRIDE: 'TRUE' } },
        refusal: {
          code: 8,
          msg: "eth0: the pod's network namespace is the node's own",
          details: 'WIRING_OWN_NAMESPACE',
        },
      },
    ],
  ])('%s is refused', async (_, { pod = 'a', netns = () => a.path, change = {}, refusal }) => {
    const before = await bench.remains();
    expect(refusalOf(await bench.cni('ADD', { name: pod, netns: netns() }, change))).toEqual({
      exitCode: 1,
      ...refusal,
    });
    expect(await bench.remains()).toEqual(before);
    expect((await agent.status()).endpoints).toEqual([]);
  });

  test('for an interface name that the pod has already is refused; without it, it succeeds', async () => {
    a.exec('ip', 'link', 'add', 'eth0', 'type', 'bridge');
    const before = await bench.remains();
    expect(refusalOf(await bench.cni('ADD', { name: 'a', netns: a.path }))).toEqual({
      exitCode: 1,
      code: 4,
      msg: 'the pod has an interface eth0 already',
      details: 'WIRING_POD_INTERFACE_EXISTS',
    });
    expect(await bench.remains()).toEqual(before);
    a.exec('ip', 'link', 'del', 'eth0');
    await bench.add('a', a);
    await bench.cni('DEL', { name: 'a', netns: a.path });
  });

  test('that was carried out is refused the second time, and the pod stays as it is', async () => {
    await bench.add('a', a);
    const before = await bench.remains();
    expect(refusalOf(await bench.cni('ADD', { name: 'a', netns: a.path }))).toEqual({
      exitCode: 1,
      code: 4,
      msg: 'container container-a has interface eth0 already',
      details: 'the runtime must DEL it before it is ADDed again',
    });
    expect(await bench.remains()).toEqual(before);
    expect(await agent.endpoint('a')).toMatchObject({ state: 'ready', closed: false });
    await bench.cni('DEL', { name: 'a', netns: a.path });
    expect(await bench.cni('DEL', { name: 'a', netns: a.path })).toMatchObject({ exitCode: 0, stdout: '' });
  });
});

describe('the desired state', () => {
  let a: TestNetns;
  let b: TestNetns;

  beforeEach(() => {
    bench = new AgentBench();
    bench.apply('objects.yaml', [NAMESPACE_YAML, podYaml('a'), podYaml('b'), podYaml('c')].join('---'));
    [a, b] = [bench.ledger.makeNetns('a'), bench.ledger.makeNetns('b')];
    showLogOnFailure();
  });

  afterEach(() => {
    bench[Symbol.dispose]();
  });

  async function startWithPods(): Promise<void> {
    bench.apply('node.yaml', NODE_YAML);
    agent = await bench.start();
    await bench.add('a', a);
    await bench.add('b', b);
  }

  async function bReachesA(): Promise<boolean> {
    const [address = ''] = (await agent.endpoint('a'))?.addresses ?? [];
    return b.succeeds('ping', '-c1', '-W1', '-q', address);
  }

  test('with a range that is exhausted refuses the next pod and takes nothing, also not of the other family', async () => {
    bench.apply('node.yaml', NODE_YAML.replace('10.244.1.0/24', '10.244.1.0/30'));
    agent = await bench.start();
    await bench.add('a', a);
    await bench.add('b', b);
    const before = await bench.remains();
    const c = { name: 'c', netns: bench.ledger.makeNetns('c').path };
    expect(refusalOf(await bench.cni('ADD', c))).toEqual({
      exitCode: 1,
      code: 11,
      msg: 'no free address in 10.244.1.0/30: of 2, 2 held, 0 resting, 0 in use by pods known elsewhere',
      details: 'IPAM_EXHAUSTED',
    });
    expect(await bench.remains()).toEqual(before);
  });

  test.each([
    ['without the Node', '', 'warning: Node n1: is not in the desired state: no pod of this node can get an address'],
    [
      'with a Node without podCIDRs',
      NODE_YAML.replace(/^spec.*$/m, ''),
      'warning: Node n1: spec.podCIDRs: there are none: no pod of this node can get an address',
    ],
  ])('%s is warned about, and pods are refused until it has them', async (_, node, warning) => {
    if (node !== '') bench.apply('node.yaml', node);
    agent = await bench.start();
    expect(agent.messages('warn')).toContain(warning);
    expect((await bench.sluice('status')).stdout).toContain(warning);
    const before = await bench.remains();
    expect(refusalOf(await bench.cni('ADD', { name: 'a', netns: a.path }))).toEqual({
      exitCode: 1,
      code: 11,
      msg: 'no address range: this node has no podCIDRs yet',
      details: 'IPAM_NO_RANGE',
    });
    expect(await bench.remains()).toEqual(before);
    bench.apply('node.yaml', NODE_YAML);
    await bench.sluice('sync');
    await bench.add('a', a);
    expect((await bench.sluice('status')).stdout).not.toContain('warning');
  });

  test('with a policy that is not valid isolates its pods, and says where and what', async () => {
    await startWithPods();
    expect(await bReachesA()).toBe(true);
    bench.apply('web.yaml', INVALID_POLICY);
    expect(await bench.sluice('sync')).toMatchObject({ exitCode: 0 });
    expect(await bReachesA()).toBe(false);
    expect(await agent.endpoint('a')).toMatchObject({ ingressPolicies: ['x/web'], egressPolicies: [] });
    const place = `${bench.path('manifests', 'web.yaml')}:9:13: error: NetworkPolicy x/web: spec.ingress[0].ports[0].port: `;
    expect(agent.messages('error').filter((message) => message.startsWith(place))).toHaveLength(1);
    const { exitCode, stdout } = await bench.sluice('status');
    expect(exitCode).toBe(1);
    expect(stdout).toContain(place);
    expect(stdout).toContain('          - port: 99999\n                  ^\n');
    bench.apply('web.yaml', INVALID_POLICY.replace('99999', '80'));
    await bench.sluice('sync');
    expect((await bench.sluice('status')).exitCode).toBe(0);
  });

  test('that cannot be read any more stays as it was, and says where', async () => {
    await startWithPods();
    bench.apply('deny.yaml', denyYaml('a'));
    await bench.sluice('sync');
    expect(await bReachesA()).toBe(false);
    bench.apply('deny.yaml', 'kind: NetworkPolicy\nmetadata: {name: [}\n');
    await bench.sluice('sync');
    expect(await bReachesA()).toBe(false);
    expect(await agent.endpoint('a')).toMatchObject({ ingressPolicies: ['x/deny-a'] });
    const { exitCode, stdout } = await bench.sluice('status');
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(/manifests\/deny\.yaml:2:\d+: error: /);
    bench.delete('deny.yaml');
    await bench.sluice('sync');
    expect(await bReachesA()).toBe(true);
    expect((await bench.sluice('status')).exitCode).toBe(0);
  });
});
