/** The view of it all, for `sluice status`. */
import type { ClusterSource } from '../cluster/source.ts';
import type { EbpfDatapath } from '../datapath/ebpf/datapath.ts';
import type { Ipam } from '../ipam/ipam.ts';
import type { DropReporter } from './drop-report.ts';
import type { EndpointRecord, EndpointRecords } from './endpoint-record.ts';
import type { NodeRanges } from './node-ranges.ts';
import type { AgentOptions } from './options.ts';
import type { ProblemBoard } from './problem-board.ts';
import type { Reconciler } from './reconciler.ts';
import type { NodeRouting } from './routing/node-routing.ts';
import type { ServiceState, ServiceStep } from './service-step.ts';
import { type AgentState, type AgentStatus, countersOf, type EndpointStatus, flowStatus } from './status.ts';

export interface StatusParts {
  readonly options: AgentOptions;
  readonly source: ClusterSource;
  readonly records: EndpointRecords;
  readonly ipam: Pick<Ipam, 'usage'>;
  readonly datapath: EbpfDatapath;
  readonly reconciler: Reconciler;
  readonly services: ServiceStep;
  readonly drops: DropReporter;
  readonly ranges: NodeRanges;
  readonly problems: ProblemBoard;
  readonly routing: NodeRouting;
}

/** @param ready the first tables are in force and requests are served. */
export function readAgentStatus(parts: StatusParts, ready: boolean): AgentStatus {
  const { options, datapath, services, records, drops } = parts;
  return {
    ...readAgentState(parts, ready),
    attach: datapath.attachMode,
    services: servicesStatus(services.state()),
    flows: flowStatus(options.flows, datapath.flowUsage(), (id) => records.list().find((record) => record.id === id)),
    ipam: parts.ipam.usage(),
    tableFill: datapath.tableFill(),
    routing: parts.routing.status(),
    endpoints: records.list().map((record) => endpointStatus(record, drops)),
    counters: countersOf(datapath.counters()),
  };
}

/** @param ready as above. */
export function readAgentState(
  {
    options,
    source,
    reconciler,
    ranges,
    problems,
  }: Pick<StatusParts, 'options' | 'source' | 'reconciler' | 'ranges' | 'problems'>,
  ready: boolean,
): AgentState {
  const { problems: compileProblems, ...tables } = reconciler.state();
  const { synced, asOfMs, fault = '' } = source.freshness();
  return {
    instance: options.instance,
    node: options.node,
    ready,
    source: { synced, asOf: new Date(asOfMs).toISOString(), fault },
    tables,
    podCIDRs: ranges.podCidrs,
    objectProblems: problems.list(),
    compileProblems,
  };
}

function endpointStatus(record: EndpointRecord, drops: DropReporter): EndpointStatus {
  return {
    id: record.id,
    pod: `${record.namespace}/${record.pod}`,
    containerId: record.containerId,
    ifname: record.ifname,
    hostInterface: record.hostInterface,
    ifindex: record.ifindex,
    addresses: record.addresses,
    state: record.state,
    closed: record.state === 'wiring' || drops.isClosed(record.id),
    ingressPolicies: drops.policies(record.id, 'ingress'),
    egressPolicies: drops.policies(record.id, 'egress'),
  };
}

function servicesStatus({ frontends, backends, slots, failure }: ServiceState): AgentStatus['services'] {
  return { frontends, backends, slots, failure };
}
