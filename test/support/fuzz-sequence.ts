/** A whole sequence by a seed: a small world of random tables, then packets, and now and then a change. */
import {
  AddressFlag,
  ConfigFlag,
  EndpointFlag,
  FrontendFlag,
  PeerClass,
  PortClass,
  RuleSet,
} from '../../src/kernel/abi.gen.ts';
import { FUZZ_PODS, type Step } from './fuzz-step.ts';
import { PacketGenerator } from './packet-generator.ts';
import { SCTP, TCP, UDP } from './packet.ts';
import { BACKEND_PORTS, BACKENDS, NODE_ADDRESSES, PLACES, PORTS, SERVICE_PORTS, SERVICES } from './packet-world.ts';
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
/** Of most frontends: the more backends, the seldomer a packet meets the one that its flow leads to. */
const SLOTS: readonly number[] = [1, 1, 1, 2, 3, 5];
const SLOTS_MAX = 8;
const FRONTEND_FLAGS: readonly number[] = [
  0,
  0,
  0,
  0,
  FrontendFlag.FRONTEND_REJECT,
  FrontendFlag.FRONTEND_DROP,
  FrontendFlag.FRONTEND_ELSEWHERE,
];
const PACKETS = { min: 40, max: 260 } as const;
/** Of a change between two packets. */
const CHANGE = 0.03;
/** Near the wrap of generations, too. */
const FIRST_GENERATIONS: readonly number[] = [1, 1, 7, 0xffff_fffd];

const FAMILIES = ['ipv4', 'ipv6'] as const;
type FuzzFamily = (typeof FAMILIES)[number];
/** What a frontend of the family may lead to. */
const BACKEND_ENDS: Readonly<Record<FuzzFamily, readonly (readonly [string, number])[]>> = {
  ipv4: endsOf('ipv4'),
  ipv6: endsOf('ipv6'),
};

function endsOf(family: FuzzFamily): readonly (readonly [string, number])[] {
  return BACKENDS[family].flatMap((address) => BACKEND_PORTS.map((port) => [address, port] as const));
}

/** The last address of a family is nobody's. */
const FRONTEND_ENDS: readonly (readonly [string, number, number])[] = FAMILIES.flatMap((family) =>
  SERVICES[family]
    .slice(0, -1)
    .flatMap((address) =>
      SERVICE_PORTS.flatMap((port) => [TCP, UDP, SCTP].map((protocol) => [address, port, protocol] as const)),
    ),
);

const BACKENDS_PER_FRONTEND = BACKEND_ENDS.ipv4.length;
/** Not near a sum of the ages. */
const AFFINITY_S = 18;

/** The id of the frontend that a backend's id belongs to. */
function frontendOf(id: number): number {
  return Math.floor(id / BACKENDS_PER_FRONTEND);
}

function endOf(id: number): readonly [string, number] {
  const [address] = FRONTEND_ENDS[frontendOf(id) - 1]!;
  return BACKEND_ENDS[address.includes(':') ? 'ipv6' : 'ipv4'][id % BACKENDS_PER_FRONTEND]!;
}

class SequenceWriter {
  readonly steps: Step[] = [];
  readonly #random: RandomSource;
  readonly #ids = FUZZ_PODS.map((_, pod) => pod + 1);
  #nextId = FUZZ_PODS.length + 1;
  #generation: number;
  #portTable = 0;
  #aged = 0;
  /** Backends of each frontend, by address, port and protocol. */
  /** In some worlds nearly all passes: there flows live long enough to meet all that can happen to them. */
  readonly #isOpen: boolean;
  readonly #slots = new Map<string, readonly number[]>();

  constructor(random: RandomSource) {
    this.#random = random;
    this.#generation = random.pick(FIRST_GENERATIONS);
    this.#isOpen = random.chance(0.4);
  }

