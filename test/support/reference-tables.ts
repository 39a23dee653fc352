/** The tables as the reference holds them: plain values, looked up in the plainest way. */
import { Limit, PeerClass, RuleSet } from '../../src/kernel/abi.gen.ts';
import type { IpFamily } from './reference-parser.ts';
import { ReferenceServices } from './reference-services.ts';

/** A value that changes sides when the generation in force reaches its own (modulo 2^32). */
export interface Versioned<T> {
  readonly generation: number;
  readonly old: T;
  readonly new: T;
}

export interface Endpoint {
  readonly id: number;
  readonly flags: number;
  readonly mac: string;
  readonly hostMac: string;
  /** Undefined: it has none. */
  readonly ipv4: string | undefined;
  readonly ipv6: string | undefined;
  readonly rules: Versioned<{ readonly ingress: number; readonly egress: number }>;
}

export interface KnownAddress {
  readonly peerClass: Versioned<number>;
  readonly flags: number;
  /** The local endpoint that has it. */
  readonly local: LocalEnd | undefined;
}

interface LocalEnd {
  readonly pod: number;
  readonly id: number;
  readonly flags: number;
  readonly mac: string;
  readonly hostMac: string;
}

export interface Prefix {
  readonly family: IpFamily;
  readonly address: string;
  readonly length: number;
  readonly peerClass: Versioned<number>;
}

export interface Config {
  readonly generation: number;
  readonly portTable: number;
  readonly isGrace: boolean;
  readonly flags: number;
}

export class ReferenceTables {
  config: Config = { generation: 1, portTable: 0, isGrace: false, flags: 0 };
  /** By number of the pod. */
  readonly endpoints: Map<number, Endpoint> = new Map();
  readonly addresses: Map<string, KnownAddress> = new Map();
  readonly prefixes: Map<string, Prefix> = new Map();
  readonly services: ReferenceServices = new ReferenceServices();
  readonly #rows: Map<string, ReadonlySet<number>> = new Map();
  readonly #ports: Map<string, number> = new Map();

  inForce<T>(value: Versioned<T>): T {
    const distance = (this.config.generation - value.generation) >>> 0;
    return distance < 0x8000_0000 ? value.new : value.old;
  }

  /** allowed: port classes of the block. */
  setRow(ruleSet: number, peerClass: number, block: number, allowed: readonly number[]): void {
    this.#rows.set(`${ruleSet}/${peerClass}/${block}`, new Set(allowed));
  }

  setPort(table: number, protocol: number, port: number, portClass: number): void {
    this.#ports.set(`${table}/${protocol}/${port}`, portClass);
  }

  /** protocol: enum port_protocol. */
  portClass(protocol: number, port: number): number {
    return this.#ports.get(`${this.config.portTable}/${protocol}/${port}`) ?? 0;
  }

  classOf(family: IpFamily, address: string): number {
    const known = this.addresses.get(address);
    const own = known === undefined ? PeerClass.NONE : this.inForce(known.peerClass);
    if (own !== PeerClass.NONE) return own;
    let best: Prefix | undefined;
    for (const prefix of this.prefixes.values()) {
      if (prefix.family === family && covers(prefix, address) && prefix.length >= (best?.length ?? 0)) best = prefix;
    }
    return best === undefined ? PeerClass.WORLD : this.inForce(best.peerClass);
  }

  /** The one row that answers: the class's own, else the default; no row denies. */
  allows(ruleSet: number, peerClass: number, portClass: number): boolean {
    if (ruleSet === RuleSet.OPEN) return true;
    if (ruleSet === RuleSet.CLOSED) return false;
    const block = Math.floor(portClass / Limit.PORT_CLASSES_PER_BLOCK);
    const row =
      this.#rows.get(`${ruleSet}/${peerClass}/${block}`) ?? this.#rows.get(`${ruleSet}/${PeerClass.DEFAULT}/${block}`);
    return row?.has(portClass % Limit.PORT_CLASSES_PER_BLOCK) === true;
  }
}

function covers({ address: prefix, length }: Prefix, address: string): boolean {
  const whole = length >> 3;
  if (!address.startsWith(prefix.slice(0, whole))) return false;
  const shift = 8 - (length & 7);
  return shift === 8 || prefix.charCodeAt(whole) >> shift === address.charCodeAt(whole) >> shift;
}
