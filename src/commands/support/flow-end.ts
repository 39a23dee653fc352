/**
 * One end of a flow as a person names it:
 * 1. `shop/web-1`, `web-1`: a pod (namespace `default` when there is none);
 * 2. `shop/*`: every pod of a namespace;
 * 3. `shop/deploy/web`, `deploy/web`: the pods of a workload;
 * 4. `10.0.0.7`, `10.0.0.0/8`: an address, a range;
 * 5. `internet`: public addresses that are no pod's and no node's;
 * 6. `node/worker-1`: the addresses of a node.
 */
import type { LoadedCluster } from '../../cluster/manifests/load-cluster.ts';
import { workloadKindOf } from '../../cluster/manifests/workloads.ts';
import { ConfigError } from '../../lib/errors.ts';
import { canonicalAddress, parseAddress } from '../../net/address.ts';
import { parseCidr } from '../../net/cidr.ts';
import { addressNumber, type AddressRange, rangeOfCidr, withoutRanges } from '../../policy/address-range.ts';
import type { DryRun } from '../../policy/dry-run.ts';
import { type FlowCell, podCells, rangeCells } from '../../policy/flow-cells.ts';
import type { Pod } from '../../policy/model.ts';
import { editDistance } from '../../policy/validate-field.ts';

export interface FlowEnd {
  /** As it was asked for. */
  readonly text: string;
  readonly kind: 'pods' | 'addresses';
  readonly cells: readonly FlowCell[];
}

/** Not public: private, shared, loopback, link-local, multicast, reserved. Ranges for documentation count as public. */
const NOT_PUBLIC = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '224.0.0.0/3',
];
const PUBLIC = ['0.0.0.0/0', '2000::/3'];

/** Names of pods that a message proposes. */
const PROPOSALS_MAX = 3;
const PROPOSAL_EDITS_MAX = 4;

/** @throws ConfigError when there is no such end. */
export function readFlowEnd(text: string, cluster: LoadedCluster, dryRun: DryRun): FlowEnd {
  if (text === 'internet') return addresses(text, rangeCells(dryRun, internet(dryRun)));
  const address = canonicalAddress(text);
  if (address !== undefined) return addresses(text, addressCells(address));
  if (text.includes('/')) {
    const cidr = parseCidr(text);
    if (cidr !== undefined) return addresses(text, rangeCells(dryRun, [rangeOfCidr(cidr)]));
  }
  const parts = text.split('/');
  const [first = '', second = '', third = ''] = parts;
  if (parts.length === 2 && first === 'node') return nodeEnd(text, second, dryRun);
  if (parts.length === 3 && workloadKindOf(second) !== undefined)
    return workloadEnd(text, first, second, third, cluster, dryRun);
  if (parts.length <= 2) {
    const key = parts.length === 1 ? `default/${first}` : text;
    const pod = dryRun.pods.get(key);
    if (pod !== undefined) return pods(text, [pod]);
    if (second === '*') return namespaceEnd(text, first, dryRun);
    if (workloadKindOf(first) !== undefined) return workloadEnd(text, 'default', first, second, cluster, dryRun);
  }
  throw new ConfigError(`there is no pod ${JSON.stringify(text)} in the input${proposals(text, cluster, dryRun)}`);
}

/**
 * The pods that an end names, `namespace/name`, before anything is judged. Undefined: it names addresses, which may be any
 * pod's. What is not there is told by `readFlowEnd`.
 */
export function podsNamed(text: string, cluster: LoadedCluster): readonly string[] | undefined {
  const parts = text.split('/');
  const [first = '', second = '', third = ''] = parts;
  const isRange = text.includes('/') && parseCidr(text) !== undefined;
  if (
    text === 'internet' ||
    canonicalAddress(text) !== undefined ||
    isRange ||
    (parts.length === 2 && first === 'node')
  )
    return undefined;
  if (second === '*') {
    return cluster.changes.flatMap((change) =>
      change.kind === 'Pod' && change.op === 'set' && change.object.namespace === first
        ? `${first}/${change.object.name}`
        : [],
    );
  }
  const [namespace, word, name] = parts.length === 3 ? [first, second, third] : ['default', first, second];
  const kind = workloadKindOf(word);
  const workload = kind === undefined ? undefined : cluster.workloads.get(`${kind} ${namespace}/${name}`);
  return [parts.length === 1 ? `default/${first}` : text, ...(workload?.pods ?? [])];
}

