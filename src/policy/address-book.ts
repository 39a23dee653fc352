/**
 * Who claims which address, and what class that gives it. Claims are made and withdrawn as objects change; `settle`
 * judges the addresses that were touched.
 *
 * 1. A local endpoint wins over every other claim (NP-124); two endpoints on one address: unknown pod.
 * 2. An address of the node itself is no pod's: its class is that of the prefixes, whatever pods claim it (NP-84).
 * 3. One pod: its group's class. Two live pods: unknown pod, because events may arrive late and neither may inherit what
 *    the other may do (NP-29).
 */
import type { ClassTable, PeerClass } from './class-table.ts';
import { ADDRESS_OWN_NODE, PEER_CLASS_NONE, PEER_CLASS_UNKNOWN_POD } from './ids.ts';
import type { EndpointRecord, PodRecord } from './records.ts';
import { SortedAddresses } from './sorted-addresses.ts';
import type { AddressTable } from './tables.ts';
import type { TermSet } from './term-set.ts';

export interface AddressRecord {
  readonly key: string;
  /** Almost always at most one of either: arrays, because two empty sets an address would outweigh all else. */
  pods: readonly PodRecord[];
  endpoints: readonly EndpointRecord[];
  ownNode: boolean;
  /** Block terms that cover it; undefined: to be looked up. */
  blocks: TermSet | undefined;
  /** Undefined while classId is one of the fixed numbers. */
  peerClass: PeerClass | undefined;
  classId: number;
  flags: number;
  /** In the sorted table. */
  listed: boolean;
}

const NOBODY: readonly never[] = [];

export class AddressBook {
  readonly #classes: ClassTable;
  readonly #byKey = new Map<string, AddressRecord>();
  readonly #dirty = new Set<AddressRecord>();
  readonly #contested = new Set<AddressRecord>();
  readonly #sorted = new SortedAddresses<AddressRecord>();

  constructor(classes: ClassTable) {
    this.#classes = classes;
  }

  /** Addresses with more than one claim, as of the last `settle`. */
  contested(): Iterable<AddressRecord> {
    return this.#contested;
  }

  claimForPod(key: string, pod: PodRecord): void {
    const record = this.#touch(key);
    record.pods = [...record.pods, pod];
  }

  claimForEndpoint(key: string, endpoint: EndpointRecord): void {
    const record = this.#touch(key);
    record.endpoints = [...record.endpoints, endpoint];
  }

  withdraw(key: string, owner: PodRecord | EndpointRecord): void {
    const record = this.#touch(key);
    record.endpoints = record.endpoints.filter((endpoint) => endpoint !== owner);
    record.pods = record.pods.filter((pod) => pod !== owner);
  }

  setOwnNode(key: string, ownNode: boolean): void {
    this.#touch(key).ownNode = ownNode;
  }

  /** What is known of the address' owner changed. */
  touch(key: string): void {
    if (this.#byKey.has(key)) this.#touch(key);
  }

  /** Block terms that cover addresses from `first` until before `behind` changed. */
  touchRange(first: string, behind: string | undefined): void {
    for (const record of this.#sorted.range(first, behind)) {
      record.blocks = undefined;
      this.#dirty.add(record);
    }
  }

  /** Judges every touched address. `lookUp` gives the block terms that cover an address. */
  settle(lookUp: (key: string) => TermSet): void {
    const removed: AddressRecord[] = [];
    const added: AddressRecord[] = [];
    const changed: AddressRecord[] = [];
    for (const record of this.#dirty) {
      if (isFree(record)) {
        this.#byKey.delete(record.key);
        this.#contested.delete(record);
        this.#setClass(record, undefined, PEER_CLASS_NONE);
        if (record.listed) removed.push(record);
        continue;
      }
      this.#judge(record, lookUp);
      (record.listed ? changed : added).push(record);
      record.listed = true;
    }
    this.#dirty.clear();
    this.#sorted.edit(removed, added);
    this.#sorted.rewrite(changed);
  }

  table(): AddressTable {
    return this.#sorted.table();
  }

  #touch(key: string): AddressRecord {
    let record = this.#byKey.get(key);
    if (record === undefined) {
      record = {
        key,
        pods: NOBODY,
        endpoints: NOBODY,
        ownNode: false,
        blocks: undefined,
        peerClass: undefined,
        classId: PEER_CLASS_NONE,
        flags: 0,
        listed: false,
      };
      this.#byKey.set(key, record);
    }
    this.#dirty.add(record);
    return record;
  }

  #judge(record: AddressRecord, lookUp: (key: string) => TermSet): void {
    const pod = ownerOf(record);
    if (pod === 'node') this.#setClass(record, undefined, PEER_CLASS_NONE);
    else if (pod?.group === undefined) {
      record.blocks ??= lookUp(record.key);
      const peerClass = this.#classes.ofUnknown(record.blocks);
      this.#setClass(record, peerClass, peerClass?.id ?? PEER_CLASS_UNKNOWN_POD);
    } else {
      record.blocks ??= lookUp(record.key);
      const { terms, numbers, numbersKey } = pod.group;
      const peerClass = this.#classes.ofPod(terms, record.blocks, numbers, numbersKey);
      this.#setClass(record, peerClass, peerClass.id);
    }
    record.flags = record.ownNode && record.endpoints.length === 0 ? ADDRESS_OWN_NODE : 0;
    if (record.endpoints.length + record.pods.length + (record.ownNode ? 1 : 0) > 1) this.#contested.add(record);
    else this.#contested.delete(record);
  }

  #setClass(record: AddressRecord, peerClass: PeerClass | undefined, id: number): void {
    if (record.peerClass !== undefined) this.#classes.release(record.peerClass);
    record.peerClass = peerClass;
    record.classId = id;
  }
}

function isFree(record: AddressRecord): boolean {
  return record.endpoints.length === 0 && record.pods.length === 0 && !record.ownNode;
}

/** The one pod whose address it is; undefined when that is nobody or not known. */
function ownerOf(record: AddressRecord): PodRecord | 'node' | undefined {
  if (record.endpoints.length > 0) {
    return record.endpoints.length === 1 ? record.endpoints[0]?.pod : undefined;
  }
  if (record.ownNode) return 'node';
  return record.pods.length === 1 ? record.pods[0] : undefined;
}
