/** Flows of both sides as text, so that they can be compared and read. Times are left out: those of the kernel run. */
import { FlowFlag, FlowPath, type FlowValue } from '../../src/kernel/abi.gen.ts';
import type { KernelFlow } from './fuzz-kernel.ts';
import type { Flow } from './reference-flow.ts';

/** By the flow's ends and protocol. */
export type FlowText = ReadonlyMap<string, string>;

/** What abi.h calls SEEN_SYN, SEEN_ACK, SEEN_FIN, SEEN_RST, by the flag on the wire. */
const SEEN = [
  [0x02, 1],
  [0x10, 2],
  [0x01, 4],
  [0x04, 8],
] as const;

interface Facts {
  readonly opener: string;
  readonly isLive: boolean;
  readonly egress: string;
  readonly ingress: string;
  readonly origin: number;
  readonly isPeerPath: boolean;
  readonly endpoints: string;
  readonly saw: string;
  readonly isAnswered: boolean;
  readonly isCharged: boolean;
  /** Empty: not translated. */
  readonly translation: string;
}

function textOf(facts: Facts): string {
  return JSON.stringify(facts);
}

function hex(address: string): string {
  return Buffer.from(address, 'latin1').toString('hex');
}

function keyOf(family: number, protocol: number, ends: readonly string[]): string {
  return `${family}/${protocol} ${ends.toSorted().join(' - ')}`;
}

export function referenceFlowTexts(flows: Iterable<Flow>): FlowText {
  const out = new Map<string, string>();
  for (const flow of flows) {
    const [opener, responder] = [flow.opener, flow.responder].map(({ address, port }) => `${hex(address)}:${port}`);
    out.set(
      keyOf(flow.family, flow.protocol, [opener!, responder!]),
      textOf({
        opener: opener!,
        isLive: flow.isLive,
        egress: `${flow.egress.verdict}@${flow.egress.epoch}`,
        ingress: `${flow.ingress.verdict}@${flow.ingress.epoch}`,
        origin: flow.origin,
        isPeerPath: flow.isPeerPath,
        endpoints: `${flow.openerEndpoint}>${flow.responderEndpoint}`,
        saw: `${seenBits(flow.openerSaw)}>${seenBits(flow.responderSaw)}`,
        isAnswered: flow.isAnswered,
        isCharged: flow.isCharged,
        translation: referenceTranslation(flow),
      }),
    );
  }
  return out;
}

export function kernelFlowTexts(flows: readonly KernelFlow[]): FlowText {
  const out = new Map<string, string>();
  for (const { key, value, isLive } of flows) {
    const bytes = key.family === 4 ? 4 : 16;
    const end = (address: Uint8Array, port: number): string =>
      `${Buffer.from(address.subarray(0, bytes)).toString('hex')}:${port}`;
    const ends = [end(key.addressLo, key.portLo), end(key.addressHi, key.portHi)];
    const text = textOf({
      opener: ends[value.opener]!,
      isLive,
      egress: `${value.egressVerdict}@${value.egressEpoch}`,
      ingress: `${value.ingressVerdict}@${value.ingressEpoch}`,
      origin: value.origin,
      // A client's entry has no path of its own.
      isPeerPath: value.path === FlowPath.PEER && (value.flags & FlowFlag.FLOW_FRONTEND) === 0,
      endpoints: `${value.openerEndpoint}>${value.responderEndpoint}`,
      saw: `${value.openerTcp}>${value.responderTcp}`,
      isAnswered: (value.flags & FlowFlag.FLOW_ANSWERED) !== 0,
      isCharged: (value.flags & FlowFlag.FLOW_CHARGED) !== 0,
      translation: kernelTranslation(value, end),
    });
    const name = keyOf(key.family, key.protocol, ends);
    // The same flow in both tables is wrong, whatever they say.
    out.set(name, out.has(name) ? `twice: ${text} and ${out.get(name)}` : text);
  }
  return out;
}

function referenceTranslation({ translation, isClientEntry }: Flow): string {
  if (translation === undefined) return '';
  const { frontend, backend, original, translated, clientPort, sourcePort } = translation;
  const [from, to] = [original, translated].map(({ address, port }) => `${hex(address)}:${port}`);
  return `${isClientEntry ? 'client ' : ''}${frontend} ${from} > ${backend} ${to}, ${clientPort} > ${sourcePort}`;
}

function kernelTranslation(value: FlowValue, end: (address: Uint8Array, port: number) => string): string {
  if (value.frontend === 0) return '';
  const client = (value.flags & FlowFlag.FLOW_FRONTEND) !== 0 ? 'client ' : '';
  const from = end(value.originalAddress, value.originalPort);
  const to = end(value.translatedAddress, value.translatedPort);
  return `${client}${value.frontend} ${from} > ${value.backend} ${to}, ${value.clientPort} > ${value.sourcePort}`;
}

function seenBits(tcpFlags: number): number {
  return SEEN.reduce((bits, [wire, seen]) => bits | (tcpFlags & wire ? seen : 0), 0);
}
