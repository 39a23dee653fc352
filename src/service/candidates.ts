/**
 * From the slices of a Service to the candidates of one of its ports (SVC-2): slices of the address family, ports of the
 * same name and protocol. A port with a named target has slices with several numbers (SVC-4).
 */
import type { Family } from '../net/address.ts';
import { backendKey, toAddress } from './key.ts';
import type { EndpointSlice, SliceEndpoint } from './model.ts';

export interface Candidate {
  /** backendKey of address and port. */
  readonly key: string;
  readonly port: number;
  readonly endpoint: SliceEndpoint;
  /** Name of the slice it is taken from. */
  readonly slice: string;
}

/** One address and port in two slices. That happens while endpoints move between slices, and by mistake. */
export interface DuplicateCandidate {
  readonly kept: Candidate;
  readonly left: Candidate;
}

export interface Candidates {
  /** Sorted by key, each key once. */
  readonly list: readonly Candidate[];
  readonly duplicates: readonly DuplicateCandidate[];
}

/** The slices are those of one Service, in order of name. `node` is the node that backends are chosen for. */
export function findCandidates(
  slices: readonly EndpointSlice[],
  wanted: { readonly family: Family; readonly name: string; readonly protocol: string },
  node: string,
): Candidates {
  const byKey = new Map<string, Candidate>();
  const duplicates: DuplicateCandidate[] = [];
  const addressType = wanted.family === 4 ? 'IPv4' : 'IPv6';
  for (const slice of slices) {
    if (slice.addressType !== addressType || slice.headlessLabel) continue;
    const ports = slice.ports.filter(({ name, protocol }) => name === wanted.name && protocol === wanted.protocol);
    for (const { port } of ports) {
      for (const endpoint of slice.endpoints) {
        const key = backendKey(toAddress(endpoint.address), port);
        const found: Candidate = { key, port, endpoint, slice: slice.name };
        const first = byKey.get(key);
        const better = first === undefined || rank(found, node) > rank(first, node);
        byKey.set(key, better ? found : first);
        if (first !== undefined) duplicates.push(better ? { kept: found, left: first } : { kept: first, left: found });
      }
    }
  }
  return { list: [...byKey.values()].sort((a, b) => (a.key < b.key ? -1 : 1)), duplicates };
}

/** Of two with one address and port the one that is usable here counts: on this node, then ready, then serving. */
function rank({ endpoint }: Candidate, node: string): number {
  const local = endpoint.nodeName !== '' && endpoint.nodeName === node;
  return (local ? 8 : 0) + (endpoint.ready ? 4 : 0) + (endpoint.serving ? 2 : 0) + (endpoint.terminating ? 0 : 1);
}
