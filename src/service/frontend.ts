/** A frontend: an address, protocol and port of a Service, and what is behind it as one node sees it. */
import type { Family } from '../net/address.ts';
import type { Protocol, TrafficPolicy } from './model.ts';
import type { FrontendState, Topology } from './select.ts';

export interface Backend {
  /** Of address and port behind this frontend: behind another they have another. */
  readonly id: number;
  readonly key: string;
  readonly address: string;
  readonly port: number;
  /** Empty when not known, as `zone`. */
  readonly node: string;
  readonly zone: string;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
}

/** Everything of a frontend but ids and slots. */
export interface FrontendDraft {
  /** frontendKey. */
  readonly key: string;
  readonly family: Family;
  readonly address: string;
  readonly protocol: Protocol;
  readonly port: number;
  /** `namespace/name`. */
  readonly service: string;
  readonly portName: string;
  /** 0: no session affinity. */
  readonly affinityTimeoutSeconds: number;
  readonly trafficPolicy: TrafficPolicy;
  readonly state: FrontendState;
  readonly health: 'ready' | 'terminating';
  readonly topology: Topology;
  /** How many endpoints the slices hold for the port, usable or not. */
  readonly candidates: number;
  /** Sorted by address and port. */
  readonly backends: readonly Omit<Backend, 'id'>[];
}

export interface Frontend extends FrontendDraft {
  /** Of the key; kept while the key is a frontend. */
  readonly id: number;
  readonly backends: readonly Backend[];
  /** For every slot the id of its backend (maglev.ts). Empty unless the state is `backends`. */
  readonly slots: Uint32Array;
}

export function sameFrontend(a: FrontendDraft, b: FrontendDraft): boolean {
  return (
    a.service === b.service &&
    a.portName === b.portName &&
    a.affinityTimeoutSeconds === b.affinityTimeoutSeconds &&
    a.trafficPolicy === b.trafficPolicy &&
    a.state === b.state &&
    a.health === b.health &&
    a.topology === b.topology &&
    a.candidates === b.candidates &&
    a.backends.length === b.backends.length &&
    a.backends.every((backend, i) => sameBackend(backend, b.backends[i]!))
  );
}

function sameBackend(a: Omit<Backend, 'id'>, b: Omit<Backend, 'id'>): boolean {
  return (
    a.key === b.key &&
    a.node === b.node &&
    a.zone === b.zone &&
    a.ready === b.ready &&
    a.serving === b.serving &&
    a.terminating === b.terminating
  );
}

/** Whether the slots of one are those of the other: they lead to the same backends. */
export function sameSlots(a: FrontendDraft, b: FrontendDraft): boolean {
  return a.backends.length === b.backends.length && a.backends.every(({ key }, i) => key === b.backends[i]!.key);
}

/** Session affinity ClientIP. */
export function hasAffinity({ affinityTimeoutSeconds }: Pick<FrontendDraft, 'affinityTimeoutSeconds'>): boolean {
  return affinityTimeoutSeconds > 0;
}
