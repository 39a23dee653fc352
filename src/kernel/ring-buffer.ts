/**
 * Reads a BPF ring buffer through its mapped pages, without callbacks from C. Layout and protocol: "BPF ring buffer",
 * Documentation/bpf/ringbuf.rst. The kernel publishes a record by storing its length with release order, and the reader
 * gives room back by storing its position with release order; Atomics on the mapped words are both.
 */
import { closeSync } from 'node:fs';
import koffi from 'koffi';
import { ConfigError } from '../lib/errors.ts';
import { MappedMemory, pageBytes, Protection } from './bpf-map-memory.ts';
import { MapType } from './bpf-map-spec.ts';
import type { BpfMap } from './bpf-map.ts';
import { libc, native } from './native.ts';

/** Records handed on in one turn of the event loop; the rest waits for the next turn. */
export const RECORDS_PER_WAKEUP_MAX = 512;

/** How often the timer looks where the event loop cannot wait for the kernel. */
const TIMER_MS = 50;

const LENGTH_BUSY = 0x8000_0000;
const LENGTH_DISCARDED = 0x4000_0000;
const LENGTH_MASK = 0x3fff_ffff;
const RECORD_HEADER_BYTES = 8;

const F_DUPFD_CLOEXEC = 1030;
const fcntl = libc.func('int fcntl(int fd, int command, int argument)');

export interface RingBufferOptions {
  /** `poll`: the kernel wakes the event loop; `timer`: a look every 50 ms. Default: poll, where the
   * FFI library has it (its event loop interface is not documented). */
  readonly wake?: 'poll' | 'timer';
  readonly recordsPerWakeup?: number;
}

/** Hands every record to a listener, in order; does not keep the process alive. */
export class RingBuffer implements Disposable {
  readonly #listener: (record: Uint8Array) => void;
  readonly #recordsPerWakeup: number;
  readonly #fd: number;
  readonly #size: number;
  readonly #consumerPage: MappedMemory;
  readonly #producerPages: MappedMemory;
  readonly #consumed: BigInt64Array;
  readonly #produced: BigInt64Array;
  readonly #lengths: Uint32Array;
  readonly #data: Uint8Array;
  #stopWaking: () => void;
  #isOpen = true;

  /**
   * @param listener gets a copy of each record. What it throws ends the turn, not the reading.
   * @throws ConfigError when the map is no ring buffer.
   */
  constructor(map: BpfMap, listener: (record: Uint8Array) => void, options: RingBufferOptions = {}) {
    if (map.type !== MapType.RINGBUF) throw new ConfigError(`map ${map.name} is no ring buffer`);
    const page = pageBytes();
    const object = `map ${map.name}`;
    this.#listener = listener;
    this.#recordsPerWakeup = options.recordsPerWakeup ?? RECORDS_PER_WAKEUP_MAX;
    this.#size = map.maxEntries;
    const cleanup = new DisposableStack();
    try {
      this.#fd = native('fcntl(F_DUPFD_CLOEXEC)', object, () => Number(fcntl(map.fd, F_DUPFD_CLOEXEC, 0)));
      cleanup.defer(() => {
        closeSync(this.#fd);
      });
      this.#consumerPage = cleanup.use(
        new MappedMemory(this.#fd, object, { length: page, offset: 0, protection: Protection.READ_WRITE }),
      );
      // The kernel maps the data twice in a row: no record is ever cut in two.
      const length = page + 2 * this.#size;
      this.#producerPages = cleanup.use(
        new MappedMemory(this.#fd, object, { length, offset: page, protection: Protection.READ }),
      );
      this.#consumed = new BigInt64Array(this.#consumerPage.buffer, 0, 1);
      this.#produced = new BigInt64Array(this.#producerPages.buffer, 0, 1);
      this.#lengths = new Uint32Array(this.#producerPages.buffer, page);
      this.#data = new Uint8Array(this.#producerPages.buffer, page);
      const wake = options.wake ?? (typeof koffi.node.poll === 'function' ? 'poll' : 'timer');
      this.#stopWaking = wake === 'timer' ? this.#startTimer() : this.#startPoll();
      cleanup.move();
    } catch (error) {
      cleanup.dispose();
      throw error;
    }
  }

  /** Hands on what is there now, at most `limit` records; returns how many. */
  consume(limit: number = this.#recordsPerWakeup): number {
    if (!this.#isOpen) return 0;
    let position = Atomics.load(this.#consumed, 0);
    let records = 0;
    while (records < limit && position < Atomics.load(this.#produced, 0)) {
      const at = Number(position % BigInt(this.#size));
      const word = Atomics.load(this.#lengths, at / 4);
      // Being written: those behind it wait, order is kept.
      if ((word & LENGTH_BUSY) !== 0) break;
      const length = word & LENGTH_MASK;
      const start = at + RECORD_HEADER_BYTES;
      const record = (word & LENGTH_DISCARDED) === 0 ? this.#data.slice(start, start + length) : undefined;
      position += BigInt(Math.ceil((length + RECORD_HEADER_BYTES) / 8) * 8);
      Atomics.store(this.#consumed, 0, position);
      if (record === undefined) continue;
      records += 1;
      this.#listener(record);
      // The listener may have closed it.
      if (!this.#isOpen) break;
    }
    return records;
  }

  /** Idempotent. Records that were not handed on stay in the map. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#stopWaking();
    this.#producerPages.unmap();
    this.#consumerPage.unmap();
    closeSync(this.#fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** koffi swallows what a poll callback throws and runs no promise jobs after it: the work is done in an immediate. */
  #startPoll(): () => void {
    let next: NodeJS.Immediate | undefined;
    const handle = koffi.node.poll(this.#fd, { readable: true }, () => {
      next ??= setImmediate(() => {
        next = undefined;
        this.consume();
      });
    });
    handle.unref();
    return () => {
      clearImmediate(next);
      handle.close();
    };
  }

  #startTimer(): () => void {
    const timer = setInterval(() => {
      this.consume();
    }, TIMER_MS);
    timer.unref();
    return () => {
      clearInterval(timer);
    };
  }
}
