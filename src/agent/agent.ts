/**
 * The composition root: makes the parts, in the order in which they need one another, and takes them down in reverse.
 *
 * Start: settings are checked -> lock -> what the kernel enforces is adopted -> left-overs of a killed agent are removed ->
 * desired state read -> tables in force, with every endpoint in them from the first on -> requests are served and
 * journalled DELs carried out. Stop: requests end, enforcement stays.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { DelJournal } from '../cni/journal.ts';
import { CniCode, CniError } from '../cni/error.ts';
import { CniHandler } from '../cni/handler.ts';
import { CNI_BODY_BYTES_MAX } from '../cni/limits.ts';
import { formatProblem, type ClusterUpdate, type ObjectProblem } from '../cluster/source.ts';
import { Snapshot } from '../cluster/snapshot.ts';
import { ManifestSource } from '../cluster/manifests/manifest-source.ts';
import { ScanFault, scanFolder } from '../cluster/manifests/scan-folder.ts';
import { EbpfDatapath } from '../datapath/ebpf/datapath.ts';
import { Ipam } from '../ipam/ipam.ts';
import { requireBpffs } from '../kernel/bpffs.ts';
import { lockFile, peerCredentials } from '../kernel/system.ts';
import { systemClock } from '../lib/clock.ts';
import { ConfigError, errorMessage } from '../lib/errors.ts';
import type { ClusterChange } from '../policy/model.ts';
import type { ServiceChange } from '../service/model.ts';
import type { ServiceProblem } from '../service/problem.ts';
import { addCniRoute } from './cni-route.ts';
import { type CompiledTables, CompilerThread } from './compile-service.ts';
import { DropFeed } from './drop-feed.ts';
import { DropReporter } from './drop-report.ts';
import { EndpointRecords } from './endpoint-record.ts';
import { ensureForwardRules } from './host-rules.ts';
import { JournalReplay } from './journal-replay.ts';
import type { LocalStream } from './local-exchange.ts';
import { LocalServer } from './local-server.ts';
import type { Log } from '../lib/log.ts';
import { NodeAddresses } from './node-addresses.ts';
import { readObjectFile } from './object-file.ts';
import type { AgentOptions } from './options.ts';
import { instancePaths } from './paths.ts';
import { AgentPodNetwork } from './pod-network.ts';
import { Reconciler } from './reconciler.ts';
import { type ServiceState, ServiceStep } from './service-step.ts';
import { removeLeftOvers } from './left-overs.ts';
import { type AgentStatus, flowStatus, countersOf } from './status.ts';
import { interfacePrefix } from './wiring/name.ts';
import {
  ensureForwarding,
  ensureUnreachable,
  type NodeNetwork,
  openNodeNetwork,
  removeUnreachable,
} from './wiring/node.ts';

const JSON_TYPE = 'application/json';

export interface Agent extends AsyncDisposable {
  status(): AgentStatus;
  /** Ends the process's part; what is enforced stays enforced. Idempotent. */
  stop(): Promise<void>;
}

/**
 * Returns once requests are served.
 * @param onFatal something happened after which the agent cannot go on; it should be stopped and started anew.
 * @throws ConfigError for settings, files, paths or a kernel that cannot be used; no pod, program or rule was touched then.
 */
