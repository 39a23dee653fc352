/**
 * Services as kube-proxy writes them: for iptables one rule a Service in one chain, walked from its start by every new
 * connection; for nftables one verdict map. Each leads to a chain of the Service's own, and that to one of the endpoint.
 */
import { runCommand } from '../../test/support/run-command.ts';
import type { TestNetns } from '../../test/support/netns.ts';
import { clusterIpOf, SERVICE_PORT, type SlicedEndpoint } from './services.ts';

export async function loadIptablesServices(netns: TestNetns, count: number, backend: SlicedEndpoint): Promise<void> {
  const each = <T>(make: (index: number) => T): T[] => Array.from({ length: count }, (_, index) => make(index));
  const lines = [
    '*nat',
    ':PREROUTING ACCEPT [0:0]',
    ':KUBE-SERVICES - [0:0]',
    ...each((i) => `:KUBE-SVC-${i} - [0:0]`),
    ...each((i) => `:KUBE-SEP-${i} - [0:0]`),
    '-A PREROUTING -j KUBE-SERVICES',
    ...each((i) => `-A KUBE-SERVICES -d ${clusterIpOf(i)}/32 -p tcp -m tcp --dport ${SERVICE_PORT} -j KUBE-SVC-${i}`),
    ...each((i) => `-A KUBE-SVC-${i} -j KUBE-SEP-${i}`),
    ...each((i) => `-A KUBE-SEP-${i} -p tcp -m tcp -j DNAT --to-destination ${backend.address}:${backend.port}`),
    'COMMIT',
    '',
  ];
  await runCommand('iptables-restore', [], { netns, input: lines.join('\n') });
}

export async function loadNftablesServices(netns: TestNetns, count: number, backend: SlicedEndpoint): Promise<void> {
  const each = <T>(make: (index: number) => T): T[] => Array.from({ length: count }, (_, index) => make(index));
  const lines = [
    'table ip kube-proxy {',
    ...each((i) => `chain endpoint-${i} { meta l4proto tcp dnat to ${backend.address}:${backend.port}; }`),
    ...each((i) => `chain service-${i} { numgen random mod 1 vmap { 0 : goto endpoint-${i} }; }`),
    'map service-ips {',
    'type ipv4_addr . inet_proto . inet_service : verdict;',
    `elements = { ${each((i) => `${clusterIpOf(i)} . tcp . ${SERVICE_PORT} : goto service-${i}`).join(', ')} }`,
    '}',
    'chain services { ip daddr . meta l4proto . th dport vmap @service-ips; }',
    'chain nat-prerouting { type nat hook prerouting priority dstnat; policy accept; jump services; }',
    '}',
    '',
  ];
  await runCommand('nft', ['-f', '-'], { netns, input: lines.join('\n') });
}
