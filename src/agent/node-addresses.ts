/** The addresses on the node's own interfaces: a pod may always reach its own node (NP-81). */
import { networkInterfaces } from 'node:os';
import { Monitor } from '../kernel/netlink/monitor.ts';
import { canonicalAddress } from '../net/address.ts';

const ZONE = /%.*$/;

/** Canonical text, sorted, without loopback and link-local ones. Reads the interfaces of this process's namespace. */
export function readNodeAddresses(): readonly string[] {
  const found = new Set<string>();
  for (const addresses of Object.values(networkInterfaces())) {
    for (const { address, internal } of addresses ?? []) {
      const text = canonicalAddress(address.replace(ZONE, ''));
      if (text !== undefined && !internal && !text.startsWith('fe80:')) found.add(text);
    }
  }
  return [...found].toSorted();
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

  static watch(listener: (list: readonly string[]) => void): NodeAddresses {
    const watched = new NodeAddresses(Monitor.open(['address']), listener);
    watched.#monitor.onReadable(() => {
      // The events only say that something changed: the list is read anew, so lost ones (resync) do no harm.
      watched.#monitor.read();
      watched.#read();
    });
    watched.#read();
    return watched;
  }

  /** One a family, the first: source of what the node itself sends to its pods. */
  preferred(): readonly string[] {
    const isIpv6 = (address: string): boolean => address.includes(':');
    return [this.#list.find((a) => !isIpv6(a)), this.#list.find(isIpv6)].filter((a) => a !== undefined);
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
