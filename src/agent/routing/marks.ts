/** How what the node routing makes in the kernel is marked, so that it is found again and nothing else is touched. */

/** `ip route show proto 84`, `ip rule show proto 84`: routes between nodes. Those to the node's own pods have 83. */
export const NODE_ROUTE_PROTOCOL = 84;

/** Ways to the addresses of nodes behind a tunnel, for what pods send: `ip route show table 8483`. */
export const POD_TABLE = 8483;
/** Before the main table (32766), behind what VPNs and the like usually put first. */
export const POD_RULE_PRIORITY = 8483;

/** Of a tunnel device, for people (`ip -d link show`). */
export function tunnelAlias(instance: string): string {
  return `sluice ${instance}: pods of other nodes`;
}
