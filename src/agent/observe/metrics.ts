/**
 * What Prometheus gets of an agent. Gauges and the kernel's counters are read from the agent's status when somebody asks;
 * only times are recorded as they happen. No label has values that come from objects of the cluster, so their number is
 * bounded by the code.
 */
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from '@prometheus-io/client';
import type { PodQueryStats } from '../../cluster/kubernetes/pod-query.ts';
import type { ReflectorStats } from '../../cluster/kubernetes/reflector.ts';
import type { AgentStatus } from '../status.ts';

/** What the metrics are made of. */
export interface Measured {
  status(): AgentStatus;
  /** By kind; empty for sources that watch no API server. */
  watches(): ReadonlyMap<string, ReflectorStats>;
  /** What became of queries for single pods; undefined for sources that are asked for none. */
  podQueries(): PodQueryStats | undefined;
  /** CNI requests under way and those that wait for their turn. */
  cniLoad(): { readonly running: number; readonly waiting: number };
}

export interface AgentMetricsOptions {
  readonly measured: Measured;
  readonly version: string;
  readonly wallMs: () => number;
}

type Sample = { readonly labels?: Readonly<Record<string, string>>; readonly value: number };

interface Reading {
  readonly name: string;
  readonly help: string;
  readonly type: 'gauge' | 'counter';
  readonly labels?: readonly string[];
  readonly read: (status: AgentStatus, measured: Measured, wallMs: number) => readonly Sample[];
}