export async function startAgent(options: AgentOptions, log: Log, onFatal: (error: Error) => void): Promise<Agent> {
  await using started = new AsyncDisposableStack();
  if (process.geteuid?.() !== 0) throw new ConfigError('the agent must run as root: it wires pods and loads programs');
  const paths = instancePaths(options.instance, options);
  await requireManifests(options.manifests);
  const object = readObjectFile(options.object);
  requireBpffs(paths.pinRoot);
  makeFolder('--run-dir', paths.runDir);
  makeFolder('--state-dir', paths.stateDir);
  started.use(lockFile(paths.lock));

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
      constants: options.flows.constants,
    }),
  );
  const changed = ensureForwarding(node);
  if (changed.length > 0) log.warn({ sysctls: changed }, 'forwarding was off and is on now');
  await ensureForwardRules(interfacePrefix(instance));
  const records = new EndpointRecords(paths.endpoints);
  for (const file of await records.load()) log.error({ file }, 'endpoint record cannot be read; its pod is not known');
  const ipam = started.use(new Ipam({ runDir: paths.runDir, stateDir: paths.stateDir, clock: systemClock }));
  await removeLeftOvers({ instance, node, records, datapath, ipam, log });

  const snapshot = new Snapshot();
  const compiler = new CompilerThread(
    {
      node: options.node,
      reserved: datapath.idsInUse(),
      given: datapath.serviceIdsInUse(),
      serviceRanges: options.serviceRanges,
    },
    onFatal,
  );
  started.defer(() => compiler.close());
  const drops = new DropReporter(snapshot, records);
  const onTables = ({ tables }: CompiledTables): void => drops.setTables(tables.endpoints);
  const services = new ServiceStep({ datapath, log });
  const reconciler = new Reconciler({ compiler, datapath, log, services, onTables });
  started.defer(() => reconciler.close());

  const source = started.use(new ManifestSource({ folder: options.manifests, clock: systemClock }));
  const core = new AgentCore({
    options,
    log,
    node,
    snapshot,
    ipam,
    records,
    datapath,
    reconciler,
    services,
    drops,
    source,
  });
  core.adoptEndpoints();
  started.use(NodeAddresses.watch((list) => core.setNodeAddresses(list), onFatal));
  source.start((update) => core.take(update));
  await source.synced;
  await reconciler.realized(core.begin());

  const feed = new DropFeed(drops, log, systemClock);
  datapath.onDrop((event) => feed.take(event));
  const network = new AgentPodNetwork({
    instance,
    mtu: options.mtu,
    podWaitMs: options.podWaitMs,
    node,
    snapshot,
    ipam,
    records,
    datapath,
    reconciler,
    log,
    clock: systemClock,
    random: randomBytes,
  });
  const journal = new DelJournal({ directory: paths.deleteJournal, log, now: () => systemClock.wallMs() });
  const handler = new CniHandler({ network, journal, log });
  await serve(started, { socketPath: paths.socket, log, core, feed, handler });
  log.info({ node: options.node, attach: datapath.attachMode }, 'ready');

  const running = started.move();
  return {
    status: () => core.status(),
    stop: () => running.disposeAsync(),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

interface Service {
  readonly socketPath: string;
  readonly log: Log;
  readonly core: AgentCore;
  readonly feed: DropFeed;
  readonly handler: CniHandler;
}

/** From here on requests are served, and what launchers journalled before is carried out. */
async function serve(started: AsyncDisposableStack, service: Service): Promise<void> {
  const { socketPath, log, core, feed, handler } = service;
  const server = new LocalServer({ socketPath, peerCredentials, log, bodyBytesMax: CNI_BODY_BYTES_MAX });
  addCniRoute(server, handler);
  addInspectionRoutes(server, core, feed);
  await server.listen();
  started.defer(() => server.close());
  await handler.replayJournal();
  started.use(new JournalReplay(() => handler.replayJournal(), systemClock, log));
  core.ready = true;
}

/** A wrong folder is found out before anything is made. */
async function requireManifests(folder: string): Promise<void> {
  try {
    await scanFolder(folder);
  } catch (error) {
    if (error instanceof ScanFault) throw new ConfigError(`--source: ${error.message}`, { cause: error });
    throw error;
  }
}

function makeFolder(option: string, path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new ConfigError(`${option}: the folder ${path} cannot be made: ${errorMessage(error)}`, { cause: error });
  }
}

interface CoreParts {
  readonly options: AgentOptions;
  readonly log: Log;
  readonly node: NodeNetwork;
  readonly snapshot: Snapshot;
  readonly ipam: Ipam;
  readonly records: EndpointRecords;
  readonly datapath: EbpfDatapath;
  readonly reconciler: Reconciler;
  readonly services: ServiceStep;
  readonly drops: DropReporter;
  readonly source: ManifestSource;
}

/** What the parts have in common: the desired state as it comes in, and the view of it all. */
class AgentCore {
  ready = false;
  readonly #parts: CoreParts;
  /** What came before `begin`: tables that do not name an endpoint close it, so the first ones must know everything. */
  #backlog: ClusterChange[] | undefined = [];
  readonly #serviceBacklog: ServiceChange[] = [];
  #problems: readonly ObjectProblem[] = [];
  #told = new Set<string>();
  #podCidrs: readonly string[] = [];
  /** Why the Node object's podCIDRs are not those in use. */
  #rangeProblem: ObjectProblem | undefined;

  constructor(parts: CoreParts) {
    this.#parts = parts;
  }

  take({ changes, services, problems }: ClusterUpdate): void {
    if (changes.length > 0 || services.length > 0) this.#submit(changes, services);
    this.#followNode();
    this.#problems = problems;
    this.#tell(this.#allProblems());
  }

  setNodeAddresses(list: readonly string[]): void {
    this.#submit([{ kind: 'NodeAddresses', op: 'set', object: list }]);
  }

