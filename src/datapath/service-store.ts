/**
 * Where service tables live: the kernel's maps, or plain memory. Keys are those of `service/key.ts`: strings of one
 * character a byte. Every single write is seen by packets as done or not done.
 */

/** A frontend, or an address that some frontend has (FRONTEND_ADDRESS). */
export interface FrontendElement {
  /** 0 for an address. */
  readonly id: number;
  /** frontend_flag bits. */
  readonly flags: number;
  readonly firstSlot: number;
  /** 0: nothing is behind it. */
  readonly slotCount: number;
  /** 0: no session affinity. */
  readonly affinitySeconds: number;
}

export interface BackendElement {
  /** backendKey. */
  readonly key: string;
  /** Id of the frontend that it is behind. */
  readonly frontend: number;
}

/** Without a value the element is deleted; deleting what is not there is no error. */
export type ServiceWrite =
  | { readonly table: 'frontends'; readonly key: string; readonly value: FrontendElement | undefined }
  | { readonly table: 'backends'; readonly id: number; readonly value: BackendElement | undefined }
  | { readonly table: 'ranges'; readonly key: string; readonly value: true | undefined }
  /** Consecutive slots from `first` on; each is one store. */
  | { readonly table: 'slots'; readonly first: number; readonly backends: Uint32Array }
  /** Whether packets look for services at all. */
  | { readonly table: 'enabled'; readonly value: boolean };

export interface ServiceStore {
  /** Slots that there is room for. */
  readonly slotCapacity: number;
  isEnabled(): boolean;
  frontends(): Iterable<readonly [key: string, value: FrontendElement]>;
  frontend(key: string): FrontendElement | undefined;
  backends(): Iterable<readonly [id: number, value: BackendElement]>;
  /** Family, prefix length, 16 bytes of address. */
  ranges(): Iterable<string>;
  /** A copy. */
  slots(first: number, count: number): Uint32Array;
  /** In order; when it throws, those before the failed one are done and those behind it are not. */
  write(writes: readonly ServiceWrite[]): void;
}
