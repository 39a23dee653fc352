/** Brings the node's kernel to the plan: tunnels, then routes and rules, then what is no longer wanted. */
import { deleteLink } from '../../kernel/netlink/link.ts';
import { type Request, tolerating } from '../../kernel/netlink/request.ts';
import { addRoute, deleteRoute, replaceRoute, type Route, type RouteSpec } from '../../kernel/netlink/route.ts';
import { addRule, deleteRule, type RuleSpec } from '../../kernel/netlink/rule.ts';
import type { ObjectProblem } from '../../cluster/source.ts';
import type { NodeNetwork } from '../wiring/node.ts';
import type { KernelView } from './kernel-view.ts';
import { NODE_ROUTE_PROTOCOL, POD_RULE_PRIORITY, POD_TABLE } from './marks.ts';
import type { PlannedRoute, RoutingPlan } from './plan.ts';
import { nodeProblem } from './problem.ts';
import { diffRoutes, type RouteDiff } from './route-diff.ts';
import { syncTunnel } from './tunnel-sync.ts';

export interface SyncResult {
  /** Changes written; 0 when all was as planned. */
  readonly writes: number;
  /** Routes of others that stand in the way. */
  readonly problems: readonly ObjectProblem[];
  /** Destination -> why it is not ours. */
  readonly yielded: ReadonlyMap<string, string>;
}

/** @throws SysError when the kernel refuses something; what came before is done, and doing it again is safe. */
export function syncKernel(node: NodeNetwork, instance: string, plan: RoutingPlan, view: KernelView): SyncResult {
  const indexes = new Map(view.underlay.links.map(({ name, index }) => [name, index]));
  const later: Request[] = [];
  for (const tunnel of plan.tunnels) {
    const present = view.tunnels.find(({ name }) => name === tunnel.name);
    if (present === undefined && view.links.some(({ name }) => name === tunnel.name)) {
      throw new Error(`${tunnel.name} exists and is no VXLAN device: remove or rename it, Sluice does not touch it`);
    }
    const { index, leftovers } = syncTunnel(node, instance, tunnel, present);
    indexes.set(tunnel.name, index);
    later.push(...leftovers);
  }
  const main = diffRoutes(plan.routes, view.ownRoutes, view.foreignRoutes, (name) => indexes.get(name));
  const pods = diffRoutes(plan.podRoutes, view.ownPodRoutes, [], (name) => indexes.get(name));
  const rules = diffRules(plan.podSources, view);
  const writes = [...routeWrites(main, indexes), ...routeWrites(pods, indexes, POD_TABLE), ...rules.add];
  // Rules first: without them nobody looks into a table that is half empty.
  const removals = [...rules.remove, ...[...main.remove, ...pods.remove].map(removal), ...later];
  const devices = view.tunnels.filter(({ name }) => !plan.tunnels.some((tunnel) => tunnel.name === name));
  removals.push(...devices.map(({ index }) => tolerating(deleteLink(index), 'ENODEV')));
  node.netlink.execute([...writes, ...removals]);
  return { writes: writes.length + removals.length, ...describe(main, plan, view) };
}

function routeWrites(diff: RouteDiff, indexes: ReadonlyMap<string, number>, table?: number): Request[] {
  const specOf = ({ destination, gateway, device, source }: PlannedRoute): RouteSpec => ({
    destination,
    gateway,
    index: indexes.get(device)!,
    // The kernel takes link-local next hops for neighbours as they are.
    onlink: !gateway.startsWith('fe80:'),
    protocol: NODE_ROUTE_PROTOCOL,
    ...(source === undefined ? {} : { source }),
    ...(table === undefined ? {} : { table }),
  });
  return [
    ...diff.add.map((route) => addRoute(specOf(route))),
    ...diff.replace.map((route) => replaceRoute(specOf(route))),
  ];
}

function removal(route: Route): Request {
  const { destination, index, gateway, table, protocol } = route;
  const spec = { destination, table, protocol, ...(index !== undefined && { index }), ...(gateway && { gateway }) };
  return tolerating(deleteRoute(spec), 'ESRCH');
}

function diffRules(sources: readonly string[], view: KernelView): { add: Request[]; remove: Request[] } {
  const has = new Set(view.ownRules.filter(({ table }) => table === POD_TABLE).map(({ source }) => source));
  const stale = view.ownRules.filter(
    ({ source, table }) => table !== POD_TABLE || source === undefined || !sources.includes(source),
  );
  return {
    add: sources.filter((source) => !has.has(source)).map((source) => tolerating(addRule(ruleSpec(source)), 'EEXIST')),
    remove: stale.map(({ family, table, source, priority, protocol }) =>
      tolerating(
        deleteRule({ family, priority, table: table ?? 0, protocol, ...(source !== undefined && { source }) }),
        'ENOENT',
      ),
    ),
  };
}

function ruleSpec(source: string): RuleSpec {
  const family = source.includes(':') ? 6 : 4;
  return { family, priority: POD_RULE_PRIORITY, table: POD_TABLE, source, protocol: NODE_ROUTE_PROTOCOL };
}

function describe(diff: RouteDiff, plan: RoutingPlan, view: KernelView): Omit<SyncResult, 'writes'> {
  const nodeOf = new Map(plan.nodes.map(({ podCIDR, node }) => [podCIDR, node]));
  const names = new Map(view.links.map(({ index, name }) => [index, name]));
  const textOf = ({ destination, gateway, index, protocol }: Route): string => {
    const via = gateway === undefined ? '' : ` via ${gateway}`;
    const over = index === undefined ? '' : ` over ${names.get(index) ?? `interface ${index}`}`;
    return `${destination}${via}${over} (protocol ${protocol})`;
  };
  const yielded = new Map(
    diff.yielded.map(({ planned, foreign }) => [planned.destination, `left to the route of others ${textOf(foreign)}`]),
  );
  const problems = [
    ...diff.yielded.map(({ planned, foreign }) => ({
      planned,
      message: `the node has a route of others to it, ${textOf(foreign)}, which is left as it is`,
    })),
    ...diff.shadowed.map(({ planned, foreign }) => ({
      planned,
      message: `a part of ${planned.destination} goes by a route of others, ${textOf(foreign)}`,
    })),
  ].map(({ planned, message }) => {
    const hint = 'remove that route, or set routing to none when it is meant';
    return nodeProblem('warning', nodeOf.get(planned.destination) ?? '', 'spec.podCIDRs', message, hint);
  });
  return { problems, yielded };
}
