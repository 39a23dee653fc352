/**
 * What the two hooks owe every packet, by docs/datapath.md and the rules written in bpf/*.h: stateful, and as plain as
 * can be. Where it and the programs differ one of them is wrong.
 */
import { AddressFlag, ConfigFlag, Direction, EndpointFlag, Origin, Reason, Verdict } from '../../src/kernel/abi.gen.ts';
import {
  beginsFlow,
  type Flow,
  isClosing,
  isReply,
  isSyn,
  keyOfPacket,
  type Judgement,
  makesEntry,
  newFlow,
  TCP_FLAG,
  TIMEOUT_S,
  timeoutS,
} from './reference-flow.ts';
import { answerArp, isLinkMessageAllowed, withMacs } from './reference-link.ts';
import {
  type IpPacket,
  isIcmpError,
  isLinkMessage,
  isMulticast,
  PROTOCOL,
  readIp,
  type Reading,
} from './reference-parser.ts';
import { type Endpoint, type KnownAddress, ReferenceTables } from './reference-tables.ts';

export type Action = 'stack' | 'redirect' | 'drop';

export interface Outcome {
  readonly action: Action;
  readonly reason: Reason;
  readonly direction: Direction;
  /** The frame afterwards, where it is another one. */
  readonly frame?: Uint8Array;
}

/** Where a packet of to_pod came in: a pod's interface, the wire, or nowhere (the node itself sent it). */
export type Entrance = number | 'wire' | 'node';

const ETHERNET_BYTES = 14;
const ICMP_HEADER_BYTES = 8;
const ETHER_TYPE = { IPV4: 0x0800, ARP: 0x0806, IPV6: 0x86dd } as const;
const PORT_PROTOCOL = new Map<number, number>([
  [PROTOCOL.TCP, 0],
  [PROTOCOL.UDP, 1],
  [PROTOCOL.SCTP, 2],
]);
const FRAGMENT_REASONS: ReadonlySet<Reason> = new Set([Reason.FRAGMENT, Reason.FRAGMENT_TINY, Reason.FRAGMENT_OVERLAP]);
const SYN_ACK_FIN_RST = TCP_FLAG.SYN | TCP_FLAG.ACK | TCP_FLAG.FIN | TCP_FLAG.RST;