/** Seconds: from an API event that changes one element to a compile of everything. */
const REALIZE_BUCKETS: readonly number[] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const CNI_BUCKETS: readonly number[] = [0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

const one = (value: number | boolean): readonly Sample[] => [{ value: Number(value) }];

const READINGS: readonly Reading[] = [
  {
    name: 'sluice_ready',
    help: '1 when the agent serves CNI requests and its desired state is in force; what /readyz says.',
    type: 'gauge',
    read: (status) => one(status.ready),
  },
  {
    name: 'sluice_source_synced',
    help: '1 once the whole desired state was seen.',
    type: 'gauge',
    read: ({ source }) => one(source.synced),
  },
  {
    name: 'sluice_source_age_seconds',
    help: 'Since the desired state was last seen whole. Enforcement goes on with that state; absent before the first time.',
    type: 'gauge',
    read: ({ source }, _, wallMs) => {
      const asOfMs = Date.parse(source.asOf);
      return asOfMs > 0 ? [{ value: Math.max(0, wallMs - asOfMs) / 1000 }] : [];
    },
  },
  {
    name: 'sluice_source_fault',
    help: '1 while the desired state cannot be seen.',
    type: 'gauge',
    read: ({ source }) => one(source.fault !== ''),
  },
  {
    name: 'sluice_watch_objects',
    help: 'Objects held of a kind.',
    type: 'gauge',
    labels: ['kind'],
    read: (_, measured) => [...measured.watches()].map(([kind, { objects }]) => ({ labels: { kind }, value: objects })),
  },
  {
    name: 'sluice_watch_lists_total',
    help: 'Lists of a kind completed. More than one means that a watch could not go on where it was.',
    type: 'counter',
    labels: ['kind'],
    read: (_, measured) => [...measured.watches()].map(([kind, { lists }]) => ({ labels: { kind }, value: lists })),
  },
  {
    name: 'sluice_watch_errors_total',
    help: 'Exchanges with the API server that failed, by kind of object.',
    type: 'counter',
    labels: ['kind'],
    read: (_, measured) =>
      [...measured.watches()].map(([kind, { errors }]) => ({
        labels: { kind },
        value: Object.values(errors).reduce((sum, count) => sum + count, 0),
      })),
  },
  {
    name: 'sluice_pod_queries_total',
    help: 'Queries for a single pod that the runtime named before the watch had brought it, by what became of them.',
    type: 'counter',
    labels: ['result'],
    read: (_, measured) => {
      const stats = measured.podQueries();
      if (stats === undefined) return [];
      return (['found', 'absent', 'failed', 'refused'] as const).map((result) => ({
        labels: { result },
        value: stats[result],
      }));
    },
  },
  {
    name: 'sluice_routes_failed',
    help: '1 while routes, tunnels or rules of the node are not as they should be; `sluice status` says why.',
    type: 'gauge',
    read: ({ routing }) => one(routing.failure !== ''),
  },
  {
    name: 'sluice_node_routes',
    help: 'podCIDRs of other nodes by how they are reached.',
    type: 'gauge',
    labels: ['kind'],
    read: ({ routing }) =>
      (['direct', 'vxlan', 'none'] as const).map((kind) => ({
        labels: { kind },
        value: routing.nodes.filter((route) => route.kind === kind).length,
      })),
  },
  {
    name: 'sluice_changes_submitted',
    help: 'Number of the last change of the desired state that was taken in.',
    type: 'gauge',
    read: ({ tables }) => one(tables.submitted),
  },
  {
    name: 'sluice_changes_realized',
    help: 'Number of the last change that is in force. Behind the one above for long: see sluice_tables_failed.',
    type: 'gauge',
    read: ({ tables }) => one(tables.realized),
  },
  {
    name: 'sluice_tables_generation',
    help: 'Generation of the verdict tables in force.',
    type: 'gauge',
    read: ({ tables }) => one(tables.generation),
  },
  {
    name: 'sluice_tables_failed',
    help: '1 while the newest desired state is not in force and could not be brought in force; `sluice status` says why.',
    type: 'gauge',
    read: ({ tables }) => one(tables.failure !== ''),
  },
  {
    name: 'sluice_services_failed',
    help: '1 while the newest Services are not in force and could not be brought in force.',
    type: 'gauge',
    read: ({ services }) => one(services.failure !== ''),
  },
  {
    name: 'sluice_service_elements',
    help: 'Elements of the service tables in force.',
    type: 'gauge',
    labels: ['table'],
    read: ({ services }) =>
      (['frontends', 'backends', 'slots'] as const).map((table) => ({ labels: { table }, value: services[table] })),
  },
  {
    name: 'sluice_endpoints',
    help: 'Interfaces of local pods, by state. closed: nothing passes, because the pod or its policies are not known yet.',
    type: 'gauge',
    labels: ['state'],
    read: ({ endpoints }) =>
      (['wiring', 'closed', 'open'] as const).map((state) => ({
        labels: { state },
        value: endpoints.filter((endpoint) => stateOf(endpoint) === state).length,
      })),
  },
  {
    name: 'sluice_object_problems',
    help: 'What is wrong with objects of the desired state. error: something that was asked for is not in force.',
    type: 'gauge',
    labels: ['severity'],
    read: ({ objectProblems }) =>
      (['error', 'warning'] as const).map((severity) => ({
        labels: { severity },
        value: objectProblems.filter((problem) => problem.severity === severity).length,
      })),
  },
  {
    name: 'sluice_compile_problems',
    help: 'What the compiler has to say of the desired state as a whole, by kind.',
    type: 'gauge',
    labels: ['kind'],
    read: ({ compileProblems }) =>
      (['limit', 'unknown-pod', 'contested-address', 'priority-tie', 'unreadable'] as const).map((kind) => ({
        labels: { kind },
        value: compileProblems.filter((problem) => problem.kind === kind).length,
      })),
  },
  {
    name: 'sluice_table_elements',
    help: 'Elements in force of the tables of policy.',
    type: 'gauge',
    labels: ['table'],
    read: ({ tableFill }) => tableFill.map(({ table, used }) => ({ labels: { table }, value: used })),
  },
  {
    name: 'sluice_table_limit',
    help: 'Room in the tables of policy.',
    type: 'gauge',
    labels: ['table'],
    read: ({ tableFill }) => tableFill.map(({ table, max }) => ({ labels: { table }, value: max })),
  },
  {
    name: 'sluice_ipam_addresses',
    help: "Addresses of the node's podCIDRs by family and state: held by a pod, resting after one, free.",
    type: 'gauge',
    labels: ['family', 'state'],
    read: ({ ipam }) =>
      (['4', '6'] as const).flatMap((family) => {
        const ranges = ipam.filter(({ cidr }) => cidr.includes(':') === (family === '6'));
        return (['held', 'resting', 'free'] as const).map((state) => ({
          labels: { family, state },
          value: ranges.reduce((sum, range) => sum + range[state], 0),
        }));
      }),
  },
  {
    name: 'sluice_flows',
    help: 'Flows seen both ways that the kernel remembers, at most.',
    type: 'gauge',
    read: ({ flows }) => one(flows.live),
  },
  {
    name: 'sluice_flows_max',
    help: 'Room for flows: seen both ways (live), unanswered ones (new), and live ones of one endpoint (endpoint).',
    type: 'gauge',
    labels: ['table'],
    read: ({ flows }) => [
      { labels: { table: 'live' }, value: flows.liveMax },
      { labels: { table: 'new' }, value: flows.newMax },
      { labels: { table: 'endpoint' }, value: flows.endpointMax },
    ],
  },
  {
    name: 'sluice_flow_limit_endpoints',
    help: 'Pods at their limit of flows: further flows of theirs may be forgotten before their time.',
    type: 'gauge',
    read: ({ flows }) => one(flows.atLimit.length),
  },
  {
    name: 'sluice_packets_total',
    help: 'Packets of pods by what became of them (docs/datapath.md). Starts at zero when the maps are made anew.',
    type: 'counter',
    labels: ['reason', 'direction'],
    read: ({ counters }) =>
      counters.map(({ reason, direction, packets }) => ({ labels: { reason, direction }, value: packets })),
  },
  {
    name: 'sluice_packet_bytes_total',
    help: 'Bytes of the same packets.',
    type: 'counter',
    labels: ['reason', 'direction'],
    read: ({ counters }) =>
      counters.map(({ reason, direction, bytes }) => ({ labels: { reason, direction }, value: bytes })),
  },
  {
    name: 'sluice_cni_requests',
    help: 'CNI requests under way and those that wait for their turn.',
    type: 'gauge',
    labels: ['state'],
    read: (_, measured) => {
      const { running, waiting } = measured.cniLoad();
      return [
        { labels: { state: 'running' }, value: running },
        { labels: { state: 'waiting' }, value: waiting },
      ];
    },
  },
];

export class AgentMetrics {
  readonly #registry: Registry = new Registry();
  readonly #options: AgentMetricsOptions;
  readonly #readings: readonly { readonly reading: Reading; readonly metric: Gauge<string> | Counter<string> }[];
  readonly #cniSeconds: Histogram<'command' | 'result'>;
  readonly #realizeSeconds: Histogram;
  readonly #podSeconds: Histogram;

  constructor(options: AgentMetricsOptions) {
    this.#options = options;
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    new Gauge({ name: 'sluice_build_info', help: 'Always 1.', labelNames: ['version'], registers }).set(
      { version: options.version },
      1,
    );
    this.#readings = READINGS.map((reading) => {
      const configuration = {
        name: reading.name,
        help: reading.help,
        labelNames: [...(reading.labels ?? [])],
        registers,
      };
      return {
        reading,
        metric: reading.type === 'gauge' ? new Gauge<string>(configuration) : new Counter<string>(configuration),
      };
    });
    this.#cniSeconds = new Histogram({
      name: 'sluice_cni_request_seconds',
      help: 'From a CNI request to its answer. result: ok, or the error code of the CNI specification.',
      labelNames: ['command', 'result'],
      buckets: [...CNI_BUCKETS],
      registers,
    });
    this.#realizeSeconds = new Histogram({
      name: 'sluice_change_realize_seconds',
      help: 'From a change of the desired state to its being in force on this node.',
      buckets: [...REALIZE_BUCKETS],
      registers,
    });
    this.#podSeconds = new Histogram({
      name: 'sluice_pod_address_realize_seconds',
      help: "From the first sight of another node's pod with an address to the class of that address being in force here. Until then the address is closed to isolated pods.",
      buckets: [...REALIZE_BUCKETS],
      registers,
    });
  }

  /** @param result `ok`, or the error code. */
  observeCni(command: string, result: string, seconds: number): void {
    this.#cniSeconds.observe({ command, result }, seconds);
  }

  /** @param hasPodAddress the change held a new address of a pod of another node. */
  observeRealized(seconds: number, hasPodAddress: boolean): void {
    this.#realizeSeconds.observe(seconds);
    if (hasPodAddress) this.#podSeconds.observe(seconds);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Names of everything that is exposed, the interpreter's own metrics included. */
  names(): readonly string[] {
    return this.#registry.getMetricsAsArray().map(({ name }) => name);
  }

  /** Prometheus' text form, as of now. */
  async text(): Promise<string> {
    this.#collect();
    return await this.#registry.metrics();
  }

  #collect(): void {
    const { measured, wallMs } = this.#options;
    const status = measured.status();
    for (const { reading, metric } of this.#readings) {
      // A series that has gone, such as a reason that a new map has not counted yet, must not stay at its last value.
      metric.reset();
      // Without a label there is one series, at zero from the beginning; it is taken away where nothing is known.
      if (reading.labels === undefined) metric.remove();
      for (const { labels = {}, value } of reading.read(status, measured, wallMs())) {
        if (metric instanceof Gauge) metric.set(labels, value);
        else metric.inc(labels, value);
      }
    }
  }
}

function stateOf({ state, closed }: AgentStatus['endpoints'][number]): 'wiring' | 'closed' | 'open' {
  if (state === 'wiring') return 'wiring';
  return closed ? 'closed' : 'open';
}
