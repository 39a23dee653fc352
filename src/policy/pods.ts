/**
 * Pods of the cluster: the group each belongs to, the addresses it claims, the local endpoints that are its own. Changes
 * are kept for a while, so a pod that changes often is looked at once a compile. Of a pod nothing is kept but that: what
 * it says is its group's, and there are many of them.
 */
import { readAddressKey } from './address-key.ts';
import type { AddressBook } from './address-book.ts';
import type { Endpoints } from './endpoints.ts';
import type { LocalEndpoint, Pod } from './model.ts';
import type { PodGroups } from './pod-groups.ts';
import type { PodRecord } from './records.ts';

const NONE: readonly never[] = [];
/** Changes that are kept; more are worked off as they come, so that a first list is never held whole. */
const PENDING_MAX = 1024;

export class Pods {
  readonly #groups: PodGroups;
  readonly #book: AddressBook;
  readonly #endpoints: Endpoints;
  readonly #unreadable: Map<string, readonly string[]>;
  /** Those that are peers. */
  readonly #byKey = new Map<string, PodRecord>();
  readonly #changes = new Map<string, Pod | undefined>();
  /** Pods whose endpoints changed. */
  readonly #touched = new Set<string>();
  /** Of podIPs, by pod. */
  readonly #badAddresses = new Map<string, readonly string[]>();

  constructor(groups: PodGroups, book: AddressBook, endpoints: Endpoints, unreadable: Map<string, readonly string[]>) {
    this.#groups = groups;
    this.#book = book;
    this.#endpoints = endpoints;
    this.#unreadable = unreadable;
  }

  set(pod: Pod): void {
    this.#take(`${pod.namespace}/${pod.name}`, pod);
  }

  delete(key: string): void {
    this.#take(key, undefined);
  }

  touch(keys: readonly string[]): void {
    for (const key of keys) this.#touched.add(key);
  }

  settle(): void {
    for (const [key, pod] of this.#changes) {
      this.#touched.delete(key);
      if (pod !== undefined && isPeer(pod)) this.#setPod(key, pod);
      else this.#dropPod(key);
    }
    for (const key of this.#touched) {
      const record = this.#byKey.get(key);
      if (record === undefined) this.#dropPod(key);
      else this.#claim(record);
    }
    this.#changes.clear();
    this.#touched.clear();
  }

  /** The pod's addresses have to be judged again. */
  touchAddresses(record: PodRecord): void {
    for (const key of record.claims) this.#book.touch(key);
    for (const endpoint of record.endpoints) for (const key of endpoint.claims) this.#book.touch(key);
  }

  #take(key: string, pod: Pod | undefined): void {
    this.#changes.set(key, pod);
    if (this.#changes.size >= PENDING_MAX) this.settle();
  }

  #setPod(key: string, pod: Pod): void {
    const record = this.#byKey.get(key) ?? this.#create(key);
    const before = record.group;
    record.uid = pod.uid;
    record.group = this.#groups.join(record, pod);
    if (before !== undefined && before !== record.group) this.#groups.leave(record, before);
    const bad = pod.podIPs.filter((address) => readAddressKey(address) === undefined);
    if (bad.length > 0) this.#badAddresses.set(key, bad);
    else this.#badAddresses.delete(key);
    const addresses = [...new Set(pod.podIPs.flatMap((address) => readAddressKey(address) ?? []))];
    record.addresses = isSameList(addresses, record.addresses) ? record.addresses : addresses;
    this.#claim(record);
    if (before !== record.group) this.touchAddresses(record);
  }

  #dropPod(key: string): void {
    for (const endpoint of this.#endpoints.ofPod(key)) this.#endpoints.setPod(endpoint, undefined);
    this.#badAddresses.delete(key);
    const record = this.#byKey.get(key);
    if (record === undefined) return;
    this.#byKey.delete(key);
    this.#unreadable.delete(`pod ${key}`);
    if (record.group !== undefined) this.#groups.leave(record, record.group);
    record.group = undefined;
    for (const claim of record.claims) this.#book.withdraw(claim, record);
    record.claims = NONE;
    record.endpoints = NONE;
  }

  #create(key: string): PodRecord {
    const record: PodRecord = { key, uid: '', group: undefined, endpoints: NONE, addresses: NONE, claims: NONE };
    this.#byKey.set(key, record);
    return record;
  }

  /** For its endpoints when it has any (NP-124), otherwise for itself. */
  #claim(record: PodRecord): void {
    const own = [];
    for (const endpoint of this.#endpoints.ofPod(record.key)) {
      const isOwn = uidsAgree(endpoint.endpoint, record);
      this.#endpoints.setPod(endpoint, isOwn ? record : undefined);
      if (isOwn) own.push(endpoint);
    }
    record.endpoints = own.length === 0 ? NONE : own;
    const claims = own.length === 0 ? record.addresses : NONE;
    const bad = own.length === 0 ? this.#badAddresses.get(record.key) : undefined;
    if (bad !== undefined) this.#unreadable.set(`pod ${record.key}`, bad);
    else this.#unreadable.delete(`pod ${record.key}`);
    if (claims === record.claims) return;
    for (const key of record.claims) if (!claims.includes(key)) this.#book.withdraw(key, record);
    for (const key of claims) if (!record.claims.includes(key)) this.#book.claimForPod(key, record);
    record.claims = claims;
  }
}

/** Neither subject nor peer: what ended (NP-120), what uses the node's addresses (NP-83 b, NP-84). */
function isPeer(pod: Pod): boolean {
  return !pod.terminal && !pod.hostNetwork;
}

function uidsAgree(endpoint: LocalEndpoint, pod: { readonly uid: string }): boolean {
  return endpoint.uid === '' || pod.uid === '' || endpoint.uid === pod.uid;
}

function isSameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item, i) => item === b[i]);
}
