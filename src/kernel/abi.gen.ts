/**
 * The layouts, constants and maps that the BPF programs share with user space. Made from the type information of the
 * compiled object by tools/gen-abi.ts; the source of all of it is bpf/abi.h. Do not edit.
 */
import { getBytes, getNumbers, inRange, putBytes, putNumbers, unsigned64 } from './abi-codec.ts';
import { type MapSpec, MapType } from './bpf-map-spec.ts';

/** Equal to the hash of the object these layouts were made from; the loader refuses any other object. */
export const ABI_HASH = 'c9c4a6b9d6012568';

/** enum address_flag. */
export const AddressFlag = {
  ADDRESS_OWN_NODE: 1,
} as const;

export type AddressFlag = (typeof AddressFlag)[keyof typeof AddressFlag];

/** enum config_flag. */
export const ConfigFlag = {
  CONFIG_JUDGE_OWN_NODE: 1,
  CONFIG_SERVICES: 2,
} as const;

export type ConfigFlag = (typeof ConfigFlag)[keyof typeof ConfigFlag];

/** enum direction. */
export const Direction = {
  EGRESS: 0,
  INGRESS: 1,
} as const;

export type Direction = (typeof Direction)[keyof typeof Direction];

/** enum endpoint_flag. */
export const EndpointFlag = {
  ENDPOINT_NO_PEER: 1,
} as const;

export type EndpointFlag = (typeof EndpointFlag)[keyof typeof EndpointFlag];

/** enum family. */
export const Family = {
  NONE: 0,
  IPV4: 4,
  IPV6: 6,
} as const;

export type Family = (typeof Family)[keyof typeof Family];

/** enum flow_flag. */
export const FlowFlag = {
  FLOW_ANSWERED: 1,
  FLOW_CHARGED: 2,
  FLOW_FRONTEND: 4,
} as const;

export type FlowFlag = (typeof FlowFlag)[keyof typeof FlowFlag];

/** enum flow_path. */
export const FlowPath = {
  STACK: 0,
  PEER: 1,
} as const;

export type FlowPath = (typeof FlowPath)[keyof typeof FlowPath];

/** enum frontend_flag. */
export const FrontendFlag = {
  FRONTEND_REJECT: 2,
  FRONTEND_DROP: 4,
  FRONTEND_ADDRESS: 8,
  FRONTEND_ELSEWHERE: 16,
} as const;

export type FrontendFlag = (typeof FrontendFlag)[keyof typeof FrontendFlag];

/** enum limits. */
export const Limit = {
  LIMIT_ENDPOINTS: 4096,
  LIMIT_LOCALS: 8192,
  LIMIT_ADDRESSES: 262144,
  LIMIT_PREFIXES: 65536,
  LIMIT_ROWS: 524288,
  LIMIT_FLOWS_NEW: 65536,
  LIMIT_FLOWS_LIVE: 262144,
  LIMIT_FRAGMENTS: 8192,
  LIMIT_ENDPOINT_FLOWS: 32768,
  LIMIT_FRONTENDS: 131072,
  LIMIT_BACKENDS: 262144,
  LIMIT_SLOTS: 4194304,
  LIMIT_AFFINITIES: 65536,
  LIMIT_SERVICE_RANGES: 64,
  SLOTS_PER_CELL: 2,
  SOURCE_PORT_TRIES_MAX: 16,
  SOURCE_PORT_FIRST: 1024,
  SERVICE_FLOW_CHARGE: 2,
  EXTENSION_HEADERS_MAX: 6,
  IPV4_OPTIONS_MAX: 40,
  USAGE_SLOTS: 16,
  FRAGMENT_TIMEOUT_MS: 30000,
  LIMIT_PORT_CLASSES: 65536,
  PORT_CLASSES_PER_BLOCK: 256,
  PORT_CLASSES_PER_CELL: 4,
  PORT_TABLE_CELLS: 49152,
  PORT_TABLES: 2,
  EVENT_RING_BYTES: 1048576,
  EVENT_LIMIT_ENTRIES: 16384,
  EVENTS_PER_WINDOW: 10,
  EVENT_WINDOW_MS: 1000,
} as const;

export type Limit = (typeof Limit)[keyof typeof Limit];

/** enum origin. */
export const Origin = {
  POD: 0,
  FORWARDED: 1,
  HOST: 2,
} as const;

export type Origin = (typeof Origin)[keyof typeof Origin];

/** enum peer_class. */
export const PeerClass = {
  DEFAULT: 0,
  WORLD: 1,
  UNKNOWN_POD: 2,
  FIRST: 3,
  NONE: 4294967295,
} as const;

export type PeerClass = (typeof PeerClass)[keyof typeof PeerClass];

/** enum port_class. */
export const PortClass = {
  OTHER: 0,
  ICMP: 1,
  ICMPV6: 2,
  FIRST: 3,
} as const;

export type PortClass = (typeof PortClass)[keyof typeof PortClass];

/** enum port_protocol. */
export const PortProtocol = {
  TCP: 0,
  UDP: 1,
  SCTP: 2,
} as const;

export type PortProtocol = (typeof PortProtocol)[keyof typeof PortProtocol];

/** enum reason. */
export const Reason = {
  FORWARDED_STACK: 0,
  FORWARDED_PEER: 1,
  ANSWERED: 2,
  POLICY: 3,
  NO_ENDPOINT: 4,
  CLOSED: 5,
  SOURCE_ADDRESS: 6,
  SOURCE_MAC: 7,
  MALFORMED: 8,
  ETHERTYPE: 9,
  ARP: 10,
  NEIGHBOUR_DISCOVERY: 11,
  MULTICAST: 12,
  FRAGMENT: 13,
  EXTENSION_HEADER: 14,
  V4_MAPPED: 15,
  FLOW_TABLE: 16,
  INTERNAL: 17,
  FRAGMENT_TINY: 18,
  FRAGMENT_OVERLAP: 19,
  SOURCE_ROUTE: 20,
  NO_SUCH_SERVICE: 21,
  NO_BACKEND: 22,
  TRAFFIC_POLICY: 23,
  TRANSLATION: 24,
  TUNNEL: 25,
  COUNT: 26,
} as const;

export type Reason = (typeof Reason)[keyof typeof Reason];

/** enum rule_set. */
export const RuleSet = {
  CLOSED: 0,
  OPEN: 1,
  FIRST: 2,
} as const;

export type RuleSet = (typeof RuleSet)[keyof typeof RuleSet];

