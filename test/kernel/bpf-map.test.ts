import { execFileSync } from 'node:child_process';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import {
  decodeRowValue,
  encodePortCell,
  encodePrefixKey,
  encodePrefixValue,
  encodeRowKey,
  encodeRowValue,
  PORT_CELL_SIZE,
  PREFIX_KEY_SIZE,
  PREFIX_VALUE_SIZE,
  ROW_KEY_SIZE,
  ROW_VALUE_SIZE,
} from '../../src/kernel/abi.gen.ts';
import { BATCH_ELEMENTS_MAX, BatchError, ENOTSUPP } from '../../src/kernel/bpf-map-batch.ts';
import { MapMismatchError } from '../../src/kernel/bpf-map-info.ts';
import { MapUpdate } from '../../src/kernel/bpf-map-spec.ts';
import { readSnapshot } from '../../src/kernel/bpf-map-snapshot.ts';
import { BpfMap } from '../../src/kernel/bpf-map.ts';
import { BpfObject } from '../../src/kernel/bpf-object.ts';
import { setFaultHook } from '../../src/kernel/fault.ts';
import { progRun } from '../../src/kernel/prog-run.ts';
import { possibleCpus } from '../../src/kernel/system.ts';
import { SysError } from '../../src/lib/errors.ts';
import { compileBpfFile, PROBE_SOURCE } from '../support/bpf/compile.ts';
import { bpfDescriptors } from '../support/bpf/descriptors.ts';
import { mountPinRoot, type PinRoot } from '../support/bpf/pins.ts';

const PACKET = new Uint8Array(60);

let source: Uint8Array;
let object: BpfObject;
let pins: PinRoot;

beforeAll(() => {
  source = compileBpfFile(PROBE_SOURCE);
  pins = mountPinRoot();
});

afterAll(() => {
  pins[Symbol.dispose]();
});

beforeEach(() => {
  object = BpfObject.load({ source, name: 'probe' });
});

afterEach(() => {
  setFaultHook(undefined);
  object.close();
  expect(bpfDescriptors()).toEqual([]);
});

function bytesOf(size: number, encode: (view: DataView) => void): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  encode(new DataView(bytes.buffer));
  return bytes;
}

function u32(value: number): Uint8Array {
  return bytesOf(4, (view) => {
    view.setUint32(0, value, true);
  });
}

function u64(value: number): Uint8Array {
  return bytesOf(8, (view) => {
    view.setBigUint64(0, BigInt(value), true);
  });
}

/** `count` rows of rule set 7, whose peer classes count up from 0. */
function rows(count: number): { keys: Uint8Array; values: Uint8Array } {
  const keys = bytesOf(count * ROW_KEY_SIZE, (view) => {
    for (let i = 0; i < count; i += 1) encodeRowKey(view, i * ROW_KEY_SIZE, { ruleSet: 7, peerClass: i, block: 0 });
  });
  const values = bytesOf(count * ROW_VALUE_SIZE, (view) => {
    for (let i = 0; i < count; i += 1) {
      const allow = new Uint8Array(32).fill(i & 0xff);
      encodeRowValue(view, i * ROW_VALUE_SIZE, { allow, audit: new Uint8Array(32) });
    }
  });
  return { keys, values };
}

function prefix(bits: number, address: readonly number[]): Uint8Array<ArrayBuffer> {
  return bytesOf(PREFIX_KEY_SIZE, (view) => {
    const padded = new Uint8Array(16);
    padded.set(address);
    encodePrefixKey(view, 0, { bits: 32 + bits, family: 4, address: padded });
  });
}

function prefixValue(peerClass: number): Uint8Array<ArrayBuffer> {
  return bytesOf(PREFIX_VALUE_SIZE, (view) => {
    encodePrefixValue(view, 0, { generation: 1, classOld: peerClass, classNew: peerClass });
  });
}

test('an element is there after update, with its value, and gone after delete', () => {
  const map = object.map('small');
  expect(map.lookup(u32(1))).toBeUndefined();
  map.update(u32(1), u64(17));
  expect(map.lookup(u32(1))).toEqual(u64(17));
  expect(map.delete(u32(1))).toBe(true);
  expect(map.delete(u32(1))).toBe(false);
  expect(map.lookup(u32(1))).toBeUndefined();
});

test('an update may ask for a new or an existing element', () => {
  const map = object.map('small');
  expect(() => {
    map.update(u32(1), u64(1), MapUpdate.EXISTING);
  }).toThrow('ENOENT');
  map.update(u32(1), u64(1), MapUpdate.NEW);
  expect(() => {
    map.update(u32(1), u64(1), MapUpdate.NEW);
  }).toThrow('bpf_map_update_elem map small: EEXIST');
});

