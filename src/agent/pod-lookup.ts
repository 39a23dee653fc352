/** Which pod an ADD is for. The runtime names it before the desired state may know of it (NP-124). */
import type { Snapshot } from '../cluster/snapshot.ts';
import { CniCode, CniError } from '../cni/error.ts';
import type { PodArgs } from '../cni/args.ts';
import type { ClusterSource, PodInquiry } from '../cluster/source.ts';
import { errorMessage } from '../lib/errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Pod } from '../policy/model.ts';
import type { Readiness } from './readiness.ts';

const POD_POLL_MS = 20;
/** A watch that is well brings the pod within this: it was there before the runtime heard of it. */
const ASK_AFTER_MS = 200;
/** From one question without an answer that helps to the next. */
const ASK_AGAIN_MS = 1_000;

export interface PodLookup {
  /**
   * The pod that the runtime names, once it is known; it has a network of its own.
   * @param signal the runtime has given up.
   * @throws CniError when it is named wrongly, has no network of its own or is not known in time.
   */
  find(named: PodArgs, signal: AbortSignal): Promise<Pod>;
}

export interface SnapshotPodLookupParts {
  readonly snapshot: Snapshot;
  readonly source: Pick<ClusterSource, 'inquire'>;
  readonly readiness: Pick<Readiness, 'reason'>;
  readonly podWaitMs: number;
  readonly clock: Clock;
}

/** Waits, so long as is allowed, until the desired state has the pod; a source that can be asked for one pod is asked. */
export class SnapshotPodLookup implements PodLookup {
  readonly #parts: SnapshotPodLookupParts;

  constructor(parts: SnapshotPodLookupParts) {
    this.#parts = parts;
  }

  async find({ namespace, name, uid }: PodArgs, signal: AbortSignal): Promise<Pod> {
    if (namespace === undefined || name === undefined) {
      throw new CniError(
        CniCode.invalidEnvironment,
        'CNI_ARGS names no pod',
        'K8S_POD_NAMESPACE and K8S_POD_NAME are needed: Sluice wires Kubernetes pods',
      );
    }
    const { clock, podWaitMs, snapshot, readiness, source } = this.#parts;
    const found = new AbortController();
    const asking = AbortSignal.any([signal, found.signal]);
    const inquiry = new Inquiry(clock, () => source.inquire?.(namespace, name, uid, asking));
    const deadlineMs = clock.monotonicMs() + podWaitMs;
    try {
      for (;;) {
        const notReady = readiness.reason();
        const pod = snapshot.pod(namespace, name);
        if (notReady === undefined && pod !== undefined && isMeant(pod, uid)) return checkPod(pod);
        if (signal.aborted) throw new CniError(CniCode.tryAgain, 'the runtime has given up');
        if (clock.monotonicMs() >= deadlineMs) {
          const details = [`waited ${podWaitMs / 1000} s`, inquiry.failure].filter((part) => part !== '').join('; ');
          throw new CniError(CniCode.tryAgain, notReady ?? unknownPod(`${namespace}/${name}`, uid, pod), details);
        }
        if (notReady === undefined) inquiry.goOn();
        await new Promise<void>((resolve) => clock.schedule(POD_POLL_MS, resolve));
      }
    } finally {
      found.abort();
    }
  }
}

/** When to ask for the pod, and what came of it. What is found is in the snapshot. */
class Inquiry {
  /** Why the last question did not help; empty when it did, or none was answered. */
  failure = '';
  readonly #clock: Clock;
  readonly #ask: () => Promise<PodInquiry> | undefined;
  #dueMs: number;
  #isAsking = false;

  constructor(clock: Clock, ask: () => Promise<PodInquiry> | undefined) {
    this.#clock = clock;
    this.#ask = ask;
    this.#dueMs = clock.monotonicMs() + ASK_AFTER_MS;
  }

  goOn(): void {
    if (this.#isAsking || this.#clock.monotonicMs() < this.#dueMs) return;
    const answer = this.#ask();
    if (answer === undefined) return;
    this.#isAsking = true;
    const end = (failure: string): void => {
      this.#isAsking = false;
      this.#dueMs = this.#clock.monotonicMs() + ASK_AGAIN_MS;
      this.failure = failure;
    };
    answer.then(
      (inquiry) => end(inquiry.kind === 'known' ? '' : `asked for it: ${inquiry.reason}`),
      (error: unknown) => end(`asking for it failed: ${errorMessage(error)}`),
    );
  }
}

function isMeant(pod: Pod, uid: string | undefined): boolean {
  return pod.uid === '' || uid === undefined || pod.uid === uid;
}

function checkPod(pod: Pod): Pod {
  if (!pod.hostNetwork) return pod;
  throw new CniError(
    CniCode.invalidEnvironment,
    `pod ${pod.namespace}/${pod.name} has hostNetwork: it gets no interface`,
  );
}

function unknownPod(key: string, uid: string | undefined, found: Pod | undefined): string {
  if (found === undefined) return `pod ${key} is not in the desired state`;
  return `pod ${key} has uid ${found.uid}, not ${uid}`;
}
