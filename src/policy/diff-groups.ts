/**
 * Changed pairs put together: the same ports, for the same reason. A group is every source with every destination, so that
 * nothing is claimed of a pair that did not change.
 */
import type { DiffEnd } from './diff-ends.ts';
import { NO_PORTS_AT_ALL, type PortSetId } from './port-set.ts';

export interface PairGroup {
  readonly change: 'allowed' | 'denied';
  readonly ports: PortSetId;
  readonly sources: readonly DiffEnd[];
  readonly destinations: readonly DiffEnd[];
}

/** What changed for one pair. */
export interface Delta {
  readonly allowed: PortSetId;
  readonly denied: PortSetId;
  /** Whose answer changed anywhere. */
  readonly egress: boolean;
  readonly ingress: boolean;
}

interface Gathering {
  readonly change: PairGroup['change'];
  readonly ports: PortSetId;
  readonly sourcesOf: Map<DiffEnd, DiffEnd[]>;
}

export class DiffGroups {
  readonly #byReason = new Map<string, Gathering>();

  add(source: DiffEnd, destination: DiffEnd, { allowed, denied, egress, ingress }: Delta): void {
    const reason = JSON.stringify([egress && source.egressPolicies, ingress && destination.ingressPolicies]);
    if (denied !== NO_PORTS_AT_ALL) this.#gather('denied', denied, reason, source, destination);
    if (allowed !== NO_PORTS_AT_ALL) this.#gather('allowed', allowed, reason, source, destination);
  }

  /** Denials first. */
  list(): readonly PairGroup[] {
    const groups = Array.from(this.#byReason.values()).flatMap(productsOf);
    return [
      ...groups.filter(({ change }) => change === 'denied'),
      ...groups.filter(({ change }) => change === 'allowed'),
    ];
  }

  #gather(change: PairGroup['change'], ports: PortSetId, reason: string, source: DiffEnd, destination: DiffEnd): void {
    const key = `${change} ${ports} ${reason}`;
    const gathering = this.#byReason.get(key) ?? { change, ports, sourcesOf: new Map() };
    this.#byReason.set(key, gathering);
    const sources = gathering.sourcesOf.get(destination);
    if (sources === undefined) gathering.sourcesOf.set(destination, [source]);
    else sources.push(source);
  }
}

/** Destinations with the same sources make one product. */
function productsOf({ change, ports, sourcesOf }: Gathering): readonly PairGroup[] {
  const numbers = new Map<DiffEnd, number>();
  const numberOf = (end: DiffEnd): number => {
    const number = numbers.get(end) ?? numbers.size;
    numbers.set(end, number);
    return number;
  };
  const products = new Map<string, { readonly sources: readonly DiffEnd[]; readonly destinations: DiffEnd[] }>();
  for (const [destination, sources] of sourcesOf) {
    const key = sources.map(numberOf).join();
    const product = products.get(key);
    if (product === undefined) products.set(key, { sources, destinations: [destination] });
    else product.destinations.push(destination);
  }
  return Array.from(products.values(), (product) => ({ change, ports, ...product }));
}