/** enum tcp_flag. */
export const TcpFlag = {
  TCP_SEEN_SYN: 1,
  TCP_SEEN_ACK: 2,
  TCP_SEEN_FIN: 4,
  TCP_SEEN_RST: 8,
} as const;

export type TcpFlag = (typeof TcpFlag)[keyof typeof TcpFlag];

/** enum verdict. */
export const Verdict = {
  NONE: 0,
  ALLOW: 1,
  DENY: 2,
} as const;

export type Verdict = (typeof Verdict)[keyof typeof Verdict];

/** struct address_key. */
export interface AddressKey {
  /** enum family */
  readonly family: number;
  /** network order; IPv4 in the first 4 bytes, the rest zero; 16 bytes */
  readonly address: Uint8Array;
}

export const ADDRESS_KEY_SIZE = 20;

export function encodeAddressKey(view: DataView, offset: number, value: AddressKey): void {
  view.setUint8(offset, inRange('address_key.family', value.family, 0, 255));
  putBytes(view, offset + 1, 3, 'address_key.pad');
  putBytes(view, offset + 4, 16, 'address_key.address', value.address);
}

export function decodeAddressKey(view: DataView, offset: number): AddressKey {
  return {
    family: view.getUint8(offset),
    address: getBytes(view, offset + 4, 16),
  };
}

/** struct address_value. */
export interface AddressValue {
  readonly generation: number;
  readonly classOld: number;
  readonly classNew: number;
  /** bits of enum address_flag */
  readonly flags: number;
}

export const ADDRESS_VALUE_SIZE = 16;

export function encodeAddressValue(view: DataView, offset: number, value: AddressValue): void {
  view.setUint32(offset, inRange('address_value.generation', value.generation, 0, 4294967295), true);
  view.setUint32(offset + 4, inRange('address_value.class_old', value.classOld, 0, 4294967295), true);
  view.setUint32(offset + 8, inRange('address_value.class_new', value.classNew, 0, 4294967295), true);
  view.setUint32(offset + 12, inRange('address_value.flags', value.flags, 0, 4294967295), true);
}

export function decodeAddressValue(view: DataView, offset: number): AddressValue {
  return {
    generation: view.getUint32(offset, true),
    classOld: view.getUint32(offset + 4, true),
    classNew: view.getUint32(offset + 8, true),
    flags: view.getUint32(offset + 12, true),
  };
}

/** struct affinity_key. */
export interface AffinityKey {
  /** id */
  readonly frontend: number;
  /** network order; IPv4 in the first 4 bytes, the rest zero; 16 bytes */
  readonly client: Uint8Array;
}

export const AFFINITY_KEY_SIZE = 20;

export function encodeAffinityKey(view: DataView, offset: number, value: AffinityKey): void {
  view.setUint32(offset, inRange('affinity_key.frontend', value.frontend, 0, 4294967295), true);
  putBytes(view, offset + 4, 16, 'affinity_key.client', value.client);
}

export function decodeAffinityKey(view: DataView, offset: number): AffinityKey {
  return {
    frontend: view.getUint32(offset, true),
    client: getBytes(view, offset + 4, 16),
  };
}

/** struct affinity_value. */
export interface AffinityValue {
  /** CLOCK_MONOTONIC */
  readonly lastOpenedNs: bigint;
  /** id; believed only while it is a backend of the frontend */
  readonly backend: number;
}

export const AFFINITY_VALUE_SIZE = 16;

export function encodeAffinityValue(view: DataView, offset: number, value: AffinityValue): void {
  view.setBigUint64(offset, unsigned64('affinity_value.last_opened_ns', value.lastOpenedNs), true);
  view.setUint32(offset + 8, inRange('affinity_value.backend', value.backend, 0, 4294967295), true);
  putBytes(view, offset + 12, 4, 'affinity_value.pad');
}

export function decodeAffinityValue(view: DataView, offset: number): AffinityValue {
  return {
    lastOpenedNs: view.getBigUint64(offset, true),
    backend: view.getUint32(offset + 8, true),
  };
}

/** struct backend_value. */
export interface BackendValue {
  /** network order; IPv4 in the first 4 bytes, the rest zero; 16 bytes */
  readonly address: Uint8Array;
  readonly port: number;
  /** enum family */
  readonly family: number;
  /** id of the frontend that it is behind */
  readonly frontend: number;
}

export const BACKEND_VALUE_SIZE = 24;

export function encodeBackendValue(view: DataView, offset: number, value: BackendValue): void {
  putBytes(view, offset, 16, 'backend_value.address', value.address);
  view.setUint16(offset + 16, inRange('backend_value.port', value.port, 0, 65535), false);
  view.setUint8(offset + 18, inRange('backend_value.family', value.family, 0, 255));
  putBytes(view, offset + 19, 1, 'backend_value.pad');
  view.setUint32(offset + 20, inRange('backend_value.frontend', value.frontend, 0, 4294967295), true);
}

export function decodeBackendValue(view: DataView, offset: number): BackendValue {
  return {
    address: getBytes(view, offset, 16),
    port: view.getUint16(offset + 16, false),
    family: view.getUint8(offset + 18),
    frontend: view.getUint32(offset + 20, true),
  };
}

/** struct config. */
export interface Config {
  /** low 32 bits: generation in force; high 32 bits: port table in force (0 or 1) */
  readonly commit: bigint;
  /** CLOCK_MONOTONIC; until then a segment without an entry may be admitted as a reply; 0: never */
  readonly graceUntilNs: bigint;
  /** bits of enum config_flag */
  readonly flags: number;
}

export const CONFIG_SIZE = 24;

export function encodeConfig(view: DataView, offset: number, value: Config): void {
  view.setBigUint64(offset, unsigned64('config.commit', value.commit), true);
  view.setBigUint64(offset + 8, unsigned64('config.grace_until_ns', value.graceUntilNs), true);
  view.setUint32(offset + 16, inRange('config.flags', value.flags, 0, 4294967295), true);
  putBytes(view, offset + 20, 4, 'config.pad');
}

export function decodeConfig(view: DataView, offset: number): Config {
  return {
    commit: view.getBigUint64(offset, true),
    graceUntilNs: view.getBigUint64(offset + 8, true),
    flags: view.getUint32(offset + 16, true),
  };
}

/** struct counter_value. */
export interface CounterValue {
  readonly packets: bigint;
  readonly bytes: bigint;
}

export const COUNTER_VALUE_SIZE = 16;

