/** A whole sequence by a seed: a small world of random tables, then packets, and now and then a change. */
import { AddressFlag, EndpointFlag, PeerClass, PortClass } from '../../src/kernel/abi.gen.ts';
import { FUZZ_PODS, type Step } from './fuzz-step.ts';
import { PacketGenerator } from './packet-generator.ts';
import { NODE_ADDRESSES, PLACES, PORTS } from './packet-world.ts';
import { RandomSource } from './random-source.ts';

/** Closed and open come often: with rows alone few packets would reach the second end. */
const RULE_SETS: readonly number[] = [0, 1, 1, 1, 2, 3, 4];
const ROW_RULE_SETS: readonly number[] = [2, 3, 4];
/** Two blocks of rows. */
const PORT_CLASSES: readonly number[] = [PortClass.FIRST, 4, 5, 300];
const FIXED_PORT_CLASSES: readonly number[] = [0, 1, 2];
const PEER_CLASSES: readonly number[] = [3, 4, 5, PeerClass.WORLD, PeerClass.UNKNOWN_POD];
/** An element without a class asks the prefixes. */
const ADDRESS_CLASSES: readonly number[] = [...PEER_CLASSES, PeerClass.NONE];
const PREFIXES: readonly (readonly [string, number])[] = [
  ['10.244.0.0', 16],
  ['192.0.2.0', 24],
  ['192.0.2.64', 26],
  ['0.0.0.0', 0],
  ['fd00:244::', 32],
  ['2001:db8::', 32],
  ['2001:db8::', 121],
  ['::', 0],
];
/** Seconds; see Step. */
const AGES: readonly number[] = [7, 14, 21, 35];
const AGED_MAX = 3;
const PACKETS = { min: 40, max: 260 } as const;
/** Of a change between two packets. */
const CHANGE = 0.03;
/** Near the wrap of generations, too. */
const FIRST_GENERATIONS: readonly number[] = [1, 1, 7, 0xffff_fffd];

class SequenceWriter {
  readonly steps: Step[] = [];
  readonly #random: RandomSource;
  readonly #ids = FUZZ_PODS.map((_, pod) => pod + 1);
  #nextId = FUZZ_PODS.length + 1;
  #generation: number;
  #portTable = 0;
  #aged = 0;

  constructor(random: RandomSource) {
    this.#random = random;
    this.#generation = random.pick(FIRST_GENERATIONS);
  }

  world(): void {
    const r = this.#random;
    for (let pod = 0; pod < FUZZ_PODS.length; pod += 1) this.#pod(pod, r.chance(0.93));
    for (const [address, length] of PREFIXES) if (r.chance(0.5)) this.#prefix(address, length);
    for (const address of [...PLACES.ipv4, ...PLACES.ipv6]) if (r.chance(0.4)) this.#place(address);
    for (const table of [0, 1]) for (const port of PORTS) if (r.chance(0.7)) this.#port(table, port);
    for (let rows = 4 + r.below(14); rows > 0; rows -= 1) this.#row();
    this.#config(r.chance(0.12));
  }

