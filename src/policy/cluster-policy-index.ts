/** Every ClusterNetworkPolicy, in the order of evaluation. They are few, and each may be about any pod. */
import {
  clusterPolicyKey,
  compileClusterPolicy,
  selectsPod,
  type CompiledClusterPolicy,
  type SelectedClusterPolicy,
} from './cluster-policy.ts';
import type { ClusterNetworkPolicy, ClusterNetworkPolicyTier, Labels } from './model.ts';

/** Policies whose order only their names give (CNP-2). */
export interface PriorityTie {
  readonly tier: ClusterNetworkPolicyTier;
  readonly priority: number;
  /** Keys, in the order of evaluation. */
  readonly policies: readonly string[];
}

export class ClusterPolicyIndex {
  readonly #byKey = new Map<string, CompiledClusterPolicy>();
  #sorted: readonly CompiledClusterPolicy[] = [];
  #nextSerial = 1;

  get size(): number {
    return this.#byKey.size;
  }

  /** Returns the policies whose subjects are concerned: the one it replaces, and the new one. */
  set(policy: ClusterNetworkPolicy): readonly CompiledClusterPolicy[] {
    const compiled = compileClusterPolicy(policy, this.#nextSerial++);
    const old = this.#byKey.get(compiled.key);
    this.#byKey.set(compiled.key, compiled);
    this.#sort();
    return old === undefined ? [compiled] : [old, compiled];
  }

  delete(name: string): readonly CompiledClusterPolicy[] {
    const old = this.#byKey.get(clusterPolicyKey(name));
    if (old === undefined) return [];
    this.#byKey.delete(old.key);
    this.#sort();
    return [old];
  }

  /** Policies that select the pod, or may, in the order of evaluation: Admin first, then by priority, then by name. */
  selecting(labels: Labels, namespaceLabels: Labels | undefined): readonly SelectedClusterPolicy[] {
    return this.#sorted.flatMap((policy) => {
      const selects = selectsPod(policy, labels, namespaceLabels);
      return selects === 'no' ? [] : { policy, certain: selects === 'yes' };
    });
  }

  *ties(): Generator<PriorityTie> {
    const byPlace = Map.groupBy(this.#sorted, ({ tier, priority }) => `${tier} ${priority}`);
    for (const group of byPlace.values()) {
      const [first] = group;
      if (first === undefined || group.length === 1) continue;
      yield { tier: first.tier, priority: first.priority, policies: group.map(({ key }) => key) };
    }
  }

  #sort(): void {
    this.#sorted = [...this.#byKey.values()].sort((a, b) => {
      if (a.tier !== b.tier) return a.tier === 'Admin' ? -1 : 1;
      return a.priority - b.priority || (a.key < b.key ? -1 : 1);
    });
  }
}
