/**
 * Raw Kubernetes objects -> the slim objects of model.ts, by the API server's own rules, with what is wrong as data.
 * Never throws, whatever the input; bounded by validate-limits.ts. Entry to the readers of all kinds.
 */
import { formatCidr } from '../net/cidr.ts';
import type { Labels, Namespace, Node } from './model.ts';
import { type Read, Report } from './problem.ts';
import { readAddress, readCidr } from './validate-address.ts';
import { NAMESPACE, NODE, readMetadata } from './validate-metadata.ts';
import { type Place, expectObject, field, quote, readList, readString } from './validate-place.ts';

export type { Problem, Read } from './problem.ts';
export { readPod } from './validate-pod.ts';
export { readClusterNetworkPolicy } from './validate-cluster-policy.ts';
export { readNetworkPolicy } from './validate-policy.ts';

const NAME_LABEL = 'kubernetes.io/metadata.name';
const ZONE_LABEL = 'topology.kubernetes.io/zone';
const NODE_ADDRESS_TYPES = ['InternalIP', 'ExternalIP'];

/** Undefined object when its name or labels are wrong: an unknown namespace matches no namespaceSelector (NP-28). */
export function readNamespace(raw: unknown): Read<Namespace> {
  const report = new Report();
  const metadata = readMetadata({ path: '', value: raw, report }, NAMESPACE);
  if (metadata === undefined) return { object: undefined, problems: report.problems() };
  const { name } = metadata;
  const stated = metadata.labels[NAME_LABEL];
  if (stated !== undefined && stated !== name) {
    report.warn(
      `metadata.labels["${NAME_LABEL}"]`,
      `${quote(stated)} is replaced by the namespace's name, ${quote(name)}`,
    );
  }
  const object = { name, labels: withNameLabel(metadata.labels, name) };
  return { object: report.errors === 0 ? object : undefined, problems: report.problems() };
}

/** A Namespace that nobody wrote down, as the API server would have it (NP-25). */
export function bareNamespace(name: string): Namespace {
  return { name, labels: withNameLabel({}, name) };
}

function withNameLabel(labels: Labels, name: string): Labels {
  return Object.assign(Object.create(null), labels, { [NAME_LABEL]: name });
}

/**
 * What can be read is kept, also beside errors: less is known of addresses that a broken node holds, and an address
 * in a known podCIDR is closer to closed than one outside. Undefined object only without a name.
 */
export function readNode(raw: unknown): Read<Node> {
  const report = new Report();
  const root: Place = { path: '', value: raw, report };
  const metadata = readMetadata(root, NODE);
  if (metadata === undefined) return { object: undefined, problems: report.problems() };
  const zone = metadata.labels[ZONE_LABEL] ?? '';
  const object: Node = {
    name: metadata.name,
    podCIDRs: readPodCIDRs(field(root, 'spec')),
    ...readNodeAddresses(field(root, 'status')),
    ...(zone !== '' && { zone }),
  };
  return { object, problems: report.problems() };
}

/** spec.podCIDRs; podCIDR alone stands for them where they are not given. */
function readPodCIDRs(spec: Place | undefined): readonly string[] {
  if (spec === undefined || !expectObject(spec)) return [];
  const single = field(spec, 'podCIDR');
  const listed = readList(field(spec, 'podCIDRs'));
  const places = listed.length > 0 || single === undefined ? listed : [single];
  const texts = places
    .filter((place) => place.value !== '')
    .map(readCidr)
    .filter((cidr) => cidr !== undefined)
    .map(formatCidr);
  return [...new Set(texts)];
}

function readNodeAddresses(status: Place | undefined): Pick<Node, 'addresses' | 'internalAddresses'> {
  if (status === undefined || !expectObject(status)) return { addresses: [] };
  const typed = readList(field(status, 'addresses')).flatMap((place) => {
    if (!expectObject(place)) return [];
    const type = readString(field(place, 'type'));
    const address = field(place, 'address');
    if (type === undefined || !NODE_ADDRESS_TYPES.includes(type) || !address) return [];
    const text = readAddress(address);
    return text === undefined ? [] : [{ type, text }];
  });
  const addresses = [...new Set(typed.map(({ text }) => text))];
  const internal = new Set(typed.filter(({ type }) => type === 'InternalIP').map(({ text }) => text));
  // Said only where it makes a difference: most nodes have no other addresses.
  return internal.size === addresses.length ? { addresses } : { addresses, internalAddresses: [...internal] };
}
