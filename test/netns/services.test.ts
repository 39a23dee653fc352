/** ClusterIPs from pods, with real sockets, on two nodes with agents beside what kube-proxy leaves on a node. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { setTimeout as delay } from 'node:timers/promises';
import type { ServicesAnswer } from '../../src/agent/service-routes.ts';
import { ClusterHost } from '../support/cluster-host.ts';
import { TcpFlow } from '../support/flow.ts';
import type { ManifestObject } from '../support/manifest-folder.ts';
import { openSocket } from '../support/namespace-socket.ts';
import { Socket } from 'node:net';
import { createSocket } from 'node:dgram';
import { PATIENCE_MS, probe, type ProbeResult, SILENCE_MS } from '../support/probe.ts';
import type { PodHost } from '../support/pod-host.ts';
import { SequenceFlow } from '../support/sequence-flow.ts';

const NAMESPACE = 'shop';
/** Of datagrams: a busy machine loses some of its own; a gap loses hundreds. */
const LOST_MAX = 5;
const PORTS = [
  { port: 8080, protocol: 'TCP' },
  { port: 8080, protocol: 'UDP' },
] as const;
/** Of both families, by Service. */
const ADDRESSES = {
  web: ['10.96.0.10', 'fd00:96::a'],
  other: ['10.96.0.11', 'fd00:96::b'],
} as const;
type ServiceName = keyof typeof ADDRESSES;
const FAMILIES = [
  ['IPv4', 0],
  ['IPv6', 1],
] as const;
const PROTOCOLS = ['TCP', 'UDP'] as const;

let cluster: ClusterHost;
const made: ManifestObject[] = [];
const pod = (name: string): PodHost => cluster.pod(`${NAMESPACE}/${name}`);

function apply(object: ManifestObject): void {
  cluster.manifests.apply(object);
  made.push(object);
}

function applyService(name: ServiceName, backends: readonly PodHost[], spec: object = {}): void {
  apply({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace: NAMESPACE, name },
    spec: {
      clusterIP: ADDRESSES[name][0],
      clusterIPs: [...ADDRESSES[name]],
      ports: PROTOCOLS.map((protocol) => ({ name: protocol.toLowerCase(), protocol, port: 80, targetPort: 8080 })),
      ...spec,
    },
  });
  for (const [family, index] of FAMILIES) {
    apply({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: {
        namespace: NAMESPACE,
        name: `${name}-${family.toLowerCase()}`,
        labels: { 'kubernetes.io/service-name': name },
      },
      addressType: family,
      ports: PROTOCOLS.map((protocol) => ({ name: protocol.toLowerCase(), protocol, port: 8080 })),
      endpoints: backends.map(({ addresses, node }) => ({
        addresses: [index === 0 ? addresses.ipv4 : addresses.ipv6],
        conditions: { ready: true },
        nodeName: node.name,
      })),
    } as ManifestObject);
  }
}

function ask(from: string, protocol: 'TCP' | 'UDP', address: string, more = {}, port = 80): Promise<ProbeResult> {
  return probe(pod(from).netns, { protocol, address, port }, { timeoutMs: PATIENCE_MS, ...more });
}

beforeAll(async () => {
  cluster = await ClusterHost.start({ nodes: 2, attach: 'auto' });
  cluster.applyNamespace(NAMESPACE);
  await cluster.startPods(
    [
      { name: 'client', node: 0 },
      { name: 'near', node: 0 },
      { name: 'far', node: 1 },
    ].map(({ name, node }) => ({ namespace: NAMESPACE, name, labels: { app: name }, ports: PORTS, node })),
  );
}, 60_000);
afterEach(async () => {
  for (const object of made.splice(0)) cluster.manifests.delete(object);
  await cluster.sync();
});
afterAll(() => cluster.close());

test('flows through services go on while the agent is killed and started again', async () => {
  applyService('web', [pod('near')]);
  applyService('other', [pod('far')]);
  await cluster.sync();
  const { netns } = pod('client');
  const flows = await Promise.all(
    [ADDRESSES.web[0], ADDRESSES.other[0]].map(async (address) => ({
      stream: await TcpFlow.open(netns, { protocol: 'TCP', address, port: 80 }, PATIENCE_MS),
      datagrams: await SequenceFlow.echoed(netns, { protocol: 'UDP', address, port: 80 }),
    })),
  );
  try {
    for (let restarts = 0; restarts < 3; restarts += 1) {
      await cluster.agent(0).kill();
      await delay(200);
      await cluster.restartAgent(0);
    }
    for (const { stream, datagrams } of flows) {
      expect(await stream.exchange(100_000, PATIENCE_MS)).toBe(true);
      const { lost, sent } = await datagrams.count();
      expect(sent).toBeGreaterThan(300);
      expect(lost).toBeLessThanOrEqual(LOST_MAX);
    }
  } finally {
    for (const { stream, datagrams } of flows) {
      stream[Symbol.dispose]();
      datagrams[Symbol.dispose]();
    }
  }
}, 60_000);

