/**
 * Flows as the reference remembers them: by the rules at the head of bpf/conntrack.h, with a clock that only moves when
 * it is told to.
 */
import { Origin, Verdict } from '../../src/kernel/abi.gen.ts';
import { type IpPacket, isEchoRequest, isIcmp, PROTOCOL } from './reference-parser.ts';

export const TCP_FLAG = { FIN: 1, SYN: 2, RST: 4, ACK: 16 } as const;

/** Seconds without traffic after which an entry is not believed: as the programs are loaded for fuzzing. */
export const TIMEOUT_S = { opening: 10, tcpLive: 86_400, tcpClosing: 4, otherLive: 18, fragment: 30 } as const;

export interface End {
  readonly address: string;
  readonly port: number;
}

/** How the packets of a client of a service are translated. */
export interface Translation {
  readonly frontend: number;
  readonly backend: number;
  readonly original: End;
  readonly translated: End;
  readonly clientPort: number;
  readonly sourcePort: number;
}

/** What one end said: at which generation, 0 for never. */
export interface Judgement {
  verdict: Verdict;
  epoch: number;
}

export interface Flow {
  readonly protocol: number;
  readonly family: 4 | 6;
  readonly opener: End;
  readonly responder: End;
  readonly origin: Origin;
  /** Its first packet was taken for a reply (grace). */
  readonly isBackward: boolean;
  isPeerPath: boolean;
  openerEndpoint: number;
  responderEndpoint: number;
  readonly egress: Judgement;
  readonly ingress: Judgement;
  /** TCP flags seen of each end. */
  openerSaw: number;
  responderSaw: number;
  isAnswered: boolean;
  isCharged: boolean;
  /** In the table of flows seen both ways. */
  isLive: boolean;
  lastSeenS: number;
  /** Of a flow that came by a service: its packets are the translated ones. */
  readonly translation: Translation | undefined;
  /** Not a flow: a client's packets as the client knows them, and where they lead. */
  readonly isClientEntry: boolean;
}

export function newFlow(packet: IpPacket, origin: Origin, isReversed: boolean, translation?: Translation): Flow {
  const source = { address: packet.source, port: packet.sourcePort };
  const destination = { address: packet.destination, port: packet.destinationPort };
  return {
    protocol: packet.protocol,
    family: packet.family,
    opener: isReversed ? destination : source,
    responder: isReversed ? source : destination,
    origin,
    isBackward: isReversed,
    isPeerPath: false,
    openerEndpoint: 0,
    responderEndpoint: 0,
    egress: { verdict: Verdict.NONE, epoch: 0 },
    ingress: { verdict: Verdict.NONE, epoch: 0 },
    openerSaw: 0,
    responderSaw: 0,
    isAnswered: false,
    isCharged: false,
    isLive: false,
    lastSeenS: 0,
    translation,
    isClientEntry: false,
  };
}

/** The same for both directions of a flow. */
function flowKey(family: number, protocol: number, one: End, other: End): string {
  const ends = [one, other].map(({ address, port }) => `${address}|${port}`).toSorted();
  return `${family}|${protocol}|${ends.join('|')}`;
}

export function keyOfPacket({ family, protocol, source, sourcePort, destination, destinationPort }: IpPacket): string {
  return flowKey(
    family,
    protocol,
    { address: source, port: sourcePort },
    { address: destination, port: destinationPort },
  );
}

/** Whether the packet goes to the end that opened the flow. Of a port to itself all packets go as the first one went. */
export function isReply(flow: Flow, packet: IpPacket): boolean {
  const isSelf = packet.source === packet.destination && packet.sourcePort === packet.destinationPort;
  if (isSelf) return flow.isBackward;
  return packet.source !== flow.opener.address || packet.sourcePort !== flow.opener.port;
}

/** Both ends have said FIN, or one RST. */
export function isClosing({ openerSaw, responderSaw }: Flow): boolean {
  return (openerSaw & responderSaw & TCP_FLAG.FIN) !== 0 || ((openerSaw | responderSaw) & TCP_FLAG.RST) !== 0;
}

export function timeoutS(flow: Flow): number {
  if (flow.protocol !== PROTOCOL.TCP) return flow.isAnswered ? TIMEOUT_S.otherLive : TIMEOUT_S.opening;
  if (isClosing(flow)) return TIMEOUT_S.tcpClosing;
  return flow.isAnswered ? TIMEOUT_S.tcpLive : TIMEOUT_S.opening;
}

export function isSyn(packet: IpPacket): boolean {
  return packet.protocol === PROTOCOL.TCP && (packet.tcpFlags & (TCP_FLAG.SYN | TCP_FLAG.ACK)) === TCP_FLAG.SYN;
}

/** Not the middle of a flow: all that is not TCP, and of TCP the SYN. */
export function beginsFlow(packet: IpPacket): boolean {
  return packet.protocol !== PROTOCOL.TCP || isSyn(packet);
}

/** Rules 4 and 5; of ICMP only the echo request. */
export function makesEntry(packet: IpPacket): boolean {
  if (isIcmp(packet)) return isEchoRequest(packet);
  if (packet.protocol !== PROTOCOL.TCP) return true;
  const synAck = TCP_FLAG.SYN | TCP_FLAG.ACK;
  return (packet.tcpFlags & TCP_FLAG.RST) === 0 && (packet.tcpFlags & synAck) !== synAck;
}
