/**
 * The verdict of a new flow's first packet, read from the tables step by step as bpf/policy.h does: rule set, class,
 * port class, row. Pure over a TableReader, so the same code answers for memory and for the kernel's maps.
 */
import { type Address, parseAddress, tableBytes } from '../net/address.ts';
import {
  ADDRESS_OWN_NODE,
  PEER_CLASS_DEFAULT,
  PEER_CLASS_NONE,
  PEER_CLASS_WORLD,
  PORT_CLASS_ICMP,
  PORT_CLASS_ICMPV6,
  PORT_CLASS_OTHER,
  PORT_CLASSES_PER_BLOCK,
  PORT_PROTOCOL_SCTP,
  PORT_PROTOCOL_TCP,
  PORT_PROTOCOL_UDP,
  RULE_SET_CLOSED,
  RULE_SET_OPEN,
} from '../policy/ids.ts';
import type { FlowQuery, FlowVerdict } from './datapath.ts';
import {
  type AddressElement,
  type AddressKey,
  classInForce,
  type Commit,
  CONFIG_JUDGE_OWN_NODE,
  type EndpointElement,
  type LocalElement,
  ruleSetsInForce,
} from './elements.ts';
import type { TableReader } from './store.ts';

const IPPROTO_ICMP = 1;
const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;
const IPPROTO_ICMPV6 = 58;
const IPPROTO_SCTP = 132;

type Verdict = 'allow' | 'deny';

/** One side of the flow. */
interface End {
  readonly key: AddressKey;
  readonly element: AddressElement | undefined;
  /** Undefined: the end is not on this node. */
  readonly local: LocalElement | undefined;
  /** Undefined while the address points to an interface that is no endpoint: the end is closed. */
  readonly endpoint: EndpointElement | undefined;
}

/** @throws RangeError when source and destination are not two addresses of one family. */
export function judge(tables: TableReader, flow: FlowQuery): FlowVerdict {
  const source = parseAddress(flow.source);
  const destination = parseAddress(flow.destination);
  if (source === undefined || destination === undefined || source.family !== destination.family) {
    throw new RangeError(`no flow goes from '${flow.source}' to '${flow.destination}'`);
  }
  const commit = tables.commit();
  const opener = endOf(tables, source);
  const responder = endOf(tables, destination);
  const portClass = portClassOf(tables, commit, source.family, flow);
  const isToItself = opener.key.address.every((byte, at) => byte === responder.key.address[at]);
  const isToOwnNode =
    ((responder.element?.flags ?? 0) & ADDRESS_OWN_NODE) !== 0 && (tables.configFlags() & CONFIG_JUDGE_OWN_NODE) === 0;

  const judgeEnd = (end: End, peer: End, direction: 'ingress' | 'egress', isExempt: boolean): Verdict | undefined => {
    if (end.local === undefined) return undefined;
    if (end.endpoint === undefined) return 'deny';
    if (isExempt) return 'allow';
    const ruleSet = ruleSetsInForce(end.endpoint, commit.generation)[direction];
    return allows(tables, ruleSet, classOf(tables, commit, peer), portClass) ? 'allow' : 'deny';
  };
  return {
    egress: judgeEnd(opener, responder, 'egress', isToItself || isToOwnNode),
    ingress: judgeEnd(responder, opener, 'ingress', isToItself),
  };
}

function endOf(tables: TableReader, address: Address): End {
  const key = { family: address.family, address: tableBytes(address) };
  const local = tables.local(key);
  const endpoint = local && tables.endpoint(local.ifindex);
  const isItsOwn = endpoint?.id === local?.endpointId;
  return { key, element: tables.address(key), local, endpoint: isItsOwn ? endpoint : undefined };
}

function classOf(tables: TableReader, { generation }: Commit, { key, element }: End): number {
  const known = element === undefined ? PEER_CLASS_NONE : classInForce(element, generation);
  if (known !== PEER_CLASS_NONE) return known;
  const prefix = tables.prefixOf(key.family, key.address);
  return prefix === undefined ? PEER_CLASS_WORLD : classInForce(prefix, generation);
}

function portClassOf(tables: TableReader, { portTable }: Commit, family: 4 | 6, flow: FlowQuery): number {
  const ofPort = (protocol: number): number => tables.portClass(portTable, protocol, flow.destinationPort);
  switch (flow.protocol) {
    case IPPROTO_TCP:
      return ofPort(PORT_PROTOCOL_TCP);
    case IPPROTO_UDP:
      return ofPort(PORT_PROTOCOL_UDP);
    case IPPROTO_SCTP:
      return ofPort(PORT_PROTOCOL_SCTP);
    case IPPROTO_ICMP:
      return family === 4 ? PORT_CLASS_ICMP : PORT_CLASS_OTHER;
    case IPPROTO_ICMPV6:
      return family === 6 ? PORT_CLASS_ICMPV6 : PORT_CLASS_OTHER;
    default:
      return PORT_CLASS_OTHER;
  }
}

function allows(tables: TableReader, ruleSet: number, peerClass: number, portClass: number): boolean {
  if (ruleSet === RULE_SET_OPEN) return true;
  if (ruleSet === RULE_SET_CLOSED) return false;
  const block = Math.floor(portClass / PORT_CLASSES_PER_BLOCK);
  const row =
    tables.row({ ruleSet, peerClass, block }) ?? tables.row({ ruleSet, peerClass: PEER_CLASS_DEFAULT, block });
  const bit = portClass % PORT_CLASSES_PER_BLOCK;
  return row !== undefined && ((row.allow[bit >> 3]! >> (bit & 7)) & 1) === 1;
}
