/** Flows that ask where answers change: addresses of pods, at the edges of blocks and outside; ports at interval edges. */
import * as fc from 'fast-check';
import type { Arbitrary } from 'fast-check';
import { formatAddress, parseAddress } from '../../src/net/address.ts';
import { parseCidr } from '../../src/net/cidr.ts';
import type { OracleCluster, OracleFlow } from '../../src/policy/oracle.ts';
import { OUTSIDE_ADDRESSES, STRAY_POD_ADDRESSES, UNKNOWN_POD_ADDRESSES } from './generator-alphabet.ts';

type End = 'local' | 'pod' | 'edge' | 'other';

/** What is worth asking of one cluster. */
export interface FlowSpace {
  readonly addresses: Readonly<Record<4 | 6, Readonly<Record<End, readonly string[]>>>>;
  readonly ports: readonly number[];
  /** Numbers of named ports. */
  readonly namedPorts: readonly number[];
}

export interface FlowSeed {
  readonly family: 4 | 6;
  readonly source: { readonly end: End; readonly index: number };
  readonly destination: { readonly end: End; readonly index: number };
  readonly protocol: OracleFlow['protocol'];
  readonly port: { readonly named: boolean; readonly index: number };
}

const INDEX = fc.nat(10_000);
/** Mostly TCP; numbers are UDP, SCTP and one without ports. */
const PROTOCOL_CHOICES = ['TCP', 'TCP', 'TCP', 'TCP', 'UDP', 'UDP', 'SCTP', 'ICMP', 'ICMPv6', 6, 17, 132, 47] as const;

function endArb(...ends: readonly End[]): Arbitrary<FlowSeed['source']> {
  return fc.record({ end: fc.constantFrom(...ends), index: INDEX });
}

const local = endArb('local');
const anyone = endArb('local', 'pod', 'pod', 'edge', 'edge', 'other');

/** At least one end is a local endpoint, when there is any. */
export const flowSeedArb: Arbitrary<FlowSeed> = fc
  .record({
    family: fc.constantFrom(4 as const, 4 as const, 6 as const),
    ends: fc.oneof(fc.tuple(local, anyone), fc.tuple(anyone, local)),
    protocol: fc.constantFrom<OracleFlow['protocol'][]>(...PROTOCOL_CHOICES),
    port: fc.record({ named: fc.boolean(), index: INDEX }),
  })
  .map(({ ends: [source, destination], ...rest }) => ({ ...rest, source, destination }));

export function flowSpace(cluster: OracleCluster): FlowSpace {
  const pods = [...cluster.pods.values()].flatMap((pod) => pod.podIPs);
  const locals = [...cluster.endpoints.values()].flatMap((endpoint) => endpoint.addresses);
  const others = [
    ...UNKNOWN_POD_ADDRESSES,
    ...STRAY_POD_ADDRESSES,
    ...OUTSIDE_ADDRESSES,
    ...[...cluster.nodes.values()].flatMap((node) => node.addresses),
  ];
  const namedPorts = [...cluster.pods.values()].flatMap((pod) => pod.namedPorts.map((port) => port.containerPort));
  const edges = [...new Set(blocksOf(cluster))].flatMap(edgesOf);
  const ofFamily = (colon: boolean): Record<End, readonly string[]> => {
    const only = (list: readonly string[]): readonly string[] =>
      [...new Set(list)].filter((address) => address.includes(':') === colon);
    return { local: only(locals), pod: only(pods), edge: only(edges), other: only(others) };
  };
  return { addresses: { 4: ofFamily(false), 6: ofFamily(true) }, ports: [...portsOf(cluster)], namedPorts };
}

export function flowOf(space: FlowSpace, seed: FlowSeed): OracleFlow {
  const choose = ({ end, index }: FlowSeed['source']): string => {
    const lists = space.addresses[seed.family];
    const list = lists[end].length > 0 ? lists[end] : lists.other;
    return list[index % list.length] ?? '';
  };
  const ports = seed.port.named && space.namedPorts.length > 0 ? space.namedPorts : space.ports;
  return {
    source: choose(seed.source),
    destination: choose(seed.destination),
    protocol: seed.protocol,
    destinationPort: ports[seed.port.index % ports.length] ?? 0,
  };
}

export function flowArb(cluster: OracleCluster): Arbitrary<OracleFlow> {
  const space = flowSpace(cluster);
  return flowSeedArb.map((seed) => flowOf(space, seed));
}

function* blocksOf(cluster: OracleCluster): Generator<string> {
  for (const node of cluster.nodes.values()) yield* node.podCIDRs;
  for (const policy of cluster.policies.values()) {
    for (const rule of [...policy.ingress, ...policy.egress]) {
      for (const { ipBlock } of rule.peers) if (ipBlock !== undefined) yield* [ipBlock.cidr, ...ipBlock.except];
    }
  }
  for (const policy of cluster.clusterPolicies.values()) {
    for (const { peers } of [...policy.ingress, ...policy.egress]) for (const peer of peers) yield* peer.networks ?? [];
  }
}

/** First and last address of the prefix, and the neighbours of both. */
function edgesOf(cidr: string): readonly string[] {
  const prefix = parseCidr(cidr);
  if (prefix === undefined) return [];
  const bits = BigInt(prefix.bytes.length * 8);
  const first = prefix.bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  const last = first + (1n << (bits - BigInt(prefix.length))) - 1n;
  return [first - 1n, first, last, last + 1n]
    .filter((number) => number >= 0n && number < 1n << bits)
    .map((number) => formatAddress(toBytes(number, prefix.bytes.length)))
    .filter((address) => parseAddress(address) !== undefined);
}

function toBytes(number: bigint, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => Number((number >> BigInt(8 * (length - 1 - i))) & 255n));
}

function portsOf(cluster: OracleCluster): ReadonlySet<number> {
  const ports = new Set([0, 80, 65535]);
  const add = (port: number): void => {
    for (const near of [port - 1, port, port + 1]) if (near >= 0 && near <= 65535) ports.add(near);
  };
  for (const policy of cluster.policies.values()) {
    for (const { port, endPort } of [...policy.ingress, ...policy.egress].flatMap((rule) => rule.ports)) {
      if (typeof port === 'number') add(port);
      if (endPort !== undefined) add(endPort);
    }
  }
  for (const policy of cluster.clusterPolicies.values()) {
    for (const rule of [...policy.ingress, ...policy.egress].flatMap(({ protocols }) => protocols)) {
      if (rule.protocol === undefined) continue;
      add(rule.port);
      if (rule.endPort !== undefined) add(rule.endPort);
    }
  }
  return ports;
}
