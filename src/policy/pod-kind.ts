/**
 * Pods that no policy of the cluster can tell apart are of one kind: one namespace, equal labels and named ports as far as
 * any policy asks for them, and addresses that lie in the same blocks. One pod of a kind speaks for all, so a cluster of
 * replicas is judged at the cost of one pod of each.
 */
import { behindKey, firstKey, readAddressKey } from './address-key.ts';
import { parseIpv4 } from '../net/address.ts';
import { parseCidr } from '../net/cidr.ts';
import type { ClusterChange, Labels, NamedPort, Pod } from './model.ts';
import { policyWords } from './policy-words.ts';

/** `namespace/name`. */
export type PodKey = string;

export interface PodKinds {
  /** Live pods that policies select, by key (NP-83, NP-120). */
  readonly pods: ReadonlyMap<PodKey, Pod>;
  /** Equal number: one kind. */
  readonly kindOf: ReadonlyMap<PodKey, number>;
  /** Pods that share an address: each is a kind of its own, and nothing is known of it without the others. */
  readonly contested: readonly PodKey[];
}

export function podKinds(changes: readonly ClusterChange[]): PodKinds {
  const words = policyWords(changes);
  const pods = new Map<PodKey, Pod>();
  for (const change of changes) {
    if (change.op === 'set' && change.kind === 'Pod' && isSubject(change.object))
      pods.set(podKey(change.object), change.object);
  }
  const places = new BlockPlaces(words.blocks);
  const contested = contestedAddresses(pods.values());
  const labels = new TextNumbers();
  const ports = new TextNumbers();
  const kinds = new TextNumbers();
  const kindOf = new Map<PodKey, number>();
  const alone: PodKey[] = [];
  for (const [key, pod] of pods) {
    const isContested = contested.size > 0 && pod.podIPs.some((address) => contested.has(address));
    if (isContested) alone.push(key);
    // Whoever shares an address is judged alone: it is closed, and so is the other.
    const own = isContested ? key : places.of(pod.podIPs);
    const said = `${labels.of(labelsText(pod.labels, words.labelKeys))} ${ports.of(portsText(pod.namedPorts, words.portNames))}`;
    kindOf.set(key, kinds.of(`${pod.namespace} ${said} ${own}`));
  }
  return { pods, kindOf, contested: alone };
}

/** Neither finished nor on its node's network. */
export function isSubject(pod: Pod): boolean {
  return !pod.terminal && !pod.hostNetwork;
}

/** The changes without the subjects that are not among these. */
export function onlyPods(changes: readonly ClusterChange[], kept: ReadonlySet<PodKey>): readonly ClusterChange[] {
  return changes.filter((change) => {
    if (change.kind !== 'Pod' || change.op !== 'set' || !isSubject(change.object)) return true;
    return kept.has(podKey(change.object));
  });
}

export function podKey({ namespace, name }: Pod): PodKey {
  return `${namespace}/${name}`;
}

function contestedAddresses(pods: Iterable<Pod>): ReadonlySet<string> {
  const seen = new Set<string>();
  const contested = new Set<string>();
  for (const { podIPs } of pods) {
    for (const address of podIPs) {
      const before = seen.size;
      if (seen.add(address).size === before) contested.add(address);
    }
  }
  return contested;
}

/** Where an address lies between the edges of every block that any policy names. */
class BlockPlaces {
  /** Of IPv4, as numbers; keys of the other family. */
  readonly #edges4: readonly number[];
  readonly #edges6: readonly string[];

  constructor(texts: Iterable<string>) {
    const edges4 = new Set<number>();
    const edges6 = new Set<string>();
    for (const text of texts) {
      const cidr = parseCidr(text);
      if (cidr?.family === 4) {
        const first = ipv4Number(cidr.bytes);
        edges4.add(first).add(first + 2 ** (32 - cidr.length));
      } else if (cidr !== undefined) {
        edges6.add(firstKey(cidr)).add(behindKey(cidr) ?? '');
      }
    }
    this.#edges4 = [...edges4].sort((a, b) => a - b);
    this.#edges6 = [...edges6].sort();
  }

  /** By address: the family, and how many edges lie at or before it. */
  of(addresses: readonly string[]): string {
    let places = '';
    for (const text of addresses) {
      if (text.includes(':'))
        places += ` 6:${this.#edges6.length === 0 ? 0 : countUpTo(this.#edges6, readAddressKey(text) ?? '')}`;
      else places += ` 4:${this.#edges4.length === 0 ? 0 : countUpTo(this.#edges4, ipv4Number(parseIpv4(text) ?? []))}`;
    }
    return places;
  }
}

function countUpTo<T extends number | string>(sorted: readonly T[], value: T): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}

function ipv4Number(bytes: Iterable<number>): number {
  let number = 0;
  for (const byte of bytes) number = number * 256 + byte;
  return number;
}

/** Numbers for equal texts, from 0. */
class TextNumbers {
  readonly #byText = new Map<string, number>();

  of(text: string): number {
    let number = this.#byText.get(text);
    if (number === undefined) {
      number = this.#byText.size;
      this.#byText.set(text, number);
    }
    return number;
  }
}

/** Unlike for other labels: every text has its length before it. */
function labelsText(labels: Labels, asked: ReadonlySet<string>): string {
  let text = '';
  let last = '';
  for (const key of Object.keys(labels)) {
    if (!asked.has(key)) continue;
    // Objects from an API server have their labels in order: mostly there is nothing to sort.
    if (key < last) return sortedLabelsText(labels, asked);
    text += labelText(key, labels[key]!);
    last = key;
  }
  return text;
}

function sortedLabelsText(labels: Labels, asked: ReadonlySet<string>): string {
  const keys = Object.keys(labels).filter((key) => asked.has(key));
  return keys
    .sort()
    .map((key) => labelText(key, labels[key]!))
    .join('');
}

function labelText(key: string, value: string): string {
  return `${key.length}:${key}${value.length}:${value}`;
}

function portsText(ports: readonly NamedPort[], names: ReadonlySet<string>): string {
  if (!ports.some(({ name }) => names.has(name))) return '';
  const asked = ports.filter(({ name }) => names.has(name));
  const each = asked.map(({ name, protocol, containerPort }) => `${protocol}/${name}=${containerPort}`);
  return each.length === 1 ? each[0]! : [...new Set(each)].sort().join(',');
}
