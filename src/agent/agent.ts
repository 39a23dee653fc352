/**
 * The composition root: makes the parts, in the order in which they need one another, and takes them down in reverse.
 *
 * Start: lock -> what the kernel enforces is adopted -> desired state read -> tables in force -> left-overs of a killed
 * agent are removed -> journalled DELs -> requests are served. Stop: requests end, enforcement stays.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { DelJournal } from '../cni/journal.ts';
import { CniHandler } from '../cni/handler.ts';
import { CNI_BODY_BYTES_MAX } from '../cni/limits.ts';
import { formatProblem, type ClusterUpdate, type ObjectProblem } from '../cluster/source.ts';
import { Snapshot } from '../cluster/snapshot.ts';
import { ManifestSource } from '../cluster/manifests/manifest-source.ts';
import { EbpfDatapath } from '../datapath/ebpf/datapath.ts';
import { Ipam } from '../ipam/ipam.ts';
import { requireBpffs } from '../kernel/bpffs.ts';
import { lockFile, peerCredentials } from '../kernel/system.ts';
import { systemClock } from '../lib/clock.ts';
import { errorMessage } from '../lib/errors.ts';
import type { ClusterChange } from '../policy/model.ts';
import { addCniRoute } from './cni-route.ts';
import { CompilerThread } from './compile-service.ts';
import { DropFeed } from './drop-feed.ts';
import { DropReporter } from './drop-report.ts';
import { EndpointRecords } from './endpoint-record.ts';
import { ensureForwardRules } from './host-rules.ts';
import { LocalServer } from './local-server.ts';
import type { Log } from '../lib/log.ts';
import { NodeAddresses } from './node-addresses.ts';
import type { AgentOptions } from './options.ts';
import { instancePaths } from './paths.ts';
import { AgentPodNetwork } from './pod-network.ts';
import { Reconciler } from './reconciler.ts';
import { removeLeftOvers } from './left-overs.ts';
import { type AgentStatus, countersOf } from './status.ts';
import { interfacePrefix } from './wiring/name.ts';
import { ensureForwarding, ensureUnreachable, openNodeNetwork, type NodeNetwork } from './wiring/node.ts';

const JSON_TYPE = 'application/json';

export interface Agent extends AsyncDisposable {
  status(): AgentStatus;
  /** Ends the process's part; what is enforced stays enforced. Idempotent. */
  stop(): Promise<void>;
}

/**
 * Returns once requests are served.
 * @param onFatal something happened after which the agent cannot go on; it should be stopped and started anew.
 * @throws ConfigError for settings, paths or a kernel that cannot be used; nothing is left then.
 */