  change(): void {
    const r = this.#random;
    switch (r.below(11)) {
      case 0:
      case 1:
      case 2:
        this.#commit();
        return;
      case 3:
        this.#pod(r.below(FUZZ_PODS.length), true);
        return;
      case 4:
        this.#replace(r.below(FUZZ_PODS.length));
        return;
      case 5:
        this.#place(r.pick([...PLACES.ipv4, ...PLACES.ipv6]));
        return;
      case 6:
        this.#prefix(...r.pick(PREFIXES));
        return;
      case 7:
        this.#row();
        return;
      case 8:
        if (r.chance(0.4)) this.#vanish(r.below(FUZZ_PODS.length));
        return;
      case 9:
        this.#config(r.chance(0.3));
        return;
      default:
        if ((this.#aged += 1) <= AGED_MAX) this.steps.push({ kind: 'age', seconds: r.pick(AGES) });
    }
  }

  /** Of the generation in force, the next, or one that is long in force. */
  #version(): number {
    return (this.#generation + this.#random.pick([0, 0, 1, 1, -1])) >>> 0;
  }

  #pod(pod: number, isThere: boolean): void {
    const r = this.#random;
    const flags = r.chance(0.15) ? EndpointFlag.ENDPOINT_NO_PEER : 0;
    const id = this.#ids[pod]!;
    const rules = (): [number, number] => [r.pick(RULE_SETS), r.pick(RULE_SETS)];
    if (isThere) {
      const families = r.chance(0.06) ? r.pick([1, 2]) : 3;
      const fields = { hasIpv4: (families & 1) !== 0, hasIpv6: (families & 2) !== 0, generation: this.#version() };
      this.steps.push({ kind: 'endpoint', pod, id, flags, ...fields, old: rules(), new: rules() });
    }
    for (const address of [FUZZ_PODS[pod]!.ipv4, FUZZ_PODS[pod]!.ipv6]) {
      if (!r.chance(0.97)) continue;
      const classes: [number, number] = [r.pick(ADDRESS_CLASSES), r.pick(ADDRESS_CLASSES)];
      const local = { pod, id, flags };
      this.steps.push({ kind: 'address', address, generation: this.#version(), classes, flags: 0, local });
    }
  }

  /** Another pod gets interface and addresses; sometimes they are told one after the other. */
  #replace(pod: number): void {
    this.#ids[pod] = this.#nextId;
    this.#nextId += 1;
    this.#pod(pod, this.#random.chance(0.9));
  }

  #vanish(pod: number): void {
    const r = this.#random;
    if (r.chance(0.5)) this.steps.push({ kind: 'endpoint-gone', pod });
    if (r.chance(0.7)) this.steps.push({ kind: 'address-gone', address: FUZZ_PODS[pod]!.ipv4 });
    if (r.chance(0.7)) this.steps.push({ kind: 'address-gone', address: FUZZ_PODS[pod]!.ipv6 });
  }

  #place(address: string): void {
    const r = this.#random;
    const isNode = Object.values(NODE_ADDRESSES).some((node) => node === address);
    const flags = isNode ? AddressFlag.ADDRESS_OWN_NODE : 0;
    const classes: [number, number] = [r.pick(ADDRESS_CLASSES), r.pick(ADDRESS_CLASSES)];
    this.steps.push({ kind: 'address', address, generation: this.#version(), classes, flags });
  }

  #prefix(address: string, length: number): void {
    const r = this.#random;
    const classes: [number, number] = [r.pick(PEER_CLASSES), r.pick(PEER_CLASSES)];
    this.steps.push({ kind: 'prefix', address, length, generation: this.#version(), classes });
  }

  #port(table: number, port: number): void {
    const r = this.#random;
    const protocol = r.below(3);
    this.steps.push({ kind: 'port', table, protocol, port, portClass: r.pick(PORT_CLASSES) });
  }

  #row(): void {
    const r = this.#random;
    const peerClass = r.pick([PeerClass.DEFAULT, ...PEER_CLASSES]);
    const block = r.chance(0.2) ? 1 : 0;
    const all = block === 1 ? [300 - 256] : [...FIXED_PORT_CLASSES, ...PORT_CLASSES.filter((n) => n < 256)];
    const allow = all.filter(() => r.chance(0.6));
    this.steps.push({ kind: 'row', ruleSet: r.pick(ROW_RULE_SETS), peerClass, block, allow });
  }

  #commit(): void {
    // 0 is no generation: an epoch of 0 says that an end was not judged.
    this.#generation = (this.#generation + 1) >>> 0 || 1;
    if (this.#random.chance(0.3)) this.#portTable ^= 1;
    this.#config(this.#random.chance(0.15));
  }

  #config(isGrace: boolean): void {
    const flags = this.#random.chance(0.3) ? 1 : 0;
    this.steps.push({ kind: 'config', generation: this.#generation, portTable: this.#portTable, isGrace, flags });
  }
}

/** The same seed gives the same steps. */
export function makeSequence(seed: number): Step[] {
  const random = new RandomSource(seed);
  const writer = new SequenceWriter(random);
  writer.world();
  const packets = new PacketGenerator(random);
  for (let left = PACKETS.min + random.below(PACKETS.max - PACKETS.min); left > 0; left -= 1) {
    if (random.chance(CHANGE)) writer.change();
    writer.steps.push(packets.next());
  }
  return writer.steps;
}
