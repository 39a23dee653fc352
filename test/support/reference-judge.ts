/**
 * What the two hooks owe every packet, by docs/datapath.md and the rules written in bpf/*.h: stateful, and as plain as
 * can be. Where it and the programs differ one of them is wrong.
 */
import { AddressFlag, Direction, EndpointFlag, Origin, Reason } from '../../src/kernel/abi.gen.ts';
import { type Flow, isClosing, isReply, keyOfPacket, makesEntry, newFlow, TIMEOUT_S } from './reference-flow.ts';
import { FlowTable } from './reference-flow-table.ts';
import { answerArp, isLinkMessageAllowed, withMacs } from './reference-link.ts';
import { type IpPacket, isLinkMessage, isMulticast, PROTOCOL, readIp, type Reading } from './reference-parser.ts';
import { type QuotedFlow, QuoteReader } from './reference-quote.ts';
import { rejectionOf } from './reference-rejection.ts';
import { type Tuple, withTuple } from './reference-rewrite.ts';
import { answerTuple, type Entered, ServiceStep, type TakenPort } from './reference-service-step.ts';
import type { Endpoint, KnownAddress, ReferenceTables } from './reference-tables.ts';

export type Action = 'stack' | 'redirect' | 'drop';

export interface Outcome {
  readonly action: Action;
  readonly reason: Reason;
  readonly direction: Direction;
  /** The frame afterwards, where it is another one. */
  readonly frame?: Uint8Array;
  /** Offsets of checksums in it that may be either of the two zeros. */
  readonly checksums?: readonly number[];
}

/** Where a packet of to_pod came in: a pod's interface, the wire, or nowhere (the node itself sent it). */
export type Entrance = number | 'wire' | 'node';

const ETHERNET_BYTES = 14;
const ETHER_TYPE = { IPV4: 0x0800, ARP: 0x0806, IPV6: 0x86dd } as const;
const FRAGMENT_REASONS: ReadonlySet<Reason> = new Set([Reason.FRAGMENT, Reason.FRAGMENT_TINY, Reason.FRAGMENT_OVERLAP]);

const TUNNELLED: Outcome = { action: 'drop', reason: Reason.TUNNEL, direction: Direction.EGRESS };

interface Lesson {
  readonly packet: IpPacket;
  readonly taughtS: number;
}

/** One packet at one hook. */
interface Visit {
  readonly hook: Direction;
  readonly pod: number;
  readonly end: Endpoint;
  readonly frame: Buffer;
}

export class ReferenceJudge {
  readonly table: FlowTable;
  readonly #lessons = new Map<string, Lesson>();
  readonly #services: ServiceStep;
  readonly #quotes: QuoteReader;

  readonly #vxlanPort: number;

  /** flowsMax: answered flows an endpoint may have. vxlanPort: of the nodes' tunnel. */
  constructor(flowsMax: number, vxlanPort: number) {
    this.#vxlanPort = vxlanPort;
    this.table = new FlowTable(flowsMax);
    this.#services = new ServiceStep(this.table);
    this.#quotes = new QuoteReader(this.table);
  }

  get tables(): ReferenceTables {
    return this.table.tables;
  }

  pass(seconds: number): void {
    this.table.nowS += seconds;
  }

  fromPod(pod: number, frame: Buffer, takenPort: TakenPort): Outcome {
    const end = this.tables.endpoints.get(pod);
    const drop = (reason: Reason): Outcome => ({ action: 'drop', reason, direction: Direction.EGRESS });
    if (end === undefined) return drop(Reason.NO_ENDPOINT);
    if (frame.toString('latin1', 6, 12) !== end.mac) return drop(Reason.SOURCE_MAC);
    if (frame.readUInt16BE(12) === ETHER_TYPE.ARP) return answerArp(frame, end);
    const visit: Visit = { hook: Direction.EGRESS, pod, end, frame };
    const { reason, packet } = this.#read(visit);
    if (packet === undefined) return drop(reason ?? Reason.INTERNAL);
    if (reason === undefined && isLinkMessage(packet)) {
      return isLinkMessageAllowed(frame, packet, end)
        ? this.#toStack(Direction.EGRESS)
        : drop(Reason.NEIGHBOUR_DISCOVERY);
    }
    if (isMulticast(packet)) return drop(Reason.MULTICAST);
    if (reason !== undefined) return drop(reason);
    if (packet.source !== (packet.family === 4 ? end.ipv4 : end.ipv6)) return drop(Reason.SOURCE_ADDRESS);
    if (packet.protocol === PROTOCOL.ICMP && packet.family === 4 && packet.icmpType === 5) {
      return drop(Reason.NEIGHBOUR_DISCOVERY);
    }
    return this.#judgeFromPod(visit, packet, takenPort);
  }

