/**
 * A node as a namespace: on the wire, forwarding, strict reverse path filter, the netfilter rules of real nodes, and
 * routes to the other nodes' podCIDRs as a routed underlay has them.
 */
import {
  type AddressPair,
  EXTERNAL_NUMBER,
  EXTERNAL_PREFIXES,
  podCidrs,
  routesToPods,
  wireAddresses,
} from './address-plan.ts';
import type { Ledger } from './ledger.ts';
import type { ManifestObject } from './manifest-folder.ts';
import { loadNetfilterFixture } from './netfilter-fixture.ts';
import type { TestNetns } from './netns.ts';
import { ipBatch, setSysctls } from './run-command.ts';
import type { Wire } from './wire.ts';

const NODE_LETTERS = 'abcdefgh';

export interface NodeHost {
  /** node-a, node-b, ... */
  readonly name: string;
  readonly netns: TestNetns;
  readonly addresses: AddressPair;
  readonly podCidrs: AddressPair;
}

/** index: 0 to 7. count: of nodes on this wire, each of which gets a route to the pods of the others. */
export async function makeNodeHost(ledger: Ledger, wire: Wire, index: number, count: number): Promise<NodeHost> {
  const name = `node-${NODE_LETTERS.charAt(index)}`;
  const netns = ledger.makeNetns(name);
  await setSysctls(netns, {
    'net.ipv4.ip_forward': '1',
    'net.ipv4.conf.all.rp_filter': '1',
    'net.ipv4.conf.default.rp_filter': '1',
    'net.ipv6.conf.all.forwarding': '1',
    'net.ipv6.conf.default.forwarding': '1',
  });
  await loadNetfilterFixture(netns);
  const addresses = await wire.plug(netns, index + 1);
  await ipBatch(netns, [...routesToOtherNodes(index, count), ...routesOutside()]);
  return { name, netns, addresses, podCidrs: podCidrs(index) };
}

function routesToOtherNodes(index: number, count: number): string[] {
  const indexes = Array.from({ length: count }, (_, other) => other);
  return indexes.filter((other) => other !== index).flatMap(routesToPods);
}

function routesOutside(): string[] {
  const gateway = wireAddresses(EXTERNAL_NUMBER);
  return [
    `route add default via ${gateway.ipv4}`,
    `route add ${EXTERNAL_PREFIXES.ipv4} via ${gateway.ipv4}`,
    `route add ::/0 via ${gateway.ipv6}`,
    `route add ${EXTERNAL_PREFIXES.ipv6} via ${gateway.ipv6}`,
  ];
}

/** The Node object that describes the host, as the API server would have it. */
export function nodeManifest(node: NodeHost): ManifestObject {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: node.name },
    spec: { podCIDR: node.podCidrs.ipv4, podCIDRs: [node.podCidrs.ipv4, node.podCidrs.ipv6] },
    status: {
      addresses: [
        { type: 'InternalIP', address: node.addresses.ipv4 },
        { type: 'InternalIP', address: node.addresses.ipv6 },
        { type: 'Hostname', address: node.name },
      ],
    },
  };
}