test('keys and values of the wrong size never reach the kernel', () => {
  const map = object.map('small');
  expect(() => map.lookup(u64(1))).toThrow('map small: key has 8 bytes where 4 belong');
  expect(() => {
    map.update(u32(1), u32(1));
  }).toThrow('map small: value has 4 bytes where 8 belong');
  expect(() => {
    map.updateBatch(new Uint8Array(6), u64(1));
  }).toThrow('6 bytes are not whole keys of 4 bytes');
  expect(() => {
    map.updateBatch(u32(1), new Uint8Array(16));
  }).toThrow('values has 16 bytes where 8 belong');
});

test('batches larger than one system call takes are written, read and deleted whole', () => {
  const map = object.map('rows');
  const count = 2 * BATCH_ELEMENTS_MAX + 17;
  const { keys, values } = rows(count);
  map.updateBatch(keys, values);
  const seen = new Map<number, number>();
  for (const { key, value } of map.entries()) {
    const peerClass = new DataView(key.buffer, key.byteOffset).getUint32(4, true);
    seen.set(peerClass, decodeRowValue(new DataView(value.buffer, value.byteOffset), 0).allow[0] ?? -1);
  }
  expect(seen.size).toBe(count);
  expect([...seen].every(([peerClass, first]) => first === (peerClass & 0xff))).toBe(true);
  expect(map.deleteBatch(keys)).toBe(count);
  expect(map.snapshot().count).toBe(0);
});

test('a batch that does not fit names the element that was refused; those before it are written', () => {
  const map = object.map('rows');
  const count = map.maxEntries + 5;
  const { keys, values } = rows(count);
  let error: unknown;
  try {
    map.updateBatch(keys, values);
  } catch (caught) {
    error = caught;
  }
  expect(error).toBeInstanceOf(BatchError);
  expect(error).toMatchObject({ code: 'E2BIG', index: map.maxEntries, object: `map rows, element 30000 of the batch` });
  expect(map.snapshot().count).toBe(map.maxEntries);
});

test('deleting a batch passes over keys that are not there and says how many were', () => {
  const map = object.map('rows');
  const { keys, values } = rows(100);
  map.updateBatch(keys, values);
  for (const index of [0, 50, 51, 99]) map.delete(keys.subarray(index * ROW_KEY_SIZE, (index + 1) * ROW_KEY_SIZE));
  expect(map.deleteBatch(keys)).toBe(96);
  expect(map.deleteBatch(keys)).toBe(0);
});

test('an empty batch and an empty map are fine', () => {
  const map = object.map('rows');
  map.updateBatch(new Uint8Array(), new Uint8Array());
  expect(map.deleteBatch(new Uint8Array())).toBe(0);
  expect([...map.entries()]).toEqual([]);
});

