/** Every policy of the cluster, by namespace and subject, so that the policies of one pod are found without a walk. */
import type { Labels, NetworkPolicy } from './model.ts';
import { compilePolicy, policyKey, type CompiledPolicy } from './rule-content.ts';
import { RulePool } from './rule-pool.ts';
import { SelectorIndex } from './selector-index.ts';

export class PolicyIndex {
  readonly #byKey = new Map<string, CompiledPolicy>();
  readonly #byNamespace = new Map<string, SelectorIndex<CompiledPolicy>>();
  readonly #pool = new RulePool();
  #nextSerial = 1;

  /** Returns the policies whose subjects are concerned: the one it replaces, and the new one. */
  set(policy: NetworkPolicy): readonly CompiledPolicy[] {
    const old = this.delete(policyKey(policy));
    const compiled = compilePolicy(policy, this.#nextSerial++, this.#pool);
    this.#byKey.set(compiled.key, compiled);
    const index = this.#byNamespace.get(policy.namespace) ?? new SelectorIndex();
    this.#byNamespace.set(policy.namespace, index);
    index.add(compiled);
    return [...old, compiled];
  }

  delete(key: string): readonly CompiledPolicy[] {
    const old = this.#byKey.get(key);
    if (old === undefined) return [];
    this.#byKey.delete(key);
    const index = this.#byNamespace.get(old.namespace);
    index?.delete(old);
    if (index?.size === 0) this.#byNamespace.delete(old.namespace);
    return [old];
  }

  /** Policies that select the pod (NP-1), sorted by key. */
  selecting(namespace: string, labels: Labels): readonly CompiledPolicy[] {
    const found: CompiledPolicy[] = [];
    this.#byNamespace.get(namespace)?.forEachMatch(labels, (policy) => found.push(policy));
    return found.length < 2 ? found.slice() : found.sort((a, b) => (a.key < b.key ? -1 : 1)).slice();
  }
}