interface Denial {
  readonly reason: Reason;
  readonly direction: Direction;
}

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
  readonly tables: ReferenceTables = new ReferenceTables();
  readonly flows: Map<string, Flow> = new Map();
  /** Flows that endpoints have among those seen both ways, by id. */
  readonly usage: Map<number, number> = new Map();
  readonly #lessons = new Map<string, Lesson>();
  readonly #flowsMax: number;
  #nowS = 0;

  /** flowsMax: answered flows an endpoint may have. */
  constructor(flowsMax: number) {
    this.#flowsMax = flowsMax;
  }

  pass(seconds: number): void {
    this.#nowS += seconds;
  }

  fromPod(pod: number, frame: Buffer): Outcome {
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
    return this.#judgeFromPod(visit, packet);
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
    const denial = this.#judgeToPod(visit, packet, isNode);
    return denial === undefined ? stack : { action: 'drop', ...denial };
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
    if (lesson === undefined || this.#nowS - lesson.taughtS > TIMEOUT_S.fragment) {
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
    this.#lessons.set(lessonKey(visit, packet), { packet, taughtS: this.#nowS });
  }

  #judgeFromPod(visit: Visit, packet: IpPacket): Outcome {
    const to = this.tables.addresses.get(packet.destination)?.local;
    const quoted = this.#flowOfError(visit, packet, (inner) => inner.destination === packet.source, to?.id ?? 0);
    const known = quoted ?? this.#find(packet, visit.end.id, to?.id ?? 0);
    let flow = known;
    let denial = known === undefined ? undefined : this.#judgeKnown(known);
    if (flow === undefined) {
      const isPeerPossible =
        to !== undefined &&
        to.pod !== visit.pod &&
        ((visit.end.flags | to.flags) & EndpointFlag.ENDPOINT_NO_PEER) === 0;
      [flow, denial] = this.#judgeUnknown(visit, packet, Origin.POD, isPeerPossible);
    } else if (denial === undefined && quoted === undefined) {
      this.#noteSeen(flow, packet);
    }
    if (denial !== undefined) return { action: 'drop', ...denial };
    if (quoted === undefined) this.#teach(visit, packet);
    if (!flow.isPeerPath || to === undefined) return this.#toStack(Direction.EGRESS);
    const frame = withMacs(visit.frame, [to.mac, to.hostMac]);
    return { action: 'redirect', reason: Reason.FORWARDED_PEER, direction: Direction.EGRESS, frame };
  }

  /** Undefined: it passes. What the node itself sends is followed, and always passes (NP-80). */
  #judgeToPod(visit: Visit, packet: IpPacket, isNode: boolean): Denial | undefined {
    const quoted = this.#flowOfError(visit, packet, () => true, visit.end.id);
    if (quoted !== undefined) return this.#judgeKnown(quoted);
    const from = this.tables.addresses.get(packet.source)?.local;
    const known = this.#find(packet, from?.id ?? 0, visit.end.id);
    if (known !== undefined) {
      const denial = isNode ? undefined : this.#judgeKnown(known);
      if (denial !== undefined) return denial;
      this.#noteSeen(known, packet);
    } else {
      const [, denial] = this.#judgeUnknown(visit, packet, isNode ? Origin.HOST : Origin.FORWARDED, false);
      if (denial !== undefined && !isNode) return denial;
    }
    this.#teach(visit, packet);
    return undefined;
  }

  /**
   * The flow whose packet an ICMP error quotes: one that the error's receiver sent, and, seen by `isOfInterest`, one
   * that its sender may speak of. A later fragment quotes nothing.
   */
  #flowOfError(
    visit: Visit,
    packet: IpPacket,
    isOfInterest: (inner: IpPacket) => boolean,
    receiverId: number,
  ): Flow | undefined {
    if (!isIcmpError(packet) || packet.fragment?.isFirst === false) return undefined;
    const { packet: inner, reason } = readIp(visit.frame, {
      family: packet.family,
      at: packet.transportAt + ICMP_HEADER_BYTES,
      limit: packet.end,
      isQuoted: true,
    });
    if (inner === undefined || reason !== undefined || inner.fragment?.isFirst === false) return undefined;
    if (inner.source !== packet.destination || !isOfInterest(inner)) return undefined;
    return this.#find(inner, receiverId, visit.hook === Direction.EGRESS ? visit.end.id : 'any');
  }

  /** Rules 1 to 3 of bpf/conntrack.h. Ids: of the endpoints that have the packet's addresses now. */
  #find(packet: IpPacket, sourceId: number, destinationId: number | 'any'): Flow | undefined {
    const flow = this.flows.get(keyOfPacket(packet));
    if (flow === undefined) return undefined;
    const reply = isReply(flow, packet);
    const [opener, responder] = reply ? [destinationId, sourceId] : [sourceId, destinationId];
    if (opener !== 'any' && opener !== flow.openerEndpoint) return undefined;
    if (responder !== 'any' && responder !== flow.responderEndpoint) return undefined;
    if (this.#nowS - flow.lastSeenS > timeoutS(flow)) return undefined;
    return isSyn(packet) && (reply || isClosing(flow)) ? undefined : flow;
  }

  /** An allowed flow is judged anew when the tables have changed since, a denied one with every packet. */
  #judgeKnown(flow: Flow): Denial | undefined {
    const now = this.tables.config.generation;
    const isSettled = [flow.egress, flow.ingress].every(
      ({ epoch, verdict }) => epoch === 0 || (epoch === now && verdict === Verdict.ALLOW),
    );
    return isSettled ? undefined : this.#judgeEnds(flow);
  }

  /** A packet that no entry speaks for. The end whose hook this is must be among those that said yes. */
  #judgeUnknown(visit: Visit, packet: IpPacket, origin: Origin, isPeerPossible: boolean): [Flow, Denial | undefined] {
    const isMiddle = !beginsFlow(packet);
    let flow = newFlow(packet, origin, true);
    let isReversed = true;
    let denial = this.tables.config.isGrace && isMiddle ? this.#judgeEnds(flow) : NOT_ASKED;
    if (denial !== undefined) {
      flow = newFlow(packet, origin, false);
      isReversed = false;
      denial = this.#judgeEnds(flow);
    }
    if (denial !== undefined) return [flow, denial];
    const isOpenerHere = (visit.hook === Direction.EGRESS) !== isReversed;
    const heard = isOpenerHere ? flow.openerEndpoint : flow.responderEndpoint;
    if (heard !== visit.end.id) return [flow, { reason: Reason.CLOSED, direction: visit.hook }];
    flow.isPeerPath = isPeerPossible && !isMiddle && flow.responderEndpoint !== 0;
    flow.lastSeenS = this.#nowS;
    if (packet.protocol === PROTOCOL.TCP) {
      flow[isReversed ? 'responderSaw' : 'openerSaw'] = packet.tcpFlags & SYN_ACK_FIN_RST;
    }
    if (makesEntry(packet)) {
      const replaced = this.flows.get(keyOfPacket(packet));
      if (replaced?.isCharged === true) this.#charge(replaced, -1);
      this.flows.set(keyOfPacket(packet), flow);
    }
    return [flow, undefined];
  }

  /**
   * Each end that is a local endpoint, in the direction the flow was opened. One that was judged before and whose address
   * is not known any more cannot say yes.
   */
  #judgeEnds(flow: Flow): Denial | undefined {
    const { flags } = this.tables.config;
    const opener = this.tables.addresses.get(flow.opener.address);
    const responder = this.tables.addresses.get(flow.responder.address);
    const isToItself = flow.opener.address === flow.responder.address;
    const isToNode =
      ((responder?.flags ?? 0) & AddressFlag.ADDRESS_OWN_NODE) !== 0 &&
      (flags & ConfigFlag.CONFIG_JUDGE_OWN_NODE) === 0;
    if (opener?.local !== undefined) {
      flow.openerEndpoint = opener.local.id;
      const denial = this.#judgeEnd(flow, opener, Direction.EGRESS, isToItself || isToNode);
      if (denial !== undefined) return denial;
    } else if (flow.egress.epoch !== 0) {
      return { reason: Reason.CLOSED, direction: Direction.EGRESS };
    }
    if (responder?.local === undefined) {
      return flow.ingress.epoch === 0 ? undefined : { reason: Reason.CLOSED, direction: Direction.INGRESS };
    }
    flow.responderEndpoint = responder.local.id;
    return this.#judgeEnd(flow, responder, Direction.INGRESS, isToItself || flow.origin === Origin.HOST);
  }

  #judgeEnd(flow: Flow, known: KnownAddress, direction: Direction, isAlways: boolean): Denial | undefined {
    const judgement: Judgement = direction === Direction.EGRESS ? flow.egress : flow.ingress;
    judgement.epoch = this.tables.config.generation;
    const end = known.local === undefined ? undefined : this.tables.endpoints.get(known.local.pod);
    judgement.verdict = Verdict.DENY;
    if (end === undefined || end.id !== known.local?.id) return { reason: Reason.CLOSED, direction };
    const rules = this.tables.inForce(end.rules);
    const ruleSet = direction === Direction.EGRESS ? rules.egress : rules.ingress;
    const peer = direction === Direction.EGRESS ? flow.responder.address : flow.opener.address;
    const isAllowed =
      isAlways || this.tables.allows(ruleSet, this.tables.classOf(flow.family, peer), this.#portClassOf(flow));
    if (!isAllowed) return { reason: ruleSet === 0 ? Reason.CLOSED : Reason.POLICY, direction };
    judgement.verdict = Verdict.ALLOW;
    return undefined;
  }

  #portClassOf({ family, protocol, responder }: Flow): number {
    if (family === 4 && protocol === PROTOCOL.ICMP) return 1;
    if (family === 6 && protocol === PROTOCOL.ICMPV6) return 2;
    const dimension = PORT_PROTOCOL.get(protocol);
    return dimension === undefined ? 0 : this.tables.portClass(dimension, responder.port);
  }

  /** Answered flows lie apart, as many as their endpoint may have; closing ones do not. */
  #noteSeen(flow: Flow, packet: IpPacket): void {
    const reply = isReply(flow, packet);
    if (packet.protocol === PROTOCOL.TCP) {
      flow[reply ? 'responderSaw' : 'openerSaw'] |= packet.tcpFlags & SYN_ACK_FIN_RST;
    }
    flow.lastSeenS = this.#nowS;
    flow.isAnswered ||= reply;
    if (isClosing(flow)) {
      if (flow.isCharged) this.#charge(flow, -1);
      flow.isCharged = false;
      flow.isLive = false;
    } else if (reply && !flow.isLive && (this.usage.get(payerOf(flow)) ?? 0) < this.#flowsMax) {
      this.#charge(flow, 1);
      flow.isCharged = true;
      flow.isLive = true;
    }
  }

  #charge(flow: Flow, flows: 1 | -1): void {
    this.usage.set(payerOf(flow), (this.usage.get(payerOf(flow)) ?? 0) + flows);
  }
}

/** The local endpoint that opened it, else the one it was opened to. */
function payerOf({ openerEndpoint, responderEndpoint }: Flow): number {
  return openerEndpoint === 0 ? responderEndpoint : openerEndpoint;
}

/** Stands for the judgement in the other direction where there is none. */
const NOT_ASKED: Denial = { reason: Reason.INTERNAL, direction: Direction.EGRESS };

function lessonKey({ hook, pod }: Visit, { family, source, destination, fragment }: IpPacket): string {
  return `${hook}/${pod}/${family}/${source}/${destination}/${fragment?.next}/${fragment?.identification}`;
}
