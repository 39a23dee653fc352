/**
 * What is still brought in force of tables that do not fit: everything that needs no new row, prefix or port class. A
 * pod may start, end or change its address; where the new tables name a class or rule set that is not there,
 *
 * 1. an address keeps the class it has, or stays unknown;
 * 2. an endpoint keeps the rule set it has, except that an open direction is closed: a pod that a policy selects is
 *    never open for want of memory.
 *
 * An id that is in use keeps its meaning (tables.ts), so what is taken over from the new tables means the same here.
 */
import { ADDRESS_KEY_BYTES, PEER_CLASS_NONE, RULE_SET_CLOSED, RULE_SET_OPEN } from '../policy/ids.ts';
import type { AddressTable, EndpointTable, VerdictTables } from '../policy/tables.ts';
import type { ClosedDirection, TableLimits } from './capacity.ts';
import { IdSet } from './id-set.ts';
import type { ImageEndpoint, KernelImage } from './image.ts';
import { addressKeyAt, addressTextAt, findAddress, findEndpoint } from './lookup.ts';
import { classesOf } from './plan.ts';
import { type AddressState, ruleSetsAfter } from './plan-elements.ts';

export interface ReducedTables {
  readonly tables: VerdictTables;
  readonly closed: readonly ClosedDirection[];
}

export function reduceTables(image: KernelImage, refused: VerdictTables, limits: TableLimits): ReducedTables {
  const { prefixes, ports, rows, revision } = image;
  const { endpoints, closed } = reduceEndpoints(image, refused);
  const addresses = reduceAddresses(image, refused.addresses, limits);
  return { tables: { revision, addresses, prefixes, ports, rows, endpoints }, closed };
}

function reduceEndpoints(
  image: KernelImage,
  refused: VerdictTables,
): { readonly endpoints: EndpointTable; readonly closed: readonly ClosedDirection[] } {
  const known = new IdSet().addAll([RULE_SET_CLOSED, RULE_SET_OPEN]).addAll(image.rows.ruleSet);
  for (const { ruleSets } of image.endpoints.values()) known.add(ruleSets.ingress).add(ruleSets.egress);
  const closed: ClosedDirection[] = [];
  const choose = (endpoint: ImageEndpoint, direction: 'ingress' | 'egress'): number => {
    const wanted = ruleSetsAfter(endpoint, refused)[direction];
    const current = endpoint.ruleSets[direction];
    if (known.has(wanted)) return wanted;
    if (current !== RULE_SET_OPEN) return current;
    const index = findEndpoint(refused.endpoints, endpoint.wiring.id);
    const policies = refused.endpoints[`${direction}Policies`][index] ?? [];
    closed.push({ endpointId: endpoint.wiring.id, direction, policies });
    return RULE_SET_CLOSED;
  };
  const sorted = [...image.endpoints.values()].sort((a, b) => a.wiring.id - b.wiring.id);
  const endpoints = {
    id: Uint32Array.from(sorted, ({ wiring }) => wiring.id),
    ingress: Uint32Array.from(sorted, (endpoint) => choose(endpoint, 'ingress')),
    egress: Uint32Array.from(sorted, (endpoint) => choose(endpoint, 'egress')),
    ingressPolicies: sorted.map(() => []),
    egressPolicies: sorted.map(() => []),
  };
  return { endpoints, closed };
}

function reduceAddresses(image: KernelImage, refused: AddressTable, limits: TableLimits): AddressTable {
  const before = image.addresses;
  const known = classesOf(image, image.ownAddresses).addAll(image.rows.peerClass).add(PEER_CLASS_NONE);
  const own = [...image.ownAddresses.values()].filter(({ key }) => findAddress(before, key) < 0).length;
  let room = limits.addresses - before.classes.length - own;
  const kept: number[] = [];
  const states: AddressState[] = [];
  for (let index = 0; index < refused.classes.length; index++) {
    const current = currentState(image, refused, index);
    const flags = refused.flags[index]!;
    const wanted = refused.classes[index]!;
    const peerClass = known.has(wanted) ? wanted : (current?.peerClass ?? PEER_CLASS_NONE);
    if (current === undefined) {
      if ((peerClass === PEER_CLASS_NONE && flags === 0) || room <= 0) continue;
      room -= 1;
    }
    kept.push(index);
    states.push({ peerClass, flags });
  }
  const keys = new Uint8Array(kept.length * ADDRESS_KEY_BYTES);
  for (const [at, index] of kept.entries()) {
    const key = refused.keys.subarray(index * ADDRESS_KEY_BYTES, (index + 1) * ADDRESS_KEY_BYTES);
    keys.set(key, at * ADDRESS_KEY_BYTES);
  }
  return {
    keys,
    classes: Uint32Array.from(states, ({ peerClass }) => peerClass),
    flags: Uint32Array.from(states, ({ flags }) => flags),
  };
}

/** Of the address as it is in force; undefined when it has no element. */
function currentState(image: KernelImage, refused: AddressTable, index: number): AddressState | undefined {
  const own = image.ownAddresses.get(addressTextAt(refused, index));
  if (own !== undefined) return own;
  const at = findAddress(image.addresses, addressKeyAt(refused, index));
  return at < 0 ? undefined : { peerClass: image.addresses.classes[at]!, flags: image.addresses.flags[at]! };
}
