/** Sets of pods in few words: a whole namespace, a whole workload, or names. */
import { compareNames } from '../../policy/name-order.ts';

/** Names that a line shows; the rest is counted. */
export const NAMES_MAX = 8;

export class PodNames {
  readonly #workloadOf: ReadonlyMap<string, string>;
  readonly #inNamespace = new Map<string, number>();
  readonly #inWorkload = new Map<string, number>();

  /** `all`: every pod there is to speak of, `namespace/name`. */
  constructor(all: readonly string[], workloadOf: ReadonlyMap<string, string>) {
    this.#workloadOf = workloadOf;
    for (const pod of all) {
      countUp(this.#inNamespace, namespaceOf(pod));
      countUp(this.#inWorkload, workloadOf.get(pod));
    }
  }

  /** `shop/*`, `shop/deploy/web`, `shop/web-1`; sorted. */
  of(pods: readonly string[]): readonly string[] {
    const rest = this.#fold(pods, this.#inNamespace, namespaceOf, (name, total) =>
      total > 1 ? `${name}/*` : undefined,
    );
    const left = this.#fold(
      rest.left,
      this.#inWorkload,
      (pod) => this.#workloadOf.get(pod),
      (name) => name,
    );
    return [...rest.names, ...left.names, ...left.left].sort(compareNames);
  }

  #fold(
    pods: readonly string[],
    totals: ReadonlyMap<string, number>,
    groupOf: (pod: string) => string | undefined,
    nameOf: (group: string, total: number) => string | undefined,
  ): { readonly names: readonly string[]; readonly left: readonly string[] } {
    const counts = new Map<string, number>();
    for (const pod of pods) countUp(counts, groupOf(pod));
    const names = new Map<string, string>();
    for (const [group, count] of counts) {
      const name = count === totals.get(group) ? nameOf(group, count) : undefined;
      if (name !== undefined) names.set(group, name);
    }
    const left = pods.filter((pod) => {
      const group = groupOf(pod);
      return group === undefined || !names.has(group);
    });
    return { names: [...names.values()], left };
  }
}

/** `a, b and 3 more`. */
export function listNames(names: readonly string[]): string {
  const shown = names.slice(0, NAMES_MAX).join(', ');
  return names.length > NAMES_MAX ? `${shown} and ${names.length - NAMES_MAX} more` : shown;
}

function countUp(counts: Map<string, number>, key: string | undefined): void {
  if (key !== undefined) counts.set(key, (counts.get(key) ?? 0) + 1);
}

function namespaceOf(pod: string): string {
  return pod.slice(0, pod.indexOf('/'));
}
