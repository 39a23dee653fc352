/** Hanging the programs on a pod's interface and taking them off again, in either of the two ways the kernel has. */
import type { EndpointWiring } from '../datapath.ts';

/** File descriptors of the loaded programs. */
export interface Programs {
  readonly fromPod: number;
  readonly toPod: number;
}

export interface Hooks {
  readonly mode: 'tcx' | 'clsact';
  /**
   * Both programs hang on the interface afterwards, also when others, or older ones of ours, hung there before: those of
   * ours are exchanged in place. All or nothing.
   * @throws SysError (ENODEV) when the interface is gone.
   */
  attach(wiring: EndpointWiring): void;
  /** Whether programs of ours, of this build or another, hang on both sides of the interface. */
  has(wiring: EndpointWiring): boolean;
  /** Idempotent; an interface that is gone is fine. Without a wiring only what is pinned by id can be found. */
  detach(endpointId: number, wiring: EndpointWiring | undefined): void;
  /** Removes what is left of interfaces that are gone. */
  collect(): void;
}

/** Hooks that know a way to attach for which the kernel waits for nothing. */
export interface SwiftHooks extends Hooks {
  /** The same as `attach` for an interface on which nothing of ours hangs yet, and fast. `settle` follows some time. */
  attachAtOnce(wiring: EndpointWiring): void;
  /**
   * From what `attachAtOnce` used to what `attach` uses, without a gap: prepared aside, exchanged in one stretch, if
   * `isWanted` still, after the time that takes. Idempotent. When it throws, programs hang there as they did.
   */
  settle(wiring: EndpointWiring, isWanted: () => boolean): Promise<void>;
}
