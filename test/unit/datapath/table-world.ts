/**
 * Tables made from a small world, by the contract of src/policy/tables.ts and nothing else: a class is the set of peer
 * terms it matches, a port class the set of port terms, a rule set its list of pairs. Ids are given by content and may be
 * given away again once released. It stands in for the compiler where a test is about tables and not about policies.
 */
import { parseAddress, tableBytes } from '../../../src/net/address.ts';
import { parseCidr } from '../../../src/net/cidr.ts';
import * as ids from '../../../src/policy/ids.ts';
import type { PortTable, RowTable, VerdictTables } from '../../../src/policy/tables.ts';

/** Index of a peer term; ANY_PEER is the term that means every peer. */
export const ANY_PEER = -1;

export interface PortTerm {
  readonly protocol: number;
  readonly first: number;
  readonly last: number;
}

/** Pairs of peer term and index into World.portTerms. */
export type Rules = readonly (readonly [peerTerm: number, portTerm: number])[];

export interface World {
  /** Text to the peer terms that match it, as bits; 'own': an address of the node. */
  readonly addresses: Readonly<Record<string, number | 'own'>>;
  /** The same for CIDRs; 'unknown': unknown pods. */
  readonly prefixes: Readonly<Record<string, number | 'unknown'>>;
  readonly portTerms: readonly PortTerm[];
  /** By endpoint id. */
  readonly endpoints: Readonly<Record<number, { readonly ingress: Rules | 'open'; readonly egress: Rules | 'open' }>>;
}

export class WorldCompiler {
  readonly #classes = new ContentIds(ids.PEER_CLASS_FIRST);
  readonly #portClasses = new ContentIds(ids.PORT_CLASS_FIRST);
  readonly #ruleSets = new ContentIds(ids.RULE_SET_FIRST);
  #revision = 0;