  toPod(pod: number, entrance: Entrance, frame: Buffer): Outcome {
    const end = this.tables.endpoints.get(pod);
    const drop = (reason: Reason): Outcome => ({ action: 'drop', reason, direction: Direction.INGRESS });
    if (end === undefined) return drop(Reason.NO_ENDPOINT);
    const stack = this.#toStack(Direction.INGRESS);
    if (frame.readUInt16BE(12) === ETHER_TYPE.ARP) return stack;
    const visit: Visit = { hook: Direction.INGRESS, pod, end, frame };
    const { reason, packet } = this.#read(visit);
    const isNode = entrance === 'node';
    if (isNode && reason !== undefined && (FRAGMENT_REASONS.has(reason) || reason === Reason.EXTENSION_HEADER)) {
      return stack;
    }
    if (reason !== undefined || packet === undefined) return drop(reason ?? Reason.INTERNAL);
    if (isNode && isLinkMessage(packet)) return stack;
    const sender = this.tables.addresses.get(packet.source)?.local;
    if (!isNode && sender !== undefined && sender.pod !== entrance) return drop(Reason.SOURCE_ADDRESS);
    return this.#judgeToPod(visit, packet, isNode);
  }

  #toStack(direction: Direction): Outcome {
    return { action: 'stack', reason: Reason.FORWARDED_STACK, direction };
  }

  /** A later fragment speaks with the ports of its first one, and only behind what that holds. */
  #read(visit: Visit): Reading {
    const { frame } = visit;
    const etherType = frame.readUInt16BE(12);
    if (etherType !== ETHER_TYPE.IPV4 && etherType !== ETHER_TYPE.IPV6) {
      return { reason: Reason.ETHERTYPE, packet: undefined };
    }
    const family = etherType === ETHER_TYPE.IPV4 ? 4 : 6;
    const reading = readIp(frame, { family, at: ETHERNET_BYTES, limit: frame.length, isQuoted: false });
    const { packet, reason } = reading;
    if (reason !== undefined || packet?.fragment?.isFirst !== false) return reading;
    const lesson = this.#lessons.get(lessonKey(visit, packet));
    if (lesson === undefined || this.table.nowS - lesson.taughtS > TIMEOUT_S.fragment) {
      return { reason: Reason.FRAGMENT, packet };
    }
    if (packet.fragment.offset < (lesson.packet.fragment?.bytes ?? 0)) {
      return { reason: Reason.FRAGMENT_OVERLAP, packet };
    }
    const { protocol, sourcePort, destinationPort, tcpFlags, icmpType } = lesson.packet;
    return { reason, packet: Object.assign(packet, { protocol, sourcePort, destinationPort, tcpFlags, icmpType }) };
  }

  #teach(visit: Visit, packet: IpPacket): void {
    if (packet.fragment?.isFirst !== true) return;
    this.#lessons.set(lessonKey(visit, packet), { packet, taughtS: this.table.nowS });
  }

  #judgeFromPod(visit: Visit, packet: IpPacket, takenPort: TakenPort): Outcome {
    const to = this.#local(packet.destination);
    const { id } = visit.end;
    const quoted = this.#quotes.read(visit, packet, { source: to?.id ?? 0, destination: id });
    if (quoted !== undefined) return this.#passError(visit, packet, quoted);
    const entry = this.table.find(packet, id, to?.id ?? 0);
    const service = this.#services.enter({ packet, entry, endpointId: id }, takenPort);
    switch (service.kind) {
      case 'entered':
        return this.#passToBackend(visit, packet, service);
      case 'drop':
        return { action: 'drop', reason: service.reason, direction: Direction.EGRESS };
      case 'reject':
        return this.#reject(visit, packet, service.reason);
      case 'none':
        return this.#passAsItIs(visit, packet, entry?.isClientEntry === true ? undefined : entry);
    }
  }

  #passAsItIs(visit: Visit, packet: IpPacket, known: Flow | undefined): Outcome {
    if (this.#isTunnelled(packet)) return TUNNELLED;
    let flow = known;
    let denial = known === undefined ? undefined : this.table.judgeKnown(known);
    let answer: Tuple | undefined;
    if (flow === undefined) {
      const isPeerPossible = this.#mayTakePeerPath(visit, packet.destination);
      const unknown = { packet, hook: visit.hook, endpointId: visit.end.id, origin: Origin.POD, isPeerPossible };
      [flow, denial] = this.table.judgeUnknown(unknown);
    } else if (denial === undefined) {
      const { translation } = flow;
      // Nobody could tell its answers from those of the flow that came by the service.
      if (translation !== undefined && !isReply(flow, packet)) {
        return { action: 'drop', reason: Reason.TRANSLATION, direction: Direction.EGRESS };
      }
      if (translation !== undefined && flow.isPeerPath) answer = answerTuple(packet, translation);
      this.table.noteSeen(flow, packet);
    }
    if (denial !== undefined) return { action: 'drop', ...denial };
    this.#teach(visit, packet);
    return this.#forward(visit, packet, flow.isPeerPath, answer && this.#closeClient(flow, packet, answer));
  }

  /** A packet for a service, which is the one of `service` from here on. */
  #passToBackend(visit: Visit, client: IpPacket, service: Entered): Outcome {
    const { packet, translation, clientEntry } = service;
    if (this.#isTunnelled(packet)) return TUNNELLED;
    let { flow } = service;
    if (flow !== undefined) {
      const denial = this.table.judgeKnown(flow);
      if (denial !== undefined) return { action: 'drop', ...denial };
      this.table.noteSeen(flow, packet);
      if (clientEntry !== undefined && (isClosing(flow) || flow.isLive)) clientEntry.isLive = flow.isLive;
    } else if (service.isHairpin) {
      flow = this.#services.hairpinFlow(newFlow(packet, Origin.POD, false, translation), visit.end.id);
      if (makesEntry(packet)) this.table.open(flow, packet, false);
    } else {
      const isPeerPossible = this.#mayTakePeerPath(visit, packet.destination);
      const { hook, end } = visit;
      const unknown = { packet, hook, endpointId: end.id, origin: Origin.POD, isPeerPossible, translation };
      const [opened, denial] = this.table.judgeUnknown(unknown);
      if (denial !== undefined) return { action: 'drop', ...denial };
      flow = opened;
    }
    if (clientEntry === undefined) this.table.openClient(client, visit.end.id, translation);
    this.#teach(visit, client);
    return this.#forward(visit, client, flow.isPeerPath, packet);
  }

  #reject(visit: Visit, packet: IpPacket, reason: Reason): Outcome {
    const frame = rejectionOf(visit.frame, packet, visit.end);
    const direction = Direction.EGRESS;
    return frame === undefined
      ? { action: 'drop', reason, direction }
      : { action: 'redirect', reason, direction, frame };
  }

  /** Along the flow's path; `to`: as what it leaves. */
  #forward(visit: Visit, packet: IpPacket, isPeerPath: boolean, to?: Tuple): Outcome {
    const { frame, checksums } = to === undefined ? { frame: visit.frame } : withTuple(visit.frame, packet, to);
    const made = { frame, ...(checksums === undefined ? {} : { checksums }) };
    const receiver = this.#local(to?.destination ?? packet.destination);
    const direction = Direction.EGRESS;
    if (!isPeerPath || receiver === undefined) return { ...this.#toStack(direction), ...made };
    const redirected = withMacs(frame, [receiver.mac, receiver.hostMac]);
    return { action: 'redirect', reason: Reason.FORWARDED_PEER, direction, ...made, frame: redirected };
  }

  /** An error shares the verdict of the flow whose packet it quotes. */
  #passError(visit: Visit, packet: IpPacket, { flow, made, destination }: QuotedFlow): Outcome {
    const denial = this.table.judgeKnown(flow);
    if (denial !== undefined) return { action: 'drop', ...denial };
    const outcome = { ...this.#toStack(visit.hook), ...made };
    const receiver = this.#local(destination ?? packet.destination);
    if (visit.hook === Direction.INGRESS || !flow.isPeerPath || receiver === undefined) return outcome;
    const frame = withMacs(made?.frame ?? visit.frame, [receiver.mac, receiver.hostMac]);
    return { ...outcome, action: 'redirect', reason: Reason.FORWARDED_PEER, frame };
  }

  /** What the node itself sends is followed, and always passes (NP-80). */
  #judgeToPod(visit: Visit, packet: IpPacket, isNode: boolean): Outcome {
    const quoted = this.#quotes.read(visit, packet, { source: visit.end.id, destination: 'any' });
    if (quoted !== undefined) return this.#passError(visit, packet, quoted);
    const known = this.table.find(packet, this.#local(packet.source)?.id ?? 0, visit.end.id);
    const direction = Direction.INGRESS;
    // Answers of a service are made here, and what a pod sends to itself by a service never comes here.
    const isHairpin = known?.translation !== undefined && known.openerEndpoint === 0;
    if (known?.isClientEntry === true || isHairpin) return { action: 'drop', reason: Reason.TRANSLATION, direction };
    let answer: Tuple | undefined;
    if (known !== undefined) {
      const denial = isNode ? undefined : this.table.judgeKnown(known);
      if (denial !== undefined) return { action: 'drop', ...denial };
      if (known.translation !== undefined && isReply(known, packet)) answer = answerTuple(packet, known.translation);
      this.table.noteSeen(known, packet);
      if (answer !== undefined) this.#closeClient(known, packet, answer);
    } else {
      const origin = isNode ? Origin.HOST : Origin.FORWARDED;
      const unknown = { packet, hook: visit.hook, endpointId: visit.end.id, origin, isPeerPossible: false };
      const [, denial] = this.table.judgeUnknown(unknown);
      if (denial !== undefined && !isNode) return { action: 'drop', ...denial };
    }
    this.#teach(visit, packet);
    return { ...this.#toStack(direction), ...(answer && withTuple(visit.frame, packet, answer)) };
  }

  /** With a flow that ends its client's entry moves, too. */
  #closeClient(flow: Flow, packet: IpPacket, answer: Tuple): Tuple {
    const client = this.table.flows.get(keyOfPacket({ ...packet, ...answer }));
    if (isClosing(flow) && client?.isClientEntry === true) client.isLive = false;
    return answer;
  }

  /** What has the port of the nodes' tunnel may only go to another pod. */
  #isTunnelled({ protocol, destination, destinationPort }: IpPacket): boolean {
    if (protocol !== PROTOCOL.UDP || destinationPort !== this.#vxlanPort) return false;
    const known = this.tables.addresses.get(destination);
    return known === undefined || (known.flags & AddressFlag.ADDRESS_OWN_NODE) !== 0;
  }

  #local(address: string): KnownAddress['local'] {
    return this.tables.addresses.get(address)?.local;
  }

  #mayTakePeerPath(visit: Visit, destination: string): boolean {
    const to = this.#local(destination);
    return (
      to !== undefined && to.pod !== visit.pod && ((visit.end.flags | to.flags) & EndpointFlag.ENDPOINT_NO_PEER) === 0
    );
  }
}

function lessonKey({ hook, pod }: Visit, { family, source, destination, fragment }: IpPacket): string {
  return `${hook}/${pod}/${family}/${source}/${destination}/${fragment?.next}/${fragment?.identification}`;
}
