/**
 * One of the two ways of attaching, and the other one to get rid of: an agent may be started with another mode than the
 * last, and what that one left would go on enforcing by itself.
 */
import type { EndpointWiring } from '../datapath.ts';
import type { Hooks, SwiftHooks } from './hooks.ts';

export class ModeHooks implements SwiftHooks {
  readonly #used: Hooks;
  readonly #unused: Hooks;

  constructor(used: Hooks, unused: Hooks) {
    this.#used = used;
    this.#unused = unused;
  }

  get mode(): Hooks['mode'] {
    return this.#used.mode;
  }

  /** For a moment both hang there: what passes has to pass both. */
  attach(wiring: EndpointWiring): void {
    this.#used.attach(wiring);
    this.#unused.detach(wiring.id, wiring);
  }

  attachAtOnce(wiring: EndpointWiring): void {
    this.attach(wiring);
  }

  async settle(_wiring: EndpointWiring, _isWanted: () => boolean): Promise<void> {}

  has(wiring: EndpointWiring): boolean {
    return this.#used.has(wiring) || this.#unused.has(wiring);
  }

  detach(endpointId: number, wiring: EndpointWiring | undefined): void {
    this.#used.detach(endpointId, wiring);
    this.#unused.detach(endpointId, wiring);
  }

  collect(): void {
    this.#used.collect();
    this.#unused.collect();
  }
}
