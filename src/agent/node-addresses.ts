/** The addresses on the node's own interfaces: a pod may always reach its own node (NP-81). */
import { networkInterfaces } from 'node:os';
import { Monitor, type MonitorReading } from '../kernel/netlink/monitor.ts';
import { errorMessage } from '../lib/errors.ts';
import { canonicalAddress } from '../net/address.ts';

const ZONE = /%.*$/;
/** Addresses that every host has. Others on the loopback interface count: a routed node may have its own only there. */
const EVERYWHERE = /^(127\.|::1$|fe80:)/;

/** Canonical text, sorted, without loopback and link-local ones. Reads the interfaces of this process's namespace. */
export function readNodeAddresses(): readonly string[] {
  const found = new Set<string>();
  for (const addresses of Object.values(networkInterfaces())) {
    for (const { address } of addresses ?? []) {
      const text = canonicalAddress(address.replace(ZONE, ''));
      if (text !== undefined && !EVERYWHERE.test(text)) found.add(text);
    }
  }
  return [...found].toSorted();
}

/**
 * Every pod's interface brings a link-local address and takes it along. Reading all interfaces waits, with the event loop,
 * while the kernel removes one.
 */
export function mayMatter({ events, resync, more }: MonitorReading): boolean {
  return resync || more || events.some((event) => event.kind === 'address' && !EVERYWHERE.test(event.address.address));
}

/** Follows them: the listener gets the whole list at once and with every change. */
export class NodeAddresses implements Disposable {
  readonly #listener: (list: readonly string[]) => void;
  readonly #monitor: Monitor;
  #list: readonly string[] = [];

  private constructor(monitor: Monitor, listener: (list: readonly string[]) => void) {
    this.#monitor = monitor;
    this.#listener = listener;
  }

  /** onFatal: what happens to the addresses cannot be followed any more. */
  static watch(listener: (list: readonly string[]) => void, onFatal: (error: Error) => void): NodeAddresses {
    const watched = new NodeAddresses(Monitor.open(['address']), listener);
    watched.#monitor.onReadable(() => {
      try {
        // The events only say that something changed: the list is read anew, so lost ones (resync) do no harm.
        if (mayMatter(watched.#monitor.read())) watched.#read();
      } catch (error) {
        watched.#monitor[Symbol.dispose]();
        onFatal(new Error(`the node's addresses cannot be followed: ${errorMessage(error)}`, { cause: error }));
      }
    });
    watched.#read();
    return watched;
  }

  [Symbol.dispose](): void {
    this.#monitor[Symbol.dispose]();
  }

  #read(): void {
    const list = readNodeAddresses();
    if (list.join() === this.#list.join()) return;
    this.#list = list;
    this.#listener(list);
  }
}
