/** Why a client's packet to a frontend goes where it goes, in words: what `trace` prints. */
import { type ClientTuple, hashTuple, slotOf } from './choose.ts';
import { type Backend, type Frontend, hasAffinity } from './frontend.ts';
import { formatEnd } from './key.ts';

/** Backends whose share is named. */
const SHARES_MAX = 10;

export interface Choice {
  readonly state: Frontend['state'];
  /** Undefined: rejected or dropped. */
  readonly backend: Backend | undefined;
  /** Of the client's tuple. */
  readonly hash: number;
  /** Undefined: there are none. */
  readonly slot: number | undefined;
  /** One sentence a step. */
  readonly why: readonly string[];
}

/** What the kernel does with the first packet of a flow from the client to the frontend. */
export function explainChoice(frontend: Frontend, client: Pick<ClientTuple, 'source' | 'sourcePort'>): Choice {
  const affinity = hasAffinity(frontend);
  const tuple = { ...client, destinationPort: frontend.port, protocol: frontend.protocol };
  const hash = hashTuple(tuple);
  const why = [nameOf(frontend), ...whyTheseBackends(frontend)];
  if (frontend.slots.length === 0) return { state: frontend.state, backend: undefined, hash, slot: undefined, why };
  const slot = slotOf(hash, frontend.slots.length);
  const backend = frontend.backends.find(({ id }) => id === frontend.slots[slot]);
  if (affinity) why.push(affinityText(frontend));
  why.push(
    `the hash of client ${formatEnd(client.source, client.sourcePort)}, ${hash}, leads to slot ${slot} of ${frontend.slots.length}`,
  );
  if (backend !== undefined)
    why.push(`the slot is that of ${formatEnd(backend.address, backend.port)}${placeOf(backend)}`);
  return { state: frontend.state, backend, hash, slot, why };
}

function affinityText({ affinityTimeoutSeconds }: Frontend): string {
  return `a client whose last new flow is no more than ${affinityTimeoutSeconds} s ago keeps the backend it had, while that can be used (session affinity); for others:`;
}

/** What can be said before the client's port is known: why these backends, and how flows are spread over them. */
export function explainShares(frontend: Frontend): readonly string[] {
  const { slots, backends } = frontend;
  const counts = new Map<number, number>();
  for (const id of slots) counts.set(id, (counts.get(id) ?? 0) + 1);
  const shares = backends.map((backend) => {
    const percent = ((100 * (counts.get(backend.id) ?? 0)) / slots.length).toFixed(1);
    return `${percent} % of flows go to ${formatEnd(backend.address, backend.port)}${placeOf(backend)}`;
  });
  const named = shares.slice(0, SHARES_MAX);
  const more = shares.length - named.length;
  return [
    nameOf(frontend),
    ...whyTheseBackends(frontend),
    ...(hasAffinity(frontend) ? [affinityText(frontend)] : []),
    "the client's port decides on one, by the hash of the tuple",
    ...named,
    ...(more > 0 ? [`and ${more} more likewise`] : []),
  ];
}

function nameOf({ address, port, protocol, service, portName }: Frontend): string {
  const named = portName === '' ? '' : `, port ${portName}`;
  return `${formatEnd(address, port)}/${protocol} is Service ${service}${named}`;
}

function whyTheseBackends(frontend: Frontend): readonly string[] {
  const { state, trafficPolicy, candidates, backends, health, topology } = frontend;
  const all = candidates === 1 ? '1 endpoint' : `${candidates} endpoints`;
  if (state === 'elsewhere') {
    return ['another proxy translates it: policies judge its own address, and it is left to the host'];
  }
  if (state === 'reject') {
    return [candidates === 0 ? 'it has no endpoints: rejected' : `of its ${all} none can be used: rejected`];
  }
  if (state === 'drop') {
    const local = 'internalTrafficPolicy is Local and none of those in use is on this node: dropped';
    return [`it has ${all}`, trafficPolicy === 'Local' ? local : 'they are more than one frontend may have: dropped'];
  }
  const limits = [
    ...(trafficPolicy === 'Local' ? ['on this node (internalTrafficPolicy Local)'] : []),
    ...(topology === 'everywhere' ? [] : [`for the ${topology} by their hints`]),
  ];
  const which = health === 'ready' ? 'ready' : 'terminating but still serving, as none is ready';
  return [`of its ${all} ${backends.length} can be used: ${[which, ...limits].join(', ')}`];
}

function placeOf({ node, zone }: Backend): string {
  const parts = [...(node === '' ? [] : [`node ${node}`]), ...(zone === '' ? [] : [`zone ${zone}`])];
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`;
}
