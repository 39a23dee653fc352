import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { ABI_HASH, MAPS } from '../../src/kernel/abi.gen.ts';
import { readAbi } from '../../src/kernel/bpf-abi.ts';
import { MapMismatchError } from '../../src/kernel/bpf-map-info.ts';
import { BpfObject, type ObjectOptions } from '../../src/kernel/bpf-object.ts';
import { listPins, unlinkPin } from '../../src/kernel/bpffs.ts';
import { ObjectFormatError } from '../../src/kernel/elf.ts';
import { type FaultPoint, setFaultHook } from '../../src/kernel/fault.ts';
import { progRun } from '../../src/kernel/prog-run.ts';
import { isSysError } from '../../src/lib/errors.ts';
import { compileBpfFile, compileBpfText, PROBE_SOURCE } from '../support/bpf/compile.ts';
import { bpfDescriptors } from '../support/bpf/descriptors.ts';
import { mountPinRoot, type PinRoot } from '../support/bpf/pins.ts';

const PACKET = new Uint8Array(60);
const FAULT_POINTS_MAX = 1000;
const KEY = Uint8Array.of(1, 0, 0, 0);
const VALUE = Uint8Array.of(9, 0, 0, 0, 0, 0, 0, 0);

let source: Uint8Array;
let pins: PinRoot;

beforeAll(() => {
  source = compileBpfFile(PROBE_SOURCE);
  pins = mountPinRoot();
});

afterAll(() => {
  pins[Symbol.dispose]();
});

afterEach(() => {
  setFaultHook(undefined);
  for (const path of listPins(pins.path)) unlinkPin(path);
  expect(bpfDescriptors()).toEqual([]);
});

function load(options: Partial<ObjectOptions> = {}): BpfObject {
  return BpfObject.load({ source, name: 'probe', ...options });
}

/** Loads with a fault at one native call; that call, or undefined when there are not so many and the load succeeded. */
function loadWithFault(failing: number, maps: ObjectOptions['maps'] & object): FaultPoint | undefined {
  const hits: FaultPoint[] = [];
  setFaultHook((point) => {
    if (point.number !== failing) return;
    hits.push(point);
    throw new Error(`fault ${failing}`);
  });
  const act = (): void => {
    load({ maps, constants: { verdict_of_probe: 3 } }).close();
  };
  try {
    act();
  } catch (error) {
    expect(String(error)).toBe(`Error: fault ${failing}`);
  } finally {
    setFaultHook(undefined);
  }
  return hits[0];
}

test('constants have the value of the source, or the one that is set before loading', () => {
  using plain = load();
  expect(progRun(plain.program('probe'), { packet: PACKET }).retval).toBe(7);
  using set = load({ constants: { verdict_of_probe: 0xfffffffe } });
  expect(progRun(set.program('probe'), { packet: PACKET }).retval).toBe(-2);
});

test.each([
  ['unknown', { nothing: 1 }, 'object probe has no constant nothing'],
  [
    'too wide',
    { verdict_of_probe: 2 ** 32 },
    'constant verdict_of_probe of object probe has 4 bytes: 4294967296 does not fit',
  ],
  ['negative', { verdict_of_probe: -1 }, 'does not fit'],
])('a constant that is %s is refused', (_, constants, message) => {
  expect(() => load({ constants })).toThrow(message);
});

test('the size of a map can be set before loading', () => {
  using object = load({ maps: { rows: { maxEntries: 12 } } });
  expect(object.map('rows').info()).toMatchObject({ maxEntries: 12, name: 'rows' });
});

test('a map or program that the object does not have is named', () => {
  expect(() => load({ maps: { nothing: {} } })).toThrow('object probe has no map nothing');
  using object = load();
  expect(() => object.map('nothing')).toThrow('object probe has no map nothing');
  expect(() => object.program('nothing')).toThrow('object probe has no program nothing');
});

test('a map is pinned at the first load and taken from there, with its elements, at the next', () => {
  const maps = { small: { pin: `${pins.path}/small` }, flows: { pin: `${pins.path}/flows` } };
  using first = load({ maps });
  expect(first.isReused('small')).toBe(false);
  first.map('small').update(KEY, VALUE);
  first.close();
  expect(listPins(pins.path)).toEqual([`${pins.path}/flows`, `${pins.path}/small`]);
  using second = load({ maps });
  expect(second.isReused('small')).toBe(true);
  expect(second.map('small').lookup(KEY)).toEqual(VALUE);
});

