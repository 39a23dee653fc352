/**
 * Clusters of two sizes and one shape, as changes for the compiler: every policy isolates its namespace in both directions,
 * admits one app to the next, names one CIDR of its own, and leaves high ports open to the outside; one in ten reaches across
 * namespaces. Endpoint n + 1 is pod n, and every namespace has one, so that every policy counts on this node.
 */
import type { ClusterChange, Namespace, NetworkPolicy, NetworkPolicyPort, Node, Pod } from '../../src/policy/model.ts';
import { formatAddress } from '../../src/net/address.ts';

export const NODE = 'node-0';
const PODS_PER_NODE = 110;
/** Ports of the rule without peers: every peer is allowed there. */
export const OPEN_PORTS = { first: 1024, last: 32_767 } as const;

export interface ClusterSize {
  readonly name: string;
  readonly pods: number;
  readonly namespaces: number;
  readonly appsPerNamespace: number;
  readonly policies: number;
  readonly cidrs: number;
  readonly endpoints: number;
}

export const SMALL: ClusterSize = {
  name: '10 policies, 100 pods, 10 CIDRs',
  pods: 100,
  namespaces: 10,
  appsPerNamespace: 5,
  policies: 10,
  cidrs: 10,
  endpoints: 10,
};

/** As many pods as the large one, and fewer policies. */
export const MEDIUM: ClusterSize = {
  name: '1,000 policies, 100,000 pods, 1,000 CIDRs',
  pods: 100_000,
  namespaces: 100,
  appsPerNamespace: 50,
  policies: 1000,
  cidrs: 1000,
  endpoints: 110,
};

export const LARGE: ClusterSize = {
  name: '10,000 policies, 100,000 pods, 10,000 CIDRs',
  pods: 100_000,
  namespaces: 100,
  appsPerNamespace: 50,
  policies: 10_000,
  cidrs: 10_000,
  endpoints: 110,
};

/** pod: below 2^18. */
export function podAddress(pod: number): string {
  return `10.${Math.floor(pod / 65_536)}.${Math.floor(pod / 256) % 256}.${pod % 256}`;
}

function podAddress6(pod: number): string {
  const bytes = new Uint8Array(16);
  bytes[0] = 0xfd;
  new DataView(bytes.buffer).setUint32(12, pod + 1);
  return formatAddress(bytes);
}

/** An address inside the CIDR of that number. */
export function outsideAddress(cidr: number, host: number): string {
  return `172.${16 + Math.floor(cidr / 4096)}.${Math.floor(cidr / 16) % 256}.${(cidr % 16) * 16 + host}`;
}

export function podOf(size: ClusterSize, index: number, generation = 0): Pod {
  const app = Math.floor(index / size.namespaces) % size.appsPerNamespace;
  return {
    namespace: `ns-${index % size.namespaces}`,
    name: `pod-${index}`,
    uid: `uid-${index}`,
    nodeName: index < size.endpoints ? NODE : `node-${1 + Math.floor(index / PODS_PER_NODE)}`,
    labels: { app: `app-${app}`, tier: `tier-${app % 5}`, hash: `h${app}-${generation}` },
    podIPs: [podAddress(index), podAddress6(index)],
    hostNetwork: false,
    terminal: false,
    namedPorts: [{ name: 'http', protocol: 'TCP', containerPort: 8000 + (app % 7) }],
  };
}

/** change: another one allows other ports. */
export function policyOf(size: ClusterSize, index: number, change = 0): NetworkPolicy {
  const app = Math.floor(index / size.namespaces) % size.appsPerNamespace;
  const inside = { podSelector: select({ app: `app-${(app + 1) % size.appsPerNamespace}` }) };
  const across = {
    namespaceSelector: select({ team: `team-${index % 10}` }),
    podSelector: select({ tier: `tier-${index % 5}` }),
  };
  const outside = { ipBlock: { cidr: `${outsideAddress(index % size.cidrs, 0)}/28`, except: [] } };
  const anywhere = [port(53, 'UDP'), { ...port(OPEN_PORTS.first), endPort: OPEN_PORTS.last }];
  return {
    namespace: `ns-${index % size.namespaces}`,
    name: `policy-${index}`,
    podSelector: select({}),
    policyTypes: ['Egress', 'Ingress'],
    ingress: [
      {
        peers: index % 10 === 0 ? [inside, across] : [inside],
        ports: [port(1000 + ((index + change) % 200)), port('http')],
      },
    ],
    egress: [
      { peers: [outside], ports: [port(443)] },
      { peers: [inside], ports: [port('http')] },
      { peers: [], ports: anywhere },
    ],
  };
}

export function* clusterChanges(size: ClusterSize): Generator<ClusterChange> {
  for (let i = 0; i < size.namespaces; i++) yield { kind: 'Namespace', op: 'set', object: namespaceOf(i) };
  for (let i = 0; i <= size.pods / PODS_PER_NODE; i++) yield { kind: 'Node', op: 'set', object: nodeOf(i) };
  for (let i = 0; i < size.pods; i++) yield { kind: 'Pod', op: 'set', object: podOf(size, i) };
  for (let i = 0; i < size.policies; i++) yield { kind: 'NetworkPolicy', op: 'set', object: policyOf(size, i) };
  for (let i = 0; i < size.endpoints; i++) {
    const { namespace, name, uid, podIPs } = podOf(size, i);
    yield { kind: 'LocalEndpoint', op: 'set', object: { id: i + 1, namespace, name, uid, addresses: podIPs } };
  }
}

function namespaceOf(index: number): Namespace {
  const name = `ns-${index}`;
  return { name, labels: { 'kubernetes.io/metadata.name': name, team: `team-${index % 10}` } };
}

function nodeOf(index: number): Node {
  return {
    name: `node-${index}`,
    podCIDRs: [`10.${Math.floor(index / 256)}.${index % 256}.0/24`],
    addresses: [`192.168.${Math.floor(index / 250)}.${(index % 250) + 1}`],
  };
}

function select(matchLabels: Readonly<Record<string, string>>): NetworkPolicy['podSelector'] {
  return { matchLabels, matchExpressions: [] };
}

function port(value: number | string, protocol: 'TCP' | 'UDP' = 'TCP'): NetworkPolicyPort {
  return { protocol, port: value };
}