export function encodeCounterValue(view: DataView, offset: number, value: CounterValue): void {
  view.setBigUint64(offset, unsigned64('counter_value.packets', value.packets), true);
  view.setBigUint64(offset + 8, unsigned64('counter_value.bytes', value.bytes), true);
}

export function decodeCounterValue(view: DataView, offset: number): CounterValue {
  return {
    packets: view.getBigUint64(offset, true),
    bytes: view.getBigUint64(offset + 8, true),
  };
}

/** struct drop_event. */
export interface DropEvent {
  /** CLOCK_MONOTONIC */
  readonly timeNs: bigint;
  readonly generation: number;
  /** the interface of the hook that dropped it */
  readonly ifindex: number;
  /** the endpoint at whose end it was judged; 0: none */
  readonly endpointId: number;
  /** that judged it; 0 where no rule set did */
  readonly ruleSet: number;
  /** of the other side; 0 where none was looked up */
  readonly peerClass: number;
  readonly portClass: number;
  /** enum reason */
  readonly reason: number;
  /** enum direction at the judging end */
  readonly direction: number;
  /** 16 bytes */
  readonly source: Uint8Array;
  /** 16 bytes */
  readonly destination: Uint8Array;
  /** ICMP: the type, in the high byte, and code */
  readonly sourcePort: number;
  /** ICMP: the identifier of an echo */
  readonly destinationPort: number;
  readonly family: number;
  readonly protocol: number;
  readonly tcpFlags: number;
  /** VERDICT_DENY: dropped; VERDICT_ALLOW: audited */
  readonly verdict: number;
  /** length of the packet */
  readonly bytes: number;
  /** events of this endpoint and reason that were not sent in the last window */
  readonly suppressed: number;
}

export const DROP_EVENT_SIZE = 80;

export function encodeDropEvent(view: DataView, offset: number, value: DropEvent): void {
  view.setBigUint64(offset, unsigned64('drop_event.time_ns', value.timeNs), true);
  view.setUint32(offset + 8, inRange('drop_event.generation', value.generation, 0, 4294967295), true);
  view.setUint32(offset + 12, inRange('drop_event.ifindex', value.ifindex, 0, 4294967295), true);
  view.setUint32(offset + 16, inRange('drop_event.endpoint_id', value.endpointId, 0, 4294967295), true);
  view.setUint32(offset + 20, inRange('drop_event.rule_set', value.ruleSet, 0, 4294967295), true);
  view.setUint32(offset + 24, inRange('drop_event.peer_class', value.peerClass, 0, 4294967295), true);
  view.setUint16(offset + 28, inRange('drop_event.port_class', value.portClass, 0, 65535), true);
  view.setUint8(offset + 30, inRange('drop_event.reason', value.reason, 0, 255));
  view.setUint8(offset + 31, inRange('drop_event.direction', value.direction, 0, 255));
  putBytes(view, offset + 32, 16, 'drop_event.source', value.source);
  putBytes(view, offset + 48, 16, 'drop_event.destination', value.destination);
  view.setUint16(offset + 64, inRange('drop_event.source_port', value.sourcePort, 0, 65535), false);
  view.setUint16(offset + 66, inRange('drop_event.destination_port', value.destinationPort, 0, 65535), false);
  view.setUint8(offset + 68, inRange('drop_event.family', value.family, 0, 255));
  view.setUint8(offset + 69, inRange('drop_event.protocol', value.protocol, 0, 255));
  view.setUint8(offset + 70, inRange('drop_event.tcp_flags', value.tcpFlags, 0, 255));
  view.setUint8(offset + 71, inRange('drop_event.verdict', value.verdict, 0, 255));
  view.setUint32(offset + 72, inRange('drop_event.bytes', value.bytes, 0, 4294967295), true);
  view.setUint32(offset + 76, inRange('drop_event.suppressed', value.suppressed, 0, 4294967295), true);
}

export function decodeDropEvent(view: DataView, offset: number): DropEvent {
  return {
    timeNs: view.getBigUint64(offset, true),
    generation: view.getUint32(offset + 8, true),
    ifindex: view.getUint32(offset + 12, true),
    endpointId: view.getUint32(offset + 16, true),
    ruleSet: view.getUint32(offset + 20, true),
    peerClass: view.getUint32(offset + 24, true),
    portClass: view.getUint16(offset + 28, true),
    reason: view.getUint8(offset + 30),
    direction: view.getUint8(offset + 31),
    source: getBytes(view, offset + 32, 16),
    destination: getBytes(view, offset + 48, 16),
    sourcePort: view.getUint16(offset + 64, false),
    destinationPort: view.getUint16(offset + 66, false),
    family: view.getUint8(offset + 68),
    protocol: view.getUint8(offset + 69),
    tcpFlags: view.getUint8(offset + 70),
    verdict: view.getUint8(offset + 71),
    bytes: view.getUint32(offset + 72, true),
    suppressed: view.getUint32(offset + 76, true),
  };
}

/** struct endpoint_key. */
export interface EndpointKey {
  readonly ifindex: number;
}

export const ENDPOINT_KEY_SIZE = 4;

export function encodeEndpointKey(view: DataView, offset: number, value: EndpointKey): void {
  view.setUint32(offset, inRange('endpoint_key.ifindex', value.ifindex, 0, 4294967295), true);
}

export function decodeEndpointKey(view: DataView, offset: number): EndpointKey {
  return {
    ifindex: view.getUint32(offset, true),
  };
}

/** struct endpoint_value. */
export interface EndpointValue {
  /** unique over the life of the node; 0 is no endpoint */
  readonly id: number;
  /** bits of enum endpoint_flag */
  readonly flags: number;
  /** hardware address of the pod's end; 6 bytes */
  readonly mac: Uint8Array;
  /** hardware address of the host's end, the pod's gateway; 6 bytes */
  readonly hostMac: Uint8Array;
  /** from this generation on the new rule sets are in force */
  readonly generation: number;
  readonly ingressOld: number;
  readonly ingressNew: number;
  readonly egressOld: number;
  readonly egressNew: number;
  /** all zero: none; 4 bytes */
  readonly ipv4: Uint8Array;
  /** all zero: none; 16 bytes */
  readonly ipv6: Uint8Array;
}

export const ENDPOINT_VALUE_SIZE = 64;

