/**
 * Addresses for pods that have none yet, so that a dry run can judge them: deterministic, and never an address that the
 * input gives to anybody. They come from the podCIDRs of the pod's node; for pods without a node, or whose node has none,
 * from SYNTHETIC_CIDR. Addresses in a smaller block that a policy names are passed over, or the pod would be in it by
 * chance.
 */
import { parseAddress } from '../../net/address.ts';
import { type Cidr, parseCidr } from '../../net/cidr.ts';
import { ConfigError } from '../../lib/errors.ts';
import {
  addressNumber,
  type AddressRange,
  formatNumber,
  rangeOfCidr,
  withoutRanges,
} from '../../policy/address-range.ts';
import type { ClusterChange, Node, Pod } from '../../policy/model.ts';
import { policyWords } from '../../policy/policy-words.ts';

/** The podCIDR that most clusters are made with. */
export const SYNTHETIC_CIDR = '10.244.0.0/16';

export interface Addressed {
  readonly changes: readonly ClusterChange[];
  /** The pods that got one, `namespace/name`, with their addresses. */
  readonly madeUp: ReadonlyMap<string, readonly string[]>;
}

/**
 * The changes with addresses for pods that need them. `cidrs`: where from, instead of the nodes' podCIDRs; one a family.
 * `avoid`: addresses that mean somebody else.
 * @throws ConfigError when there is no room.
 */
export function addAddresses(
  changes: readonly ClusterChange[],
  cidrs: readonly Cidr[],
  avoid: Iterable<string> = [],
): Addressed {
  const nodes = new Map<string, Node>();
  const pods: Pod[] = [];
  for (const change of changes) {
    if (change.op !== 'set') continue;
    if (change.kind === 'Node') nodes.set(change.object.name, change.object);
    else if (change.kind === 'Pod') pods.push(change.object);
  }
  const pool = new AddressPool(pods, nodes, policyWords(changes).blocks, avoid);
  const madeUp = new Map<string, readonly string[]>();
  const addressed = new Map<Pod, Pod>();
  for (const pod of pods.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))) {
    if (pod.podIPs.length > 0 || pod.terminal) continue;
    const node = nodes.get(pod.nodeName);
    const podIPs = pod.hostNetwork ? (node?.addresses ?? []) : pool.take(rangesFor(node, cidrs));
    addressed.set(pod, { ...pod, podIPs });
    if (!pod.hostNetwork) madeUp.set(keyOf(pod), podIPs);
  }
  const withAddresses = changes.map((change): ClusterChange => {
    if (change.kind !== 'Pod' || change.op !== 'set') return change;
    return { ...change, object: addressed.get(change.object) ?? change.object };
  });
  return { changes: withAddresses, madeUp };
}

function rangesFor(node: Node | undefined, cidrs: readonly Cidr[]): readonly Cidr[] {
  if (cidrs.length > 0) return cidrs;
  const own = (node?.podCIDRs ?? []).map(parseCidr).filter((cidr) => cidr !== undefined);
  return own.length > 0 ? own : [parseCidr(SYNTHETIC_CIDR)!];
}

class AddressPool {
  readonly #taken: ReadonlySet<string>;
  /** Named by policies. */
  readonly #blocks: readonly AddressRange[];
  /** By CIDR text. */
  readonly #free = new Map<Cidr | string, Iterator<string>>();

  constructor(
    pods: readonly Pod[],
    nodes: ReadonlyMap<string, Node>,
    blocks: Iterable<string>,
    avoid: Iterable<string>,
  ) {
    this.#taken = new Set([
      ...avoid,
      ...pods.flatMap(({ podIPs }) => podIPs),
      ...[...nodes.values()].flatMap((node) => node.addresses),
    ]);
    this.#blocks = [...blocks].flatMap((text) => {
      const cidr = parseCidr(text);
      return cidr === undefined ? [] : [rangeOfCidr(cidr)];
    });
  }

  /** One address of every range. */
  take(cidrs: readonly Cidr[]): readonly string[] {
    return cidrs.map((cidr) => {
      const key = `${addressNumber(cidr)}/${cidr.length}/${cidr.family}`;
      const free = this.#free.get(key) ?? this.#addresses(rangeOfCidr(cidr));
      this.#free.set(key, free);
      const next = free.next();
      if (next.done === true) {
        const range = `${formatNumber(cidr.family, addressNumber(cidr))}/${cidr.length}`;
        throw new ConfigError(`${range} has too few addresses for the pods that need one: give a larger --pod-cidr`);
      }
      return next.value;
    });
  }

  /** Not the first and the last, which are no host's. */
  *#addresses(range: AddressRange): Generator<string> {
    const size = range.last - range.first;
    const smaller = this.#blocks.filter(({ first, last }) => last - first < size);
    for (const part of withoutRanges(range, smaller)) {
      for (let number = part.first; number <= part.last; number++) {
        if (number === range.first || number === range.last) continue;
        const text = formatNumber(range.family, number);
        if (parseAddress(text) !== undefined && !this.#taken.has(text)) yield text;
      }
    }
  }
}

function keyOf({ namespace, name }: Pod): string {
  return `${namespace}/${name}`;
}