test('the agent says what it has of a Service, and that the kernel has it so', async () => {
  applyService('web', [pod('near'), pod('far')], { sessionAffinity: 'ClientIP' });
  await cluster.sync();
  const answer = (await cluster.agent(0).client.get(`/v1/services?service=${NAMESPACE}/web`)) as ServicesAnswer;
  expect(answer).toMatchObject({ node: cluster.node(0).name, failure: '' });
  expect(answer.frontends.map(({ address, protocol }) => `${address} ${protocol}`)).toEqual(
    ADDRESSES.web.flatMap((address) => PROTOCOLS.map((protocol) => `${address} ${protocol}`)),
  );
  for (const { inForce, affinitySeconds, backends } of answer.frontends) {
    expect([inForce, affinitySeconds, backends.length]).toEqual([true, 10_800, 2]);
  }
});

describe.each(FAMILIES)('%s', (_family, index) => {
  const web = ADDRESSES.web[index];
  const other = ADDRESSES.other[index];

  test.each(PROTOCOLS)('%s reaches a backend of this node, of another, and the pod itself', async (protocol) => {
    for (const name of ['near', 'far', 'client']) {
      applyService('web', [pod(name)]);
      await cluster.sync();
      expect(await ask('client', protocol, web)).toEqual({ kind: 'answered', by: `${NAMESPACE}/${name}` });
    }
  });

  test('every backend is reached by some of many connections', async () => {
    applyService('web', [pod('near'), pod('far')]);
    await cluster.sync();
    const results = await Promise.all(Array.from({ length: 24 }, () => ask('client', 'TCP', web)));
    const names = results.map((result) => (result.kind === 'answered' ? result.by : result.kind));
    expect([...new Set(names)].sort()).toEqual([`${NAMESPACE}/far`, `${NAMESPACE}/near`]);
  });

  test('SVC-24: with session affinity all go to one, over a restart of the agent and until the timeout', async () => {
    const applyAffinity = (timeoutSeconds: number): void => {
      const sessionAffinityConfig = { clientIP: { timeoutSeconds } };
      applyService('web', [pod('near'), pod('far')], { sessionAffinity: 'ClientIP', sessionAffinityConfig });
    };
    const answers = async (count: number): Promise<ReadonlySet<string>> => {
      const results = await Promise.all(Array.from({ length: count }, () => ask('client', 'TCP', web)));
      return new Set(results.map((result) => (result.kind === 'answered' ? result.by : result.kind)));
    };
    applyAffinity(600);
    await cluster.sync();
    const first = await answers(1);
    await cluster.agent(0).kill();
    expect(await answers(8)).toEqual(first);
    await cluster.restartAgent(0);
    expect(await answers(8)).toEqual(first);
    applyAffinity(1);
    await cluster.sync();
    const seen = new Set<string>();
    // Each time after the timeout the hash decides anew, by another port.
    for (let tries = 0; seen.size < 2 && tries < 16; tries += 1) {
      await delay(1_300);
      for (const name of await answers(1)) seen.add(name);
    }
    expect([...seen].toSorted()).toEqual([`${NAMESPACE}/far`, `${NAMESPACE}/near`]);
  }, 60_000);

  test.each(['near', 'far'])(
    'a long transfer to a backend %s is whole, in segments larger than the wire',
    async (name) => {
      applyService('web', [pod(name)]);
      await cluster.sync();
      const target = { protocol: 'TCP', address: web, port: 80 } as const;
      using flow = await TcpFlow.open(pod('client').netns, target, PATIENCE_MS);
      expect(await flow.exchange(16_000_000, 20_000)).toBe(true);
    },
    30_000,
  );

  test('SVC-30, SVC-36: nothing behind it, or no such port, is refused at once', async () => {
    applyService('web', []);
    await cluster.sync();
    const started = performance.now();
    expect(await ask('client', 'TCP', web)).toEqual({ kind: 'refused' });
    applyService('web', [pod('near')]);
    await cluster.sync();
    expect(await ask('client', 'TCP', web, {}, 81)).toEqual({ kind: 'refused' });
    expect(performance.now() - started).toBeLessThan(PATIENCE_MS);
  });

  test('NP-66: policy sees the backend and its port', async () => {
    applyService('web', [pod('far')]);
    apply({
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { namespace: NAMESPACE, name: 'client' },
      spec: {
        podSelector: { matchLabels: { app: 'client' } },
        policyTypes: ['Egress'],
        egress: [{ to: [{ podSelector: { matchLabels: { app: 'far' } } }], ports: [{ protocol: 'TCP', port: 8080 }] }],
      },
    });
    await cluster.sync();
    expect(await ask('client', 'TCP', web)).toMatchObject({ kind: 'answered' });
    expect(await ask('client', 'UDP', web, { timeoutMs: SILENCE_MS })).toEqual({ kind: 'timeout' });
    applyService('web', [pod('near')]);
    await cluster.sync();
    expect(await ask('client', 'TCP', web, { timeoutMs: SILENCE_MS })).toEqual({ kind: 'timeout' });
  });

  test('two services of one backend from one source port do not mix', async () => {
    applyService('web', [pod('far')]);
    applyService('other', [pod('far')]);
    await cluster.sync();
    const [first, second] = await Promise.all([
      hold(pod('client'), web, 80, 40_001 + index),
      hold(pod('client'), other, 80, 40_001 + index),
    ]);
    expect([first.answer, second.answer]).toEqual([`${NAMESPACE}/far`, `${NAMESPACE}/far`]);
    first.socket.destroy();
    second.socket.destroy();
  });

  test('SVC-51: a socket that keeps sending reaches the new backend', async () => {
    applyService('web', [pod('far')]);
    await cluster.sync();
    const socket = createSocket(index === 0 ? 'udp4' : 'udp6');
    socket.bind({ fd: openSocket(pod('client').netns.fd, { kind: 'datagram', family: index === 0 ? 4 : 6 }) });
    const answer = async (): Promise<string> =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error('no answer')), PATIENCE_MS);
        socket.once('message', (message) => {
          clearTimeout(timer);
          resolve(message.toString('utf8').split(' ', 1)[0] ?? '');
        });
        socket.send('probe', 80, web);
      });
    expect(await answer()).toBe(`${NAMESPACE}/far`);
    applyService('web', [pod('near')]);
    await cluster.sync();
    expect(await answer()).toBe(`${NAMESPACE}/near`);
    socket.close();
  });

  test('a connection drains when its backend leaves the service, and is reset when the pod is gone', async () => {
    const name = `leaving-${index}`;
    await cluster.startPods([{ namespace: NAMESPACE, name, labels: { app: name }, ports: PORTS, node: 1 }]);
    applyService('web', [pod(name)]);
    await cluster.sync();
    const { socket, answer } = await hold(pod('client'), web, 80);
    expect(answer).toBe(`${NAMESPACE}/${name}`);
    applyService('web', [pod('near')]);
    await cluster.sync();
    const ended = new Promise<string>((resolve) => {
      socket.once('error', (error) => resolve('code' in error ? String(error.code) : error.message));
      socket.once('end', () => resolve('end'));
      socket.once('close', () => resolve('close'));
    });
    socket.write('x');
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(socket.destroyed).toBe(false);
    await cluster.stopPod(`${NAMESPACE}/${name}`);
    await cluster.sync();
    socket.write('x');
    expect(['ECONNRESET', 'EPIPE', 'end', 'close']).toContain(await ended);
    socket.destroy();
  });
});

/** A connection that stays, and who answered on it. */
async function hold(
  from: PodHost,
  address: string,
  port: number,
  sourcePort?: number,
): Promise<{ readonly socket: Socket; readonly answer: string }> {
  const family = address.includes(':') ? 6 : 4;
  const bound = sourcePort === undefined ? {} : { port: sourcePort };
  const socket = new Socket({
    fd: openSocket(from.netns.fd, { kind: 'stream', family, ...bound }),
    allowHalfOpen: true,
  });
  socket.connect({ host: address, port });
  const answer = await new Promise<string>((resolve, reject) => {
    socket.setTimeout(PATIENCE_MS, () => reject(new Error('no answer')));
    socket.once('error', reject);
    socket.once('data', (data) => resolve(data.toString('utf8').trim()));
  });
  socket.setTimeout(0);
  socket.removeAllListeners('error');
  return { socket, answer };
}