test('where the kernel has no batch for a type, elements go one by one, and errors name the element', () => {
  setFaultHook(({ call, object: subject }) => {
    if (/^bpf_map_.*_batch$/.test(call)) {
      throw new SysError({ call, errno: ENOTSUPP, code: 'E524', object: subject });
    }
  });
  const map = object.map('small');
  const keys = new Uint8Array(Buffer.concat([1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map(u32)));
  const values = new Uint8Array(Buffer.concat([1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map(u64)));
  let error: unknown;
  try {
    map.updateBatch(keys, values);
  } catch (caught) {
    error = caught;
  }
  expect(error).toBeInstanceOf(BatchError);
  expect(error).toMatchObject({ code: 'E2BIG', index: 8 });
  expect(map.snapshot().count).toBe(8);
  expect(map.deleteBatch(keys)).toBe(8);
  expect(map.snapshot().count).toBe(0);
});

test('a bucket that holds more than was asked for is read whole', () => {
  const map = object.map('rows');
  const { keys, values } = rows(3000);
  map.updateBatch(keys, values);
  const snapshot = readSnapshot(map, 1);
  expect(snapshot.count).toBe(3000);
  const classes = Array.from({ length: 3000 }, (_, i) =>
    new DataView(snapshot.keys.buffer).getUint32(i * ROW_KEY_SIZE + 4, true),
  );
  expect(new Set(classes).size).toBe(3000);
});

test('the longest prefix answers, and every prefix is read back', () => {
  const map = object.map('prefixes');
  map.update(prefix(8, [10, 0, 0, 0]), prefixValue(3));
  map.update(prefix(16, [10, 1, 0, 0]), prefixValue(4));
  map.update(prefix(0, []), prefixValue(5));
  expect(map.lookup(prefix(32, [10, 1, 2, 3]))).toEqual(prefixValue(4));
  expect(map.lookup(prefix(32, [10, 2, 2, 3]))).toEqual(prefixValue(3));
  expect(map.lookup(prefix(32, [192, 168, 0, 1]))).toEqual(prefixValue(5));
  expect([...map.entries()]).toHaveLength(3);
  expect(map.deleteBatch(prefix(16, [10, 1, 0, 0]))).toBe(1);
  expect(map.lookup(prefix(32, [10, 1, 2, 3]))).toEqual(prefixValue(3));
});

test('prefixes are also read key by key where there is no batch', () => {
  const map = object.map('prefixes');
  for (let i = 0; i < 40; i += 1) map.update(prefix(24, [10, 0, i, 0]), prefixValue(i + 3));
  const byBatch = [...map.entries()];
  setFaultHook(({ call, object: subject }) => {
    if (call.endsWith('_batch')) throw new SysError({ call, errno: ENOTSUPP, code: 'E524', object: subject });
  });
  expect([...map.entries()]).toEqual(byBatch);
  expect(byBatch).toHaveLength(40);
});

test('the elements of an array are read in order', () => {
  const map = object.map('ports');
  map.update(
    u32(999),
    bytesOf(PORT_CELL_SIZE, (view) => encodePortCell(view, 0, { portClass: [1, 2, 3, 65535] })),
  );
  const { count, values } = map.snapshot();
  expect(count).toBe(1000);
  expect([...new Uint16Array(values.slice(999 * 8).buffer)]).toEqual([1, 2, 3, 65535]);
});

test('a per-CPU element has a value for every possible CPU', () => {
  const map = object.map('counters');
  progRun(object.program('probe'), { packet: PACKET, ingressIfindex: 2, repeat: 5 });
  const cpus = map.lookupPerCpu(u32(2)) ?? [];
  expect(cpus).toHaveLength(possibleCpus());
  const packets = cpus.map((value) => new DataView(value.buffer, value.byteOffset).getBigUint64(0, true));
  expect(packets.reduce((sum, one) => sum + one, 0n)).toBe(5n);
  const [, , third] = [...map.entries()].map(({ value }) => map.splitPerCpu(value));
  expect(third).toEqual(cpus);
});

test('stores into the mapped array are seen by lookup and by a program', () => {
  const map = object.map('ports');
  using memory = map.mmap();
  expect(memory.buffer.byteLength).toBe(8000);
  encodePortCell(new DataView(memory.buffer), 8 * 321, { portClass: [4711, 0, 0, 1] });
  expect(map.lookup(u32(321))).toEqual(new Uint8Array(memory.buffer, 8 * 321, 8));
  expect(progRun(object.program('read_port'), { packet: PACKET, mark: 321 }).retval).toBe(4711);
  const cells = new BigUint64Array(memory.buffer);
  Atomics.store(cells, 0, 42n);
  expect(map.lookup(u32(0))).toEqual(u64(42));
});

test('an unmapped array can no longer be touched', () => {
  const memory = object.map('ports').mmap();
  const bytes = new Uint8Array(memory.buffer);
  memory.unmap();
  memory.unmap();
  expect(memory.buffer.detached).toBe(true);
  expect(bytes.length).toBe(0);
});

test('a map that is not made for it is not mapped', () => {
  expect(() => object.map('small').mmap()).toThrow('mmap map small: ');
});

test('a pinned map is found again with what it holds', () => {
  const path = `${pins.path}/small`;
  object.map('small').pin(path);
  object.map('small').update(u32(5), u64(55));
  using again = BpfMap.openPinned(path, object.map('small'));
  expect(again.lookup(u32(5))).toEqual(u64(55));
  expect(again.info().id).toBe(object.map('small').info().id);
  expect(() => {
    again.pin(path);
  }).toThrow(`bpf_obj_pin ${path}: EEXIST`);
});

test('a pinned map of another shape is refused with every difference', () => {
  const path = `${pins.path}/shape`;
  object.map('small').pin(path);
  expect(() => BpfMap.openPinned(path, object.map('flows'))).toThrow(MapMismatchError);
  expect(() => BpfMap.openPinned(path, object.map('flows'))).toThrow(
    `${path} has another shape: type 1 (expected 9), keySize 4 (expected 40), valueSize 8 (expected 96), maxEntries 8 (expected 128)`,
  );
});

test('a pin that is not there is an error that names it', () => {
  expect(() => BpfMap.openPinned(`${pins.path}/none`)).toThrow(`bpf_obj_get ${pins.path}/none: ENOENT`);
});

test('a closed map refuses every call', () => {
  const map = object.map('small');
  map.close();
  map.close();
  expect(() => map.lookup(u32(1))).toThrow('EBADF');
});

test('bpftool reads from type information what the codecs wrote', () => {
  const map = object.map('rows');
  const allow = Uint8Array.from({ length: 32 }, (_, index) => index);
  map.update(
    bytesOf(ROW_KEY_SIZE, (view) => {
      encodeRowKey(view, 0, { ruleSet: 70000, peerClass: 0xffffffff, block: 3 });
    }),
    bytesOf(ROW_VALUE_SIZE, (view) => {
      encodeRowValue(view, 0, { allow, audit: new Uint8Array(32).fill(0xaa) });
    }),
  );
  const dump: unknown = JSON.parse(
    execFileSync('bpftool', ['map', 'dump', '-j', 'id', String(map.info().id)], { encoding: 'utf8' }),
  );
  expect(dump).toMatchObject([
    {
      formatted: {
        key: { rule_set: 70000, peer_class: 0xffffffff, block: 3 },
        value: { allow: [...allow], audit: Array.from({ length: 32 }, () => 0xaa) },
      },
    },
  ]);
});
