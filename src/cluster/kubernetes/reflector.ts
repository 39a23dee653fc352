/**
 * One resource of an API server, followed for as long as it is not closed: LIST in pages, then WATCH from there on.
 * 1. No error ends it. What cannot be seen stays as it was last seen; only what is seen to be gone is gone.
 * 2. A watch that ends goes on from the last event or bookmark; 410 (as status or event), and whatever leaves it open
 *    which events were missed, leads to a new list, from which changes and deletions follow.
 * 3. A new list is never older than what is known: it is asked for with resourceVersionMatch=NotOlderThan, which a
 *    replica that lags behind refuses. A server that refuses NOT_OLDER_ATTEMPTS_MAX times has another history (it was
 *    restored from a backup): then the newest list it has counts. A list without a version is a quorum read.
 * 4. Between attempts it waits, longer each time; an event or bookmark shows that all is well again.
 */
import type { Clock } from '../../lib/clock.ts';
import { ApiClient } from './api-client.ts';
import { API_ERROR_KINDS, ApiError, type ApiErrorKind, errorOfStatus } from './api-error.ts';
import { isNotServed } from './absence.ts';
import { BackOff } from './back-off.ts';
import { type EventOutcome, HeldObjects, type ObjectChange, type ObjectVersion } from './held-objects.ts';
import {
  ABSENT_RETRY_MS,
  BACKOFF_AWAY_MS_MAX,
  BACKOFF_MS_MAX,
  LIST_PAGES_MAX,
  NOT_OLDER_ATTEMPTS_MAX,
  PAGE_ITEMS,
  SILENT_WATCHES_MAX,
  WATCH_SECONDS_MAX,
  WATCH_SECONDS_MIN,
} from './limits.ts';
import { type Identity, identityOf, readEvent, readPage, resourceVersionOf, type WatchEvent } from './raw-object.ts';
import type { Resource } from './resource.ts';
import type { ApiTransport } from './transport.ts';

export interface ReflectorOptions<T> {
  readonly resource: Resource<T>;
  readonly transport: ApiTransport;
  readonly clock: Clock;
  /** From 0 (inclusive) to 1 (exclusive). */
  readonly random: () => number;
  /** Called with what a list or an event changed, never with nothing. Must not throw. */
  readonly onChanges: (changes: readonly ObjectChange<T>[]) => void;
  /** Of which keys `onSeen` shall be told. @default none */
  readonly isAwaited?: (key: string) => boolean;
  /**
   * An event or the item of a list, once it was taken, before the changes that came of it are told; also of one that
   * changes nothing. Must not throw.
   */
  readonly onSeen?: (op: 'set' | 'delete', identity: Identity) => void;
  /** Called when `fault` of the freshness may be another one. Must not throw. */
  readonly onFault?: () => void;
}

export interface ReflectorFreshness {
  /** Of the last list, event or bookmark, milliseconds since the epoch; 0 before the first. */
  readonly asOfMs: number;
  /** Why the resource cannot be seen now. Undefined while it can. */
  readonly fault: string | undefined;
  /** Monotonic milliseconds; undefined without a fault. */
  readonly faultSinceMs: number | undefined;
}

/** Counts since the start, for metrics. */
export interface ReflectorStats {
  readonly phase: 'listing' | 'watching' | 'waiting' | 'closed';
  /** Objects held. */
  readonly objects: number;
  /** Completed. */
  readonly lists: number;
  readonly pages: number;
  /** Accepted by the server. */
  readonly watches: number;
  readonly events: number;
  readonly bookmarks: number;
  /** Events passed over: second copies, and deletions of what is not there. */
  readonly duplicates: number;
  readonly errors: Readonly<Record<ApiErrorKind, number>>;
}

export class Reflector<T> implements AsyncDisposable {
  readonly resource: Resource<T>;
  /** Resolves after the first list was told. Rejects when it is closed before. */
  readonly synced: Promise<void>;
  readonly #client: ApiClient;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #onChanges: ReflectorOptions<T>['onChanges'];
  readonly #onFault: () => void;
  readonly #isAwaited: (key: string) => boolean;
  readonly #onSeen: NonNullable<ReflectorOptions<T>['onSeen']>;
  readonly #ready: PromiseWithResolvers<void> = Promise.withResolvers<void>();
  readonly #closing: AbortController = new AbortController();
  readonly #backOff: BackOff;
  readonly #objects: HeldObjects<T>;
  readonly #errors = Object.fromEntries(API_ERROR_KINDS.map((kind) => [kind, 0])) as Record<ApiErrorKind, number>;
  readonly #counts = { lists: 0, pages: 0, watches: 0, events: 0, bookmarks: 0 };
  #phase: ReflectorStats['phase'] = 'waiting';
  #running: Promise<void> | undefined;
  /** Of the last list, event or bookmark. Empty: none, or none that can be trusted. */
  #version = '';
  #mustList = true;
  /** In a row: times that the server could not serve `#version`. */
  #refusals = 0;
  /** In a row. */
  #silentWatches = 0;
  /** In a row. */
  #absences = 0;
  #unauthorized = false;
  #asOfMs = 0;
  #fault: { readonly message: string; readonly sinceMs: number } | undefined;