export async function startAgent(options: AgentOptions, log: Log, onFatal: (error: Error) => void): Promise<Agent> {
  await using started = new AsyncDisposableStack();
  const paths = instancePaths(options.instance, options);
  requireBpffs(paths.pinRoot);
  mkdirSync(paths.runDir, { recursive: true, mode: 0o700 });
  mkdirSync(paths.stateDir, { recursive: true, mode: 0o700 });
  started.use(lockFile(paths.lock));

  const node = started.use(openNodeNetwork());
  const changed = ensureForwarding(node);
  if (changed.length > 0) log.warn({ sysctls: changed }, 'forwarding was off and is on now');
  await ensureForwardRules(interfacePrefix(options.instance));

  const datapath = started.use(
    await EbpfDatapath.open({
      object: options.object,
      pinRoot: paths.pinRoot,
      instance: options.instance,
      attach: options.attach,
    }),
  );
  const records = new EndpointRecords(paths.endpoints);
  for (const file of await records.load()) log.error({ file }, 'endpoint record cannot be read; its pod is not known');

  const snapshot = new Snapshot();
  const ipam = started.use(new Ipam({ runDir: paths.runDir, stateDir: paths.stateDir, clock: systemClock }));
  const compiler = new CompilerThread({ node: options.node, reserved: datapath.idsInUse() }, onFatal);
  started.defer(() => compiler.close());
  const drops = new DropReporter(snapshot, records);
  const reconciler = new Reconciler({
    compiler,
    datapath,
    log,
    onTables: ({ tables }) => drops.setTables(tables.endpoints),
  });
  started.defer(() => reconciler.close());

  const core = new AgentCore({ options, log, node, snapshot, ipam, records, datapath, reconciler, drops });
  const source = started.use(new ManifestSource({ folder: options.manifests, clock: systemClock }));
  core.source = source;
  source.start((update) => core.take(update));
  await source.synced;
  const addresses = started.use(NodeAddresses.watch((list) => core.setNodeAddresses(list)));
  core.nodeAddresses = addresses;

  await removeLeftOvers({ instance: options.instance, node, records, datapath, ipam, log });
  await reconciler.realized(core.adoptEndpoints());

  const feed = new DropFeed(drops, log, systemClock);
  datapath.onDrop((event) => feed.take(event));
  const network = new AgentPodNetwork({
    ...{ instance: options.instance, mtu: options.mtu, podWaitMs: options.podWaitMs },
    ...{ node, snapshot, ipam, records, datapath, reconciler, log },
    clock: systemClock,
    random: randomBytes,
    nodeAddresses: () => addresses.preferred(),
  });
  const journal = new DelJournal({ directory: paths.deleteJournal, log, now: () => systemClock.wallMs() });
  const handler = new CniHandler({ network, journal, log });
  const server = new LocalServer({
    socketPath: paths.socket,
    peerCredentials,
    log,
    bodyBytesMax: CNI_BODY_BYTES_MAX,
  });
  addCniRoute(server, handler);
  addInspectionRoutes(server, core, feed, source);
  await server.listen();
  started.defer(() => server.close());
  await handler.replayJournal();
  core.ready = true;
  log.info({ instance: options.instance, node: options.node, attach: datapath.attachMode }, 'ready');

  const running = started.move();
  return {
    status: () => core.status(),
    stop: () => running.disposeAsync(),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
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
  readonly drops: DropReporter;
}

/** What the parts have in common: the desired state as it comes in, and the view of it all. */
class AgentCore {
  ready = false;
  source: ManifestSource | undefined;
  nodeAddresses: NodeAddresses | undefined;
  readonly #parts: CoreParts;
  #problems: readonly ObjectProblem[] = [];
  #told = new Set<string>();
  #podCidrs: readonly string[] = [];

  constructor(parts: CoreParts) {
    this.#parts = parts;
  }

  take({ changes, problems }: ClusterUpdate): void {
    this.#tell(problems);
    if (changes.length === 0) return;
    this.#parts.snapshot.apply(changes);
    this.#followNode();
    this.#parts.reconciler.submit(changes);
  }

  setNodeAddresses(list: readonly string[]): void {
    this.#submit([{ kind: 'NodeAddresses', op: 'set', object: list }]);
  }

  /** The endpoints of an earlier agent. Returns the change to wait for. */
  adoptEndpoints(): number {
    return this.#submit(
      this.#parts.records.list().map(({ id, namespace, pod, uid, addresses }) => ({
        kind: 'LocalEndpoint',
        op: 'set',
        object: { id, namespace, name: pod, uid, addresses },
      })),
    );
  }

  status(): AgentStatus {
    const { options, datapath, reconciler, records, drops } = this.#parts;
    const { problems, ...tables } = reconciler.state();
    const freshness = this.source?.freshness();
    return {
      instance: options.instance,
      node: options.node,
      ready: this.ready,
      attach: datapath.attachMode,
      source: {
        synced: freshness?.synced ?? false,
        asOf: new Date(freshness?.asOfMs ?? 0).toISOString(),
        fault: freshness?.fault ?? '',
      },
      tables,
      podCIDRs: this.#podCidrs,
      endpoints: records.list().map((record) => ({
        ...{ id: record.id, pod: `${record.namespace}/${record.pod}`, containerId: record.containerId },
        ...{ ifname: record.ifname, hostInterface: record.hostInterface, ifindex: record.ifindex },
        ...{ addresses: record.addresses, state: record.state },
        ingressPolicies: drops.policies(record.id, 'ingress'),
        egressPolicies: drops.policies(record.id, 'egress'),
      })),
      objectProblems: this.#problems,
      compileProblems: problems,
      counters: countersOf(datapath.counters()),
    };
  }

  /** Everything taken in so far is in force when it resolves. */
  async settle(): Promise<void> {
    await this.#parts.reconciler.realized(this.#parts.reconciler.state().submitted);
  }

  #submit(changes: readonly ClusterChange[]): number {
    this.#parts.snapshot.apply(changes);
    return this.#parts.reconciler.submit(changes);
  }

  /** This node's podCIDRs feed IPAM; addresses of them that no pod has lead nowhere. */
  #followNode(): void {
    const { snapshot, options, ipam, node, log } = this.#parts;
    const podCidrs = snapshot.nodes.get(options.node)?.podCIDRs ?? [];
    if (podCidrs.join() === this.#podCidrs.join()) return;
    try {
      ipam.configure(podCidrs);
      ensureUnreachable(node, podCidrs);
      this.#podCidrs = podCidrs;
      log.info({ pod_cidrs: podCidrs }, 'address ranges of this node');
    } catch (error) {
      log.error({ pod_cidrs: podCidrs, err: error }, 'podCIDRs of this node cannot be used; the last ones stay');
    }
  }

  /** Each problem is logged when it comes, not with every look. */
  #tell(problems: readonly ObjectProblem[]): void {
    this.#problems = problems;
    const now = new Set<string>();
    for (const problem of problems) {
      const text = formatProblem(problem);
      now.add(text);
      if (this.#told.has(text)) continue;
      if (problem.severity === 'error') this.#parts.log.error({ excerpt: problem.place?.excerpt }, text);
      else this.#parts.log.warn({ excerpt: problem.place?.excerpt }, text);
    }
    this.#told = now;
  }
}

function addInspectionRoutes(server: LocalServer, core: AgentCore, feed: DropFeed, source: ManifestSource): void {
  const answerStatus = (): { status: number; contentType: string; body: string } => ({
    status: 200,
    contentType: JSON_TYPE,
    body: `${JSON.stringify(core.status())}\n`,
  });
  server.route('GET', '/v1/status', async (request) => request.answer(answerStatus()));
  server.route('POST', '/v1/sync', async (request) => {
    try {
      await source.sync();
      await core.settle();
      request.answer(answerStatus());
    } catch (error) {
      const body = { message: 'the state of the folder is not in force', reason: errorMessage(error) };
      request.answer({ status: 503, contentType: JSON_TYPE, body: `${JSON.stringify(body)}\n` });
    }
  });
  server.route('GET', '/v1/drops', async (request) => {
    const stream = request.stream('application/x-ndjson');
    feed.follow((report) => stream.write(`${JSON.stringify(report)}\n`), request.signal);
  });
}
