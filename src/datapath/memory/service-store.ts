/** Service tables in plain memory, for tests and dry runs. */
import { LIMIT_SLOTS } from '../elements.ts';
import type { BackendElement, FrontendElement, ServiceStore, ServiceWrite } from '../service-store.ts';

export class MemoryServiceStore implements ServiceStore {
  readonly slotCapacity: number;
  readonly #frontends = new Map<string, FrontendElement>();
  readonly #backends = new Map<number, BackendElement>();
  readonly #ranges = new Set<string>();
  readonly #slots = new Map<number, number>();
  #isEnabled = false;

  constructor(slotCapacity: number = LIMIT_SLOTS) {
    this.slotCapacity = slotCapacity;
  }

  isEnabled(): boolean {
    return this.#isEnabled;
  }

  frontends(): Iterable<readonly [string, FrontendElement]> {
    return this.#frontends;
  }

  frontend(key: string): FrontendElement | undefined {
    return this.#frontends.get(key);
  }

  backends(): Iterable<readonly [number, BackendElement]> {
    return this.#backends;
  }

  ranges(): Iterable<string> {
    return this.#ranges;
  }

  slots(first: number, count: number): Uint32Array {
    return Uint32Array.from({ length: count }, (_, i) => this.#slots.get(first + i) ?? 0);
  }

  write(writes: readonly ServiceWrite[]): void {
    for (const write of writes) this.#writeOne(write);
  }

  #writeOne(write: ServiceWrite): void {
    switch (write.table) {
      case 'frontends':
        if (write.value === undefined) this.#frontends.delete(write.key);
        else this.#frontends.set(write.key, write.value);
        return;
      case 'backends':
        if (write.value === undefined) this.#backends.delete(write.id);
        else this.#backends.set(write.id, write.value);
        return;
      case 'ranges':
        if (write.value === undefined) this.#ranges.delete(write.key);
        else this.#ranges.add(write.key);
        return;
      case 'slots':
        for (const [i, backend] of write.backends.entries()) this.#slots.set(write.first + i, backend);
        return;
      case 'enabled':
        this.#isEnabled = write.value;
    }
  }
}
