/** What happens instead of a transition that does not fit: pods that it would isolate are not left open. */
import { RULE_SET_OPEN } from '../policy/ids.ts';
import type { VerdictTables } from '../policy/tables.ts';
import type { ClosedDirection } from './capacity.ts';
import { CLOSED, nextGeneration } from './elements.ts';
import type { KernelImage } from './image.ts';
import { findEndpoint } from './lookup.ts';
import { endpointsAfter, endpointWrite, type Plan } from './plan.ts';
import { type EndpointChange, ruleSetsAfter } from './plan-elements.ts';

/** Closes every direction that is open and that `refused` would isolate; undefined when there is none. */
export function planClosing(
  image: KernelImage,
  refused: VerdictTables,
): { readonly plan: Plan; readonly closed: readonly ClosedDirection[] } | undefined {
  const closed: ClosedDirection[] = [];
  const changes: EndpointChange[] = [];
  for (const endpoint of image.endpoints.values()) {
    const wanted = ruleSetsAfter(endpoint, refused);
    const index = findEndpoint(refused.endpoints, endpoint.wiring.id);
    let after = endpoint.ruleSets;
    for (const direction of ['ingress', 'egress'] as const) {
      if (after[direction] !== RULE_SET_OPEN || wanted[direction] === RULE_SET_OPEN) continue;
      after = { ...after, [direction]: CLOSED[direction] };
      const policies = refused.endpoints[`${direction}Policies`][index] ?? [];
      closed.push({ endpointId: endpoint.wiring.id, direction, policies });
    }
    if (after !== endpoint.ruleSets) changes.push({ endpoint, after });
  }
  if (changes.length === 0) return undefined;
  const generation = nextGeneration(image.generation);
  const plan: Plan = {
    prepare: changes.map((change) => endpointWrite(change, (before, after) => ({ generation, before, after }))),
    commit: { generation, portTable: image.portTable },
    cleanup: [],
    after: { ...image, generation, endpoints: endpointsAfter(image, changes) },
  };
  return { plan, closed };
}
