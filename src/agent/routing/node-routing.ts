/**
 * Makes pods of other nodes reachable and keeps it so: follows the Node objects and the kernel, and repairs what
 * somebody removes. Everything it makes is marked (marks.ts, SLUICE- chains); what others made stays as it is. When it
 * ends, all stays in force; the next one goes on from there.
 */
import type { ObjectProblem } from '../../cluster/source.ts';
import { Monitor } from '../../kernel/netlink/monitor.ts';
import type { Clock } from '../../lib/clock.ts';
import { coalesce } from '../../lib/coalesce.ts';
import { ConfigError, errorMessage } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import type { Node } from '../../policy/model.ts';
import { ensureForwarding, inNode, type NodeNetwork } from '../wiring/node.ts';
import { Firewall } from './firewall.ts';
import { checkForwarding } from './forwarding-check.ts';
import type { CommandRunner } from './iptables-command.ts';
import { syncKernel } from './kernel-sync.ts';
import { type KernelView, readKernel } from './kernel-view.ts';
import { CHECK_INTERVAL_MS, COMPARE_GAP_MS, FAILED_READS_MAX, IPV6_MTU_MIN, RETRY_MS } from './limits.ts';
import { podMtuOf } from './mtu.ts';
import { planRouting, type RoutingPlan } from './plan.ts';
import { nodeProblem } from './problem.ts';
import { type Concerns, isRelevant } from './relevance.ts';
import type { RoutingSettings } from './settings.ts';
import { type RoutingStatus, routingStatus } from './status.ts';
import { tunnelName } from './tunnel-name.ts';
import { FAMILIES, internalAddresses, type UnderlayView } from './underlay.ts';

export interface NodeRoutingParts {
  readonly instance: string;
  /** Name of this node among the Node objects. */
  readonly ownName: string;
  readonly node: NodeNetwork;
  readonly settings: RoutingSettings;
  readonly run: CommandRunner;
  readonly log: Log;
  readonly clock: Clock;
  /** The problems are other ones than before. */
  readonly onProblems: () => void;
  /** What happens in the kernel cannot be followed any more. */
  readonly onFatal: (error: Error) => void;
}

type Step = 'kernel' | 'firewall';

const NOTHING: Pick<RoutingPlan, 'uplinks' | 'tunnels'> = { uplinks: [], tunnels: [] };

export class NodeRouting implements AsyncDisposable {
  readonly #parts: NodeRoutingParts;
  readonly #monitor: Monitor;
  readonly #firewall: Firewall;
  readonly #compareOnce: () => Promise<void>;
  #nodes: ReadonlyMap<string, Node> = new Map();
  /** What of the Node objects matters here, as text. */
  #nodesText = '';
  #plan: RoutingPlan | undefined;
  #planBasis = '';
  #podMtu: number;
  #concerns: Concerns;
  #yielded: ReadonlyMap<string, string> = new Map();
  #kernelProblems: readonly ObjectProblem[] = [];
  readonly #failures = new Map<Step, unknown>();
  #toldProblems = '';
  /** By the monotonic clock; when iptables is due to be looked at, and when the next comparison begins. */
  #firewallDueMs = 0;
  #nextMs = Infinity;
  #cancelNext: (() => void) | undefined;
  #retryMs = RETRY_MS;
  /** Of the kernel's notifications, one after the other. */
  #failedReads = 0;
  #closed = false;

  private constructor(parts: NodeRoutingParts, monitor: Monitor) {
    this.#parts = parts;
    this.#monitor = monitor;
    // When it closes, a command that runs comes to its end and no other begins.
    const run: CommandRunner = (program, args, input) =>
      this.#closed ? Promise.reject(new Error('the node routing has ended')) : parts.run(program, args, input);
    this.#firewall = new Firewall({ ...parts, run });
    this.#compareOnce = coalesce(() => this.#compare());
    const view = readKernel(parts.node.netlink, parts.instance);
    this.#concerns = this.#concernsOf(NOTHING, view);
    this.#podMtu = podMtuOf(NOTHING, view.underlay, parts.settings);
  }

