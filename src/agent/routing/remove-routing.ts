/** Takes away all that the node routing of an instance made: for uninstalling, not for stopping. */
import { deleteLink } from '../../kernel/netlink/link.ts';
import { tolerating } from '../../kernel/netlink/request.ts';
import { deleteRoute } from '../../kernel/netlink/route.ts';
import { deleteRule } from '../../kernel/netlink/rule.ts';
import type { NodeNetwork } from '../wiring/node.ts';
import { removeFirewall } from './firewall.ts';
import { type CommandRunner, runCommand } from './iptables-command.ts';
import { readKernel } from './kernel-view.ts';

/** What there was, as a person would name it. */
export type RemovedRouting = readonly string[];

/**
 * Routes and rules of protocol 84, the tunnel devices of the instance and its SLUICE- chains in every iptables flavour
 * that is installed. Idempotent: what is gone is fine, and a second call returns nothing.
 * @throws SysError, CommandError; what was removed until then is removed.
 */
export async function removeNodeRouting(
  node: NodeNetwork,
  instance: string,
  run: CommandRunner = runCommand,
): Promise<RemovedRouting> {
  const { ownRoutes, ownPodRoutes, ownRules, tunnels } = readKernel(node.netlink, instance);
  const routes = [...ownRoutes, ...ownPodRoutes];
  node.netlink.execute([
    ...ownRules.map(({ family, table, source, priority, protocol }) => {
      const from = source === undefined ? {} : { source };
      return tolerating(deleteRule({ family, priority, table: table ?? 0, protocol, ...from }), 'ENOENT');
    }),
    ...routes.map(({ destination, table, protocol }) =>
      tolerating(deleteRoute({ destination, table, protocol }), 'ESRCH'),
    ),
    ...tunnels.map(({ index }) => tolerating(deleteLink(index), 'ENODEV')),
  ]);
  const chains = await removeFirewall(instance, run);
  return [
    ...ownRules.map(({ source }) => `rule from ${source ?? 'everywhere'}`),
    ...routes.map(({ destination }) => `route ${destination}`),
    ...tunnels.map(({ name }) => `interface ${name}`),
    ...chains.map((chain) => `chain ${chain}`),
  ];
}