  world(): void {
    const r = this.#random;
    for (let pod = 0; pod < FUZZ_PODS.length; pod += 1) this.#pod(pod, r.chance(0.93));
    for (const [address, length] of PREFIXES) if (r.chance(0.5)) this.#prefix(address, length);
    for (const address of [...PLACES.ipv4, ...PLACES.ipv6]) if (r.chance(0.4)) this.#place(address);
    for (const table of [0, 1]) for (const port of PORTS) if (r.chance(0.7)) this.#port(table, port);
    for (let frontend = 0; frontend < FRONTEND_ENDS.length; frontend += 1) if (r.chance(0.8)) this.#frontend(frontend);
    if (r.chance(0.7)) this.steps.push({ kind: 'service-range', address: '10.96.0.0', length: 16 });
    if (r.chance(0.7)) this.steps.push({ kind: 'service-range', address: 'fd00:96::', length: 64 });
    for (let rows = 4 + r.below(14); rows > 0; rows -= 1) this.#row();
    this.#config(r.chance(0.12));
  }

  /** Where packets to a service go now. */
  backendsOf(address: string, port: number, protocol: number): readonly (readonly [string, number])[] {
    return (this.#slots.get(`${address} ${port} ${protocol}`) ?? []).map((id) => endOf(id));
  }

  change(): void {
    const r = this.#random;
    switch (r.below(15)) {
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
      case 10:
      case 11:
        this.#backend();
        return;
      case 12:
      case 13:
        this.#frontend(r.below(FRONTEND_ENDS.length), r.chance(0.3));
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
    const ruleSet = (): number => (this.#isOpen && r.chance(0.9) ? RuleSet.OPEN : r.pick(RULE_SETS));
    const rules = (): [number, number] => [ruleSet(), ruleSet()];
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

  /** Of some frontend: gone, there again, or another one of that id: nobody is to believe an id. */
  #backend(): void {
    const r = this.#random;
    const ids = [...this.#slots.values()].flat();
    if (ids.length === 0) return;
    const id = r.pick(ids);
    if (r.chance(0.4)) this.steps.push({ kind: 'backend-gone', id });
    else this.#setBackend(id);
  }

  #setBackend(id: number): void {
    const r = this.#random;
    const [address, port] = endOf(id);
    const frontend = frontendOf(id) + (r.chance(0.04) ? 1 : 0);
    this.steps.push({ kind: 'backend', id, address, port: port + (r.chance(0.04) ? 1 : 0), frontend });
  }

  #frontend(index: number, isGone = false): void {
    const r = this.#random;
    const [address, port, protocol] = FRONTEND_ENDS[index]!;
    if (isGone) {
      this.steps.push({ kind: 'frontend-gone', address, port, protocol });
      return;
    }
    const id = index + 1;
    const count = r.chance(0.05) ? 0 : r.pick(SLOTS);
    const slots = Array.from({ length: count }, () => id * BACKENDS_PER_FRONTEND + r.below(BACKENDS_PER_FRONTEND));
    this.#slots.set(`${address} ${port} ${protocol}`, slots);
    for (const backend of new Set(slots)) if (r.chance(0.95)) this.#setBackend(backend);
    const affinityS = r.chance(0.25) ? AFFINITY_S : 0;
    const place = { firstSlot: index * SLOTS_MAX, slots, affinityS };
    this.steps.push({ kind: 'frontend', address, port, protocol, id, flags: r.pick(FRONTEND_FLAGS), ...place });
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
    const flags =
      (this.#random.chance(0.3) ? ConfigFlag.CONFIG_JUDGE_OWN_NODE : 0) |
      (this.#random.chance(0.85) ? ConfigFlag.CONFIG_SERVICES : 0);
    this.steps.push({ kind: 'config', generation: this.#generation, portTable: this.#portTable, isGrace, flags });
  }
}

/** The same seed gives the same steps. */
export function makeSequence(seed: number): Step[] {
  const random = new RandomSource(seed);
  const writer = new SequenceWriter(random);
  writer.world();
  const packets = new PacketGenerator(random, (...end) => writer.backendsOf(...end));
  for (let left = PACKETS.min + random.below(PACKETS.max - PACKETS.min); left > 0; left -= 1) {
    if (random.chance(CHANGE)) writer.change();
    writer.steps.push(packets.next());
  }
  return writer.steps;
}