  /** The endpoints of an earlier agent. */
  adoptEndpoints(): void {
    this.#submit(
      this.#parts.records.list().map(({ id, namespace, pod, uid, addresses }) => ({
        kind: 'LocalEndpoint',
        op: 'set',
        object: { id, namespace, name: pod, uid, addresses },
      })),
    );
  }

  /** All that came so far is compiled, as one change; from now on each as it comes. Returns the change to wait for. */
  begin(): number {
    const changes = this.#backlog ?? [];
    this.#backlog = undefined;
    return this.#parts.reconciler.submit(changes, this.#serviceBacklog);
  }

  status(): AgentStatus {
    const { options, datapath, reconciler, services, records, drops, source } = this.#parts;
    const { problems, ...tables } = reconciler.state();
    const { synced, asOfMs, fault = '' } = source.freshness();
    return {
      instance: options.instance,
      node: options.node,
      ready: this.ready,
      attach: datapath.attachMode,
      source: { synced, asOf: new Date(asOfMs).toISOString(), fault },
      tables,
      services: servicesStatus(services.state()),
      flows: flowStatus(options.flows, datapath.flowUsage(), (id) => records.list().find((record) => record.id === id)),
      podCIDRs: this.#podCidrs,
      endpoints: records.list().map((record) => ({
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
      })),
      objectProblems: this.#allProblems(),
      compileProblems: problems,
      counters: countersOf(datapath.counters()),
    };
  }

  /** What the source holds now, and everything taken in so far, is in force when it resolves. */
  async settle(): Promise<void> {
    const { source, reconciler } = this.#parts;
    await source.sync();
    await reconciler.realized(reconciler.state().submitted);
  }

  #submit(changes: readonly ClusterChange[], services: readonly ServiceChange[] = []): void {
    this.#parts.snapshot.apply(changes);
    if (this.#backlog === undefined) {
      this.#parts.reconciler.submit(changes, services);
      return;
    }
    this.#backlog.push(...changes);
    this.#serviceBacklog.push(...services);
  }

  /** This node's podCIDRs feed IPAM; addresses of them that no pod has lead nowhere. */
  #followNode(): void {
    const { snapshot, options, ipam, node, log } = this.#parts;
    const podCidrs = snapshot.nodes.get(options.node)?.podCIDRs ?? [];
    this.#rangeProblem = podCidrs.length > 0 ? undefined : noRange(options.node, snapshot.nodes.has(options.node));
    if (podCidrs.join() === this.#podCidrs.join()) return;
    try {
      ipam.configure(podCidrs);
      const gone = this.#podCidrs.filter((cidr) => !podCidrs.includes(cidr));
      removeUnreachable(node, gone);
      ensureUnreachable(node, podCidrs);
      this.#podCidrs = podCidrs;
      log.info({ pod_cidrs: podCidrs }, 'address ranges of this node');
    } catch (error) {
      this.#rangeProblem = nodeProblem('error', options.node, 'spec.podCIDRs', errorMessage(error));
    }
  }

  #allProblems(): readonly ObjectProblem[] {
    const services = this.#parts.services.state().problems.map(serviceProblem);
    const range = this.#rangeProblem === undefined ? [] : [this.#rangeProblem];
    return [...this.#problems, ...range, ...services];
  }

  /** Each problem is logged when it comes, not with every look. */
  #tell(problems: readonly ObjectProblem[]): void {
    const now = new Set<string>();
    for (const problem of problems) {
      const text = formatProblem(problem);
      now.add(text);
      if (this.#told.has(text)) continue;
      const { place } = problem;
      const fields = place === undefined ? {} : { excerpt: place.excerpt };
      if (problem.severity === 'error') this.#parts.log.error(fields, text);
      else this.#parts.log.warn(fields, text);
    }
    this.#told = now;
  }
}

function servicesStatus({ frontends, backends, slots, failure }: ServiceState): AgentStatus['services'] {
  return { frontends, backends, slots, failure };
}

/** Shows only beside other objects, so no source could have found it. */
function serviceProblem({ kind, namespace, name, path, message, hint, severity }: ServiceProblem): ObjectProblem {
  const apiVersion = kind === 'Service' ? 'v1' : 'discovery.k8s.io/v1';
  const object = { apiVersion, kind, namespace, name };
  return { severity, object, file: undefined, place: undefined, path, message, hint: hint ?? '' };
}

function noRange(node: string, isKnown: boolean): ObjectProblem {
  return isKnown
    ? nodeProblem('warning', node, 'spec.podCIDRs', 'there are none: no pod of this node can get an address')
    : nodeProblem('warning', node, '', 'is not in the desired state: no pod of this node can get an address');
}

function nodeProblem(severity: ObjectProblem['severity'], name: string, path: string, message: string): ObjectProblem {
  const object = { apiVersion: 'v1', kind: 'Node', namespace: '', name };
  return { severity, object, file: undefined, place: undefined, path, message, hint: '' };
}

function addInspectionRoutes(server: LocalServer, core: AgentCore, feed: DropFeed): void {
  const answerStatus = (): { status: number; contentType: string; body: string } => ({
    status: 200,
    contentType: JSON_TYPE,
    body: `${JSON.stringify(core.status())}\n`,
  });
  server.route('GET', '/v1/status', async (request) => request.answer(answerStatus()));
  server.route('POST', '/v1/sync', async (request) => {
    try {
      await core.settle();
    } catch (error) {
      throw new CniError(CniCode.tryAgain, 'the desired state is not in force', errorMessage(error), { cause: error });
    }
    request.answer(answerStatus());
  });
  server.route('GET', '/v1/drops', async (request) => {
    // Refused before the answer begins: afterwards nobody could be told.
    let stream: LocalStream | undefined;
    feed.follow((report) => stream?.write(`${JSON.stringify(report)}\n`), request.signal);
    stream = request.stream('application/x-ndjson');
  });
}
