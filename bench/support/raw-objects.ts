/** Objects as an API server sends them. */
import type { NetworkPolicy, NetworkPolicyPeer, NetworkPolicyRule, Pod } from '../../src/policy/model.ts';
import type { RawObject } from '../../test/support/api-server-store.ts';

export function rawPod({ namespace, name, uid, nodeName, labels, podIPs, namedPorts }: Pod): RawObject {
  return {
    metadata: { namespace, name, uid, labels },
    spec: { nodeName, containers: [{ name: 'main', image: 'main', ports: namedPorts }] },
    status: { phase: 'Running', podIP: podIPs[0], podIPs: podIPs.map((ip) => ({ ip })) },
  };
}

export function rawPolicy({ namespace, name, podSelector, policyTypes, ingress, egress }: NetworkPolicy): RawObject {
  const spec = {
    podSelector,
    policyTypes,
    ingress: ingress.map((rule) => ({ from: rule.peers.map(rawPeer), ports: rawPorts(rule) })),
    egress: egress.map((rule) => ({ to: rule.peers.map(rawPeer), ports: rawPorts(rule) })),
  };
  return { metadata: { namespace, name }, spec };
}

function rawPeer({ podSelector, namespaceSelector, ipBlock }: NetworkPolicyPeer): object {
  return ipBlock === undefined
    ? { podSelector, ...(namespaceSelector !== undefined && { namespaceSelector }) }
    : { ipBlock: { cidr: ipBlock.cidr } };
}

function rawPorts({ ports }: NetworkPolicyRule): readonly object[] {
  return ports.map(({ protocol, port, endPort }) => ({ protocol, port, ...(endPort !== undefined && { endPort }) }));
}
