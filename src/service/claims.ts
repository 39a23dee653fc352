/**
 * Who has a frontend's address and port when several Services say so: the first by `namespace/name`. An API server never
 * gives one address twice, so this is for manifests, where somebody wrote the address.
 */
import type { FrontendDraft } from './frontend.ts';
import { formatEnd } from './key.ts';
import type { ServiceProblem } from './problem.ts';

export class Claims {
  /** By frontend key, then by Service. */
  readonly #claims = new Map<string, Map<string, FrontendDraft>>();

  set(draft: FrontendDraft): void {
    const claims = this.#claims.get(draft.key) ?? new Map<string, FrontendDraft>();
    this.#claims.set(draft.key, claims.set(draft.service, draft));
  }

  delete({ key, service }: FrontendDraft): void {
    const claims = this.#claims.get(key);
    claims?.delete(service);
    if (claims?.size === 0) this.#claims.delete(key);
  }

  /** Undefined: nobody has it. */
  owner(key: string): FrontendDraft | undefined {
    return this.#sorted(key)[0];
  }

  /** On every Service that has it not. */
  problems(key: string): readonly ServiceProblem[] {
    const [owner, ...others] = this.#sorted(key);
    if (owner === undefined) return [];
    return others.map(({ service, address, port, protocol }) => ({
      kind: 'Service',
      namespace: service.slice(0, service.indexOf('/')),
      name: service.slice(service.indexOf('/') + 1),
      path: 'spec.clusterIPs',
      message: `${formatEnd(address, port)}/${protocol} belongs to Service ${owner.service} already`,
      hint: 'give one of the two another address',
      severity: 'error',
    }));
  }

  #sorted(key: string): readonly FrontendDraft[] {
    const claims = this.#claims.get(key);
    if (claims === undefined) return [];
    return claims.size === 1
      ? [...claims.values()]
      : [...claims.values()].sort((a, b) => (a.service < b.service ? -1 : 1));
  }
}
