/** Changes of several resources, gathered and put into the order that ClusterUpdate promises. */
import type { ClusterChange } from '../../policy/model.ts';
import type { ServiceChange } from '../../service/model.ts';
import { CHANGE_ORDER, SERVICE_CHANGE_ORDER } from '../change-order.ts';
import type { KnownObject } from '../object-readers.ts';
import type { ClusterUpdate } from '../source.ts';

type Op = ClusterChange['op'];

type Change =
  | { readonly kind: string; readonly op: 'set'; readonly object: KnownObject }
  | { readonly kind: string; readonly op: 'delete'; readonly key: string };

/** Of several changes of one object the last counts. */
export class ChangeBatch {
  /** By kind and key; undefined: the object goes. */
  readonly #kinds: Map<string, Map<string, KnownObject | undefined>> = new Map();

  put(kind: string, key: string, object: KnownObject | undefined): void {
    let objects = this.#kinds.get(kind);
    if (objects === undefined) this.#kinds.set(kind, (objects = new Map()));
    // In the order of the last changes: an address that moves from pod to pod is given up before it is taken.
    objects.delete(key);
    objects.set(key, object);
  }

  /** Everything put in since the last time. */
  take(): Pick<ClusterUpdate, 'changes' | 'services'> {
    // A reader's object is of the type that belongs to its kind.
    const changes = this.#inOrder(CHANGE_ORDER) as readonly ClusterChange[];
    const services = this.#inOrder(SERVICE_CHANGE_ORDER) as readonly ServiceChange[];
    this.#kinds.clear();
    return { changes, services };
  }

  #inOrder(order: readonly (readonly [Op, string])[]): readonly Change[] {
    return order.flatMap(([op, kind]): readonly Change[] => {
      const objects = [...(this.#kinds.get(kind) ?? [])];
      return op === 'set'
        ? objects.flatMap(([, object]) => (object === undefined ? [] : [{ kind, op, object }]))
        : objects.flatMap(([key, object]) => (object === undefined ? [{ kind, op, key }] : []));
    });
  }
}
