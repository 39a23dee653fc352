/**
 * Kubernetes events on policies that are not enforced as they are written, where `kubectl describe` shows them. What all
 * nodes find alike is told once: the event's name derives from what it says, and only the first of that name is taken.
 *
 * Events go after an hour (the API server's default), so a problem that lasts is told again. They are a courtesy: what
 * cannot be told is tried again for as long as it is true, and status and metrics say it all the same.
 */
import { createHash } from 'node:crypto';
import { ApiError } from '../../cluster/kubernetes/api-error.ts';
import type { ApiWrite } from '../../cluster/kubernetes/transport.ts';
import type { ObjectReference } from '../../cluster/source.ts';
import type { Clock } from '../../lib/clock.ts';
import { errorMessage } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';

export interface PolicyTrouble {
  readonly object: ObjectReference;
  /** NotEnforced: it is not in force as written. Doubtful: it is, or a part of it, and its author may not expect how. */
  readonly reason: 'NotEnforced' | 'Doubtful';
  readonly message: string;
  /** True: of this node only, so every node that has it tells it. */
  readonly ofNode: boolean;
}

export interface PolicyEventsParts {
  /** Creates an object of the API server; rejects with ApiError. */
  readonly write: (path: string, write: ApiWrite) => Promise<unknown>;
  /** Undefined: no such policy any more. */
  readonly uidOf: (object: ObjectReference) => string | undefined;
  readonly node: string;
  readonly clock: Clock;
  /** From 0 (inclusive) to 1 (exclusive). */
  readonly random: () => number;
  readonly log: Log;
}

/** Shorter than an event's life. */
const REPEAT_MS = 55 * 60_000;
const RETRY_MS = 30_000;
/** Between two events, so that a thousand invalid policies are no load. */
const SPACING_MS = 200;
/** Troubles told of at a time; the rest shows in status and metrics. */
export const TROUBLES_MAX = 200;
/** The API server's bound for the message of an event. */
const MESSAGE_CHARS_MAX = 1_024;
/** Of the policy's name in the event's name; the whole is a DNS subdomain of at most 253. */
const NAME_CHARS_MAX = 200;
/** Where events of objects without a namespace belong. */
const CLUSTER_EVENTS_NAMESPACE = 'default';

interface Told {
  readonly trouble: PolicyTrouble;
  nextMs: number;
}

export class PolicyEvents implements AsyncDisposable {
  readonly #parts: PolicyEventsParts;
  /** By identity of the event. */
  #troubles: Map<string, Told> = new Map();
  #running: Promise<void> | undefined;
  #cancel: (() => void) | undefined;
  #closed = false;
  #failed = false;

  constructor(parts: PolicyEventsParts) {
    this.#parts = parts;
  }

  /** All that is wrong now. Must not be called after disposal. */
  take(troubles: readonly PolicyTrouble[]): void {
    const next = new Map<string, Told>();
    for (const trouble of troubles.slice(0, TROUBLES_MAX)) {
      const key = JSON.stringify([trouble.object, trouble.reason, trouble.message]);
      next.set(key, this.#troubles.get(key) ?? { trouble, nextMs: 0 });
    }
    this.#troubles = next;
    this.#kick();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#cancel?.();
    await this.#running;
  }

  #kick(): void {
    if (this.#closed || this.#running !== undefined) return;
    this.#cancel?.();
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
      this.#sleep();
    });
  }

  /** Until the next one is due. */
  #sleep(): void {
    if (this.#closed || this.#troubles.size === 0) return;
    const { clock } = this.#parts;
    const dueMs = Math.min(...[...this.#troubles.values()].map(({ nextMs }) => nextMs));
    this.#cancel = clock.schedule(Math.max(SPACING_MS, dueMs - clock.monotonicMs()), () => this.#kick());
  }

  async #run(): Promise<void> {
    const { clock } = this.#parts;
    for (const told of this.#troubles.values()) {
      if (this.#closed) return;
      if (told.nextMs > clock.monotonicMs()) continue;
      const done = await this.#tell(told.trouble);
      told.nextMs = clock.monotonicMs() + (done ? REPEAT_MS : RETRY_MS);
      // The server has its reasons: the others wait, too.
      if (!done) return;
      await new Promise<void>((resolve) => clock.schedule(SPACING_MS * this.#parts.random(), resolve));
    }
  }

  async #tell(trouble: PolicyTrouble): Promise<boolean> {
    const { write, uidOf, log } = this.#parts;
    const uid = uidOf(trouble.object);
    if (uid === undefined) return true;
    const event = eventOf(trouble, uid, this.#parts);
    try {
      await write(`/api/v1/namespaces/${event.metadata.namespace}/events`, {
        method: 'POST',
        contentType: 'application/json',
        body: JSON.stringify(event),
      });
    } catch (error) {
      // Another node was first, or this one before it was started anew.
      if (error instanceof ApiError && error.kind === 'conflict') return true;
      if (!this.#failed) log.warn({ error: errorMessage(error) }, 'events on policies cannot be written; tried again');
      this.#failed = true;
      return false;
    }
    this.#failed = false;
    return true;
  }
}

interface KubernetesEvent {
  readonly metadata: { readonly name: string; readonly namespace: string };
}

function eventOf(trouble: PolicyTrouble, uid: string, { node, clock }: PolicyEventsParts): KubernetesEvent {
  const { object, reason, message, ofNode } = trouble;
  const namespace = object.namespace === '' ? CLUSTER_EVENTS_NAMESPACE : object.namespace;
  const time = new Date(clock.wallMs());
  // The hour is in it: after an hour the same is told anew, by the first of all nodes.
  const hour = Math.floor(time.getTime() / REPEAT_MS);
  const digest = createHash('sha256')
    .update(JSON.stringify([uid, reason, message, ofNode ? node : '', hour]))
    .digest('hex')
    .slice(0, 16);
  const timestamp = time.toISOString().replace(/\.\d+Z$/, 'Z');
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: `${object.name.slice(0, NAME_CHARS_MAX)}.${digest}`, namespace },
    involvedObject: {
      apiVersion: object.apiVersion,
      kind: object.kind,
      ...(object.namespace !== '' && { namespace: object.namespace }),
      name: object.name,
      uid,
    },
    type: 'Warning',
    reason,
    message: message.length > MESSAGE_CHARS_MAX ? `${message.slice(0, MESSAGE_CHARS_MAX - 1)}…` : message,
    source: { component: 'sluice', ...(ofNode && { host: node }) },
    firstTimestamp: timestamp,
    lastTimestamp: timestamp,
    count: 1,
  } as KubernetesEvent;
}
