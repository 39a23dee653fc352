/** What a service store holds, kept up to date by what is written to it. */
import type { BackendElement, FrontendElement, ServiceStore, ServiceWrite } from './service-store.ts';
import { SlotRuns } from './slot-runs.ts';

export class ServiceImage {
  readonly frontends: Map<string, FrontendElement>;
  readonly backends: Map<number, BackendElement>;
  readonly ranges: Set<string>;
  isEnabled: boolean;
  /** Runs that no frontend has. */
  readonly runs: SlotRuns;
  readonly #backendsOf = new Map<number, Set<number>>();

  private constructor(store: ServiceStore, frontends: Map<string, FrontendElement>) {
    this.frontends = frontends;
    this.backends = new Map(store.backends());
    this.ranges = new Set(store.ranges());
    this.isEnabled = store.isEnabled();
    const used = Array.from(frontends.values(), ({ firstSlot, slotCount }) => [firstSlot, slotCount] as const);
    this.runs = new SlotRuns(store.slotCapacity, used);
    for (const [id, { frontend }] of this.backends) this.#index(id, frontend);
  }

  /** A run that reaches beyond the table, as one of another size might, counts as none: its frontend gets another. */
  static read(store: ServiceStore): ServiceImage {
    const frontends = new Map(
      Array.from(store.frontends(), ([key, value]) => {
        const fits = value.firstSlot + value.slotCount <= store.slotCapacity;
        return [key, fits ? value : { ...value, firstSlot: 0, slotCount: 0 }] as const;
      }),
    );
    return new ServiceImage(store, frontends);
  }

  /** Ids of what is behind the frontend of that id. */
  backendsOf(frontend: number): Iterable<number> {
    return this.#backendsOf.get(frontend) ?? [];
  }

  /** These were written. The runs of `frontends` that they leave are free from now on. */
  note(writes: readonly ServiceWrite[]): void {
    for (const write of writes) this.#noteOne(write);
  }

  #noteOne(write: ServiceWrite): void {
    switch (write.table) {
      case 'frontends':
        this.#noteFrontend(write.key, write.value);
        return;
      case 'backends':
        this.#noteBackend(write.id, write.value);
        return;
      case 'ranges':
        if (write.value === undefined) this.ranges.delete(write.key);
        else this.ranges.add(write.key);
        return;
      case 'enabled':
        this.isEnabled = write.value;
        return;
      case 'slots':
    }
  }

  #noteFrontend(key: string, value: FrontendElement | undefined): void {
    const old = this.frontends.get(key);
    if (old !== undefined && (old.firstSlot !== value?.firstSlot || old.slotCount !== value.slotCount)) {
      this.runs.give(old.firstSlot, old.slotCount);
    }
    if (value === undefined) this.frontends.delete(key);
    else this.frontends.set(key, value);
  }

  #noteBackend(id: number, value: BackendElement | undefined): void {
    const old = this.backends.get(id);
    if (old !== undefined) {
      const ids = this.#backendsOf.get(old.frontend);
      ids?.delete(id);
      if (ids?.size === 0) this.#backendsOf.delete(old.frontend);
    }
    if (value === undefined) this.backends.delete(id);
    else {
      this.backends.set(id, value);
      this.#index(id, value.frontend);
    }
  }

  #index(id: number, frontend: number): void {
    const ids = this.#backendsOf.get(frontend);
    if (ids === undefined) this.#backendsOf.set(frontend, new Set([id]));
    else ids.add(id);
  }
}
