/**
 * Pods that were asked for one by one because the watch lags, until it has come as far. Rules, as the tests name them:
 * 1. while a pod is held, what the watch has of its name is older and is not told: it would bring back what is over;
 * 2. it is let go when the watch brings that version or a later one of it, its deletion, or what came after it;
 * 3. a list without it may be of a server that lags behind: it stays, for as long as it has an endpoint on this node;
 * 4. after OVERLAY_MS_MAX it goes without an endpoint, and also where the watch has the pod: versions that stay lower are
 *    another history.
 */
import type { Pod } from '../../policy/model.ts';
import { OVERLAY_MS_MAX, OVERLAY_PODS_MAX } from './limits.ts';
import type { Identity } from './raw-object.ts';

type PodIdentity = Pick<Identity, 'key' | 'uid' | 'resourceVersion'>;

interface Overlaid {
  readonly uid: string;
  readonly resourceVersion: string;
  readonly pod: Pod;
  /** Monotonic milliseconds. */
  readonly sinceMs: number;
  /** The watch has brought an earlier version of it. */
  isOnItsWay: boolean;
}

export class PodOverlay {
  readonly #held = new Map<string, Overlaid>();

  get size(): number {
    return this.#held.size;
  }

  has(key: string): boolean {
    return this.#held.has(key);
  }

  get isFull(): boolean {
    return this.#held.size >= OVERLAY_PODS_MAX;
  }

  put({ key, uid, resourceVersion }: PodIdentity, pod: Pod, nowMs: number): void {
    this.#held.set(key, { uid, resourceVersion, pod, sinceMs: nowMs, isOnItsWay: false });
  }

  /** An event or the item of a list, after the watch has taken it. True: the pod is let go, and the watch's word counts. */
  see(op: 'set' | 'delete', { key, uid, resourceVersion }: PodIdentity): boolean {
    const held = this.#held.get(key);
    if (held === undefined) return false;
    if (uid !== held.uid && !held.isOnItsWay) return false;
    if (uid === held.uid && op === 'set' && isEarlier(resourceVersion, held.resourceVersion)) {
      held.isOnItsWay = true;
      return false;
    }
    this.#held.delete(key);
    return true;
  }

  /**
   * Rule 4. Gives the keys that are let go.
   * @param isLocal whether the pod has an endpoint on this node.
   * @param watchedUid uid of what the watch has of that name.
   */
  expire(nowMs: number, isLocal: (pod: Pod) => boolean, watchedUid: (key: string) => string | undefined): string[] {
    const gone = [...this.#held].flatMap(([key, { uid, pod, sinceMs }]) => {
      const isOver = nowMs - sinceMs >= OVERLAY_MS_MAX && (watchedUid(key) === uid || !isLocal(pod));
      return isOver ? [key] : [];
    });
    for (const key of gone) this.#held.delete(key);
    return gone;
  }
}

/**
 * Versions of one object, in the only use that is made of their order: API servers give growing decimal numbers, and
 * where they do not, none is earlier. A wrong answer costs a moment, see rule 4.
 */
function isEarlier(a: string, b: string): boolean {
  const isNumber = /^[0-9]+$/;
  return isNumber.test(a) && isNumber.test(b) && BigInt(a) < BigInt(b);
}
