/**
 * tcx, begun as clsact. For each tcx link the kernel waits for a grace period (6 ms) with its lock on all interfaces held; a
 * clsact with both filters takes it 0.6 ms. So a pod starts with filters, and gets its links when nobody waits:
 *
 * 1. links with a program that leaves everything to what comes after it: the filters;
 * 2. in one stretch: the links get the real programs (no grace period: BPF_LINK_UPDATE), the filters go.
 *
 * Killed in between, the next start attaches by tcx what is not, and removes the filters. Between the two of step 2, some
 * ten microseconds, a packet passes both: the same verdict twice, except that an answer of a Service, whose source the
 * first has translated, is dropped by the second.
 */
import type { EndpointWiring } from '../datapath.ts';
import type { ClsactHooks } from './clsact-hooks.ts';
import { ModeHooks } from './mode-hooks.ts';
import type { TcxHooks } from './tcx-hooks.ts';

export class SettlingHooks extends ModeHooks {
  readonly #tcx: TcxHooks;
  readonly #clsact: ClsactHooks;

  constructor(tcx: TcxHooks, clsact: ClsactHooks) {
    super(tcx, clsact);
    this.#tcx = tcx;
    this.#clsact = clsact;
  }

  override attachAtOnce(wiring: EndpointWiring): void {
    this.#clsact.attach(wiring);
  }

  override async settle(wiring: EndpointWiring, isWanted: () => boolean): Promise<void> {
    await this.#tcx.prepare(wiring, isWanted);
    if (!isWanted()) return;
    this.attach(wiring);
    this.#clsact.removeBare(wiring.ifindex);
  }
}
