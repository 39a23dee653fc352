/**
 * Which candidates are backends on one node. In this order:
 * 1. internalTrafficPolicy Local: the ready ones of this node; when there are none, those of this node that still serve
 *    while they terminate (SVC-21, SVC-31). Hints are not looked at;
 * 2. Cluster: the ready ones, all of them or those that the hints leave (SVC-20, SVC-22);
 * 3. when none is ready: all that still serve while they terminate, whatever their hints (SVC-20);
 * 4. none by 1, but some by 2 or 3 somewhere: dropped; none at all: rejected (SVC-30).
 */
import type { Candidate } from './candidates.ts';
import type { NodeLocation, TrafficPolicy } from './model.ts';

/** What happens to a packet to the frontend. reject: answered with an error; elsewhere: left to another proxy. */
export type FrontendState = 'backends' | 'reject' | 'drop' | 'elsewhere';

export type Topology = 'everywhere' | 'same zone' | 'same node';

export interface Selection {
  readonly state: FrontendState;
  /** In the order of the candidates. */
  readonly chosen: readonly Candidate[];
  /** terminating: none was ready, these still serve. */
  readonly health: 'ready' | 'terminating';
  /** What the hints left of the ready ones (SVC-22). */
  readonly topology: Topology;
}

export function selectBackends(
  candidates: readonly Candidate[],
  policy: TrafficPolicy,
  location: NodeLocation,
): Selection {
  const ready = candidates.filter(({ endpoint }) => endpoint.ready);
  const leaving = candidates.filter(({ endpoint }) => endpoint.serving && endpoint.terminating);
  if (ready.length === 0 && leaving.length === 0) {
    return { state: 'reject', chosen: [], health: 'ready', topology: 'everywhere' };
  }
  if (policy === 'Local') return selectLocal(ready, leaving, location.node);
  if (ready.length === 0) return { state: 'backends', chosen: leaving, health: 'terminating', topology: 'everywhere' };
  const topology = topologyOf(ready, location);
  return { state: 'backends', chosen: withinTopology(ready, topology, location), health: 'ready', topology };
}

function selectLocal(ready: readonly Candidate[], leaving: readonly Candidate[], node: string): Selection {
  const here = ({ endpoint }: Candidate): boolean => endpoint.nodeName !== '' && endpoint.nodeName === node;
  const localReady = ready.filter(here);
  if (localReady.length > 0) {
    return { state: 'backends', chosen: localReady, health: 'ready', topology: 'everywhere' };
  }
  const chosen = leaving.filter(here);
  return { state: chosen.length > 0 ? 'backends' : 'drop', chosen, health: 'terminating', topology: 'everywhere' };
}

/** Hints count only when every ready one has them: a part of them would leave the others out for good. */
function topologyOf(ready: readonly Candidate[], { node, zone }: NodeLocation): Topology {
  const names = (name: string, pick: (candidate: Candidate) => readonly string[]): boolean =>
    name !== '' &&
    ready.every((candidate) => pick(candidate).length > 0) &&
    ready.some((candidate) => pick(candidate).includes(name));
  if (names(node, ({ endpoint }) => endpoint.forNodes)) return 'same node';
  return names(zone, ({ endpoint }) => endpoint.forZones) ? 'same zone' : 'everywhere';
}

function withinTopology(
  ready: readonly Candidate[],
  topology: Topology,
  { node, zone }: NodeLocation,
): readonly Candidate[] {
  switch (topology) {
    case 'same node':
      return ready.filter(({ endpoint }) => endpoint.forNodes.includes(node));
    case 'same zone':
      return ready.filter(({ endpoint }) => endpoint.forZones.includes(zone));
    case 'everywhere':
      return ready;
  }
}