  /** Ids that are not used by the compile are free after release(). */
  compile(world: World): VerdictTables {
    this.#revision += 1;
    for (const space of [this.#classes, this.#portClasses, this.#ruleSets]) space.begin();
    const addresses = Object.entries(world.addresses)
      .map(([text, mask]) => ({ key: addressKey(text), class: this.#classOf(mask), flags: mask === 'own' ? 1 : 0 }))
      .sort((a, b) => Buffer.compare(a.key, b.key));
    const prefixes = Object.entries(world.prefixes)
      .map(([text, mask]) => ({ key: prefixKey(text), class: this.#classOf(mask) }))
      .sort((a, b) => Buffer.compare(a.key, b.key));
    const ports = this.#ports(world.portTerms);
    const rules = new Map<number, Rules>();
    const idOf = (side: Rules | 'open'): number => {
      if (side === 'open') return ids.RULE_SET_OPEN;
      const terms = side.map(([peer, port]) => [peer, world.portTerms[port]!]);
      const id = this.#ruleSets.of(JSON.stringify(terms));
      rules.set(id, side);
      return id;
    };
    const endpoints = Object.entries(world.endpoints).map(([id, { ingress, egress }]) => ({
      id: Number(id),
      ingress: idOf(ingress),
      egress: idOf(egress),
    }));
    return {
      revision: this.#revision,
      addresses: {
        keys: concat(addresses.map(({ key }) => key)),
        classes: Uint32Array.from(addresses, (entry) => entry.class),
        flags: Uint32Array.from(addresses, ({ flags }) => flags),
      },
      prefixes: {
        keys: concat(prefixes.map(({ key }) => key)),
        classes: Uint32Array.from(prefixes, (entry) => entry.class),
      },
      ports,
      rows: this.#rows(rules, world, ports),
      endpoints: {
        id: Uint32Array.from(endpoints, ({ id }) => id),
        ingress: Uint32Array.from(endpoints, ({ ingress }) => ingress),
        egress: Uint32Array.from(endpoints, ({ egress }) => egress),
        ingressPolicies: endpoints.map(() => ['ns/policy']),
        egressPolicies: endpoints.map(() => ['ns/policy']),
      },
    };
  }

  /** The last compiled tables are in force. */
  release(): void {
    for (const space of [this.#classes, this.#portClasses, this.#ruleSets]) space.release();
  }

  #classOf(mask: number | 'own' | 'unknown'): number {
    if (mask === 'own') return ids.PEER_CLASS_NONE;
    if (mask === 'unknown') return ids.PEER_CLASS_UNKNOWN_POD;
    return mask === 0 ? ids.PEER_CLASS_WORLD : this.#classes.of(String(mask));
  }

  #ports(terms: readonly PortTerm[]): PortTable {
    const out: { protocol: number; first: number; last: number; portClass: number }[] = [];
    for (let protocol = 0; protocol < 3; protocol++) {
      const cuts = new Set([0]);
      for (const { protocol: of, first, last } of terms) if (of === protocol) cuts.add(first).add(last + 1);
      cuts.delete(65536);
      const starts = [...cuts].sort((a, b) => a - b);
      for (const [index, first] of starts.entries()) {
        const matching = terms.filter(
          (term) => term.protocol === protocol && term.first <= first && first <= term.last,
        );
        const content = [...new Set(matching.map((term) => JSON.stringify(term)))].sort().join();
        const portClass = this.#portClasses.of(`${protocol} ${content}`);
        out.push({ protocol, first, last: (starts[index + 1] ?? 65536) - 1, portClass });
      }
    }
    return {
      protocol: Uint8Array.from(out, (entry) => entry.protocol),
      first: Uint16Array.from(out, (entry) => entry.first),
      last: Uint16Array.from(out, (entry) => entry.last),
      portClass: Uint16Array.from(out, (entry) => entry.portClass),
    };
  }

  #rows(rules: ReadonlyMap<number, Rules>, world: World, ports: PortTable): RowTable {
    const masks = new Map<number, number>([[ids.PEER_CLASS_DEFAULT, 0]]);
    for (const mask of [...Object.values(world.addresses), ...Object.values(world.prefixes)]) {
      if (typeof mask === 'number' && mask !== 0) masks.set(this.#classOf(mask), mask);
    }
    const rows: { ruleSet: number; peerClass: number; block: number; allow: Uint8Array }[] = [];
    for (const [ruleSet, pairs] of [...rules].sort(([a], [b]) => a - b)) {
      const defaults = rowsOf(pairs, 0, world, ports);
      for (const [peerClass, mask] of [...masks].sort(([a], [b]) => a - b)) {
        for (const [block, allow] of [...rowsOf(pairs, mask, world, ports)].sort(([a], [b]) => a - b)) {
          const standard = defaults.get(block);
          const isDefault = peerClass === ids.PEER_CLASS_DEFAULT;
          if (isDefault ? allow.every((byte) => byte === 0) : allow.every((byte, at) => byte === standard?.[at]))
            continue;
          rows.push({ ruleSet, peerClass, block, allow });
        }
      }
    }
    return {
      ruleSet: Uint32Array.from(rows, (row) => row.ruleSet),
      peerClass: Uint32Array.from(rows, (row) => row.peerClass),
      block: Uint32Array.from(rows, (row) => row.block),
      allow: concat(rows.map(({ allow }) => allow)),
      audit: new Uint8Array(rows.length * 32),
    };
  }
}

function rowsOf(pairs: Rules, mask: number, world: World, ports: PortTable): Map<number, Uint8Array> {
  const rows = new Map<number, Uint8Array>();
  for (const [index, portClass] of ports.portClass.entries()) {
    const block = portClass >> 8;
    const row = rows.get(block) ?? new Uint8Array(32);
    rows.set(block, row);
    const matches = pairs.some(([peer, port]) => {
      const term = world.portTerms[port]!;
      const isPort =
        term.protocol === ports.protocol[index] &&
        term.first <= ports.first[index]! &&
        ports.first[index]! <= term.last;
      return isPort && (peer === ANY_PEER || ((mask >> peer) & 1) === 1);
    });
    if (matches) row[(portClass & 255) >> 3]! |= 1 << (portClass & 7);
  }
  return rows;
}

/** Ids by content. An id whose content fell out of use is given away again, but only after release(). */
class ContentIds {
  readonly #ids = new Map<string, number>();
  readonly #used = new Set<string>();
  #free: number[] = [];
  #next: number;

  constructor(first: number) {
    this.#next = first;
  }

  begin(): void {
    this.#used.clear();
  }

  of(content: string): number {
    this.#used.add(content);
    let id = this.#ids.get(content);
    if (id === undefined) {
      id = this.#free.pop() ?? this.#next++;
      this.#ids.set(content, id);
    }
    return id;
  }

  release(): void {
    for (const [content, id] of this.#ids) {
      if (this.#used.has(content)) continue;
      this.#ids.delete(content);
      this.#free.push(id);
    }
  }
}

function addressKey(text: string): Uint8Array {
  const address = parseAddress(text);
  if (address === undefined) throw new Error(`'${text}' is no address`);
  return Uint8Array.of(address.family, ...tableBytes(address));
}

function prefixKey(text: string): Uint8Array {
  const cidr = parseCidr(text);
  if (cidr === undefined) throw new Error(`'${text}' is no prefix`);
  return Uint8Array.of(cidr.family, cidr.length, ...tableBytes(cidr));
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}
