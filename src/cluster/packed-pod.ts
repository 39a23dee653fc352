/**
 * A pod in little room: there are 100,000 of them, most on other nodes, and all that is asked of these is whose an address
 * is. What it shares with other pods stays as it is; the rest is one text, an element a byte:
 *
 *     flags, number of addresses, addresses (see packAddress), uid (UID_BYTES and 16 bytes, or UID_TEXT and its text)
 */
import { formatAddress, parseAddress } from '../net/address.ts';
import type { Pod } from '../policy/model.ts';
import type { Packed } from './packed.ts';
import { objectKey } from './object-key.ts';

const HOST_NETWORK = 1;
const TERMINAL = 2;
/** An address that is not written canonically: two elements for its length, then its text. */
const ADDRESS_TEXT = 0;
const UID_TEXT = 0;
const UID_BYTES = 1;
const FIRST_ADDRESS = 2;
/** Kubernetes gives two. */
const ADDRESSES_MAX = 65_535;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Where a pod has what it was packed as, so that whoever packs it again shares that. No copy of the pod has it. */
const PACKED = Symbol('packed');

interface KnownPod extends Pod {
  readonly [PACKED]?: PackedPod;
}

export class PackedPod implements Packed<Pod> {
  /** `namespace/name`. */
  readonly key: string;
  readonly #nodeName: string;
  readonly #labels: Pod['labels'];
  readonly #namedPorts: Pod['namedPorts'];
  readonly #text: string;

  constructor(pod: Pod, key: string) {
    this.key = key;
    this.#nodeName = pod.nodeName;
    this.#labels = pod.labels;
    this.#namedPorts = pod.namedPorts;
    this.#text = textOf(pod);
  }

  get uid(): string {
    const text = this.#text;
    const at = addressesEnd(text);
    return text.charCodeAt(at) === UID_BYTES ? formatUuid(text, at + 1) : text.slice(at + 1);
  }

  /** Packed, those at which it is reached: none when it has ended (NP-120) or is on the host's network. */
  liveAddresses(): readonly string[] {
    return this.#text.charCodeAt(0) === 0 ? packedAddresses(this.#text) : [];
  }

  /** Equal to the pod that was packed. */
  unpack(): Pod {
    const flags = this.#text.charCodeAt(0);
    const slash = this.key.indexOf('/');
    const pod: Pod = {
      namespace: this.key.slice(0, slash),
      name: this.key.slice(slash + 1),
      uid: this.uid,
      nodeName: this.#nodeName,
      labels: this.#labels,
      podIPs: packedAddresses(this.#text).map(unpackAddress),
      hostNetwork: (flags & HOST_NETWORK) !== 0,
      terminal: (flags & TERMINAL) !== 0,
      namedPorts: this.#namedPorts,
    };
    remember(pod, this);
    return pod;
  }

  /** Whether both say the same of a pod of one name. */
  isSame(other: Packed<Pod>): boolean {
    return (
      other instanceof PackedPod &&
      this.#text === other.#text &&
      this.#nodeName === other.#nodeName &&
      isSamePart(this.#labels, other.#labels) &&
      isSamePart(this.#namedPorts, other.#namedPorts)
    );
  }
}

/** @param key the pod's, where the caller has it already: kept instead of a copy. */
export function packPod(pod: Pod, key?: string): PackedPod {
  const known = (pod as KnownPod)[PACKED];
  if (known !== undefined) return known;
  const packed = new PackedPod(pod, key ?? objectKey(pod.namespace, pod.name));
  remember(pod, packed);
  return packed;
}

/** A frozen pod has no room for it: such a one is packed each time. */
function remember(pod: Pod, packed: PackedPod): void {
  Reflect.defineProperty(pod, PACKED, { value: packed });
}

/** Family and 4 or 16 bytes; none is the beginning of another. */
export function packAddress(text: string): string {
  const address = parseAddress(text);
  if (address !== undefined && formatAddress(address.bytes) === text) {
    return String.fromCharCode(address.family, ...address.bytes);
  }
  return String.fromCharCode(ADDRESS_TEXT, text.length >>> 16, text.length & 0xffff) + text;
}

function unpackAddress(packed: string): string {
  if (packed.charCodeAt(0) === ADDRESS_TEXT) return packed.slice(3);
  const bytes = new Uint8Array(packed.length - 1);
  for (let i = 0; i < bytes.length; i++) bytes[i] = packed.charCodeAt(i + 1);
  return formatAddress(bytes);
}

function textOf({ hostNetwork, terminal, podIPs, uid }: Pod): string {
  const flags = (hostNetwork ? HOST_NETWORK : 0) | (terminal ? TERMINAL : 0);
  if (podIPs.length > ADDRESSES_MAX)
    throw new RangeError(`a pod has ${podIPs.length} addresses: ADDRESSES_MAX is ${ADDRESSES_MAX}`);
  const start = String.fromCharCode(flags, podIPs.length);
  // Joined, because what is put together with + keeps its parts.
  return [start, ...podIPs.map(packAddress), UUID.test(uid) ? packUuid(uid) : String.fromCharCode(UID_TEXT) + uid].join(
    '',
  );
}

function packUuid(uid: string): string {
  const codes = [UID_BYTES];
  const hex = uid.replaceAll('-', '');
  for (let i = 0; i < hex.length; i += 2) codes.push(Number.parseInt(hex.slice(i, i + 2), 16));
  return String.fromCharCode(...codes);
}

function formatUuid(text: string, at: number): string {
  let hex = '';
  for (let i = 0; i < 16; i++) {
    if (i === 4 || i === 6 || i === 8 || i === 10) hex += '-';
    hex += text
      .charCodeAt(at + i)
      .toString(16)
      .padStart(2, '0');
  }
  return hex;
}

function packedAddresses(text: string): string[] {
  const addresses: string[] = [];
  let at = FIRST_ADDRESS;
  for (let left = text.charCodeAt(1); left > 0; left--) {
    const end = addressEnd(text, at);
    addresses.push(text.slice(at, end));
    at = end;
  }
  return addresses;
}

function addressesEnd(text: string): number {
  let at = FIRST_ADDRESS;
  for (let left = text.charCodeAt(1); left > 0; left--) at = addressEnd(text, at);
  return at;
}

function addressEnd(text: string, at: number): number {
  const form = text.charCodeAt(at);
  if (form !== ADDRESS_TEXT) return at + 1 + (form === 4 ? 4 : 16);
  return at + 3 + text.charCodeAt(at + 1) * 65_536 + text.charCodeAt(at + 2);
}

function isSamePart(a: object, b: object): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
