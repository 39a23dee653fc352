/**
 * What a person is told of a dropped packet: who wanted to reach whom, and which policies isolate the pod at whose end it
 * was dropped. Names come from the newest tables; the packet may have met older ones, its generation tells.
 */
import type { Snapshot } from '../cluster/snapshot.ts';
import type { DropEvent } from '../datapath/datapath.ts';
import { RULE_SET_CLOSED } from '../policy/ids.ts';
import type { EndpointTable } from '../policy/tables.ts';
import type { EndpointRecords } from './endpoint-record.ts';

export interface DropReport {
  /** RFC 3339. */
  readonly time: string;
  readonly reason: string;
  readonly direction: 'egress' | 'ingress';
  readonly verdict: 'deny' | 'allow';
  /** `TCP`, `UDP`, `SCTP`, `ICMP`, `ICMPv6`, or the IANA number. */
  readonly protocol: string;
  readonly source: string;
  readonly sourcePort: number;
  readonly destination: string;
  readonly destinationPort: number;
  /** `namespace/name`; absent when the address is no pod's. */
  readonly sourcePod?: string;
  readonly destinationPod?: string;
  /** `namespace/name` of the policies that isolate the pod at the judging end. */
  readonly policies: readonly string[];
  readonly generation: number;
  readonly suppressed: number;
  readonly message: string;
}

const PROTOCOLS: ReadonlyMap<number, string> = new Map([
  [1, 'ICMP'],
  [6, 'TCP'],
  [17, 'UDP'],
  [58, 'ICMPv6'],
  [132, 'SCTP'],
]);
const WITH_PORTS = new Set(['TCP', 'UDP', 'SCTP']);

/** For reasons that need more words than their name. */
const REASONS: ReadonlyMap<string, string> = new Map([
  ['closed', 'the pod at that end is not in the desired state, or its policies are not in force yet'],
  ['no_endpoint', 'the interface is not an endpoint (yet)'],
  ['source_address', 'the source address is not an address of the pod that sent it'],
  ['source_mac', 'the hardware address is not that of the pod that sent it'],
  ['malformed', 'the packet cannot be read: truncated, or its lengths contradict one another'],
  ['ethertype', 'neither IPv4, IPv6 nor ARP'],
  ['arp', 'ARP in another name, or for another address than the gateway'],
  ['fragment', 'a later fragment whose first one was not seen, or was denied'],
  ['fragment_tiny', 'a first fragment without the whole transport header'],
  ['fragment_overlap', 'a later fragment that would overwrite the first'],
  ['source_route', 'a source route: the packet would go elsewhere than it says'],
  ['extension_header', 'too many IPv6 extension headers, or an unknown one'],
  ['v4_mapped', 'IPv4-mapped addresses do not belong on the wire'],
  ['flow_table', 'the flow could not be recorded'],
  ['internal', 'the program failed where it must not'],
]);

interface EndpointPolicies {
  readonly ingress: readonly string[];
  readonly egress: readonly string[];
  readonly isClosed: boolean;
}

export class DropReporter {
  readonly #snapshot: Snapshot;
  readonly #records: EndpointRecords;
  #endpoints: ReadonlyMap<number, EndpointPolicies> = new Map();
  /** Pods of the node's own endpoints. */
  #endpointsAt: ReadonlyMap<string, string> = new Map();
  /** Of the records that `#endpointsAt` is made of. */
  #endpointsRevision: number | undefined;

  constructor(snapshot: Snapshot, records: EndpointRecords) {
    this.#snapshot = snapshot;
    this.#records = records;
  }

  /** The policies of these tables explain from now on. With `gone`, they are what changed of the ones before. */
  setTables(table: EndpointTable, gone?: Iterable<number>): void {
    const endpoints = new Map<number, EndpointPolicies>(gone === undefined ? [] : this.#endpoints);
    for (const id of gone ?? []) endpoints.delete(id);
    table.id.forEach((id, i) =>
      endpoints.set(id, {
        ingress: table.ingressPolicies[i] ?? [],
        egress: table.egressPolicies[i] ?? [],
        isClosed: table.ingress[i] === RULE_SET_CLOSED && table.egress[i] === RULE_SET_CLOSED,
      }),
    );
    this.#endpoints = endpoints;
  }

  /** `namespace/name` of the policies that isolate the endpoint. */
  policies(endpointId: number, direction: 'egress' | 'ingress'): readonly string[] {
    return this.#endpoints.get(endpointId)?.[direction] ?? [];
  }

  /** Nothing passes: no tables speak of the endpoint, or its pod is not in the desired state. */
  isClosed(endpointId: number): boolean {
    return this.#endpoints.get(endpointId)?.isClosed ?? true;
  }

  report(event: DropEvent, wallMs: number): DropReport {
    const policies = event.reason === 'policy' ? this.policies(event.endpointId, event.direction) : [];
    const sourcePod = this.#podAt(event.source);
    const destinationPod = this.#podAt(event.destination);
    const protocol = PROTOCOLS.get(event.protocol) ?? String(event.protocol);
    const fields = {
      time: new Date(wallMs).toISOString(),
      reason: event.reason,
      direction: event.direction,
      verdict: event.verdict,
      protocol,
      source: event.source,
      sourcePort: event.sourcePort,
      destination: event.destination,
      destinationPort: event.destinationPort,
      ...(sourcePod === undefined ? {} : { sourcePod }),
      ...(destinationPod === undefined ? {} : { destinationPod }),
      policies,
      generation: event.generation,
      suppressed: event.suppressed,
    };
    return { ...fields, message: tell(fields) };
  }

  /** An endpoint's address is its pod's before the source knows it. */
  #podAt(address: string): string | undefined {
    if (this.#endpointsRevision !== this.#records.revision) {
      const pods = new Map<string, string>();
      for (const { namespace, pod, addresses } of this.#records.list()) {
        for (const ip of addresses) pods.set(ip, `${namespace}/${pod}`);
      }
      this.#endpointsAt = pods;
      this.#endpointsRevision = this.#records.revision;
    }
    return this.#endpointsAt.get(address) ?? this.#snapshot.podAt(address);
  }
}

function tell(drop: Omit<DropReport, 'message'>): string {
  const from = drop.sourcePod ?? drop.source;
  const to = drop.destinationPod ?? drop.destination;
  const port = WITH_PORTS.has(drop.protocol) ? ` ${drop.destinationPort}/${drop.protocol}` : ` ${drop.protocol}`;
  const what = `${from} -> ${to}${port}`;
  const done = drop.verdict === 'deny' ? 'dropped' : 'audited';
  if (drop.reason !== 'policy') return `${what} ${done}: ${REASONS.get(drop.reason) ?? drop.reason}`;
  const end = drop.direction === 'egress' ? from : to;
  const because = drop.policies.length === 0 ? 'its policies' : drop.policies.join(', ');
  return `${what} ${done} at ${drop.direction} of ${end}: no rule of ${because} allows it`;
}
