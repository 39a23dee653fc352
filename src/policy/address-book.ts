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
import { addressTable, byKey, SortedAddresses } from './sorted-addresses.ts';
import type { AddressTable } from './tables.ts';
import type { TermSet } from './term-set.ts';

export interface AddressRecord {
  readonly key: string;
  /** Almost always at most one, which then stands for itself: a list for every address would outweigh all else. */
  pods: PodRecord | readonly PodRecord[];
  endpoints: readonly EndpointRecord[];
  ownNode: boolean;
  /** Undefined while classId is one of the fixed numbers. */
  peerClass: PeerClass | undefined;
  classId: number;
  flags: number;
  /** In the sorted table. */
  listed: boolean;
}

/** An entry as it is from now on. */
type ChangedAddress = Pick<AddressRecord, 'key' | 'classId' | 'flags'>;

const NOBODY: readonly never[] = [];

export class AddressBook {
  readonly #classes: ClassTable;
  readonly #byKey = new Map<string, AddressRecord>();
  readonly #dirty = new Set<AddressRecord>();
  readonly #contested = new Set<AddressRecord>();
  readonly #sorted = new SortedAddresses<AddressRecord>();
  /** By the last `settle`. */
  #changed: ChangedAddress[] = [];

  constructor(classes: ClassTable) {
    this.#classes = classes;
  }

  /** Addresses with more than one claim, as of the last `settle`. */
  contested(): Iterable<AddressRecord> {
    return this.#contested;
  }

  claimForPod(key: string, pod: PodRecord): void {
    const record = this.#touch(key);
    record.pods = record.pods === NOBODY ? pod : listOrOne([...podsOf(record), pod]);
  }

  claimForEndpoint(key: string, endpoint: EndpointRecord): void {
    const record = this.#touch(key);
    record.endpoints = [...record.endpoints, endpoint];
  }

  withdraw(key: string, owner: PodRecord | EndpointRecord): void {
    const record = this.#touch(key);
    if (record.endpoints.length > 0) record.endpoints = record.endpoints.filter((endpoint) => endpoint !== owner);
    record.pods = record.pods === owner ? NOBODY : listOrOne(podsOf(record).filter((pod) => pod !== owner));
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
    for (const record of this.#sorted.range(first, behind)) this.#dirty.add(record);
  }

  /** Judges every touched address. `lookUp` gives the block terms that cover an address. */
  settle(lookUp: (key: string) => TermSet): void {
    let removed = 0;
    const added: AddressRecord[] = [];
    this.#changed = [];
    for (const record of this.#dirty) {
      const { listed, classId, flags } = record;
      if (isFree(record)) {
        this.#byKey.delete(record.key);
        this.#contested.delete(record);
        this.#setClass(record, undefined, PEER_CLASS_NONE);
        record.flags = 0;
        record.listed = false;
        if (listed) removed += 1;
        if (listed) this.#changed.push(record);
        continue;
      }
      this.#judge(record, lookUp);
      record.listed = true;
      if (!listed) added.push(record);
      if (!listed || record.classId !== classId || record.flags !== flags) this.#changed.push(record);
    }
    this.#dirty.clear();
    this.#sorted.edit(removed, added);
  }

  /** Addresses that have an entry. */
  get size(): number {
    return this.#sorted.size;
  }

  table(): AddressTable {
    return this.#sorted.table();
  }

  /** Entries that the last `settle` made, changed or took away; the latter say nothing any more. */
  changes(): AddressTable {
    return addressTable(this.#changed.sort(byKey));
  }

  #touch(key: string): AddressRecord {
    let record = this.#byKey.get(key);
    if (record === undefined) {
      record = {
        key,
        pods: NOBODY,
        endpoints: NOBODY,
        ownNode: false,
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
      const peerClass = this.#classes.ofUnknown(lookUp(record.key));
      this.#setClass(record, peerClass, peerClass?.id ?? PEER_CLASS_UNKNOWN_POD);
    } else {
      const { terms, numbers, numbersKey } = pod.group;
      const peerClass = this.#classes.ofPod(terms, lookUp(record.key), numbers, numbersKey);
      this.#setClass(record, peerClass, peerClass.id);
    }
    record.flags = record.ownNode && record.endpoints.length === 0 ? ADDRESS_OWN_NODE : 0;
    if (record.endpoints.length + podsOf(record).length + (record.ownNode ? 1 : 0) > 1) this.#contested.add(record);
    else this.#contested.delete(record);
  }

  #setClass(record: AddressRecord, peerClass: PeerClass | undefined, id: number): void {
    if (record.peerClass !== undefined) this.#classes.release(record.peerClass);
    record.peerClass = peerClass;
    record.classId = id;
  }
}

export function podsOf({ pods }: AddressRecord): readonly PodRecord[] {
  return 'key' in pods ? [pods] : pods;
}

function listOrOne(pods: readonly PodRecord[]): AddressRecord['pods'] {
  const [first] = pods;
  if (first === undefined) return NOBODY;
  return pods.length === 1 ? first : pods;
}

function isFree(record: AddressRecord): boolean {
  return record.endpoints.length === 0 && podsOf(record).length === 0 && !record.ownNode;
}

/** The one pod whose address it is; undefined when that is nobody or not known. */
function ownerOf(record: AddressRecord): PodRecord | 'node' | undefined {
  if (record.endpoints.length > 0) {
    return record.endpoints.length === 1 ? record.endpoints[0]?.pod : undefined;
  }
  if (record.ownNode) return 'node';
  return 'key' in record.pods ? record.pods : undefined;
}