export function encodeEndpointValue(view: DataView, offset: number, value: EndpointValue): void {
  view.setUint32(offset, inRange('endpoint_value.id', value.id, 0, 4294967295), true);
  view.setUint32(offset + 4, inRange('endpoint_value.flags', value.flags, 0, 4294967295), true);
  putBytes(view, offset + 8, 6, 'endpoint_value.mac', value.mac);
  putBytes(view, offset + 14, 6, 'endpoint_value.host_mac', value.hostMac);
  view.setUint32(offset + 20, inRange('endpoint_value.generation', value.generation, 0, 4294967295), true);
  view.setUint32(offset + 24, inRange('endpoint_value.ingress_old', value.ingressOld, 0, 4294967295), true);
  view.setUint32(offset + 28, inRange('endpoint_value.ingress_new', value.ingressNew, 0, 4294967295), true);
  view.setUint32(offset + 32, inRange('endpoint_value.egress_old', value.egressOld, 0, 4294967295), true);
  view.setUint32(offset + 36, inRange('endpoint_value.egress_new', value.egressNew, 0, 4294967295), true);
  putBytes(view, offset + 40, 4, 'endpoint_value.ipv4', value.ipv4);
  putBytes(view, offset + 44, 16, 'endpoint_value.ipv6', value.ipv6);
  putBytes(view, offset + 60, 4, 'endpoint_value.pad');
}

export function decodeEndpointValue(view: DataView, offset: number): EndpointValue {
  return {
    id: view.getUint32(offset, true),
    flags: view.getUint32(offset + 4, true),
    mac: getBytes(view, offset + 8, 6),
    hostMac: getBytes(view, offset + 14, 6),
    generation: view.getUint32(offset + 20, true),
    ingressOld: view.getUint32(offset + 24, true),
    ingressNew: view.getUint32(offset + 28, true),
    egressOld: view.getUint32(offset + 32, true),
    egressNew: view.getUint32(offset + 36, true),
    ipv4: getBytes(view, offset + 40, 4),
    ipv6: getBytes(view, offset + 44, 16),
  };
}

/** struct event_limit_key. */
export interface EventLimitKey {
  readonly ifindex: number;
  readonly reason: number;
}

export const EVENT_LIMIT_KEY_SIZE = 8;

export function encodeEventLimitKey(view: DataView, offset: number, value: EventLimitKey): void {
  view.setUint32(offset, inRange('event_limit_key.ifindex', value.ifindex, 0, 4294967295), true);
  view.setUint32(offset + 4, inRange('event_limit_key.reason', value.reason, 0, 4294967295), true);
}

export function decodeEventLimitKey(view: DataView, offset: number): EventLimitKey {
  return {
    ifindex: view.getUint32(offset, true),
    reason: view.getUint32(offset + 4, true),
  };
}

/** struct event_limit_value. */
export interface EventLimitValue {
  readonly windowStartNs: bigint;
  readonly sent: number;
  readonly suppressed: number;
}

export const EVENT_LIMIT_VALUE_SIZE = 16;

export function encodeEventLimitValue(view: DataView, offset: number, value: EventLimitValue): void {
  view.setBigUint64(offset, unsigned64('event_limit_value.window_start_ns', value.windowStartNs), true);
  view.setUint32(offset + 8, inRange('event_limit_value.sent', value.sent, 0, 4294967295), true);
  view.setUint32(offset + 12, inRange('event_limit_value.suppressed', value.suppressed, 0, 4294967295), true);
}

export function decodeEventLimitValue(view: DataView, offset: number): EventLimitValue {
  return {
    windowStartNs: view.getBigUint64(offset, true),
    sent: view.getUint32(offset + 8, true),
    suppressed: view.getUint32(offset + 12, true),
  };
}

/** struct flow_key. */
export interface FlowKey {
  /** 16 bytes */
  readonly addressLo: Uint8Array;
  /** 16 bytes */
  readonly addressHi: Uint8Array;
  /** ICMP echo: the identifier, at both ends */
  readonly portLo: number;
  readonly portHi: number;
  readonly family: number;
  /** IANA protocol number */
  readonly protocol: number;
}

export const FLOW_KEY_SIZE = 40;

export function encodeFlowKey(view: DataView, offset: number, value: FlowKey): void {
  putBytes(view, offset, 16, 'flow_key.address_lo', value.addressLo);
  putBytes(view, offset + 16, 16, 'flow_key.address_hi', value.addressHi);
  view.setUint16(offset + 32, inRange('flow_key.port_lo', value.portLo, 0, 65535), false);
  view.setUint16(offset + 34, inRange('flow_key.port_hi', value.portHi, 0, 65535), false);
  view.setUint8(offset + 36, inRange('flow_key.family', value.family, 0, 255));
  view.setUint8(offset + 37, inRange('flow_key.protocol', value.protocol, 0, 255));
  putBytes(view, offset + 38, 2, 'flow_key.pad');
}

export function decodeFlowKey(view: DataView, offset: number): FlowKey {
  return {
    addressLo: getBytes(view, offset, 16),
    addressHi: getBytes(view, offset + 16, 16),
    portLo: view.getUint16(offset + 32, false),
    portHi: view.getUint16(offset + 34, false),
    family: view.getUint8(offset + 36),
    protocol: view.getUint8(offset + 37),
  };
}

/** struct flow_value. */
export interface FlowValue {
  /** CLOCK_MONOTONIC */
  readonly lastSeenNs: bigint;
  /** CLOCK_MONOTONIC */
  readonly openedNs: bigint;
  /** generation at which the opener's egress was judged; 0: not judged here */
  readonly egressEpoch: number;
  /** generation at which the responder's ingress was judged; 0: not judged here */
  readonly ingressEpoch: number;
  /** enum verdict */
  readonly egressVerdict: number;
  /** enum verdict */
  readonly ingressVerdict: number;
  /** enum origin */
  readonly origin: number;
  /** enum flow_path */
  readonly path: number;
  /** 0: the lower end opened it; 1: the higher end */
  readonly opener: number;
  /** bits of enum tcp_flag, from the opener */
  readonly openerTcp: number;
  /** bits of enum tcp_flag, from the responder */
  readonly responderTcp: number;
  /** bits of enum flow_flag */
  readonly flags: number;
  /** id of the local endpoint that opened it; 0: none */
  readonly openerEndpoint: number;
  /** id of the local endpoint it was opened to; 0: none */
  readonly responderEndpoint: number;
  /** id of the service frontend it was translated from; 0: not translated */
  readonly frontend: number;
  /** destination port before translation */
  readonly originalPort: number;
  /** destination port after translation */
  readonly translatedPort: number;
  /** destination before translation; 16 bytes */
  readonly originalAddress: Uint8Array;
  /** destination after translation; 16 bytes */
  readonly translatedAddress: Uint8Array;
  /** id of the backend it was translated to */
  readonly backend: number;
  /** source port before translation */
  readonly clientPort: number;
  /** source port after translation */
  readonly sourcePort: number;
  /** part of time (see usage_value) in which it is counted; 0 unless FLOW_CHARGED */
  readonly chargedPart: number;
}

