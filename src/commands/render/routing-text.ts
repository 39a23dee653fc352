/** How the traffic between nodes goes, for a person: two lines, and a row a podCIDR of another node. */
import type { RoutingStatus } from '../../agent/routing/status.ts';

/** Rows for nodes that are reached; those that are not are always shown. */
const ROWS_MAX = 32;

/** `auto: 2 direct, 4 vxlan over svabc4; MTU of pods 1450` */
export function routingLine({ mode, nodes, tunnels, podMtu }: RoutingStatus): string {
  const count = (kind: string): number => nodes.filter((route) => route.kind === kind).length;
  const over = tunnels.length === 0 ? '' : ` over ${tunnels.map((tunnel) => tunnel.interface).join(', ')}`;
  const parts = [
    ...(count('direct') > 0 ? [`${count('direct')} direct`] : []),
    ...(count('vxlan') > 0 ? [`${count('vxlan')} vxlan${over}`] : []),
    ...(count('none') > 0 ? [`${count('none')} without a route of ours`] : []),
  ];
  const routes = mode === 'none' ? 'left to others' : parts.join(', ') || 'no other node';
  return `${mode}: ${routes}; MTU of pods ${podMtu}`;
}

/** `nft (by kubelet), also accepting in legacy; pods are masqueraded` */
export function iptablesLine({ iptables: { flavour, by, alsoIn }, masquerade }: RoutingStatus): string {
  const found = flavour === '' ? 'not looked at yet' : `${flavour} (by ${by})`;
  const also = alsoIn === '' ? '' : `, also accepting in ${alsoIn}`;
  return `${found}${also}; pods are ${masquerade ? 'masqueraded' : 'not masqueraded'} out of the cluster`;
}

export function nodeRows({ nodes }: RoutingStatus): string[][] {
  const reached = nodes.filter(({ kind }) => kind !== 'none');
  const shown = new Set(reached.slice(0, ROWS_MAX));
  const rows = nodes
    .filter((route) => route.kind === 'none' || shown.has(route))
    .map(({ node, podCIDR, kind, via, device, why }) => [
      node,
      podCIDR,
      kind,
      via === '' ? why : `via ${via} over ${device}`,
    ]);
  const more = reached.length - shown.size;
  return more > 0 ? [...rows, [`and ${more} more`, '', '', '']] : rows;
}
