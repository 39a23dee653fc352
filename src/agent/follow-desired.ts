/** From the desired state to the kernel: what takes it in, compiles it, brings it in force and tells what is wrong. */
import type { Snapshot } from '../cluster/snapshot.ts';
import type { ClusterSource } from '../cluster/source.ts';
import { systemClock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import { isDelta, type TableDelta } from '../policy/table-delta.ts';
import type { VerdictTables } from '../policy/tables.ts';
import type { FoundNode } from './adopt-node.ts';
import { type Compiled, CompilerThread } from './compile-service.ts';
import { DesiredState } from './desired-state.ts';
import { DropReporter } from './drop-report.ts';
import { NodeAddresses } from './node-addresses.ts';
import { NodeRanges } from './node-ranges.ts';
import type { RealizeTimer } from './observe/realize-timer.ts';
import type { AgentOptions } from './options.ts';
import { ProblemBoard } from './problem-board.ts';
import { Reconciler } from './reconciler.ts';
import { runCommand } from './routing/iptables-command.ts';
import { NodeRouting } from './routing/node-routing.ts';
import { serviceProblems, ServiceStep } from './service-step.ts';

export interface FollowParts {
  readonly options: AgentOptions;
  readonly log: Log;
  readonly found: FoundNode;
  readonly snapshot: Snapshot;
  readonly source: ClusterSource;
  readonly timer: RealizeTimer;
  readonly onFatal: (error: Error) => void;
}

export interface Followed {
  readonly compiler: CompilerThread;
  readonly reconciler: Reconciler;
  readonly services: ServiceStep;
  readonly drops: DropReporter;
  readonly desired: DesiredState;
  readonly ranges: NodeRanges;
  readonly routing: NodeRouting;
  readonly problems: ProblemBoard;
}

/**
 * Nothing is enforced before the reconciler begins. Parts that follow objects are made here and get a `desired.follow`.
 * @param started takes down what this opens.
 */
export async function followDesired(started: AsyncDisposableStack, parts: FollowParts): Promise<Followed> {
  const { options, log, found, snapshot, source, timer, onFatal } = parts;
  const { node, datapath, records, ipam } = found;
  const drops = new DropReporter(snapshot, records);
  const services = new ServiceStep({ datapath, log });
  const compiler = openCompiler(started, parts);
  const onTables = ({ tables }: Compiled<VerdictTables | TableDelta>): void =>
    drops.setTables(tables.endpoints, isDelta(tables) ? tables.goneEndpoints : undefined);
  const onRealized = (sequence: number): void => timer.realized(sequence);
  const reconciler = new Reconciler({ compiler, datapath, log, services, onTables, onRealized, isHeld: true });
  started.defer(() => reconciler.close());
  const desired = new DesiredState({ snapshot, reconciler, source, node: options.node, timer });
  const ranges = new NodeRanges({ nodeName: options.node, snapshot, ipam, node, log });
  const problems = new ProblemBoard(log);
  problems.add(() => desired.problems());
  problems.add(() => ranges.problems());
  problems.add(() => serviceProblems(services.state()));
  const routing = await openRouting(started, parts, problems);
  desired.follow(() => routing.setNodes(snapshot.nodes));
  desired.follow(() => ranges.follow());
  desired.follow(() => problems.tell());

  desired.adoptEndpoints(records.list());
  started.use(NodeAddresses.watch((list) => desired.setNodeAddresses(list), onFatal));
  source.start((update) => desired.take(update));
  return { compiler, reconciler, services, drops, desired, ranges, routing, problems };
}

function openCompiler(started: AsyncDisposableStack, { options, found, onFatal }: FollowParts): CompilerThread {
  const compiler = new CompilerThread(
    {
      node: options.node,
      reserved: found.datapath.idsInUse(),
      given: found.datapath.serviceIdsInUse(),
      serviceRanges: options.serviceCIDRs,
    },
    onFatal,
  );
  started.defer(() => compiler.close());
  return compiler;
}

/** Pods of an earlier agent are accepted in FORWARD when it resolves; all else waits for the Node objects. */
async function openRouting(
  started: AsyncDisposableStack,
  { options, log, found, onFatal }: FollowParts,
  problems: ProblemBoard,
): Promise<NodeRouting> {
  const routing = started.use(
    NodeRouting.open({
      instance: options.instance,
      ownName: options.node,
      node: found.node,
      settings: options.nodeRouting,
      run: runCommand,
      log,
      clock: systemClock,
      onProblems: () => problems.tell(),
      onFatal,
    }),
  );
  problems.add(() => routing.problems());
  await routing.settle();
  return routing;
}