export const FLOW_VALUE_SIZE = 96;

export function encodeFlowValue(view: DataView, offset: number, value: FlowValue): void {
  view.setBigUint64(offset, unsigned64('flow_value.last_seen_ns', value.lastSeenNs), true);
  view.setBigUint64(offset + 8, unsigned64('flow_value.opened_ns', value.openedNs), true);
  view.setUint32(offset + 16, inRange('flow_value.egress_epoch', value.egressEpoch, 0, 4294967295), true);
  view.setUint32(offset + 20, inRange('flow_value.ingress_epoch', value.ingressEpoch, 0, 4294967295), true);
  view.setUint8(offset + 24, inRange('flow_value.egress_verdict', value.egressVerdict, 0, 255));
  view.setUint8(offset + 25, inRange('flow_value.ingress_verdict', value.ingressVerdict, 0, 255));
  view.setUint8(offset + 26, inRange('flow_value.origin', value.origin, 0, 255));
  view.setUint8(offset + 27, inRange('flow_value.path', value.path, 0, 255));
  view.setUint8(offset + 28, inRange('flow_value.opener', value.opener, 0, 255));
  view.setUint8(offset + 29, inRange('flow_value.opener_tcp', value.openerTcp, 0, 255));
  view.setUint8(offset + 30, inRange('flow_value.responder_tcp', value.responderTcp, 0, 255));
  view.setUint8(offset + 31, inRange('flow_value.flags', value.flags, 0, 255));
  view.setUint32(offset + 32, inRange('flow_value.opener_endpoint', value.openerEndpoint, 0, 4294967295), true);
  view.setUint32(offset + 36, inRange('flow_value.responder_endpoint', value.responderEndpoint, 0, 4294967295), true);
  view.setUint32(offset + 40, inRange('flow_value.frontend', value.frontend, 0, 4294967295), true);
  view.setUint16(offset + 44, inRange('flow_value.original_port', value.originalPort, 0, 65535), false);
  view.setUint16(offset + 46, inRange('flow_value.translated_port', value.translatedPort, 0, 65535), false);
  putBytes(view, offset + 48, 16, 'flow_value.original_address', value.originalAddress);
  putBytes(view, offset + 64, 16, 'flow_value.translated_address', value.translatedAddress);
  view.setUint32(offset + 80, inRange('flow_value.backend', value.backend, 0, 4294967295), true);
  view.setUint16(offset + 84, inRange('flow_value.client_port', value.clientPort, 0, 65535), false);
  view.setUint16(offset + 86, inRange('flow_value.source_port', value.sourcePort, 0, 65535), false);
  view.setUint32(offset + 88, inRange('flow_value.charged_part', value.chargedPart, 0, 4294967295), true);
  putBytes(view, offset + 92, 4, 'flow_value.reserve');
}

export function decodeFlowValue(view: DataView, offset: number): FlowValue {
  return {
    lastSeenNs: view.getBigUint64(offset, true),
    openedNs: view.getBigUint64(offset + 8, true),
    egressEpoch: view.getUint32(offset + 16, true),
    ingressEpoch: view.getUint32(offset + 20, true),
    egressVerdict: view.getUint8(offset + 24),
    ingressVerdict: view.getUint8(offset + 25),
    origin: view.getUint8(offset + 26),
    path: view.getUint8(offset + 27),
    opener: view.getUint8(offset + 28),
    openerTcp: view.getUint8(offset + 29),
    responderTcp: view.getUint8(offset + 30),
    flags: view.getUint8(offset + 31),
    openerEndpoint: view.getUint32(offset + 32, true),
    responderEndpoint: view.getUint32(offset + 36, true),
    frontend: view.getUint32(offset + 40, true),
    originalPort: view.getUint16(offset + 44, false),
    translatedPort: view.getUint16(offset + 46, false),
    originalAddress: getBytes(view, offset + 48, 16),
    translatedAddress: getBytes(view, offset + 64, 16),
    backend: view.getUint32(offset + 80, true),
    clientPort: view.getUint16(offset + 84, false),
    sourcePort: view.getUint16(offset + 86, false),
    chargedPart: view.getUint32(offset + 88, true),
  };
}

/** struct fragment_key. */
export interface FragmentKey {
  readonly ifindex: number;
  /** IPv4: 16 bits, IPv6: 32 bits; as on the wire */
  readonly identification: number;
  /** 16 bytes */
  readonly source: Uint8Array;
  /** 16 bytes */
  readonly destination: Uint8Array;
  readonly family: number;
  /** IPv6: what the fragment header says comes next */
  readonly protocol: number;
  /** enum direction */
  readonly direction: number;
}

export const FRAGMENT_KEY_SIZE = 44;

export function encodeFragmentKey(view: DataView, offset: number, value: FragmentKey): void {
  view.setUint32(offset, inRange('fragment_key.ifindex', value.ifindex, 0, 4294967295), true);
  view.setUint32(offset + 4, inRange('fragment_key.identification', value.identification, 0, 4294967295), true);
  putBytes(view, offset + 8, 16, 'fragment_key.source', value.source);
  putBytes(view, offset + 24, 16, 'fragment_key.destination', value.destination);
  view.setUint8(offset + 40, inRange('fragment_key.family', value.family, 0, 255));
  view.setUint8(offset + 41, inRange('fragment_key.protocol', value.protocol, 0, 255));
  view.setUint8(offset + 42, inRange('fragment_key.direction', value.direction, 0, 255));
  putBytes(view, offset + 43, 1, 'fragment_key.pad');
}

export function decodeFragmentKey(view: DataView, offset: number): FragmentKey {
  return {
    ifindex: view.getUint32(offset, true),
    identification: view.getUint32(offset + 4, true),
    source: getBytes(view, offset + 8, 16),
    destination: getBytes(view, offset + 24, 16),
    family: view.getUint8(offset + 40),
    protocol: view.getUint8(offset + 41),
    direction: view.getUint8(offset + 42),
  };
}

/** struct fragment_value. */
export interface FragmentValue {
  /** CLOCK_MONOTONIC */
  readonly seenNs: bigint;
  /** bytes of the packet's payload that the first fragment holds */
  readonly firstEnd: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** of the transport header */
  readonly protocol: number;
  readonly tcpFlags: number;
  readonly icmpType: number;
  readonly icmpCode: number;
}

