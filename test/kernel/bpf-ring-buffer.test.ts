import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { decodeDropEvent, DROP_EVENT_SIZE } from '../../src/kernel/abi.gen.ts';
import { BpfObject } from '../../src/kernel/bpf-object.ts';
import { setFaultHook } from '../../src/kernel/fault.ts';
import { progRun } from '../../src/kernel/prog-run.ts';
import { RingBuffer } from '../../src/kernel/ring-buffer.ts';
import { compileBpfFile, PROBE_SOURCE } from '../support/bpf/compile.ts';
import { bpfDescriptors } from '../support/bpf/descriptors.ts';

const PACKET = new Uint8Array(60);
/** Whole records of 80 + 8 bytes in the 4096 bytes of the test object's ring. */
const RING_RECORDS = Math.floor(4096 / 88);
const DEADLINE_MS = 5000;

let source: Uint8Array;
let object: BpfObject;

beforeAll(() => {
  source = compileBpfFile(PROBE_SOURCE);
});

beforeEach(() => {
  object = BpfObject.load({ source, name: 'probe' });
});

afterEach(() => {
  setFaultHook(undefined);
  object.close();
  expect(bpfDescriptors()).toEqual([]);
});

/** Has the program send one event that carries the number. */
function send(number: number): void {
  progRun(object.program('probe'), { packet: PACKET, mark: number });
}

function numberOf(record: Uint8Array): number {
  return decodeDropEvent(new DataView(record.buffer, record.byteOffset), 0).generation;
}

async function until(condition: () => boolean): Promise<void> {
  for (const end = performance.now() + DEADLINE_MS; !condition() && performance.now() < end;) await sleep(2);
  expect(condition()).toBe(true);
}

test.each(['poll', 'timer'] as const)('an event of a program reaches the listener (%s)', async (wake) => {
  const records: Uint8Array[] = [];
  using ring = new RingBuffer(object.map('events'), (record) => records.push(record), { wake });
  send(4711);
  await until(() => records.length > 0);
  expect(records).toHaveLength(1);
  expect(records[0]).toHaveLength(DROP_EVENT_SIZE);
  expect(numberOf(records[0] ?? new Uint8Array())).toBe(4711);
  expect(ring.consume()).toBe(0);
});

test('order is kept over many times the size of the ring', async () => {
  const numbers: number[] = [];
  using ring = new RingBuffer(object.map('events'), (record) => numbers.push(numberOf(record)));
  const count = 10 * RING_RECORDS;
  for (let number = 0; number < count; number += 1) {
    send(number);
    if (number % 20 === 19) await until(() => numbers.length === number + 1);
  }
  await until(() => numbers.length === count);
  expect(numbers).toEqual(Array.from({ length: count }, (_, number) => number));
  expect(ring.consume()).toBe(0);
});

test('a wake-up hands on no more than its limit; the rest follows without a further event', async () => {
  const turns: number[] = [];
  let turn = 0;
  for (let number = 0; number < 10; number += 1) send(number);
  using ring = new RingBuffer(
    object.map('events'),
    () => {
      turns[turn] = (turns[turn] ?? 0) + 1;
      setImmediate(() => (turn = turns.length));
    },
    { recordsPerWakeup: 4 },
  );
  await until(() => turns.reduce((sum, one) => sum + one, 0) === 10);
  expect(turns).toEqual([4, 4, 2]);
  expect(ring.consume()).toBe(0);
});

test('records that a program gave back are passed over', () => {
  const numbers: number[] = [];
  using ring = new RingBuffer(object.map('events'), (record) => numbers.push(numberOf(record)));
  progRun(object.program('discard'), { packet: PACKET });
  send(1);
  progRun(object.program('discard'), { packet: PACKET, repeat: 3 });
  send(2);
  expect(ring.consume()).toBe(2);
  expect(numbers).toEqual([1, 2]);
});

test('a full ring loses the newest events and works again once it is read', () => {
  const numbers: number[] = [];
  using ring = new RingBuffer(object.map('events'), (record) => numbers.push(numberOf(record)));
  for (let number = 0; number < RING_RECORDS + 10; number += 1) send(number);
  const kept = ring.consume();
  expect(kept).toBeLessThanOrEqual(RING_RECORDS);
  expect(numbers).toEqual(Array.from({ length: kept }, (_, number) => number));
  send(999);
  expect(ring.consume()).toBe(1);
  expect(numbers.at(-1)).toBe(999);
});

test('a listener that throws loses its own record only', () => {
  const numbers: number[] = [];
  using ring = new RingBuffer(object.map('events'), (record) => {
    if (numberOf(record) === 1) throw new Error('listener');
    numbers.push(numberOf(record));
  });
  for (const number of [0, 1, 2]) send(number);
  expect(() => ring.consume()).toThrow('listener');
  expect(ring.consume()).toBe(1);
  expect(numbers).toEqual([0, 2]);
});

test('the listener may close the ring', () => {
  const ring: RingBuffer = new RingBuffer(object.map('events'), () => {
    ring.close();
  });
  send(1);
  send(2);
  expect(ring.consume()).toBe(1);
  expect(ring.consume()).toBe(0);
});

test('the ring is read on after its object is closed', () => {
  let seen = 0;
  using ring = new RingBuffer(object.map('events'), () => (seen += 1));
  send(1);
  object.close();
  expect(ring.consume()).toBe(1);
  expect(seen).toBe(1);
});

test('a map that is no ring buffer is refused', () => {
  expect(() => new RingBuffer(object.map('small'), () => undefined)).toThrow('map small is no ring buffer');
});

test('a failure at any native call of opening leaves no descriptor', () => {
  const map = object.map('events');
  const before = readdirSync('/proc/self/fd').length;
  let faults = 0;
  for (let isHit = true; isHit;) {
    isHit = false;
    setFaultHook(({ number }) => {
      if (number !== faults + 1) return;
      isHit = true;
      throw new Error('fault');
    });
    try {
      new RingBuffer(map, () => undefined).close();
    } catch (error) {
      expect(String(error)).toBe('Error: fault');
    }
    if (isHit) faults += 1;
    expect(readdirSync('/proc/self/fd').length).toBe(before);
  }
  expect(faults).toBe(3);
});

test('an open ring does not keep the process alive, and an error of its listener is not swallowed', () => {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-ring-'));
  try {
    const file = join(directory, 'probe.o');
    writeFileSync(file, source);
    const kernel = join(import.meta.dirname, '../../src/kernel');
    const run = (listener: string, tail: string): ReturnType<typeof spawnSync> => {
      const code = `
        import { BpfObject } from '${kernel}/bpf-object.ts';
        import { RingBuffer } from '${kernel}/ring-buffer.ts';
        import { progRun } from '${kernel}/prog-run.ts';
        const object = BpfObject.load({ source: '${file}', name: 'probe' });
        const ring = new RingBuffer(object.map('events'), ${listener});
        ${tail}`;
      return spawnSync(process.execPath, ['--input-type=module', '-e', code], {
        encoding: 'utf8',
        timeout: DEADLINE_MS,
      });
    };
    expect(run('() => undefined', '')).toMatchObject({ status: 0, signal: null });
    const send = "progRun(object.program('probe'), { packet: new Uint8Array(60) }); setTimeout(() => undefined, 1000);";
    const failed = run("() => { throw new Error('from the listener'); }", send);
    expect(failed.status).toBe(1);
    expect(failed.stderr).toContain('from the listener');
  } finally {
    rmSync(directory, { recursive: true });
  }
});