function addresses(text: string, cells: readonly FlowCell[]): FlowEnd {
  return { text, kind: 'addresses', cells };
}

function pods(text: string, list: readonly Pod[]): FlowEnd {
  const cells = list.flatMap((pod) => {
    if (pod.terminal) {
      throw new ConfigError(`pod ${pod.namespace}/${pod.name} has finished: it neither sends nor receives`);
    }
    if (pod.hostNetwork && pod.podIPs.length === 0) {
      const node = pod.nodeName === '' ? 'of its node' : `of node ${pod.nodeName}`;
      throw new ConfigError(
        `pod ${pod.namespace}/${pod.name} is on the host's network, and the address ${node} is not known: add the Node object`,
      );
    }
    return podCells(pod);
  });
  return { text, kind: 'pods', cells };
}

function namespaceEnd(text: string, namespace: string, dryRun: DryRun): FlowEnd {
  const list = [...dryRun.pods.values()].filter(
    (pod) => pod.namespace === namespace && !pod.terminal && !pod.hostNetwork,
  );
  if (list.length === 0) throw new ConfigError(`namespace ${JSON.stringify(namespace)} has no pods in the input`);
  return pods(text, list);
}

function workloadEnd(
  text: string,
  namespace: string,
  word: string,
  name: string,
  cluster: LoadedCluster,
  dryRun: DryRun,
): FlowEnd {
  const kind = workloadKindOf(word) ?? word;
  const workload = cluster.workloads.get(`${kind} ${namespace}/${name}`);
  if (workload === undefined) {
    throw new ConfigError(`there is no ${kind} ${namespace}/${name} in the input${proposals(text, cluster, dryRun)}`);
  }
  const list = workload.pods.flatMap((key) => dryRun.pods.get(key) ?? []).filter(({ terminal }) => !terminal);
  if (list.length === 0) throw new ConfigError(`${kind} ${namespace}/${name} has no pods`);
  return pods(text, list);
}

function nodeEnd(text: string, name: string, dryRun: DryRun): FlowEnd {
  const node = dryRun.nodes.get(name);
  if (node === undefined) throw new ConfigError(`there is no Node ${JSON.stringify(name)} in the input`);
  if (node.addresses.length === 0) throw new ConfigError(`Node ${name} has no address in its status`);
  return addresses(text, node.addresses.flatMap(addressCells));
}

function addressCells(address: string): readonly FlowCell[] {
  const parsed = parseAddress(address);
  return parsed === undefined
    ? []
    : [{ family: parsed.family, address, label: address, pod: undefined, range: undefined }];
}

function internet(dryRun: DryRun): readonly AddressRange[] {
  const own = [...dryRun.nodes.values()].flatMap(({ podCIDRs }) => podCIDRs);
  const holes = [...NOT_PUBLIC, ...own].flatMap((text) => cidrRange(text));
  for (const address of dryRun.knownAddresses()) {
    const parsed = parseAddress(address);
    if (parsed === undefined) continue;
    const number = addressNumber(parsed);
    holes.push({ family: parsed.family, first: number, last: number });
  }
  return PUBLIC.flatMap(cidrRange).flatMap((range) => withoutRanges(range, holes));
}

function cidrRange(text: string): AddressRange[] {
  const cidr = parseCidr(text);
  return cidr === undefined ? [] : [rangeOfCidr(cidr)];
}

function proposals(text: string, cluster: LoadedCluster, dryRun: DryRun): string {
  const workloads = Array.from(cluster.workloads.values(), ({ reference }) => {
    return `${reference.namespace}/${reference.kind.toLowerCase()}/${reference.name}`;
  });
  const known = [...dryRun.pods.keys(), ...workloads];
  if (known.length === 0) return ', and no other pod';
  const last = text.split('/').at(-1) ?? '';
  const near = known
    .map((name) => ({
      name,
      edits: Math.min(editDistance(text, name), editDistance(last, name.split('/').at(-1) ?? '')),
    }))
    .filter(({ edits }) => edits <= PROPOSAL_EDITS_MAX)
    .sort((a, b) => a.edits - b.edits)
    .slice(0, PROPOSALS_MAX)
    .map(({ name }) => name);
  return near.length === 0 ? '' : `; there is ${near.join(', ')}`;
}