export const FRAGMENT_VALUE_SIZE = 24;

export function encodeFragmentValue(view: DataView, offset: number, value: FragmentValue): void {
  view.setBigUint64(offset, unsigned64('fragment_value.seen_ns', value.seenNs), true);
  view.setUint32(offset + 8, inRange('fragment_value.first_end', value.firstEnd, 0, 4294967295), true);
  view.setUint16(offset + 12, inRange('fragment_value.source_port', value.sourcePort, 0, 65535), false);
  view.setUint16(offset + 14, inRange('fragment_value.destination_port', value.destinationPort, 0, 65535), false);
  view.setUint8(offset + 16, inRange('fragment_value.protocol', value.protocol, 0, 255));
  view.setUint8(offset + 17, inRange('fragment_value.tcp_flags', value.tcpFlags, 0, 255));
  view.setUint8(offset + 18, inRange('fragment_value.icmp_type', value.icmpType, 0, 255));
  view.setUint8(offset + 19, inRange('fragment_value.icmp_code', value.icmpCode, 0, 255));
  putBytes(view, offset + 20, 4, 'fragment_value.pad');
}

export function decodeFragmentValue(view: DataView, offset: number): FragmentValue {
  return {
    seenNs: view.getBigUint64(offset, true),
    firstEnd: view.getUint32(offset + 8, true),
    sourcePort: view.getUint16(offset + 12, false),
    destinationPort: view.getUint16(offset + 14, false),
    protocol: view.getUint8(offset + 16),
    tcpFlags: view.getUint8(offset + 17),
    icmpType: view.getUint8(offset + 18),
    icmpCode: view.getUint8(offset + 19),
  };
}

/** struct frontend_key. */
export interface FrontendKey {
  /** enum family */
  readonly family: number;
  /** IANA protocol number */
  readonly protocol: number;
  readonly port: number;
  /** network order; IPv4 in the first 4 bytes, the rest zero; 16 bytes */
  readonly address: Uint8Array;
}

export const FRONTEND_KEY_SIZE = 20;

export function encodeFrontendKey(view: DataView, offset: number, value: FrontendKey): void {
  view.setUint8(offset, inRange('frontend_key.family', value.family, 0, 255));
  view.setUint8(offset + 1, inRange('frontend_key.protocol', value.protocol, 0, 255));
  view.setUint16(offset + 2, inRange('frontend_key.port', value.port, 0, 65535), false);
  putBytes(view, offset + 4, 16, 'frontend_key.address', value.address);
}

export function decodeFrontendKey(view: DataView, offset: number): FrontendKey {
  return {
    family: view.getUint8(offset),
    protocol: view.getUint8(offset + 1),
    port: view.getUint16(offset + 2, false),
    address: getBytes(view, offset + 4, 16),
  };
}

/** struct frontend_value. */
export interface FrontendValue {
  /** of the key; 0 for FRONTEND_ADDRESS */
  readonly id: number;
  /** bits of enum frontend_flag */
  readonly flags: number;
  readonly firstSlot: number;
  /** 0: nothing is behind it */
  readonly slotCount: number;
  /** for so long after its last new flow a client finds the backend it had; 0: no affinity */
  readonly affinitySeconds: number;
}

export const FRONTEND_VALUE_SIZE = 20;

export function encodeFrontendValue(view: DataView, offset: number, value: FrontendValue): void {
  view.setUint32(offset, inRange('frontend_value.id', value.id, 0, 4294967295), true);
  view.setUint32(offset + 4, inRange('frontend_value.flags', value.flags, 0, 4294967295), true);
  view.setUint32(offset + 8, inRange('frontend_value.first_slot', value.firstSlot, 0, 4294967295), true);
  view.setUint32(offset + 12, inRange('frontend_value.slot_count', value.slotCount, 0, 4294967295), true);
  view.setUint32(offset + 16, inRange('frontend_value.affinity_seconds', value.affinitySeconds, 0, 4294967295), true);
}

export function decodeFrontendValue(view: DataView, offset: number): FrontendValue {
  return {
    id: view.getUint32(offset, true),
    flags: view.getUint32(offset + 4, true),
    firstSlot: view.getUint32(offset + 8, true),
    slotCount: view.getUint32(offset + 12, true),
    affinitySeconds: view.getUint32(offset + 16, true),
  };
}

/** struct local_value. */
export interface LocalValue {
  readonly endpointId: number;
  /** host end of the endpoint's veth */
  readonly ifindex: number;
  /** hardware address of the pod's end; 6 bytes */
  readonly mac: Uint8Array;
  /** 6 bytes */
  readonly hostMac: Uint8Array;
  /** bits of enum endpoint_flag */
  readonly endpointFlags: number;
}

export const LOCAL_VALUE_SIZE = 24;

export function encodeLocalValue(view: DataView, offset: number, value: LocalValue): void {
  view.setUint32(offset, inRange('local_value.endpoint_id', value.endpointId, 0, 4294967295), true);
  view.setUint32(offset + 4, inRange('local_value.ifindex', value.ifindex, 0, 4294967295), true);
  putBytes(view, offset + 8, 6, 'local_value.mac', value.mac);
  putBytes(view, offset + 14, 6, 'local_value.host_mac', value.hostMac);
  view.setUint32(offset + 20, inRange('local_value.endpoint_flags', value.endpointFlags, 0, 4294967295), true);
}

export function decodeLocalValue(view: DataView, offset: number): LocalValue {
  return {
    endpointId: view.getUint32(offset, true),
    ifindex: view.getUint32(offset + 4, true),
    mac: getBytes(view, offset + 8, 6),
    hostMac: getBytes(view, offset + 14, 6),
    endpointFlags: view.getUint32(offset + 20, true),
  };
}

/** struct port_cell. */
export interface PortCell {
  /** 4 elements */
  readonly portClass: readonly number[];
}

export const PORT_CELL_SIZE = 8;

export function encodePortCell(view: DataView, offset: number, value: PortCell): void {
  putNumbers(offset, 2, 4, 'port_cell.port_class', value.portClass, (position, element) =>
    view.setUint16(position, inRange('port_cell.port_class', element, 0, 65535), true),
  );
}

export function decodePortCell(view: DataView, offset: number): PortCell {
  return {
    portClass: getNumbers(offset, 2, 4, (position) => view.getUint16(position, true)),
  };
}