test('a pinned map of another size is refused, left as it is, and nothing is loaded', () => {
  const pin = `${pins.path}/small`;
  load({ maps: { small: { pin } } }).close();
  const act = (): unknown => load({ maps: { flows: { pin: `${pins.path}/flows` }, small: { pin, maxEntries: 16 } } });
  expect(act).toThrow(MapMismatchError);
  expect(act).toThrow(`${pin} has another shape: maxEntries 8 (expected 16)`);
  expect(listPins(pins.path)).toEqual([pin]);
});

test('a pin root that is not there is an error that names the pin', () => {
  expect(() => load({ maps: { small: { pin: `${pins.path}/none/small` } } })).toThrow(
    `bpf_obj_pin ${pins.path}/none/small: ENOENT`,
  );
});

test('the product object loads and has the layouts that this program knows', () => {
  const product = compileBpfFile(join(import.meta.dirname, '../../bpf/sluice.bpf.c'));
  using object = BpfObject.load({ source: product, name: 'sluice', abiHash: ABI_HASH });
  for (const spec of Object.values(MAPS)) {
    const { type, keySize, valueSize, maxEntries, flags } = spec;
    expect(object.map(spec.name).info()).toMatchObject({ type, keySize, valueSize, maxEntries, flags });
  }
});

test('an object of another ABI is refused before anything is loaded', () => {
  expect(() => load({ abiHash: ABI_HASH })).toThrow(
    `object probe was compiled from another bpf/abi.h (${readAbi(source).hash}, this program has ${ABI_HASH})`,
  );
});

test('a file that is no object is refused', () => {
  expect(() => load({ source: new TextEncoder().encode('hello') })).toThrow(ObjectFormatError);
});

test('what the verifier says is the hint of the error', () => {
  const rejected = compileBpfText(`
    #include <linux/bpf.h>
    #include <bpf/bpf_helpers.h>
    struct { __uint(type, BPF_MAP_TYPE_HASH); __type(key, __u32); __type(value, __u64); __uint(max_entries, 1); }
      values SEC(".maps");
    SEC("tc") int unchecked(struct __sk_buff *skb) { __u32 key = 0; return *(int *)bpf_map_lookup_elem(&values, &key); }
    char LICENSE[] SEC("license") = "Dual BSD/GPL";
  `);
  try {
    BpfObject.load({ source: rejected, name: 'rejected' });
    expect.unreachable();
  } catch (error) {
    if (!isSysError(error)) throw error;
    expect(error.call).toBe('bpf_object__load');
    expect(error.hint).toMatch(/R0 invalid mem access 'map_value_or_null'/);
    expect(error.hint.length).toBeLessThan(9000);
  }
});

test('closing is idempotent and ends the maps that were handed out', () => {
  const object = load();
  const map = object.map('small');
  object.close();
  object.close();
  expect(map.fd).toBe(-1);
  expect(() => object.map('flows')).toThrow('object probe is closed');
});

test('a failure at any native call of load and pin leaves no descriptor and no new pin, and the next load succeeds', () => {
  const maps = {
    small: { pin: `${pins.path}/small` },
    flows: { pin: `${pins.path}/flows` },
    rows: { pin: `${pins.path}/rows`, maxEntries: 10 },
  };
  load({ maps: { flows: maps.flows } }).close();
  const before = readdirSync('/proc/self/fd').length;
  const calls: string[] = [];
  for (let failing = 1; failing <= FAULT_POINTS_MAX; failing += 1) {
    const hit = loadWithFault(failing, maps);
    if (hit === undefined) break;
    calls.push(hit.call);
    expect(listPins(pins.path), `after a fault in ${hit.call} ${hit.object}`).toEqual([`${pins.path}/flows`]);
    expect(bpfDescriptors(), `after a fault in ${hit.call} ${hit.object}`).toEqual([]);
  }
  expect(readdirSync('/proc/self/fd').length).toBe(before);
  expect(calls).toEqual(
    expect.arrayContaining(['bpf_object__open_mem', 'bpf_object__load', 'bpf_obj_pin', 'bpf_obj_get']),
  );
  expect(listPins(pins.path)).toHaveLength(3);
});
