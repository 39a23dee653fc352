/**
 * A node as a namespace: on the wire, forwarding, strict reverse path filter, and the netfilter rules of real nodes. The
 * ways to the pods of other nodes are its agent's to make.
 */
import { type AddressPair, EXTERNAL_NUMBER, EXTERNAL_PREFIXES, podCidrs, wireAddresses } from './address-plan.ts';
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

/** index: 0 to 7. */
export async function makeNodeHost(ledger: Ledger, wire: Wire, index: number): Promise<NodeHost> {
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
  await ipBatch(netns, routesOutside());
  return { name, netns, addresses, podCidrs: podCidrs(index) };
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
