/**
 * An API server as the desired state: one reflector for each type of object that Sluice reads.
 * 1. What is in force is a function of what the server holds now, so that every node, and an agent that has just
 *    started, comes to the same: an object that cannot be used is never replaced by an earlier version of it.
 * 2. An invalid NetworkPolicy (a field or form that this version of Sluice does not know: the server itself has accepted
 *    it) isolates the pods it selects and allows nothing. What it newly allows or forbids is not known.
 * 3. An invalid Pod or Namespace is left out: it matches nothing, and its own pods stay closed. Of Nodes, Services and
 *    EndpointSlices counts what could be read.
 * 4. A server that cannot be reached changes nothing.
 */
import type { Clock } from '../../lib/clock.ts';
import { ConfigError } from '../../lib/errors.ts';
import type { Pod } from '../../policy/model.ts';
import type { KnownObject } from '../object-readers.ts';
import type { ClusterListener, ClusterSource, Freshness, ObjectProblem, PodInquiry } from '../source.ts';
import { ChangeBatch } from './change-batch.ts';
import { objectKey } from '../snapshot.ts';
import type { ObjectChange, ObjectVersion } from './held-objects.ts';
import { BATCH_DELAY_MS, BATCH_FIRST_MS, FAULT_TOLERATED_MS, OVERLAY_LOOK_MS } from './limits.ts';
import { ObjectProblems } from './object-problems.ts';
import { PodOverlay } from './pod-overlay.ts';
import { PodQuery, type PodQueryStats } from './pod-query.ts';
import { Reflector, type ReflectorStats } from './reflector.ts';
import { knownResources, type Resource } from './resource.ts';
import type { ApiTransport } from './transport.ts';

export interface KubernetesSourceOptions {
  /** Closed with the source. */
  readonly transport: ApiTransport;
  readonly clock: Clock;
  /** From 0 (inclusive) to 1 (exclusive). */
  readonly random: () => number;
  /** Whether the pod has an endpoint on this node. @default no pod has */
  readonly isLocal?: (pod: Pod) => boolean;
  /** @default knownResources() */
  readonly resources?: readonly Resource<KnownObject>[];
}

export class KubernetesSource implements ClusterSource {
  readonly synced: Promise<void>;
  readonly #transport: ApiTransport;
  readonly #clock: Clock;
  readonly #ready: PromiseWithResolvers<void> = Promise.withResolvers<void>();
  readonly #reflectors: readonly Reflector<KnownObject>[];
  readonly #query: PodQuery;
  readonly #overlay: PodOverlay = new PodOverlay();
  readonly #isLocal: (pod: Pod) => boolean;
  readonly #batch: ChangeBatch = new ChangeBatch();
  readonly #problems: ObjectProblems = new ObjectProblems();
  /** Kinds that are told to be out of sight. */
  #toldFaults = '';
  #listener: ClusterListener | undefined;
  #isSynced = false;
  #closed = false;
  #cancelFlush: (() => void) | undefined;
  /** Of the last batch. */
  #flushedMs = 0;
  #cancelLook: (() => void) | undefined;

  constructor(options: KubernetesSourceOptions) {
    const { transport, clock, random, resources = knownResources() } = options;
    this.#transport = transport;
    this.#clock = clock;
    this.#query = new PodQuery(transport, clock);
    this.#isLocal = options.isLocal ?? (() => false);
    this.#reflectors = resources.map(
      (resource) =>
        new Reflector({
          resource,
          transport,
          clock,
          random,
          onChanges: (changes) => this.#take(resource, changes),
          onFault: () => this.#noticeFaults(),
          isAwaited: (key) => resource.kind === 'Pod' && this.#overlay.has(key),
          onSeen: (op, identity) => {
            if (this.#overlay.see(op, identity)) this.#tellWatched(identity.key);
          },
        }),
    );
    this.synced = this.#ready.promise;
    // Whoever waits for it gets the error; that nobody waits must not end the process.
    this.synced.catch(() => undefined);
  }

  start(listener: ClusterListener): void {
    if (this.#listener !== undefined) throw new Error('the watch on the API server is started twice');
    this.#listener = listener;
    for (const reflector of this.#reflectors) reflector.start();
    void this.#begin();
  }

  /** As of the resource that was seen the longest time ago. */
  freshness(): Freshness {
    const seen = this.#reflectors.map((reflector) => reflector.freshness().asOfMs);
    const faults = this.#reflectors.flatMap((reflector) => {
      const { fault } = reflector.freshness();
      return fault === undefined ? [] : [`${reflector.resource.kind}: ${fault}`];
    });
    return {
      synced: this.#isSynced,
      asOfMs: this.#isSynced ? Math.min(...seen) : 0,
      fault: faults.length === 0 ? undefined : faults.join('; '),
    };
  }

