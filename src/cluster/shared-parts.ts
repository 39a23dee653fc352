/**
 * What many pods say alike is kept once: the labels and ports of replicas, the names of namespaces and nodes. As they come
 * from an API server every pod has its own, which for 100,000 pods is most of what they take.
 */
import type { Pod } from '../policy/model.ts';

/** Different values kept for each part; beyond them it begins anew, and equal ones may be there twice. */
const VALUES_MAX = 65_536;

export class SharedParts {
  readonly #texts = new Map<string, string>();
  readonly #labels = new Map<string, Pod['labels']>();
  readonly #ports = new Map<string, Pod['namedPorts']>();

  /** The same pod, with the parts that others have too. */
  share(pod: Pod): Pod {
    return {
      ...pod,
      namespace: once(this.#texts, pod.namespace, pod.namespace),
      nodeName: once(this.#texts, pod.nodeName, pod.nodeName),
      labels: once(this.#labels, JSON.stringify(pod.labels), pod.labels),
      namedPorts: once(this.#ports, JSON.stringify(pod.namedPorts), pod.namedPorts),
    };
  }
}

function once<T>(values: Map<string, T>, key: string, value: T): T {
  const known = values.get(key);
  if (known !== undefined) return known;
  if (values.size >= VALUES_MAX) values.clear();
  values.set(key, value);
  return value;
}
