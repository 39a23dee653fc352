/**
 * Notices what changes in a namespace: lost links, addresses, routes, filters. The kernel drops notifications when the
 * reader is too slow and says so once; then the state must be read anew (`resync`).
 */
import koffi from 'koffi';
import { isSysError } from '../../lib/errors.ts';
import { passFaultPoint } from '../fault.ts';
import { decodeInterfaceAddress, type InterfaceAddress } from './address.ts';
import { RTM, RTNLGRP } from './constants.ts';
import { type BpfFilter, decodeBpfFilter, decodeQdisc, type Qdisc } from './filter.ts';
import { MONITOR_BUFFER_BYTES, MONITOR_READ_DATAGRAMS_MAX } from './limits.ts';
import { decodeForwardingEntry, type ForwardingEntry } from './forwarding-entry.ts';
import { decodeLink, type Link } from './link.ts';
import { decodeNeighbour, type Neighbour } from './neighbour.ts';
import { type Message, splitMessages } from './reader.ts';
import { decodeRoute, type Route } from './route.ts';
import { decodeRule, type Rule } from './rule.ts';
import { NetlinkSocket } from './socket.ts';

export type MonitorGroup = 'link' | 'address' | 'route' | 'filter' | 'neighbour' | 'rule';

const GROUPS: Readonly<Record<MonitorGroup, readonly number[]>> = {
  link: [RTNLGRP.LINK],
  address: [RTNLGRP.IPV4_IFADDR, RTNLGRP.IPV6_IFADDR],
  route: [RTNLGRP.IPV4_ROUTE, RTNLGRP.IPV6_ROUTE],
  filter: [RTNLGRP.TC],
  neighbour: [RTNLGRP.NEIGH],
  rule: [RTNLGRP.IPV4_RULE, RTNLGRP.IPV6_RULE],
};

/**
 * `deleted` false: new or changed. The group `filter` brings qdiscs and filters; `neighbour` IP neighbours and the
 * forwarding entries of bridges and tunnels.
 */
export type NetlinkEvent =
  | { readonly kind: 'link'; readonly deleted: boolean; readonly link: Link }
  | { readonly kind: 'address'; readonly deleted: boolean; readonly address: InterfaceAddress }
  | { readonly kind: 'route'; readonly deleted: boolean; readonly route: Route }
  | { readonly kind: 'qdisc'; readonly deleted: boolean; readonly qdisc: Qdisc }
  | { readonly kind: 'filter'; readonly deleted: boolean; readonly filter: BpfFilter }
  | { readonly kind: 'neighbour'; readonly deleted: boolean; readonly neighbour: Neighbour }
  | { readonly kind: 'forwarding'; readonly deleted: boolean; readonly entry: ForwardingEntry }
  | { readonly kind: 'rule'; readonly deleted: boolean; readonly rule: Rule };

export interface MonitorReading {
  readonly events: readonly NetlinkEvent[];
  /** Events were lost: read the state anew. */
  readonly resync: boolean;
  /** The reading ended at MONITOR_READ_DATAGRAMS_MAX; there is more. */
  readonly more: boolean;
}

const OBJECT = 'rtnetlink notifications';

export class Monitor implements Disposable {
  readonly #socket: NetlinkSocket;
  #poll: ReturnType<typeof koffi.node.poll> | undefined;

  private constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /** Listens in the current namespace from now on; read the state after this, then no change is missed. @throws SysError */
  static open(groups: readonly MonitorGroup[], bufferBytes: number = MONITOR_BUFFER_BYTES): Monitor {
    const mask = groups.flatMap((group) => GROUPS[group]).reduce((bits, group) => bits | (1 << (group - 1)), 0);
    return new Monitor(NetlinkSocket.open({ groups: mask, receiveBufferBytes: bufferBytes }));
  }

  /** What has come since the last reading, without waiting. @throws SysError, NetlinkFormatError */
  read(): MonitorReading {
    const events: NetlinkEvent[] = [];
    let resync = false;
    for (let count = 0; count < MONITOR_READ_DATAGRAMS_MAX; count++) {
      try {
        const datagram = this.#socket.receiveNow(OBJECT);
        if (datagram === undefined) return { events, resync, more: false };
        for (const message of splitMessages(datagram)) {
          const event = decodeEvent(message);
          if (event !== undefined) events.push(event);
        }
      } catch (error) {
        if (!isSysError(error, 'ENOBUFS')) throw error;
        resync = true;
      }
    }
    return { events, resync, more: true };
  }

  /**
   * Calls the listener from the event loop as long as there is something to read. What it throws is an uncaught
   * exception. Keeps the process alive until `close`.
   */
  onReadable(listener: () => void): void {
    passFaultPoint('poll', OBJECT);
    this.#poll?.close();
    this.#poll = koffi.node.poll(this.#socket.fd, { readable: true }, () => {
      try {
        listener();
      } catch (error) {
        // Native code that called back can't carry an exception; it would end the process at the next collection.
        setImmediate(() => {
          throw error;
        });
      }
    });
  }

  /** Idempotent. */
  close(): void {
    this.#poll?.close();
    this.#poll = undefined;
    this.#socket.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function decodeEvent(message: Message): NetlinkEvent | undefined {
  switch (message.type) {
    case RTM.NEWLINK:
    case RTM.DELLINK:
      return { kind: 'link', deleted: message.type === RTM.DELLINK, link: decodeLink(message) };
    case RTM.NEWADDR:
    case RTM.DELADDR: {
      const address = decodeInterfaceAddress(message);
      return address && { kind: 'address', deleted: message.type === RTM.DELADDR, address };
    }
    case RTM.NEWROUTE:
    case RTM.DELROUTE: {
      const route = decodeRoute(message);
      return route && { kind: 'route', deleted: message.type === RTM.DELROUTE, route };
    }
    case RTM.NEWQDISC:
    case RTM.DELQDISC:
      return { kind: 'qdisc', deleted: message.type === RTM.DELQDISC, qdisc: decodeQdisc(message) };
    case RTM.NEWTFILTER:
    case RTM.DELTFILTER: {
      const filter = decodeBpfFilter(message);
      return filter && { kind: 'filter', deleted: message.type === RTM.DELTFILTER, filter };
    }
    case RTM.NEWNEIGH:
    case RTM.DELNEIGH:
      return decodeNeighbourEvent(message);
    case RTM.NEWRULE:
    case RTM.DELRULE: {
      const rule = decodeRule(message);
      return rule && { kind: 'rule', deleted: message.type === RTM.DELRULE, rule };
    }
    default:
      return undefined;
  }
}

function decodeNeighbourEvent(message: Message): NetlinkEvent | undefined {
  const deleted = message.type === RTM.DELNEIGH;
  const entry = decodeForwardingEntry(message);
  if (entry !== undefined) return { kind: 'forwarding', deleted, entry };
  const neighbour = decodeNeighbour(message);
  return neighbour && { kind: 'neighbour', deleted, neighbour };
}
