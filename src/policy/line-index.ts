/** The lines of one rule set by the terms they ask for, so that a class costs only the lines that match it. */
import { termsOf, type RowClass } from './class-table.ts';
import type { PeerTerm } from './peer-terms.ts';
import { namedPortTerm, type NamedNumbers, type PortSpec } from './port-term.ts';
import type { MaskLayer } from './port-masks.ts';
import { type TierLine, widened } from './tier-line.ts';

/** Lists of layers that one rule set keeps; made anew when there are more. */
const LAYERS_KEPT_MAX = 4096;

export class LineIndex {
  readonly #lines: readonly TierLine[];
  readonly #byTerm = new Map<PeerTerm, number[]>();
  /** By the lines that match: classes are many, and most match the same lines. */
  readonly #known = new Map<string, readonly MaskLayer[]>();
  /** Lines about every address, or all but some. */
  readonly #wide: readonly number[];

  /** `terms`: of the lines that have a peer, in their order. */
  constructor(lines: readonly TierLine[], terms: readonly PeerTerm[]) {
    this.#lines = lines;
    let next = 0;
    for (const [i, { peer }] of lines.entries()) {
      const term = peer === undefined ? undefined : terms[next++];
      if (term === undefined) continue;
      const known = this.#byTerm.get(term);
      if (known === undefined) this.#byTerm.set(term, [i]);
      else known.push(i);
    }
    this.#wide = [...lines.keys()].filter((i) => lines[i]?.peer === undefined || lines[i].others);
  }

  /** Those that lines ask for. */
  terms(): Iterable<PeerTerm> {
    return this.#byTerm.keys();
  }

  /** Lines that match the class, as layers of a mask. Undefined: a class that matches no term. */
  layersFor(peerClass: RowClass | undefined): readonly MaskLayer[] {
    if (peerClass?.unknown === true) return this.#layersForUnknown(peerClass);
    const matching = new Set(this.#wide);
    for (const term of peerClass === undefined ? [] : termsOf(peerClass)) {
      for (const i of this.#byTerm.get(term) ?? []) {
        if (this.#lines[i]!.others) matching.delete(i);
        else matching.add(i);
      }
    }
    const indexes = [...matching].sort((a, b) => a - b);
    let key = indexes.join();
    for (const i of indexes) {
      const { ports } = this.#lines[i]!;
      if (ports.names.length > 0) key += `;${resolved(ports, peerClass?.numbers).join()}`;
    }
    let layers = this.#known.get(key);
    if (layers === undefined) {
      layers = layersOf(
        indexes.map((i) => this.#lines[i]!),
        (ports) => resolved(ports, peerClass?.numbers),
      );
      if (this.#known.size >= LAYERS_KEPT_MAX) this.#known.clear();
      this.#known.set(key, layers);
    }
    return layers;
  }

  /**
   * Nothing is known of such a pod but its address: every Deny that could be about it is. Pass changes nothing for it,
   * because what it skips are Accepts, of which none matches, and Denies, which may be about it.
   */
  #layersForUnknown({ blocks }: RowClass): readonly MaskLayer[] {
    const around = new Set(blocks.terms.map(({ peer }) => peer.text));
    const denying = this.#lines.filter(({ action, peer, others }) => {
      if (action !== 'Deny') return false;
      return peer?.kind !== 'block' || others || around.has(peer.text);
    });
    return layersOf(denying, (ports) => widened(ports).terms);
  }
}

/** Nothing behind a line about every port has a say in its tier. */
function layersOf(lines: readonly TierLine[], termsOfPorts: (ports: PortSpec) => readonly number[]): MaskLayer[] {
  const layers: MaskLayer[] = [];
  const closed = new Set<string>();
  for (const { tier, action, ports } of lines) {
    if (closed.has(tier)) continue;
    const terms = ports.all ? undefined : termsOfPorts(ports);
    if (terms?.length === 0) continue;
    layers.push({ tier, action, terms });
    if (ports.all && action !== 'MayPass') closed.add(tier);
  }
  return layers;
}

/** NP-46: nothing for a name that the pod does not declare. */
function resolved({ terms, names }: PortSpec, numbers: NamedNumbers | undefined): readonly number[] {
  if (names.length === 0) return terms;
  const all = new Set(terms);
  for (const name of names) for (const number of numbers?.get(name) ?? []) all.add(namedPortTerm(name, number));
  return [...all].sort((a, b) => a - b);
}
