/** Nodes: which prefixes hold pods, and which addresses are the node's own. */
import { readAddressKey } from './address-key.ts';
import type { AddressBook } from './address-book.ts';
import { formatCidr, parseCidr, type Cidr } from '../net/cidr.ts';
import type { Node } from './model.ts';

export class NodeState {
  readonly #ownName: string;
  readonly #book: AddressBook;
  readonly #unreadable: Map<string, readonly string[]>;
  readonly #nodes = new Map<string, Node>();
  #interfaceAddresses: readonly string[] = [];
  #ownKeys: ReadonlySet<string> = new Set();
  #podCidrs: ReadonlyMap<string, Cidr> = new Map();
  #stale = false;

  constructor(ownName: string, book: AddressBook, unreadable: Map<string, readonly string[]>) {
    this.#ownName = ownName;
    this.#book = book;
    this.#unreadable = unreadable;
  }

  /** Of all nodes, each once. */
  podCidrs(): Iterable<Cidr> {
    return this.#podCidrs.values();
  }

  set(node: Node): void {
    this.#nodes.set(node.name, node);
    this.#stale = true;
  }

  delete(name: string): void {
    this.#nodes.delete(name);
    this.#unreadable.delete(`node ${name}`);
    this.#stale = true;
  }

  setInterfaceAddresses(addresses: readonly string[]): void {
    this.#interfaceAddresses = addresses;
    this.#stale = true;
  }

  /** True when the podCIDRs changed. */
  settle(): boolean {
    if (!this.#stale) return false;
    this.#stale = false;
    this.#settleOwnAddresses();
    const podCidrs = new Map<string, Cidr>();
    for (const node of this.#nodes.values()) {
      const bad = node.podCIDRs.filter((text) => {
        const cidr = parseCidr(text);
        if (cidr !== undefined) podCidrs.set(formatCidr(cidr), cidr);
        return cidr === undefined;
      });
      if (bad.length > 0) this.#unreadable.set(`node ${node.name}`, bad);
      else this.#unreadable.delete(`node ${node.name}`);
    }
    const changed = podCidrs.size !== this.#podCidrs.size || podCidrs.keys().some((text) => !this.#podCidrs.has(text));
    this.#podCidrs = podCidrs;
    return changed;
  }

  #settleOwnAddresses(): void {
    const addresses = [...this.#interfaceAddresses, ...(this.#nodes.get(this.#ownName)?.addresses ?? [])];
    const keys = new Set(addresses.flatMap((address) => readAddressKey(address) ?? []));
    const bad = addresses.filter((address) => readAddressKey(address) === undefined);
    if (bad.length > 0) this.#unreadable.set('own node', bad);
    else this.#unreadable.delete('own node');
    for (const key of this.#ownKeys) if (!keys.has(key)) this.#book.setOwnNode(key, false);
    for (const key of keys) if (!this.#ownKeys.has(key)) this.#book.setOwnNode(key, true);
    this.#ownKeys = keys;
  }
}