  /** A watch tells by itself; what it brought is passed on without the delay. */
  async sync(): Promise<void> {
    await this.synced;
    if (this.#closed) throw new ConfigError('the watch on the API server is closed');
    const { fault } = this.freshness();
    if (fault !== undefined) throw new ConfigError(`the API server cannot be seen: ${fault}`);
    this.#flushNow();
  }

  async inquire(namespace: string, name: string, uid: string | undefined, signal: AbortSignal): Promise<PodInquiry> {
    if (!this.#isSynced || this.#closed) return { kind: 'unknown', reason: 'the API server has not been listed yet' };
    if (this.#overlay.isFull) return { kind: 'unknown', reason: 'the watch lags behind by OVERLAY_PODS_MAX pods' };
    const answer = await this.#query.ask(namespace, name, signal);
    if (answer.kind !== 'found') return { kind: 'unknown', reason: answer.reason };
    const { identity, pod } = answer;
    if (uid !== undefined && pod.uid !== uid) {
      return { kind: 'unknown', reason: `the pod of that name has uid ${pod.uid}, not ${uid}` };
    }
    if (this.#closed) return { kind: 'unknown', reason: 'the watch on the API server is closed' };
    // The watch was faster.
    if (this.version('Pod', namespace, name)?.uid === identity.uid) return { kind: 'known' };
    this.#overlay.put(identity, pod, this.#clock.monotonicMs());
    this.#lookLater();
    this.#batch.put('Pod', identity.key, pod);
    this.#flushNow();
    return { kind: 'known' };
  }

  /** For metrics. */
  queryStats(): PodQueryStats & { /** Pods that the watch has not brought yet. */ readonly ahead: number } {
    return { ...this.#query.stats(), ahead: this.#overlay.size };
  }

  /** For metrics, by kind. */
  stats(): ReadonlyMap<string, ReflectorStats> {
    return new Map(this.#reflectors.map((reflector) => [reflector.resource.kind, reflector.stats()]));
  }

  /** Of an object as it was seen last; undefined when none of that name is there. */
  version(kind: string, namespace: string, name: string): ObjectVersion | undefined {
    const reflector = this.#reflectors.find(({ resource }) => resource.kind === kind);
    return reflector?.version(reflector.resource.namespaced ? objectKey(namespace, name) : name);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelFlush?.();
    this.#cancelLook?.();
    await Promise.all(this.#reflectors.map((reflector) => reflector.close()));
    this.#transport.close();
    this.#ready.reject(new ConfigError('the watch on the API server was closed before everything was listed'));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The first update, when everything is listed. */
  async #begin(): Promise<void> {
    const lists = await Promise.allSettled(this.#reflectors.map((reflector) => reflector.synced));
    if (this.#closed || lists.some(({ status }) => status === 'rejected')) return;
    this.#isSynced = true;
    this.#flush();
    this.#ready.resolve();
  }

  #take(resource: Resource<KnownObject>, changes: readonly ObjectChange<KnownObject>[]): void {
    for (const change of changes) {
      if (resource.kind !== 'Pod' || !this.#overlay.has(change.key)) {
        this.#batch.put(resource.kind, change.key, change.op === 'set' ? change.object : undefined);
      }
      this.#problems.take(resource, change);
    }
    this.#flushSoon();
  }

  /** What the watch has of a pod that was asked for before, now that this is over. */
  #tellWatched(key: string): void {
    this.#batch.put('Pod', key, this.#pods()?.object(key));
    this.#flushSoon();
  }

  #lookLater(): void {
    this.#cancelLook ??= this.#clock.schedule(OVERLAY_LOOK_MS, () => {
      this.#cancelLook = undefined;
      const watchedUid = (key: string): string | undefined => this.#pods()?.version(key)?.uid;
      for (const key of this.#overlay.expire(this.#clock.monotonicMs(), this.#isLocal, watchedUid)) {
        this.#tellWatched(key);
      }
      if (this.#overlay.size > 0 && !this.#closed) this.#lookLater();
    });
  }

  #pods(): Reflector<KnownObject> | undefined {
    return this.#reflectors.find(({ resource }) => resource.kind === 'Pod');
  }

  /** The delay runs from the batch before, or the first change, so no stream of changes puts it off. */
  #flushSoon(): void {
    if (!this.#isSynced || this.#closed || this.#cancelFlush !== undefined) return;
    const sinceMs = this.#clock.monotonicMs() - this.#flushedMs;
    const waitMs = Math.max(BATCH_FIRST_MS, BATCH_DELAY_MS - sinceMs);
    this.#cancelFlush = this.#clock.schedule(waitMs, () => this.#flush());
  }

  #flushNow(): void {
    this.#cancelFlush?.();
    this.#flush();
  }

  #flush(): void {
    this.#cancelFlush = undefined;
    this.#flushedMs = this.#clock.monotonicMs();
    const { changes, services } = this.#batch.take();
    const problems = [...this.#faultProblems(), ...this.#problems.list()];
    this.#listener?.({ changes, services, problems });
  }

  /** Before the first update there is nothing in force that could be out of date: `freshness` tells of it. */
  #noticeFaults(): void {
    const told = this.#lastingFaults()
      .map(({ kind }) => kind)
      .join(' ');
    if (!this.#isSynced || told === this.#toldFaults) return;
    this.#toldFaults = told;
    this.#flushSoon();
  }

  #lastingFaults(): readonly { readonly kind: string; readonly apiVersion: string; readonly fault: string }[] {
    const nowMs = this.#clock.monotonicMs();
    return this.#reflectors.flatMap((reflector) => {
      const { fault, faultSinceMs } = reflector.freshness();
      if (fault === undefined || faultSinceMs === undefined || nowMs - faultSinceMs < FAULT_TOLERATED_MS) return [];
      return [{ kind: reflector.resource.kind, apiVersion: reflector.resource.apiVersion, fault }];
    });
  }

  #faultProblems(): readonly ObjectProblem[] {
    return this.#lastingFaults().map(({ kind, apiVersion, fault }) => ({
      severity: 'error',
      object: undefined,
      file: undefined,
      place: undefined,
      path: '',
      message: `objects of type ${kind} (${apiVersion}) cannot be seen: ${fault}`,
      hint: 'what was seen before stays in force; changes since are not',
    }));
  }
}
