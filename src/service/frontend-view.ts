/** A frontend as commands print it and the agent's socket carries it: everything but ids and slots, which follow from it. */
import type { Backend, Frontend } from './frontend.ts';
import { backendKey, frontendKey, toAddress } from './key.ts';
import { buildTable } from './maglev.ts';
import type { Protocol, TrafficPolicy } from './model.ts';
import type { FrontendState, Topology } from './select.ts';

export interface BackendView {
  readonly address: string;
  readonly port: number;
  /** Empty when not known, as `zone`. */
  readonly node: string;
  readonly zone: string;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  /** Of the frontend's slots: how many lead here. */
  readonly slots: number;
}

export interface FrontendView {
  /** `namespace/name`. */
  readonly service: string;
  /** Empty for the one port of a Service that goes without a name. */
  readonly portName: string;
  readonly address: string;
  readonly port: number;
  readonly protocol: Protocol;
  /** reject: answered with an error. */
  readonly state: FrontendState;
  /** 0: no session affinity. */
  readonly affinitySeconds: number;
  readonly trafficPolicy: TrafficPolicy;
  /** terminating: none is ready, the backends still serve. */
  readonly health: 'ready' | 'terminating';
  /** What the hints left. */
  readonly topology: Topology;
  /** Endpoints of the slices for this port, usable or not. */
  readonly endpoints: number;
  readonly slots: number;
  /** Sorted by address and port. */
  readonly backends: readonly BackendView[];
}

export function viewFrontend(frontend: Frontend): FrontendView {
  const { service, portName, address, port, protocol, state, trafficPolicy, health, topology } = frontend;
  const slots = new Map<number, number>();
  for (const id of frontend.slots) slots.set(id, (slots.get(id) ?? 0) + 1);
  return {
    service,
    portName,
    address,
    port,
    protocol,
    state,
    affinitySeconds: frontend.affinityTimeoutSeconds,
    trafficPolicy,
    health,
    topology,
    endpoints: frontend.candidates,
    slots: frontend.slots.length,
    backends: frontend.backends.map((backend) => viewBackend(backend, slots.get(backend.id) ?? 0)),
  };
}

function viewBackend(backend: Backend, slots: number): BackendView {
  const { address, port, node, zone, ready, serving, terminating } = backend;
  return { address, port, node, zone, ready, serving, terminating, slots };
}

/** The frontend again, with ids of its own: the slots are a pure function of the backends (maglev.ts). */
export function frontendOfView(view: FrontendView): Frontend {
  const backends = view.backends.map(({ address, port, node, zone, ready, serving, terminating }, i) => {
    const key = backendKey(toAddress(address), port);
    return { id: i + 1, key, address, port, node, zone, ready, serving, terminating };
  });
  const affinityTimeoutSeconds = view.affinitySeconds;
  const keys = backends.map(({ key }) => key);
  const { slots: _, affinitySeconds: __, endpoints: candidates, ...rest } = view;
  const address = toAddress(view.address);
  return {
    ...rest,
    key: frontendKey(address, view.port, view.protocol),
    family: address.family,
    affinityTimeoutSeconds,
    candidates,
    id: 0,
    backends,
    slots: Uint32Array.from(buildTable(keys), (i) => i + 1),
  };
}
