/**
 * Pods of the cluster: the group each belongs to, the addresses it claims, the local endpoints that are its own. Changes
 * are kept until `settle`, so a pod that changes often is looked at once a compile.
 */
import { readAddressKey } from './address-key.ts';
import type { AddressBook } from './address-book.ts';
import type { Endpoints } from './endpoints.ts';
import type { LocalEndpoint, Pod } from './model.ts';
import type { PodGroups } from './pod-groups.ts';
import type { PodRecord } from './records.ts';

export class Pods {
  readonly #groups: PodGroups;
  readonly #book: AddressBook;
  readonly #endpoints: Endpoints;
  readonly #unreadable: Map<string, readonly string[]>;
  readonly #byKey = new Map<string, PodRecord>();
  readonly #changes = new Map<string, Pod | undefined>();
  /** Pods whose endpoints changed. */
  readonly #touched = new Set<string>();

  constructor(groups: PodGroups, book: AddressBook, endpoints: Endpoints, unreadable: Map<string, readonly string[]>) {
    this.#groups = groups;
    this.#book = book;
    this.#endpoints = endpoints;
    this.#unreadable = unreadable;
  }

  set(pod: Pod): void {
    this.#changes.set(`${pod.namespace}/${pod.name}`, pod);
  }

  delete(key: string): void {
    this.#changes.set(key, undefined);
  }

  touch(keys: readonly string[]): void {
    for (const key of keys) this.#touched.add(key);
  }

  settle(): void {
    for (const [key, pod] of this.#changes) {
      this.#touched.delete(key);
      this.#settlePod(key, pod);
    }
    for (const key of this.#touched) this.#settlePod(key, this.#byKey.get(key)?.pod);
    this.#changes.clear();
    this.#touched.clear();
  }

  /** The pod's addresses have to be judged again. */
  touchAddresses(record: PodRecord): void {
    for (const key of record.claims) this.#book.touch(key);
    for (const endpoint of record.endpoints) for (const key of endpoint.claims) this.#book.touch(key);
  }

  #settlePod(key: string, pod: Pod | undefined): void {
    const record = this.#byKey.get(key) ?? (pod && this.#create(key, pod));
    const live = pod !== undefined && isPeer(pod);
    if (record === undefined) {
      for (const endpoint of this.#endpoints.ofPod(key)) this.#endpoints.setPod(endpoint, undefined);
      return;
    }
    if (pod !== undefined) record.pod = pod;
    const before = record.group;
    record.group = live ? this.#groups.join(record, pod) : undefined;
    if (before !== undefined && before !== record.group) this.#groups.leave(record, before);
    const own = [];
    for (const endpoint of this.#endpoints.ofPod(key)) {
      const matched = live && uidsAgree(endpoint.endpoint, pod);
      this.#endpoints.setPod(endpoint, matched ? record : undefined);
      if (matched) own.push(endpoint);
    }
    record.endpoints = own;
    this.#claim(record, live && own.length === 0 ? pod.podIPs : []);
    if (before !== record.group) this.touchAddresses(record);
    if (pod === undefined) this.#byKey.delete(key);
  }

  #create(key: string, pod: Pod): PodRecord {
    const record: PodRecord = { key, pod, group: undefined, endpoints: [], claims: [] };
    this.#byKey.set(key, record);
    return record;
  }

  #claim(record: PodRecord, addresses: readonly string[]): void {
    const bad = addresses.filter((address) => readAddressKey(address) === undefined);
    if (bad.length > 0) this.#unreadable.set(`pod ${record.key}`, bad);
    else this.#unreadable.delete(`pod ${record.key}`);
    const claims = [...new Set(addresses.flatMap((address) => readAddressKey(address) ?? []))];
    for (const key of record.claims) if (!claims.includes(key)) this.#book.withdraw(key, record);
    for (const key of claims) if (!record.claims.includes(key)) this.#book.claimForPod(key, record);
    record.claims = claims;
  }
}

/** Neither subject nor peer: what ended (NP-120), what uses the node's addresses (NP-83 b, NP-84). */
function isPeer(pod: Pod): boolean {
  return !pod.terminal && !pod.hostNetwork;
}

function uidsAgree(endpoint: LocalEndpoint, pod: Pod): boolean {
  return endpoint.uid === '' || pod.uid === '' || endpoint.uid === pod.uid;
}
