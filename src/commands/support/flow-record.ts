/** One recorded flow, a line of JSON: what `sluice drops -o json` prints, or as little as docs/output.md asks for. */
import { canonicalAddress } from '../../net/address.ts';
import type { FlowProtocol } from '../../policy/dry-run.ts';
import { isRecord } from '../../policy/validate-place.ts';

export interface FlowRecord {
  readonly source: string;
  readonly destination: string;
  readonly sourcePod: string | undefined;
  readonly destinationPod: string | undefined;
  readonly protocol: FlowProtocol;
  readonly destinationPort: number;
  /** What happened to it; a flow that was seen and says nothing was allowed. */
  readonly verdict: 'allow' | 'deny';
}

/** A line without meaning for policies, or wrong. */
export type Unread = { readonly skip: string } | { readonly fault: string };

/** Reasons of drops that policies decide; the others happen whatever the policies say. */
const POLICY_REASONS = new Set(['policy', 'closed']);
const PROTOCOLS: readonly FlowProtocol[] = ['TCP', 'UDP', 'SCTP', 'ICMP', 'ICMPv6'];
const WITH_PORTS = new Set<FlowProtocol>(['TCP', 'UDP', 'SCTP']);

export function readFlowRecord(line: string): FlowRecord | Unread {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return { fault: 'is no JSON' };
  }
  if (!isRecord(value)) return { fault: 'is no JSON object' };
  const { reason } = value;
  if (typeof reason === 'string' && value['verdict'] === 'deny' && !POLICY_REASONS.has(reason)) {
    return { skip: `dropped for another reason than policy: ${reason}` };
  }
  return readFields(value);
}

function readFields(value: Readonly<Record<string, unknown>>): FlowRecord | Unread {
  const word = value['protocol'] ?? 'TCP';
  if (typeof word !== 'string') return { fault: 'protocol must be a name such as TCP' };
  const protocol = PROTOCOLS.find((known) => known.toLowerCase() === word.toLowerCase());
  if (protocol === undefined) return { skip: `protocol ${word}` };
  const ends = [readEnd(value, 'source'), readEnd(value, 'destination')];
  const [source, destination] = ends;
  for (const end of ends) if (end !== undefined && 'fault' in end) return end;
  if (source === undefined || destination === undefined || 'fault' in source || 'fault' in destination) {
    return { fault: 'names no source or no destination' };
  }
  const port = WITH_PORTS.has(protocol) ? value['destinationPort'] : 0;
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 0 || port > 65535) {
    return { fault: 'destinationPort must be a number from 0 to 65535' };
  }
  const verdict = value['verdict'] ?? 'allow';
  if (verdict !== 'allow' && verdict !== 'deny') return { fault: 'verdict must be allow or deny' };
  return {
    source: source.address,
    destination: destination.address,
    sourcePod: source.pod,
    destinationPod: destination.pod,
    protocol,
    destinationPort: port,
    verdict,
  };
}

interface RecordedEnd {
  /** Empty: only the pod is known. */
  readonly address: string;
  readonly pod: string | undefined;
}

function readEnd(
  value: Readonly<Record<string, unknown>>,
  side: 'source' | 'destination',
): RecordedEnd | { readonly fault: string } | undefined {
  const text = value[side];
  const pod = value[`${side}Pod`];
  if (pod !== undefined && typeof pod !== 'string') return { fault: `${side}Pod must be namespace/name` };
  if (text === undefined) return pod === undefined ? undefined : { address: '', pod };
  const address = typeof text === 'string' ? canonicalAddress(text) : undefined;
  return address === undefined ? { fault: `${side} must be an IP address` } : { address, pod };
}
