/** A store that lets a test look between any two writes, and fail one of them. */
import { MemoryStore } from '../../../src/datapath/memory/store.ts';
import type { TableWrite } from '../../../src/datapath/store.ts';

export class ObservedStore extends MemoryStore {
  /** Called after every single write. */
  onWrite: (write: TableWrite) => void = () => undefined;
  /** Writes until one throws in its place; undefined: none does. */
  failAfter: number | undefined;

  override write(writes: readonly TableWrite[]): void {
    for (const write of writes) {
      if (this.failAfter === 0) {
        this.failAfter = undefined;
        throw new Error('this write fails');
      }
      if (this.failAfter !== undefined) this.failAfter -= 1;
      super.write([write]);
      this.onWrite(write);
    }
  }
}
