/** What the node has of earlier agents: what is enforced is taken over, what was left half-made is undone. */
import { EbpfDatapath } from '../datapath/ebpf/datapath.ts';
import { Ipam } from '../ipam/ipam.ts';
import { systemClock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import { EndpointRecords } from './endpoint-record.ts';
import { removeLeftOvers } from './left-overs.ts';
import type { AgentOptions } from './options.ts';
import type { InstancePaths } from './paths.ts';
import { ensureForwarding, type NodeNetwork, openNodeNetwork } from './wiring/node.ts';

export interface FoundNode {
  readonly node: NodeNetwork;
  readonly datapath: EbpfDatapath;
  readonly records: EndpointRecords;
  readonly ipam: Ipam;
}

export interface NodeParts {
  readonly options: AgentOptions;
  readonly log: Log;
  readonly paths: InstancePaths;
  /** The compiled programs. */
  readonly object: Uint8Array;
}

/** @param started takes down what this opens. */
export async function adoptNode(started: AsyncDisposableStack, parts: NodeParts): Promise<FoundNode> {
  const { options, log, paths, object } = parts;
  const { instance, attach } = options;
  const node = started.use(openNodeNetwork());
  const datapath = started.use(
    await EbpfDatapath.open({
      object,
      pinRoot: paths.pinRoot,
      instance,
      attach,
      log,
      flows: { new: options.flows.newFlows, live: options.flows.liveFlows },
      // Pods may not speak as a node's tunnel; the rules of the INPUT chain say the same.
      constants: { ...options.flows.constants, vxlan_port: BigInt(tunnelPort(options)) },
    }),
  );
  const changed = ensureForwarding(node);
  if (changed.length > 0) log.warn({ sysctls: changed }, 'forwarding was off and is on now');
  const records = new EndpointRecords(paths.endpoints);
  for (const file of await records.load()) log.error({ file }, 'endpoint record cannot be read; its pod is not known');
  const ipam = started.use(new Ipam({ runDir: paths.runDir, stateDir: paths.stateDir, clock: systemClock }));
  await removeLeftOvers({ instance, node, records, datapath, ipam, log });
  return { node, datapath, records, ipam };
}

/** 0: this node has no tunnels. */
function tunnelPort({ routing, vxlanPort }: AgentOptions): number {
  return routing === 'vxlan' || routing === 'auto' ? vxlanPort : 0;
}
