import { type AddressRange, addressAt, indexOf } from './range.ts';

/** Which addresses of a range may be given now, and whose turn it is. It remembers nothing over a restart. */
export class RangePool {
  readonly range: AddressRange;
  /** One byte an address, 1: held or resting. A scan over bytes keeps a nearly full range fast. */
  readonly #busy: Uint8Array;
  /** Index of the address given last; -1 before the first. */
  #cursor = -1;

  constructor(range: AddressRange, lastGiven: string | undefined) {
    this.range = range;
    this.#busy = new Uint8Array(range.count);
    if (lastGiven !== undefined) this.#cursor = indexOf(range, lastGiven) ?? -1;
  }

  /** The address given last, for the next start; undefined before the first. */
  get lastGiven(): string | undefined {
    return this.#cursor < 0 ? undefined : addressAt(this.range, this.#cursor);
  }

  /** Whether one could be given, if nobody refuses it. */
  hasFree(): boolean {
    return this.#busy.includes(0);
  }

  /** Addresses that are held or rest. */
  get busy(): number {
    return this.#busy.reduce((sum, byte) => sum + byte, 0);
  }

  /** Whether the address is one that this range gives. */
  gives(address: string): boolean {
    return indexOf(this.range, address) !== undefined;
  }

  /** Addresses outside the range are ignored. */
  setBusy(address: string, busy: boolean): void {
    const index = indexOf(this.range, address);
    if (index !== undefined) this.#busy[index] = busy ? 1 : 0;
  }

  /** Moves on to the next address that is neither busy nor refused, round robin. Undefined: none is left. */
  next(refuse: (address: string) => boolean): string | undefined {
    for (let step = 1; step <= this.range.count; step++) {
      const index = (this.#cursor + step) % this.range.count;
      if (this.#busy[index] === 1) continue;
      const address = addressAt(this.range, index);
      if (refuse(address)) continue;
      this.#cursor = index;
      return address;
    }
    return undefined;
  }
}