  /** Follows the kernel from now on; writes nothing before it is told of nodes. @throws SysError */
  static open(parts: NodeRoutingParts): NodeRouting {
    const monitor = inNode(parts.node, () => Monitor.open(['link', 'address', 'route', 'neighbour', 'rule']));
    try {
      const routing = new NodeRouting(parts, monitor);
      monitor.onReadable(() => routing.#takeEvents());
      return routing;
    } catch (error) {
      monitor.close();
      throw error;
    }
  }

  /** All Node objects, whenever one of them may have changed; cheap when none has. */
  setNodes(nodes: ReadonlyMap<string, Node>): void {
    const isSame =
      nodes.size === this.#nodes.size && nodes.values().every((node) => this.#nodes.get(node.name) === node);
    if (isSame) return;
    this.#nodes = new Map(nodes);
    const text = JSON.stringify([...nodes.values()].map((node) => [node.name, node.podCIDRs, internalAddresses(node)]));
    if (text === this.#nodesText) return;
    this.#nodesText = text;
    this.#firewallDueMs = 0;
    // The first time at once: pods that are added next need to know their MTU.
    if (this.#plan?.isKnown !== true) void this.#attempt('kernel', () => this.#compareKernel());
    this.#schedule(0);
  }

  /**
   * When it resolves, what was told so far is in force, or a problem says why it is not.
   * @throws ConfigError when iptables is not there at all
   */
  async settle(): Promise<void> {
    await this.#compareOnce();
    const failure = this.#failures.get('firewall');
    if (failure instanceof ConfigError) throw failure;
  }

  /** Compares all of it now, iptables too, though nobody told of a change. @throws ConfigError */
  async check(): Promise<void> {
    this.#firewallDueMs = 0;
    await this.settle();
  }

  /** Bytes; of the interface of a pod that is wired now. */
  podMtu(): number {
    return this.#podMtu;
  }

  status(): RoutingStatus {
    const { settings } = this.#parts;
    const failure = [...this.#failures.values()].map(errorMessage).join('; ');
    return routingStatus(settings, this.#plan, this.#podMtu, this.#firewall.status(), this.#yielded, failure);
  }

  problems(): readonly ObjectProblem[] {
    const { ownName } = this.#parts;
    const failures = [...this.#failures].map(([step, error]) => {
      const what = step === 'kernel' ? 'routes to other nodes' : 'iptables rules';
      return nodeProblem('error', ownName, '', `${what} are not as they should be: ${errorMessage(error)}`);
    });
    return [...(this.#plan?.problems ?? []), ...this.#kernelProblems, ...this.#mtuProblems(), ...failures];
  }

  /** Idempotent. What is in force stays. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelNext?.();
    this.#monitor.close();
    // Behind the one that may be under way; it does nothing itself.
    await this.#compareOnce();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Never rejects: what fails is told, and tried again. */
  async #compare(): Promise<void> {
    if (this.#closed) return;
    const { clock } = this.#parts;
    this.#cancelNext?.();
    this.#nextMs = Infinity;
    await this.#attempt('kernel', () => this.#compareKernel());
    if (clock.monotonicMs() >= this.#firewallDueMs) {
      this.#firewallDueMs = clock.monotonicMs() + CHECK_INTERVAL_MS;
      await this.#attempt('firewall', () => this.#compareFirewall());
    }
    this.#tellProblems();
    if (this.#failures.size === 0) {
      this.#retryMs = RETRY_MS;
      this.#schedule(CHECK_INTERVAL_MS);
      return;
    }
    if (this.#failures.has('firewall')) this.#firewallDueMs = 0;
    this.#schedule(this.#retryMs);
    this.#retryMs = Math.min(this.#retryMs * 2, CHECK_INTERVAL_MS);
  }

  async #attempt(step: Step, work: () => void | Promise<void>): Promise<void> {
    try {
      await work();
      this.#failures.delete(step);
    } catch (error) {
      if (this.#closed) return;
      const isNews = errorMessage(this.#failures.get(step)) !== errorMessage(error);
      this.#failures.set(step, error);
      if (isNews) this.#parts.log.error({ err: error, step }, 'node routing is not as it should be');
    }
  }

  #compareKernel(): void {
    const { node, instance, ownName, settings, log } = this.#parts;
    const view = readKernel(node.netlink, instance);
    const plan = this.#planFor(view.underlay);
    this.#plan = plan;
    this.#podMtu = podMtuOf(plan, view.underlay, settings);
    this.#concerns = this.#concernsOf(plan, view);
    if (!plan.isKnown) return;
    const changed = ensureForwarding(node);
    if (changed.length > 0) log.warn({ sysctls: changed }, 'forwarding was off and is on now');
    const { writes, problems, yielded } = syncKernel(node, instance, plan, view);
    this.#kernelProblems = [...problems, ...checkForwarding(node, ownName, plan.uplinks)];
    this.#yielded = yielded;
    if (writes === 0) return;
    log.info({ writes, routes: plan.routes.length }, 'routes to other nodes were brought to plan');
    this.#concerns = this.#concernsOf(plan, readKernel(node.netlink, instance));
  }

  /** The plan of before when nothing has changed that it depends on: with thousands of nodes it takes a while. */
  #planFor(view: UnderlayView): RoutingPlan {
    const { instance, ownName, settings } = this.#parts;
    const basis = `${this.#nodesText}\n${JSON.stringify(view)}`;
    if (this.#plan !== undefined && basis === this.#planBasis) return this.#plan;
    this.#planBasis = basis;
    return planRouting({ instance, ownName, nodes: this.#nodes, view, settings });
  }

  async #compareFirewall(): Promise<void> {
    const plan = this.#plan?.isKnown === true ? this.#plan : undefined;
    const tables = await this.#firewall.ensure(plan);
    if (tables > 0) this.#parts.log.info({ tables }, 'iptables rules were brought to plan');
  }

  #takeEvents(): void {
    try {
      const { events, resync } = this.#monitor.read();
      this.#failedReads = 0;
      const isConcerned = resync || events.some((event) => isRelevant(event, this.#concerns));
      if (isConcerned) this.#schedule(COMPARE_GAP_MS);
    } catch (error) {
      // What the lost ones would have said, the comparison finds.
      this.#schedule(COMPARE_GAP_MS);
      this.#failedReads += 1;
      if (this.#failedReads < FAILED_READS_MAX) return;
      this.#monitor.close();
      const message = `changes of the node's routes cannot be followed: ${errorMessage(error)}`;
      this.#parts.onFatal(new Error(message, { cause: error }));
    }
  }

  /** The next comparison begins by then; an earlier one that is due stays. */
  #schedule(delayMs: number): void {
    const { clock } = this.#parts;
    const atMs = clock.monotonicMs() + delayMs;
    if (this.#closed || atMs >= this.#nextMs) return;
    this.#cancelNext?.();
    this.#nextMs = atMs;
    this.#cancelNext = clock.schedule(delayMs, () => void this.#compareOnce());
  }

  #concernsOf(plan: Pick<RoutingPlan, 'uplinks' | 'tunnels'> & Partial<RoutingPlan>, view: KernelView): Concerns {
    const { instance, ownName } = this.#parts;
    const own = this.#nodes.get(ownName);
    const indexes = [...plan.uplinks, ...view.tunnels].map(({ index }) => index);
    return {
      tunnels: new Set(FAMILIES.map((family) => tunnelName(instance, family))),
      interfaces: new Set(indexes),
      destinations: new Set((plan.routes ?? []).map(({ destination }) => destination)),
      neighbours: new Set(plan.tunnels.flatMap(({ neighbours }) => [...neighbours.keys()])),
      ownAddresses: new Set(own === undefined ? [] : internalAddresses(own)),
    };
  }

  #mtuProblems(): ObjectProblem[] {
    const { ownName, settings } = this.#parts;
    if (this.#podMtu >= IPV6_MTU_MIN) return [];
    const message = `pods get an MTU of ${this.#podMtu}: IPv6 asks for ${IPV6_MTU_MIN} or more`;
    const hint = settings.mtu === 'auto' ? 'raise the MTU of the uplink' : 'raise the setting mtu';
    return [nodeProblem('warning', ownName, '', message, hint)];
  }

  #tellProblems(): void {
    const text = JSON.stringify(this.problems());
    if (text === this.#toldProblems) return;
    this.#toldProblems = text;
    this.#parts.onProblems();
  }
}
