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
import { SLICE_ELEMENTS, type Work } from '../lib/work.ts';
import { ADDRESS_KEY_BYTES, PEER_CLASS_NONE, RULE_SET_CLOSED, RULE_SET_OPEN } from '../policy/ids.ts';
import { isVoidEntry, type TableDelta } from '../policy/table-delta.ts';
import type { AddressTable, EndpointTable } from '../policy/tables.ts';
import { type AddressState } from './address-layers.ts';
import type { ClosedDirection, TableLimits } from './capacity.ts';
import { CLOSED } from './elements.ts';
import { IdSet } from './id-set.ts';
import type { ImageEndpoint, KernelImage } from './image.ts';
import { addressTextAt, findEndpoint } from './lookup.ts';
import { classesOf } from './plan.ts';
import { namedAfter } from './plan-elements.ts';

export interface ReducedDelta {
  readonly delta: TableDelta;
  readonly closed: readonly ClosedDirection[];
}

export function* reduceDelta(image: KernelImage, refused: TableDelta, limits: TableLimits): Work<ReducedDelta> {
  const { endpoints, closed } = reduceEndpoints(image, refused);
  const delta: TableDelta = {
    base: image.revision,
    revision: image.revision,
    addresses: yield* reduceAddresses(image, refused.addresses, limits),
    prefixes: { keys: new Uint8Array(0), classes: new Uint32Array(0) },
    ports: undefined,
    ruleSets: new Uint32Array(0),
    rows: {
      ruleSet: new Uint32Array(0),
      peerClass: new Uint32Array(0),
      block: new Uint32Array(0),
      allow: new Uint8Array(0),
      audit: new Uint8Array(0),
    },
    endpoints,
    goneEndpoints: new Uint32Array(0),
  };
  return { delta, closed };
}

function reduceEndpoints(
  image: KernelImage,
  refused: TableDelta,
): { readonly endpoints: EndpointTable; readonly closed: readonly ClosedDirection[] } {
  const known = new IdSet().addAll([RULE_SET_CLOSED, RULE_SET_OPEN]).addAll(image.rows.keys());
  for (const { ruleSets } of image.endpoints.values()) known.add(ruleSets.ingress).add(ruleSets.egress);
  const named = namedAfter(image, refused);
  const closed: ClosedDirection[] = [];
  const choose = (endpoint: ImageEndpoint, direction: 'ingress' | 'egress'): number => {
    const wanted = (named.get(endpoint.wiring.id) ?? CLOSED)[direction];
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

function* reduceAddresses(image: KernelImage, refused: AddressTable, limits: TableLimits): Work<AddressTable> {
  const inUse = classesOf(image);
  const inRows = new IdSet().add(PEER_CLASS_NONE);
  for (const { peerClass } of image.rows.values()) inRows.addAll(peerClass);
  const own = [...image.ownAddresses.values()].filter(({ key }) => image.addresses.find(key) === undefined).length;
  let room = limits.addresses - image.addresses.size - own;
  const kept: number[] = [];
  const states: AddressState[] = [];
  for (let index = 0; index < refused.classes.length; index++) {
    if (index % SLICE_ELEMENTS === SLICE_ELEMENTS - 1) yield;
    const current = image.ownAddresses.get(addressTextAt(refused, index)) ?? image.addresses.findAt(refused, index);
    const flags = refused.flags[index]!;
    const wanted = refused.classes[index]!;
    const isKnown = inRows.has(wanted) || inUse.has(wanted);
    const peerClass = isKnown ? wanted : (current?.peerClass ?? PEER_CLASS_NONE);
    if (current === undefined) {
      if (isVoidEntry(peerClass, flags) || room <= 0) continue;
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
