/** From the routes that are to what they should be (pure): what to write, what to remove, whose stand in the way. */
import { containsCidr, parseCidr } from '../../net/cidr.ts';
import type { Route } from '../../kernel/netlink/route.ts';
import type { PlannedRoute } from './plan.ts';

export interface RouteDiff {
  readonly add: readonly PlannedRoute[];
  /** Own ones of the same destination that lead elsewhere. */
  readonly replace: readonly PlannedRoute[];
  readonly remove: readonly Route[];
  /** Not written: somebody else has a route to the very destination. */
  readonly yielded: readonly { readonly planned: PlannedRoute; readonly foreign: Route }[];
  /** Foreign ones that take a part of what ours lead to. */
  readonly shadowed: readonly { readonly planned: PlannedRoute; readonly foreign: Route }[];
}

/** `indexOf`: of an interface by its name; what has none yet is left out. */
export function diffRoutes(
  planned: readonly PlannedRoute[],
  own: readonly Route[],
  foreign: readonly Route[],
  indexOf: (device: string) => number | undefined,
): RouteDiff {
  const foreignTo = new Map(foreign.map((route) => [route.destination, route]));
  const ownTo = new Map(own.map((route) => [route.destination, route]));
  const yielded = planned.flatMap((route) => {
    const other = foreignTo.get(route.destination);
    return other === undefined ? [] : [{ planned: route, foreign: other }];
  });
  const wanted = planned.filter(
    ({ destination, device }) => !foreignTo.has(destination) && indexOf(device) !== undefined,
  );
  const destinations = new Set(wanted.map(({ destination }) => destination));
  const isSettled = (route: PlannedRoute): boolean => {
    const now = ownTo.get(route.destination);
    return now !== undefined && isSame(route, now, indexOf(route.device));
  };
  return {
    add: wanted.filter(({ destination }) => !ownTo.has(destination)),
    replace: wanted.filter((route) => ownTo.has(route.destination) && !isSettled(route)),
    remove: own.filter((route) => !destinations.has(route.destination) || ownTo.get(route.destination) !== route),
    yielded,
    shadowed: shadowsOf(wanted, foreign),
  };
}

function isSame(planned: PlannedRoute, route: Route, index: number | undefined): boolean {
  return (
    route.type === 'unicast' &&
    route.index === index &&
    route.gateway === planned.gateway &&
    route.source === planned.source
  );
}

/** Few foreign routes are unicast, not default and inside of somebody's podCIDR: those are looked at one by one. */
function shadowsOf(wanted: readonly PlannedRoute[], foreign: readonly Route[]): RouteDiff['shadowed'] {
  const ranges = wanted.flatMap((route) => {
    const cidr = parseCidr(route.destination);
    return cidr === undefined ? [] : [{ route, cidr }];
  });
  return foreign.flatMap((other) => {
    const cidr = parseCidr(other.destination);
    if (cidr === undefined || cidr.length === 0) return [];
    const hit = ranges.find((range) => containsCidr(range.cidr, cidr));
    return hit === undefined ? [] : [{ planned: hit.route, foreign: other }];
  });
}
