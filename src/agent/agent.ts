/**
 * The composition root: makes the parts, in the order in which they need one another, and takes them down in reverse.
 *
 * Start: settings are checked -> lock -> what the kernel enforces is adopted -> left-overs of a killed agent are removed ->
 * the source is followed -> requests are served and journalled DELs carried out -> when the desired state is known, tables
 * in force, with every endpoint in them from the first on -> ready: ADDs go on. Stop: requests end, enforcement stays.
 */
import { mkdirSync } from 'node:fs';
import packageJson from '../../package.json' with { type: 'json' };
import { Snapshot } from '../cluster/snapshot.ts';
import { requireBpffs } from '../kernel/bpffs.ts';
import { trimNativeMemory } from '../kernel/native-memory.ts';
import { useSysctlRoot } from '../kernel/netlink/sysctl.ts';
import { lockFile } from '../kernel/system.ts';
import { systemClock } from '../lib/clock.ts';
import { ConfigError, errorMessage } from '../lib/errors.ts';
import { giveBackMemory } from '../lib/give-back-memory.ts';
import type { Log } from '../lib/log.ts';
import type { Pod } from '../policy/model.ts';
import { adoptNode } from './adopt-node.ts';
import { followDesired } from './follow-desired.ts';
import { showToRuntime } from './install/conflist.ts';
import { readObjectFile } from './object-file.ts';
import { AgentMetrics } from './observe/metrics.ts';
import { Observation } from './observe/observation.ts';
import { RealizeTimer } from './observe/realize-timer.ts';
import { openSource } from './open-source.ts';
import type { AgentOptions } from './options.ts';
import { instancePaths } from './paths.ts';
import { Readiness } from './readiness.ts';
import { openRequestServer } from './request-server.ts';
import { readAgentState, readAgentStatus } from './status-view.ts';
import type { AgentState, AgentStatus } from './status.ts';

export interface Agent extends AsyncDisposable {
  /** Resolves when the first tables are in force: then pods can be added. Rejects when the source cannot be read. */
  readonly ready: Promise<void>;
  status(): AgentStatus;
  /** Ends the process's part; what is enforced stays enforced. Idempotent. */
  stop(): Promise<void>;
}

type OnFatal = (error: Error) => void;

/**
 * Returns once requests are served.
 * @param onFatal something happened after which the agent cannot go on; it should be stopped and started anew.
 * @throws ConfigError for settings, files, paths or a kernel that cannot be used; no pod, program or rule was touched then.
 */
export async function startAgent(options: AgentOptions, log: Log, onFatal: OnFatal): Promise<Agent> {
  await using started = new AsyncDisposableStack();
  if (process.geteuid?.() !== 0) throw new ConfigError('the agent must run as root: it wires pods and loads programs');
  useSysctlRoot(options.procSys);
  const paths = instancePaths(options.instance, options);
  const snapshot = new Snapshot({ keepsPolicies: false });
  const isLocal = (pod: Pod): boolean => snapshot.hasEndpoint(pod);
  const { source, kubernetes } = await openSource(options.source, systemClock, isLocal);
  started.use(source);
  const object = readObjectFile(options.object);
  requireBpffs(paths.pinRoot);
  makeFolder('--run-dir', paths.runDir);
  makeFolder('--state-dir', paths.stateDir);
  started.use(lockFile(paths.lock));

  const found = await adoptNode(started, { options, log, paths, object });
  const metrics = new AgentMetrics({
    measured: {
      status: () => status(),
      watches: () => kubernetes?.source.stats() ?? new Map(),
      podQueries: () => kubernetes?.source.queryStats(),
      cniLoad: () => requests.handler.load,
    },
    version: packageJson.version,
    wallMs: () => systemClock.wallMs(),
  });
  const timer = new RealizeTimer({ clock: systemClock, observe: metrics.observeRealized.bind(metrics) });
  const followed = await followDesired(started, { options, log, found, snapshot, source, timer, onFatal });
  const { reconciler, desired } = followed;
  // Taken down before the parts that it waits for.
  const readiness = started.use(new Readiness({ source, reconciler, clock: systemClock, log }));
  const status = (): AgentStatus => readAgentStatus({ options, source, ...found, ...followed }, readiness.isReady);
  const state = (): AgentState => readAgentState({ options, source, ...followed }, readiness.isReady);
  const requestParts = { options, log, paths, found, followed, snapshot, source, readiness, metrics, status };
  const requests = openRequestServer(started, requestParts);
  const observation = { metrics, node: options.node, state, kubernetes, clock: systemClock, random: Math.random, log };
  const { healthAddress: listen, ownPod } = options;
  started.use(await Observation.begin({ ...observation, listen, ownPod, settle: () => desired.settle() }));
  await requests.listen();
  const ready = readiness.begin().then(async () => {
    if (!readiness.isReady) return;
    // What the first list left behind is several times what is kept of it.
    giveBackMemory();
    trimNativeMemory();
    log.info({ node: options.node, attach: found.datapath.attachMode }, 'ready');
    await showToRuntime(options, log);
  });

  const running = started.move();
  return {
    ready,
    status,
    stop: () => running.disposeAsync(),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

function makeFolder(option: string, path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new ConfigError(`${option}: the folder ${path} cannot be made: ${errorMessage(error)}`, { cause: error });
  }
}
