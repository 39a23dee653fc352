/**
 * From the programs that hang on the interfaces to those of this process, in one stretch that nothing interrupts. After
 * a plain restart both use the same maps, and the exchange of programs is all there is. Otherwise, once this build's
 * tables are complete:
 *
 * 1. flows are converted; both sides may admit replies without a flow for a moment (5 s at the most);
 * 2. the programs of one interface after the other are exchanged in place: each packet meets the old or the new one;
 * 3. what the old programs saw since step 1 is converted; replies need a flow again;
 * 4. the pins of the old maps go, `config` last.
 *
 * Nothing says how far it came, because nothing has to: the next start of either build finds the other's `config`, and
 * does all of it again towards its own maps. Flows that are there are merged, interfaces that run its programs keep them.
 *
 * While some interfaces run old and some new programs (a few microseconds each), a flow between two pods of this node may
 * be judged by old tables at one end and by new ones at the other. That is sound:
 *
 * - Both enforce the state of the cluster that was last in force on their side; a program only ever joins its own rows,
 *   classes, ports and flows, so no verdict mixes two numberings. Each program that sees a flow's packet judges both local
 *   ends, so a flow that either side denies does not pass.
 * - Ids of endpoints, their addresses and interface indexes are the same in both sets of maps. `bpf_redirect_peer` needs no
 *   more, and no program hangs where it delivers: the path of a flow, which is converted with it, works from either side.
 * - A flow known before step 1 is in both sets. One that opens during step 2 is in one of them; a reply that meets the
 *   other's program is admitted for TCP if the opposite direction is allowed, and judged as it stands for other protocols.
 *   After step 3 it is known; if its entry was made from a reply meanwhile, the one made from its opening counts.
 */
import type { BpfObject } from '../../kernel/bpf-object.ts';
import { monotonicNs } from '../../kernel/system.ts';
import { isSysError } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import type { KernelImage } from '../image.ts';
import { LayoutError } from './field-copy.ts';
import { FlowTransfer } from './flow-transfer.ts';
import type { Hooks } from './hooks.ts';
import { copyAbsent } from './map-copy.ts';
import type { Pins } from './pins.ts';
import type { Predecessors } from './predecessors.ts';
import type { KernelStore } from './store.ts';

export interface SwitchoverParts {
  readonly old: Predecessors;
  readonly pins: Pins;
  readonly object: BpfObject;
  readonly store: KernelStore;
  readonly hooks: Hooks;
  readonly inNamespace: <T>(work: () => T) => T;
  readonly log: Pick<Log, 'info' | 'warn'> | undefined;
}

/** How long segments without a flow may be admitted as replies after a flow table was made anew over running pods. */
const GRACE_NS = 60_000_000_000n;
/** The same while flows are converted; taken back when they are. */
const SWITCH_GRACE_NS = 5_000_000_000n;
const NS_PER_SECOND = 1_000_000_000n;
const NOT_CONVERTED =
  'flows of the build that is replaced cannot be converted: for the grace, segments without a flow are admitted as ' +
  'replies where policy allows the opposite direction; replies of other protocols that no policy allows are dropped';
/** Lost, they are counted or learnt anew: a count of flows, the ports of fragments under way. */
const COPIED = ['endpoint_usage', 'fragments'] as const;

export class Switchover {
  readonly #parts: SwitchoverParts;

  constructor(parts: SwitchoverParts) {
    this.#parts = parts;
  }

  /** @param image what this build's maps hold in force. */
  run({ endpoints, generation }: KernelImage): void {
    const { old, pins, hooks, store, inNamespace, log } = this.#parts;
    const isExchange = old.hasTables || old.hasFlows;
    const transfer = this.#planTransfer();
    const startedNs = monotonicNs();
    const flows = transfer?.bringAll(generation) ?? 0;
    this.#copyRest();
    const hasPods = endpoints.size > 0 || pins.links().length > 0;
    const isCutOff = hasPods && !this.#knowsFlows(transfer);
    const before = store.graceUntilNs();
    if (isCutOff || isExchange) this.#admitReplies(isCutOff ? GRACE_NS : SWITCH_GRACE_NS);
    inNamespace(() => {
      for (const { wiring } of endpoints.values()) attach(hooks, wiring);
      hooks.collect();
    });
    transfer?.bringSince(startedNs, generation);
    if (isExchange && !isCutOff) store.setGraceUntilNs(before);
    pins.removeOthers();
    if (isExchange) log?.info({ flows, endpoints: endpoints.size }, 'programs of another build or size are replaced');
    old[Symbol.dispose]();
  }

  /** Undefined when the flows cannot be converted. */
  #planTransfer(): FlowTransfer | undefined {
    const { old, object, log } = this.#parts;
    const sources = { fresh: old.maps('flows_new'), live: old.maps('flows_live') };
    const target = { fresh: object.map('flows_new'), live: object.map('flows_live') };
    const anew = (['flows_new', 'flows_live'] as const).filter((name) => !object.isReused(name));
    try {
      return new FlowTransfer(
        sources,
        target,
        anew.map((name) => object.map(name)),
      );
    } catch (error) {
      if (!(error instanceof LayoutError)) throw error;
      log?.warn({ reason: error.message, grace_seconds: Number(GRACE_NS / NS_PER_SECOND) }, NOT_CONVERTED);
      return undefined;
    }
  }

  #copyRest(): void {
    const { old, object, log } = this.#parts;
    for (const name of COPIED) {
      for (const map of old.maps(name)) {
        try {
          copyAbsent(map, object.map(name));
        } catch (error) {
          if (!(error instanceof LayoutError)) throw error;
          log?.warn({ reason: error.message }, `${name} of the build that is replaced begins anew`);
        }
      }
    }
  }

  /** Whether the flows of running pods are known: in tables that were there before, or converted. */
  #knowsFlows(transfer: FlowTransfer | undefined): boolean {
    const { object, old } = this.#parts;
    const names = ['flows_new', 'flows_live'] as const;
    return transfer !== undefined && names.every((name) => object.isReused(name) || old.maps(name).length > 0);
  }

  #admitReplies(durationNs: bigint): void {
    const untilNs = monotonicNs() + durationNs;
    this.#parts.store.setGraceUntilNs(untilNs);
    this.#parts.old.admitRepliesUntil(untilNs);
  }
}

/** The pod may have gone while no agent ran; whoever attached the endpoint detaches it. */
function attach(hooks: Hooks, wiring: Parameters<Hooks['attach']>[0]): void {
  try {
    hooks.attach(wiring);
  } catch (error) {
    if (!isSysError(error, 'ENODEV')) throw error;
  }
}
