/**
 * Who reaches whom, in groups: every end is made of atoms (a rule set each way, and the classes of its addresses), and what
 * passes between two atoms is what the sender's egress and the receiver's ingress both let through (NP-3).
 */
import { parseAddress } from '../net/address.ts';
import type { DryRun } from './dry-run.ts';
import { RULE_SET_OPEN } from './ids.ts';
import { keyOfAddress } from './outside.ts';
import { EVERYTHING, NO_PORTS_AT_ALL, type PortSetId, type PortSets } from './port-set.ts';
import { RowPorts, type RuleSetPorts } from './row-ports.ts';

/** Addresses of one class. Only ends with a family in common have flows (NP-62). */
export interface AtomAddress {
  /** Bits: IPV4, IPV6. */
  readonly families: number;
  readonly peerClass: number;
}

export const IPV4 = 1;
export const IPV6 = 2;

/** Pods, or addresses, that no policy tells apart. */
export interface Atom {
  /** RULE_SET_OPEN where nothing is judged. */
  readonly egress: number;
  readonly ingress: number;
  /** Each class once. */
  readonly addresses: readonly AtomAddress[];
  /** How many pods it stands for. One alone has no other pod of its atom to talk to (NP-85). */
  readonly pods: number;
}

/** What passes on every address family and between all, and what passes somewhere. */
export interface Passage {
  readonly always: PortSetId;
  readonly sometimes: PortSetId;
}

/** Atoms laid out for the loop over all pairs: one place an address class of an atom. */
interface Lanes {
  readonly atoms: readonly Atom[];
  readonly classes: Int32Array;
  readonly families: Uint8Array;
  readonly egress: readonly RuleSetPorts[];
  readonly ingress: readonly RuleSetPorts[];
}

export class Reach {
  readonly sets: PortSets;
  readonly #dryRun: DryRun;
  readonly #rows: RowPorts;
  readonly #lanes = new WeakMap<readonly Atom[], Lanes>();

  constructor(dryRun: DryRun, sets: PortSets) {
    this.sets = sets;
    this.#dryRun = dryRun;
    this.#rows = new RowPorts(dryRun.result.tables, sets);
  }

  /** `namespace/name` of a pod that the dry run was given. */
  atomOfPod(key: string): Atom {
    const pod = this.#dryRun.pods.get(key);
    const endpoint = this.#dryRun.endpointOf(key);
    const ruleSets = endpoint === undefined ? undefined : this.#dryRun.reader.ruleSetsOf(endpoint);
    const addresses = mergeFamilies(
      (pod?.podIPs ?? []).flatMap((text): readonly AtomAddress[] => {
        const family = parseAddress(text)?.family;
        if (family === undefined) return [];
        return [{ families: family === 4 ? IPV4 : IPV6, peerClass: this.#dryRun.reader.classOf(keyOfAddress(text)) }];
      }),
    );
    return {
      egress: ruleSets?.egress ?? RULE_SET_OPEN,
      ingress: ruleSets?.ingress ?? RULE_SET_OPEN,
      addresses,
      pods: 1,
    };
  }

  /** What a rule set lets through to or from a class. */
  portsOf(ruleSet: number, peerClass: number): PortSetId {
    return this.#rows.portsOf(ruleSet, peerClass);
  }

  /** All that a rule set lets through. */
  lineOf(ruleSet: number): RuleSetPorts {
    return this.#rows.lineOf(ruleSet);
  }

  /** Joins what passes from every atom of one list to every one of the other. Undefined: there is no pair. */
  passage(sources: readonly Atom[], destinations: readonly Atom[]): Passage | undefined {
    const from = this.#lanesOf(sources);
    const to = this.#lanesOf(destinations);
    const seen = new Set<PortSetId>();
    for (let s = 0; s < from.classes.length; s++) {
      const source = from.atoms[s]!;
      const own = from.classes[s]!;
      const out = from.egress[s]!;
      const families = from.families[s]!;
      let last = -1;
      for (let d = 0; d < to.classes.length; d++) {
        if ((families & to.families[d]!) === 0 || (to.atoms[d] === source && source.pods < 2)) continue;
        const into = to.ingress[d]!;
        const ports = this.sets.both(
          out.byClass.get(to.classes[d]!) ?? out.everyone,
          into.byClass.get(own) ?? into.everyone,
        );
        if (ports !== last) seen.add(ports);
        last = ports;
      }
    }
    return seen.size === 0 ? undefined : join(this.sets, seen);
  }

  #lanesOf(atoms: readonly Atom[]): Lanes {
    const known = this.#lanes.get(atoms);
    if (known !== undefined) return known;
    const flat = atoms.flatMap((atom) => atom.addresses.map((address) => ({ atom, address })));
    const lanes: Lanes = {
      atoms: flat.map(({ atom }) => atom),
      classes: Int32Array.from(flat, ({ address }) => address.peerClass),
      families: Uint8Array.from(flat, ({ address }) => address.families),
      egress: flat.map(({ atom }) => this.#rows.lineOf(atom.egress)),
      ingress: flat.map(({ atom }) => this.#rows.lineOf(atom.ingress)),
    };
    this.#lanes.set(atoms, lanes);
    return lanes;
  }
}

/** Each class once, with every family it has an address of. */
export function mergeFamilies(addresses: readonly AtomAddress[]): readonly AtomAddress[] {
  const byClass = new Map<number, number>();
  for (const { families, peerClass } of addresses) byClass.set(peerClass, (byClass.get(peerClass) ?? 0) | families);
  return Array.from(byClass, ([peerClass, families]) => ({ families, peerClass }));
}

function join(sets: PortSets, seen: ReadonlySet<PortSetId>): Passage {
  let always: PortSetId = EVERYTHING;
  let sometimes: PortSetId = NO_PORTS_AT_ALL;
  for (const ports of seen) {
    always = sets.both(always, ports);
    sometimes = sets.either(sometimes, ports);
  }
  return { always, sometimes };
}