  constructor(options: ReflectorOptions<T>) {
    this.resource = options.resource;
    this.#client = new ApiClient(options.transport, options.clock);
    this.#clock = options.clock;
    this.#random = options.random;
    this.#onChanges = options.onChanges;
    this.#onFault = options.onFault ?? (() => undefined);
    this.#isAwaited = options.isAwaited ?? (() => false);
    this.#onSeen = options.onSeen ?? (() => undefined);
    this.#backOff = new BackOff(options.random);
    this.#objects = new HeldObjects(options.resource);
    this.synced = this.#ready.promise;
    // Whoever waits for it gets the error; that nobody waits must not end the process.
    this.synced.catch(() => undefined);
  }

  /** Once. An error that is no ApiError is a mistake in the program and ends the process as an unhandled rejection. */
  start(): void {
    if (this.#running !== undefined) throw new Error(`the reflector of ${this.resource.path} is started twice`);
    this.#running = this.#run();
  }

  freshness(): ReflectorFreshness {
    return { asOfMs: this.#asOfMs, fault: this.#fault?.message, faultSinceMs: this.#fault?.sinceMs };
  }

  stats(): ReflectorStats {
    return {
      phase: this.#phase,
      objects: this.#objects.size,
      ...this.#counts,
      duplicates: this.#objects.duplicates,
      errors: { ...this.#errors },
    };
  }

  /** Of an object as it was seen last, by its key. */
  version(key: string): ObjectVersion | undefined {
    return this.#objects.version(key);
  }

  /** The object as it was read last, by its key; undefined when it is not there or cannot be used. */
  object(key: string): T | undefined {
    return this.#objects.object(key);
  }

  /** No call of a listener comes after this returns. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
    this.#phase = 'closed';
    this.#ready.reject(new Error(`the watch on ${this.resource.path} was closed before its first list`));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #run(): Promise<void> {
    while (!this.#isClosed()) {
      let waitMs: number;
      try {
        if (this.#mustList) await this.#list();
        await this.#watch();
        waitMs = this.#backOff.next();
      } catch (error) {
        if (this.#isClosed()) return;
        if (!(error instanceof ApiError)) throw error;
        waitMs = await this.#recover(error);
      }
      await this.#pause(waitMs);
    }
  }

  #isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  async #list(): Promise<void> {
    this.#phase = 'listing';
    const notOlder = this.#version !== '' && this.#refusals < NOT_OLDER_ATTEMPTS_MAX;
    const first = notOlder ? { resourceVersion: this.#version, resourceVersionMatch: 'NotOlderThan' } : {};
    const list = this.#objects.beginList();
    const awaited: Identity[] = [];
    let query: Readonly<Record<string, string>> = first;
    for (let pages = 0; pages < LIST_PAGES_MAX; pages++) {
      const limit = String(PAGE_ITEMS);
      const raw = await this.#client.json(this.resource.path, { limit, ...query }, this.#closing.signal);
      if (this.#isClosed()) return;
      const page = readPage(raw);
      this.#counts.pages += 1;
      for (const item of page.items) {
        const key = list.add(item);
        if (this.#isAwaited(key)) awaited.push(identityOf(item, this.resource.namespaced));
      }
      if (page.continue === '') {
        const changes = list.finish();
        for (const identity of awaited) this.#onSeen('set', identity);
        this.#taken(changes, page.resourceVersion);
        return;
      }
      query = { continue: page.continue };
    }
    throw new ApiError('protocol', `a list of ${this.resource.path} has more than LIST_PAGES_MAX pages`);
  }

  #taken(changes: readonly ObjectChange<T>[], version: string): void {
    this.#counts.lists += 1;
    this.#version = version;
    this.#mustList = false;
    this.#refusals = 0;
    this.#silentWatches = 0;
    this.#absences = 0;
    this.#seen();
    if (changes.length > 0) this.#onChanges(changes);
    this.#ready.resolve();
  }

  async #watch(): Promise<void> {
    this.#phase = 'watching';
    const seconds = WATCH_SECONDS_MIN + Math.floor(this.#random() * (WATCH_SECONDS_MAX - WATCH_SECONDS_MIN + 1));
    const query = {
      watch: 'true',
      allowWatchBookmarks: 'true',
      timeoutSeconds: String(seconds),
      resourceVersion: this.#version,
    };
    const sinceMs = this.#clock.monotonicMs();
    let heard = false;
    const onOpen = (): void => {
      this.#counts.watches += 1;
      this.#unauthorized = false;
      this.#setFault(undefined);
    };
    try {
      for await (const line of this.#client.lines(this.resource.path, query, this.#closing.signal, onOpen)) {
        if (this.#isClosed()) return;
        this.#take(readEvent(line));
        heard = true;
        this.#backOff.reset();
      }
      // A server without bookmarks ends quiet watches, too; such a loop is slow enough as it is.
      if (this.#clock.monotonicMs() - sinceMs >= BACKOFF_MS_MAX) this.#backOff.reset();
    } catch (error) {
      const silent = !heard && error instanceof ApiError && error.kind === 'stalled';
      this.#silentWatches = silent ? this.#silentWatches + 1 : 0;
      throw error;
    }
  }

  #take({ type, object }: WatchEvent): void {
    if (type === 'ERROR') throw errorOfStatus(object);
    const version = resourceVersionOf(object);
    let outcome: EventOutcome<T> = 'unchanged';
    if (type === 'BOOKMARK') {
      this.#counts.bookmarks += 1;
    } else {
      this.#counts.events += 1;
      outcome = type === 'DELETED' ? this.#objects.delete(object) : this.#objects.set(object);
      const identity = identityOf(object, this.resource.namespaced);
      if (this.#isAwaited(identity.key)) this.#onSeen(type === 'DELETED' ? 'delete' : 'set', identity);
    }
    // A second copy may be of an earlier event; going on from there would bring back what came after it.
    if (outcome !== 'duplicate') this.#version = version;
    this.#refusals = 0;
    this.#seen();
    if (typeof outcome === 'object') this.#onChanges([outcome]);
  }

  #seen(): void {
    this.#asOfMs = this.#clock.wallMs();
    this.#unauthorized = false;
    this.#setFault(undefined);
  }

  /** What follows from an error; gives the milliseconds to wait. */
  async #recover(error: ApiError): Promise<number> {
    this.#errors[error.kind] += 1;
    const limitMs = error.kind === 'network' ? BACKOFF_AWAY_MS_MAX : BACKOFF_MS_MAX;
    const waitMs = Math.max(this.#backOff.next(limitMs), error.retryAfterMs);
    switch (error.kind) {
      case 'unauthorized': {
        this.#client.renewCredentials();
        const first = !this.#unauthorized;
        this.#unauthorized = true;
        this.#setFault(error.message);
        // A token that has just been replaced is the usual reason.
        return first ? 0 : waitMs;
      }
      case 'gone':
      case 'too-new':
      case 'refused':
      case 'conflict':
        this.#refusals += 1;
        this.#mustList = true;
        break;
      case 'protocol':
        this.#mustList = true;
        break;
      case 'stalled':
        // Perhaps it waits for a version that this server will not reach for long, if ever.
        if (this.#silentWatches >= SILENT_WATCHES_MAX) this.#mustList = true;
        break;
      case 'absent':
        this.#mustList = true;
        if (this.resource.optional && (await this.#isAbsent())) return ABSENT_RETRY_MS;
        break;
      case 'network':
      case 'credentials':
      case 'forbidden':
      case 'throttled':
      case 'server':
        break;
    }
    this.#setFault(error.message);
    return waitMs;
  }

  /**
   * Whether the server does not have the type. Where objects are known it has to say so twice, ABSENT_RETRY_MS apart: a
   * server that starts may not know its CustomResourceDefinitions yet.
   */
  async #isAbsent(): Promise<boolean> {
    try {
      if (!(await isNotServed(this.#client, this.resource.path, this.#closing.signal))) return false;
    } catch (error) {
      if (!(error instanceof ApiError) && !this.#isClosed()) throw error;
      return false;
    }
    if (this.#isClosed()) return true;
    this.#absences += 1;
    if (this.#objects.size > 0 && this.#absences < 2) return true;
    this.#version = '';
    this.#seen();
    const changes = this.#objects.beginList().finish();
    if (changes.length > 0) this.#onChanges(changes);
    this.#ready.resolve();
    return true;
  }

  #setFault(message: string | undefined): void {
    if (message === undefined && this.#fault === undefined) return;
    const sinceMs = this.#fault?.sinceMs ?? this.#clock.monotonicMs();
    this.#fault = message === undefined ? undefined : { message, sinceMs };
    this.#onFault();
  }

  async #pause(ms: number): Promise<void> {
    const { signal } = this.#closing;
    if (signal.aborted) return;
    this.#phase = 'waiting';
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        cancel();
        signal.removeEventListener('abort', wake);
        resolve();
      };
      const cancel = this.#clock.schedule(ms, wake);
      signal.addEventListener('abort', wake);
    });
  }
}
