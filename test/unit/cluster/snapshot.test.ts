import { expect, test } from 'vitest';
import { Snapshot } from '../../../src/cluster/snapshot.ts';
import type { ClusterChange, Pod } from '../../../src/policy/model.ts';

function pod(name: string, fields: Partial<Pod> = {}): Pod {
  const base = { namespace: 'shop', uid: '', nodeName: 'n1', labels: {}, hostNetwork: false, terminal: false };
  return { ...base, name, podIPs: ['10.0.0.1'], namedPorts: [], ...fields };
}

const set = (object: Pod): ClusterChange => ({ kind: 'Pod', op: 'set', object });
const gone = (name: string): ClusterChange => ({ kind: 'Pod', op: 'delete', key: `shop/${name}` });

test('the pod of a name is the one set last, and none after its deletion', () => {
  const snapshot = new Snapshot();
  snapshot.apply([set(pod('web', { uid: '1' })), set(pod('web', { uid: '2' }))]);
  expect(snapshot.pod('shop', 'web')?.uid).toBe('2');
  snapshot.apply([gone('web')]);
  expect(snapshot.pod('shop', 'web')).toBe(undefined);
});

test('an address is in use as long as any live pod shows it', () => {
  const snapshot = new Snapshot();
  snapshot.apply([set(pod('old')), set(pod('new'))]);
  snapshot.apply([gone('old')]);
  expect(snapshot.isPodAddress('10.0.0.1')).toBe(true);
  snapshot.apply([set(pod('new', { podIPs: ['10.0.0.2', 'fd00::2'] }))]);
  expect(['10.0.0.1', '10.0.0.2', 'fd00::2'].map((address) => snapshot.isPodAddress(address))).toEqual([
    false,
    true,
    true,
  ]);
});

test('NP-120: the address of a finished pod is not in use, nor that of a pod on the host network', () => {
  const snapshot = new Snapshot();
  snapshot.apply([set(pod('job', { terminal: true })), set(pod('proxy', { hostNetwork: true }))]);
  expect(snapshot.isPodAddress('10.0.0.1')).toBe(false);
});

test('every kind of object is kept by its key and deleted by it', () => {
  const snapshot = new Snapshot();
  const selector = { matchLabels: {}, matchExpressions: [] };
  snapshot.apply([
    { kind: 'Namespace', op: 'set', object: { name: 'shop', labels: {} } },
    { kind: 'Node', op: 'set', object: { name: 'n1', podCIDRs: [], addresses: [] } },
    {
      kind: 'NetworkPolicy',
      op: 'set',
      object: {
        namespace: 'shop',
        name: 'deny',
        podSelector: selector,
        policyTypes: ['Ingress'],
        ingress: [],
        egress: [],
      },
    },
    { kind: 'LocalEndpoint', op: 'set', object: { id: 7, namespace: 'shop', name: 'web', uid: '', addresses: [] } },
    { kind: 'NodeAddresses', op: 'set', object: ['192.0.2.1'] },
  ]);
  expect([...snapshot.namespaces.keys(), ...snapshot.nodes.keys(), ...snapshot.networkPolicies.keys()]).toEqual([
    'shop',
    'n1',
    'shop/deny',
  ]);
  expect([snapshot.localEndpoints.get(7)?.name, snapshot.nodeAddresses, snapshot.revision]).toEqual([
    'web',
    ['192.0.2.1'],
    1,
  ]);
  snapshot.apply([
    { kind: 'LocalEndpoint', op: 'delete', id: 7 },
    { kind: 'NetworkPolicy', op: 'delete', key: 'shop/deny' },
    { kind: 'Node', op: 'delete', key: 'n1' },
    { kind: 'Namespace', op: 'delete', key: 'shop' },
  ]);
  const { namespaces, nodes, networkPolicies, localEndpoints } = snapshot;
  expect(namespaces.size + nodes.size + networkPolicies.size + localEndpoints.size).toBe(0);
});

test('NP-125: an endpoint is of a pod when name and uid agree, where both have one', () => {
  const snapshot = new Snapshot();
  const object = { id: 1, namespace: 'shop', name: 'web', uid: '1', addresses: [] };
  expect(snapshot.hasEndpoint(pod('web'))).toBe(false);
  snapshot.apply([{ kind: 'LocalEndpoint', op: 'set', object }]);
  const pods = [pod('web', { uid: '1' }), pod('web'), pod('web', { uid: '2' }), pod('db', { uid: '1' })];
  expect(pods.map((each) => snapshot.hasEndpoint(each))).toEqual([true, true, false, false]);
});

test('an address tells the pod that it is of; while two have it, one of them', () => {
  const snapshot = new Snapshot();
  snapshot.apply([set(pod('old')), set(pod('new')), set(pod('job', { podIPs: ['10.0.0.9'], terminal: true }))]);
  expect(snapshot.podAt('10.0.0.1')).toMatch(/^shop\/(old|new)$/);
  snapshot.apply([gone('old')]);
  expect(['10.0.0.1', '10.0.0.9', 'nothing'].map((address) => snapshot.podAt(address))).toEqual([
    'shop/new',
    undefined,
    undefined,
  ]);
});

test('the map of pods says what a map of them would', () => {
  const snapshot = new Snapshot();
  const [web, db] = [pod('web'), pod('db', { podIPs: ['fd00::1'], labels: { app: 'db' } })];
  snapshot.apply([set(web), set(db)]);
  const expected = new Map([web, db].map((object) => [`shop/${object.name}`, object]));
  expect(new Map(snapshot.pods)).toEqual(expected);
  expect([...snapshot.pods.keys(), ...snapshot.pods.values()]).toEqual([...expected.keys(), ...expected.values()]);
  const seen: unknown[] = [];
  // oxlint-disable-next-line unicorn/no-array-for-each -- the method is what is tested.
  snapshot.pods.forEach((object, key) => seen.push([key, object]));
  expect(seen).toEqual([...expected]);
  expect([snapshot.pods.has('shop/web'), snapshot.pods.has('shop/x'), snapshot.pods.get('shop/x')]).toEqual([
    true,
    false,
    undefined,
  ]);
});

test('without policies they are passed over', () => {
  const snapshot = new Snapshot({ keepsPolicies: false });
  const podSelector = { matchLabels: {}, matchExpressions: [] };
  const object = { namespace: 'shop', name: 'p', podSelector, policyTypes: [], ingress: [], egress: [] };
  snapshot.apply([{ kind: 'NetworkPolicy', op: 'set', object }]);
  expect([snapshot.networkPolicies.size, snapshot.revision]).toEqual([0, 1]);
});
