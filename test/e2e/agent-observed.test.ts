/** What others see of an agent that follows an API server: probes, metrics, events on policies, the report on its pod. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ApiServer } from '../support/api-server.ts';
import { ClusterHost } from '../support/cluster-host.ts';
import { isolation, policyManifest } from '../support/policy-manifest.ts';
import { SERVED_PATHS } from '../support/served-manifests.ts';
import { SERVED } from '../support/trio.ts';

const POLICIES_PATH = '/apis/networking.k8s.io/v1/networkpolicies';
const OWN_POD = '/api/v1/namespaces/sluice-system/pods/sluice-agent-x1';
const PORT = 9971;

const made = new AsyncDisposableStack();
let api: ApiServer;
let cluster: ClusterHost;

beforeAll(async () => {
  api = made.use(await ApiServer.start(SERVED_PATHS));
  api.bookmarksAtOnce = true;
  const settings = ['--health-address', `:${PORT}`, '--own-pod', 'sluice-system/sluice-agent-x1'];
  cluster = made.use(await ClusterHost.start({ nodes: 1, attach: 'auto', api, settings }));
  cluster.applyNamespace('x');
  await cluster.startPods([{ namespace: 'x', name: 'a', node: 0, labels: {}, ports: SERVED }]);
});

afterAll(() => made.disposeAsync());

interface Answer {
  readonly status: number;
  readonly text: string;
}

/** By a program in the node's namespace, as the kubelet or Prometheus would. */
function get(path: string): Answer {
  const program = `const r = await fetch(process.argv[1]); console.log(JSON.stringify({status: r.status, text: await r.text()}))`;
  const url = `http://127.0.0.1:${PORT}${path}`;
  const args = ['--input-type=module', '-e', program, url];
  return JSON.parse(cluster.node(0).netns.exec(process.execPath, ...args)) as Answer;
}

describe('an agent', () => {
  test('is healthy and ready, and says so to whoever asks', () => {
    expect(get('/healthz')).toEqual({ status: 200, text: 'ok\n' });
    expect(get('/readyz')).toEqual({ status: 200, text: 'ok\n' });
  });

  test('counts what it did', async () => {
    const { text } = get('/metrics');
    expect(text).toContain('sluice_ready 1\n');
    expect(text).toContain('sluice_endpoints{state="open"} 1\n');
    expect(text).toMatch(/sluice_cni_request_seconds_count\{command="ADD",result="ok"\} 1\n/);
    expect(text).toMatch(/sluice_watch_objects\{kind="Pod"\} 1\n/);
    expect(text).toMatch(/sluice_change_realize_seconds_count [1-9]/);
  });

  test('times the addresses of other nodes’ pods, and not those of its own', async () => {
    const counted = (): number =>
      Number(/sluice_pod_address_realize_seconds_count (\d+)/.exec(get('/metrics').text)?.[1]);
    const before = counted();
    cluster.manifests.apply({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { namespace: 'x', name: 'remote' },
      spec: { nodeName: 'elsewhere', containers: [] },
      status: { phase: 'Running', podIPs: [{ ip: '10.77.0.9' }] },
    });
    await expect.poll(counted, { timeout: 10_000 }).toBe(before + 1);
  });

  test('says whether it enforces a policy in a version', async () => {
    cluster.manifests.apply(isolation('x', ['Ingress'], 'a'));
    const [stored] = api.store.list(POLICIES_PATH);
    const query = (uid: string): string =>
      `/v1/realized?kind=NetworkPolicy&namespace=x&name=${stored?.metadata.name}&uid=${uid}&generation=0`;
    const state = (): unknown => (JSON.parse(get(query(stored?.metadata.uid ?? '')).text) as { state: unknown }).state;
    await expect.poll(state, { timeout: 10_000 }).toBe('realized');
    expect(JSON.parse(get(query('another')).text)).toMatchObject({ state: 'not-seen' });
  });

  test('writes an event on a policy that is not enforced as written, once', async () => {
    const ingress = [{ ports: [{ port: 80, endPort: 70 }] }];
    cluster.manifests.apply(policyManifest('x', 'wrong', { podSelector: {}, ingress }));
    const events = (): typeof api.written => api.written.filter(({ path }) => path === '/api/v1/namespaces/x/events');
    await expect.poll(() => events().length, { timeout: 20_000, interval: 200 }).toBe(1);
    const [event] = events();
    expect(event?.body).toMatchObject({
      kind: 'Event',
      type: 'Warning',
      reason: 'NotEnforced',
      involvedObject: { kind: 'NetworkPolicy', namespace: 'x', name: 'wrong' },
    });
    expect(event?.body['message']).toContain('spec.ingress[0].ports[0].endPort');
  });

  test('shows its state on its own pod', async () => {
    const last = (): Readonly<Record<string, string>> | undefined =>
      api.written.findLast(({ path }) => path === OWN_POD)?.body.metadata?.annotations;
    await expect.poll(() => last()?.['sluice.dev/state'], { timeout: 20_000, interval: 200 }).toBe('ready');
    expect(last()?.['sluice.dev/realized-generation']).toMatch(/^[1-9][0-9]*$/);
    expect(Date.parse(last()?.['sluice.dev/source-as-of'] ?? '')).toBeGreaterThan(Date.now() - 120_000);
  });
});