/** struct prefix_key. */
export interface PrefixKey {
  readonly bits: number;
  readonly family: number;
  /** 16 bytes */
  readonly address: Uint8Array;
}

export const PREFIX_KEY_SIZE = 24;

export function encodePrefixKey(view: DataView, offset: number, value: PrefixKey): void {
  view.setUint32(offset, inRange('prefix_key.bits', value.bits, 0, 4294967295), true);
  view.setUint8(offset + 4, inRange('prefix_key.family', value.family, 0, 255));
  putBytes(view, offset + 5, 3, 'prefix_key.pad');
  putBytes(view, offset + 8, 16, 'prefix_key.address', value.address);
}

export function decodePrefixKey(view: DataView, offset: number): PrefixKey {
  return {
    bits: view.getUint32(offset, true),
    family: view.getUint8(offset + 4),
    address: getBytes(view, offset + 8, 16),
  };
}

/** struct prefix_value. */
export interface PrefixValue {
  readonly generation: number;
  readonly classOld: number;
  readonly classNew: number;
}

export const PREFIX_VALUE_SIZE = 16;

export function encodePrefixValue(view: DataView, offset: number, value: PrefixValue): void {
  view.setUint32(offset, inRange('prefix_value.generation', value.generation, 0, 4294967295), true);
  view.setUint32(offset + 4, inRange('prefix_value.class_old', value.classOld, 0, 4294967295), true);
  view.setUint32(offset + 8, inRange('prefix_value.class_new', value.classNew, 0, 4294967295), true);
  putBytes(view, offset + 12, 4, 'prefix_value.pad');
}

export function decodePrefixValue(view: DataView, offset: number): PrefixValue {
  return {
    generation: view.getUint32(offset, true),
    classOld: view.getUint32(offset + 4, true),
    classNew: view.getUint32(offset + 8, true),
  };
}

/** struct row_key. */
export interface RowKey {
  readonly ruleSet: number;
  readonly peerClass: number;
  /** port class / PORT_CLASSES_PER_BLOCK */
  readonly block: number;
}

export const ROW_KEY_SIZE = 12;

export function encodeRowKey(view: DataView, offset: number, value: RowKey): void {
  view.setUint32(offset, inRange('row_key.rule_set', value.ruleSet, 0, 4294967295), true);
  view.setUint32(offset + 4, inRange('row_key.peer_class', value.peerClass, 0, 4294967295), true);
  view.setUint32(offset + 8, inRange('row_key.block', value.block, 0, 4294967295), true);
}

export function decodeRowKey(view: DataView, offset: number): RowKey {
  return {
    ruleSet: view.getUint32(offset, true),
    peerClass: view.getUint32(offset + 4, true),
    block: view.getUint32(offset + 8, true),
  };
}

/** struct row_value. */
export interface RowValue {
  /** 32 bytes */
  readonly allow: Uint8Array;
  /** 1: send an event although the verdict is allow; 32 bytes */
  readonly audit: Uint8Array;
}

export const ROW_VALUE_SIZE = 64;

export function encodeRowValue(view: DataView, offset: number, value: RowValue): void {
  putBytes(view, offset, 32, 'row_value.allow', value.allow);
  putBytes(view, offset + 32, 32, 'row_value.audit', value.audit);
}

export function decodeRowValue(view: DataView, offset: number): RowValue {
  return {
    allow: getBytes(view, offset, 32),
    audit: getBytes(view, offset + 32, 32),
  };
}

/** struct scratch_value. */
export interface ScratchValue {
  /** 32 elements */
  readonly room: readonly bigint[];
}

export const SCRATCH_VALUE_SIZE = 256;

export function encodeScratchValue(view: DataView, offset: number, value: ScratchValue): void {
  putNumbers(offset, 8, 32, 'scratch_value.room', value.room, (position, element) =>
    view.setBigUint64(position, unsigned64('scratch_value.room', element), true),
  );
}

export function decodeScratchValue(view: DataView, offset: number): ScratchValue {
  return {
    room: getNumbers(offset, 8, 32, (position) => view.getBigUint64(position, true)),
  };
}

/** struct slot_cell. */
export interface SlotCell {
  /** 2 elements */
  readonly backend: readonly number[];
}

export const SLOT_CELL_SIZE = 8;

export function encodeSlotCell(view: DataView, offset: number, value: SlotCell): void {
  putNumbers(offset, 4, 2, 'slot_cell.backend', value.backend, (position, element) =>
    view.setUint32(position, inRange('slot_cell.backend', element, 0, 4294967295), true),
  );
}

export function decodeSlotCell(view: DataView, offset: number): SlotCell {
  return {
    backend: getNumbers(offset, 4, 2, (position) => view.getUint32(position, true)),
  };
}

/** struct usage_value. */
export interface UsageValue {
  /** number of the part since the machine's start; 16 elements */
  readonly tcpPart: readonly number[];
  /** 16 elements */
  readonly tcpFlows: readonly number[];
  /** 16 elements */
  readonly otherPart: readonly number[];
  /** 16 elements */
  readonly otherFlows: readonly number[];
}

export const USAGE_VALUE_SIZE = 256;

export function encodeUsageValue(view: DataView, offset: number, value: UsageValue): void {
  putNumbers(offset, 4, 16, 'usage_value.tcp_part', value.tcpPart, (position, element) =>
    view.setUint32(position, inRange('usage_value.tcp_part', element, 0, 4294967295), true),
  );
  putNumbers(offset + 64, 4, 16, 'usage_value.tcp_flows', value.tcpFlows, (position, element) =>
    view.setUint32(position, inRange('usage_value.tcp_flows', element, 0, 4294967295), true),
  );
  putNumbers(offset + 128, 4, 16, 'usage_value.other_part', value.otherPart, (position, element) =>
    view.setUint32(position, inRange('usage_value.other_part', element, 0, 4294967295), true),
  );
  putNumbers(offset + 192, 4, 16, 'usage_value.other_flows', value.otherFlows, (position, element) =>
    view.setUint32(position, inRange('usage_value.other_flows', element, 0, 4294967295), true),
  );
}

export function decodeUsageValue(view: DataView, offset: number): UsageValue {
  return {
    tcpPart: getNumbers(offset, 4, 16, (position) => view.getUint32(position, true)),
    tcpFlows: getNumbers(offset + 64, 4, 16, (position) => view.getUint32(position, true)),
    otherPart: getNumbers(offset + 128, 4, 16, (position) => view.getUint32(position, true)),
    otherFlows: getNumbers(offset + 192, 4, 16, (position) => view.getUint32(position, true)),
  };
}

