/** The flows that the reference remembers, and the verdicts on them: rules 1 to 5 of bpf/conntrack.h. */
import { AddressFlag, ConfigFlag, Direction, Limit, Origin, Reason, Verdict } from '../../src/kernel/abi.gen.ts';
import {
  beginsFlow,
  type Flow,
  isClosing,
  isReply,
  isSyn,
  type Judgement,
  keyOfPacket,
  makesEntry,
  newFlow,
  TCP_FLAG,
  timeoutS,
  type Translation,
} from './reference-flow.ts';
import { type IpPacket, PROTOCOL } from './reference-parser.ts';
import { type KnownAddress, ReferenceTables } from './reference-tables.ts';

export interface Denial {
  readonly reason: Reason;
  readonly direction: Direction;
}

/** A packet that no entry speaks for. */
export interface Unknown {
  readonly packet: IpPacket;
  readonly hook: Direction;
  /** Of the endpoint whose hook it is. */
  readonly endpointId: number;
  readonly origin: Origin;
  readonly isPeerPossible: boolean;
  readonly translation?: Translation;
}

const PORT_PROTOCOL = new Map<number, number>([
  [PROTOCOL.TCP, 0],
  [PROTOCOL.UDP, 1],
  [PROTOCOL.SCTP, 2],
]);
const SYN_ACK_FIN_RST = TCP_FLAG.SYN | TCP_FLAG.ACK | TCP_FLAG.FIN | TCP_FLAG.RST;
/** Stands for the judgement in the other direction where there is none. */
const NOT_ASKED: Denial = { reason: Reason.INTERNAL, direction: Direction.EGRESS };

export class FlowTable {
  readonly tables: ReferenceTables = new ReferenceTables();
  readonly flows: Map<string, Flow> = new Map();
  /** Flows that endpoints have among those seen both ways, by id. */
  readonly usage: Map<number, number> = new Map();
  readonly #flowsMax: number;
  nowS = 0;

  /** flowsMax: answered flows an endpoint may have. */
  constructor(flowsMax: number) {
    this.#flowsMax = flowsMax;
  }

  /** Rules 1 to 3. Ids: of the endpoints that have the packet's addresses now. */
  find(packet: IpPacket, sourceId: number | 'any', destinationId: number | 'any'): Flow | undefined {
    const flow = this.flows.get(keyOfPacket(packet));
    if (flow === undefined) return undefined;
    const reply = isReply(flow, packet);
    const [opener, responder] = reply ? [destinationId, sourceId] : [sourceId, destinationId];
    if (opener !== 'any' && opener !== flow.openerEndpoint) return undefined;
    if (responder !== 'any' && responder !== flow.responderEndpoint) return undefined;
    if (flow.isClientEntry) return flow;
    if (this.nowS - flow.lastSeenS > timeoutS(flow)) return undefined;
    return isSyn(packet) && (reply || isClosing(flow)) ? undefined : flow;
  }

  /** An allowed flow is judged anew when the tables have changed since, a denied one with every packet. */
  judgeKnown(flow: Flow): Denial | undefined {
    const now = this.tables.config.generation;
    const isSettled = [flow.egress, flow.ingress].every(
      ({ epoch, verdict }) => epoch === 0 || (epoch === now && verdict === Verdict.ALLOW),
    );
    return isSettled ? undefined : this.#judgeEnds(flow);
  }

  /** The end whose hook this is must be among those that said yes. */
  judgeUnknown({ packet, hook, endpointId, origin, isPeerPossible, translation }: Unknown): [Flow, Denial | undefined] {
    const isMiddle = !beginsFlow(packet);
    let flow = newFlow(packet, origin, true, translation);
    let isReversed = true;
    let denial = this.tables.config.isGrace && isMiddle ? this.#judgeEnds(flow) : NOT_ASKED;
    if (denial !== undefined) {
      flow = newFlow(packet, origin, false, translation);
      isReversed = false;
      denial = this.#judgeEnds(flow);
    }
    if (denial !== undefined) return [flow, denial];
    const isOpenerHere = (hook === Direction.EGRESS) !== isReversed;
    const heard = isOpenerHere ? flow.openerEndpoint : flow.responderEndpoint;
    if (heard !== endpointId) return [flow, { reason: Reason.CLOSED, direction: hook }];
    flow.isPeerPath = isPeerPossible && !isMiddle && flow.responderEndpoint !== 0;
    if (makesEntry(packet)) this.open(flow, packet, isReversed);
    return [flow, undefined];
  }

  /** Records the flow that the packet opens. */
  open(flow: Flow, packet: IpPacket, isReversed: boolean): void {
    flow.lastSeenS = this.nowS;
    if (packet.protocol === PROTOCOL.TCP) {
      flow[isReversed ? 'responderSaw' : 'openerSaw'] = packet.tcpFlags & SYN_ACK_FIN_RST;
    }
    this.#put(keyOfPacket(packet), flow);
  }

  /** Records where the client's packet leads. */
  openClient(packet: IpPacket, endpointId: number, translation: Translation): void {
    const entry = newFlow(packet, Origin.POD, false, translation);
    this.#put(keyOfPacket(packet), { ...entry, openerEndpoint: endpointId, isClientEntry: true });
  }

  /** Answered flows lie apart, as many as their endpoint may have; closing ones do not. */
  noteSeen(flow: Flow, packet: IpPacket): void {
    const reply = isReply(flow, packet);
    if (packet.protocol === PROTOCOL.TCP) {
      flow[reply ? 'responderSaw' : 'openerSaw'] |= packet.tcpFlags & SYN_ACK_FIN_RST;
    }
    flow.lastSeenS = this.nowS;
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

  #put(key: string, flow: Flow): void {
    const replaced = this.flows.get(key);
    if (replaced?.isCharged === true) this.#charge(replaced, -1);
    this.flows.set(key, flow);
  }

  /** A translated flow has two entries. */
  #charge(flow: Flow, flows: 1 | -1): void {
    const entries = flow.translation === undefined ? 1 : Limit.SERVICE_FLOW_CHARGE;
    this.usage.set(payerOf(flow), (this.usage.get(payerOf(flow)) ?? 0) + flows * entries);
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
}

/** The local endpoint that opened it, else the one it was opened to. */
function payerOf({ openerEndpoint, responderEndpoint }: Flow): number {
  return openerEndpoint === 0 ? responderEndpoint : openerEndpoint;
}