/** Every map of the object, by its name in camel case. */
export const MAPS: Readonly<
  Record<
    | 'addresses'
    | 'affinities'
    | 'backends'
    | 'config'
    | 'counters'
    | 'endpointUsage'
    | 'endpoints'
    | 'eventLimit'
    | 'events'
    | 'flowsLive'
    | 'flowsNew'
    | 'fragments'
    | 'frontends'
    | 'locals'
    | 'newFlow'
    | 'ports'
    | 'prefixes'
    | 'rows'
    | 'scratch'
    | 'serviceRanges'
    | 'slots',
    MapSpec
  >
> = {
  addresses: {
    name: 'addresses',
    type: MapType.HASH,
    keySize: 20,
    valueSize: 16,
    maxEntries: 262144,
    flags: 1,
    key: 'address_key',
    value: 'address_value',
    layoutHash: '400bd44c',
  },
  affinities: {
    name: 'affinities',
    type: MapType.LRU_HASH,
    keySize: 20,
    valueSize: 16,
    maxEntries: 65536,
    flags: 0,
    key: 'affinity_key',
    value: 'affinity_value',
    layoutHash: '07a8286b',
  },
  backends: {
    name: 'backends',
    type: MapType.HASH,
    keySize: 4,
    valueSize: 24,
    maxEntries: 262144,
    flags: 1,
    key: '__u32',
    value: 'backend_value',
    layoutHash: 'b2538cc5',
  },
  config: {
    name: 'config',
    type: MapType.ARRAY,
    keySize: 4,
    valueSize: 24,
    maxEntries: 1,
    flags: 1024,
    key: '__u32',
    value: 'config',
    layoutHash: 'eb7ba5af',
  },
  counters: {
    name: 'counters',
    type: MapType.PERCPU_ARRAY,
    keySize: 4,
    valueSize: 16,
    maxEntries: 52,
    flags: 0,
    key: '__u32',
    value: 'counter_value',
    layoutHash: '8cf32104',
  },
  endpointUsage: {
    name: 'endpoint_usage',
    type: MapType.LRU_HASH,
    keySize: 4,
    valueSize: 256,
    maxEntries: 4096,
    flags: 0,
    key: '__u32',
    value: 'usage_value',
    layoutHash: '833c1b33',
  },
  endpoints: {
    name: 'endpoints',
    type: MapType.HASH,
    keySize: 4,
    valueSize: 64,
    maxEntries: 4096,
    flags: 1,
    key: 'endpoint_key',
    value: 'endpoint_value',
    layoutHash: 'd0b4cb71',
  },
  eventLimit: {
    name: 'event_limit',
    type: MapType.LRU_HASH,
    keySize: 8,
    valueSize: 16,
    maxEntries: 16384,
    flags: 0,
    key: 'event_limit_key',
    value: 'event_limit_value',
    layoutHash: '7c93c0fd',
  },
  events: {
    name: 'events',
    type: MapType.RINGBUF,
    keySize: 0,
    valueSize: 0,
    maxEntries: 1048576,
    flags: 0,
    key: undefined,
    value: undefined,
    layoutHash: '67dd4481',
  },
  flowsLive: {
    name: 'flows_live',
    type: MapType.LRU_HASH,
    keySize: 40,
    valueSize: 96,
    maxEntries: 262144,
    flags: 0,
    key: 'flow_key',
    value: 'flow_value',
    layoutHash: '035e501b',
  },
  flowsNew: {
    name: 'flows_new',
    type: MapType.LRU_HASH,
    keySize: 40,
    valueSize: 96,
    maxEntries: 65536,
    flags: 0,
    key: 'flow_key',
    value: 'flow_value',
    layoutHash: '035e501b',
  },
  fragments: {
    name: 'fragments',
    type: MapType.LRU_HASH,
    keySize: 44,
    valueSize: 24,
    maxEntries: 8192,
    flags: 0,
    key: 'fragment_key',
    value: 'fragment_value',
    layoutHash: '6d56b2d3',
  },
  frontends: {
    name: 'frontends',
    type: MapType.HASH,
    keySize: 20,
    valueSize: 20,
    maxEntries: 131072,
    flags: 1,
    key: 'frontend_key',
    value: 'frontend_value',
    layoutHash: 'fe26b5e1',
  },
  locals: {
    name: 'locals',
    type: MapType.HASH,
    keySize: 20,
    valueSize: 24,
    maxEntries: 8192,
    flags: 1,
    key: 'address_key',
    value: 'local_value',
    layoutHash: '5fce2838',
  },
  newFlow: {
    name: 'new_flow',
    type: MapType.PERCPU_ARRAY,
    keySize: 4,
    valueSize: 96,
    maxEntries: 1,
    flags: 0,
    key: '__u32',
    value: 'flow_value',
    layoutHash: 'd801af52',
  },
  ports: {
    name: 'ports',
    type: MapType.ARRAY,
    keySize: 4,
    valueSize: 8,
    maxEntries: 98304,
    flags: 1024,
    key: '__u32',
    value: 'port_cell',
    layoutHash: 'd9cd3ede',
  },
  prefixes: {
    name: 'prefixes',
    type: MapType.LPM_TRIE,
    keySize: 24,
    valueSize: 16,
    maxEntries: 65536,
    flags: 1,
    key: 'prefix_key',
    value: 'prefix_value',
    layoutHash: '2088ea80',
  },
  rows: {
    name: 'rows',
    type: MapType.HASH,
    keySize: 12,
    valueSize: 64,
    maxEntries: 524288,
    flags: 1,
    key: 'row_key',
    value: 'row_value',
    layoutHash: '21a50610',
  },
  scratch: {
    name: 'scratch',
    type: MapType.PERCPU_ARRAY,
    keySize: 4,
    valueSize: 256,
    maxEntries: 1,
    flags: 0,
    key: '__u32',
    value: 'scratch_value',
    layoutHash: 'f558262b',
  },
  serviceRanges: {
    name: 'service_ranges',
    type: MapType.LPM_TRIE,
    keySize: 24,
    valueSize: 4,
    maxEntries: 64,
    flags: 1,
    key: 'prefix_key',
    value: '__u32',
    layoutHash: '406c5035',
  },
  slots: {
    name: 'slots',
    type: MapType.ARRAY,
    keySize: 4,
    valueSize: 8,
    maxEntries: 2097152,
    flags: 1024,
    key: '__u32',
    value: 'slot_cell',
    layoutHash: '3864dd74',
  },
};
