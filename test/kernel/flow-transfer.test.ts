/** Flows on their way from one build's tables to another's, while programs of both may write. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FlowTransfer } from '../../src/datapath/ebpf/flow-transfer.ts';
import * as abi from '../../src/kernel/abi.gen.ts';
import { BpfObject } from '../../src/kernel/bpf-object.ts';
import type { BpfMap } from '../../src/kernel/bpf-map.ts';
import { monotonicNs } from '../../src/kernel/system.ts';
import { OBJECT } from '../support/loaded-programs.ts';

const GENERATION = 20;
const STALE = 19;
const SECOND = 1_000_000_000n;
const SMALL = { flows_live: { maxEntries: 512 }, flows_new: { maxEntries: 512 } };
const KEY = abi.decodeFlowKey(new DataView(new ArrayBuffer(abi.FLOW_KEY_SIZE)), 0);
const ZERO = abi.decodeFlowValue(new DataView(new ArrayBuffer(abi.FLOW_VALUE_SIZE)), 0);
const { TCP_SEEN_SYN: SYN, TCP_SEEN_FIN: FIN } = abi.TcpFlag;

let objects: DisposableStack;
let source: { readonly live: BpfMap; readonly fresh: BpfMap };
let target: { readonly live: BpfMap; readonly fresh: BpfMap };
let transfer: FlowTransfer;
let now: bigint;

function loadTables(): typeof source {
  const object = objects.use(BpfObject.load({ source: OBJECT, name: 'test', maps: SMALL }));
  return { live: object.map('flows_live'), fresh: object.map('flows_new') };
}

beforeEach(() => {
  objects = new DisposableStack();
  source = loadTables();
  target = loadTables();
  transfer = new FlowTransfer({ live: [source.live], fresh: [source.fresh] }, target, [target.live, target.fresh]);
  now = monotonicNs();
});
afterEach(() => objects.dispose());

function flow(fields: Partial<abi.FlowValue>): abi.FlowValue {
  const times = { openedNs: now - 60n * SECOND, lastSeenNs: now - 30n * SECOND };
  return { ...ZERO, ...times, openerEndpoint: 7, openerTcp: SYN, egressEpoch: 3, ...fields };
}

function keyOf(port: number): Uint8Array {
  const key = new Uint8Array(abi.FLOW_KEY_SIZE);
  abi.encodeFlowKey(new DataView(key.buffer), 0, { ...KEY, protocol: 6, portLo: port });
  return key;
}

function put(map: BpfMap, port: number, value: abi.FlowValue): void {
  const bytes = new Uint8Array(abi.FLOW_VALUE_SIZE);
  abi.encodeFlowValue(new DataView(bytes.buffer), 0, value);
  map.update(keyOf(port), bytes);
}

function get(map: BpfMap, port: number): abi.FlowValue | undefined {
  const bytes = map.lookup(keyOf(port));
  return bytes && abi.decodeFlowValue(new DataView(bytes.buffer), 0);
}

test('what was seen meanwhile is added to what the new programs noted; the rest stays as they have it', () => {
  put(source.live, 1, flow({}));
  put(source.live, 2, flow({}));
  expect(transfer.bringAll(GENERATION)).toBe(2);
  put(target.live, 1, flow({ egressEpoch: GENERATION, lastSeenNs: now + 2n }));
  put(target.live, 2, flow({ egressEpoch: GENERATION }));
  put(source.live, 1, flow({ lastSeenNs: now + 1n, responderTcp: FIN }));
  transfer.bringSince(now, GENERATION);
  expect(get(target.live, 1)).toEqual(flow({ egressEpoch: GENERATION, lastSeenNs: now + 2n, responderTcp: FIN }));
  expect(get(target.live, 2)).toEqual(flow({ egressEpoch: GENERATION }));
});

test('a flow that opened meanwhile is brought, one that ended here is not brought back', () => {
  put(source.fresh, 1, flow({ lastSeenNs: now }));
  transfer.bringAll(GENERATION);
  target.fresh.delete(keyOf(1));
  const opened = { openedNs: now + 1n, lastSeenNs: now + 1n };
  put(source.fresh, 2, flow(opened));
  transfer.bringSince(now, GENERATION);
  expect(get(target.fresh, 1)).toBeUndefined();
  expect(get(target.fresh, 2)).toEqual(flow({ ...opened, egressEpoch: STALE }));
});

test('a flow that was answered meanwhile moves to the flows seen both ways', () => {
  put(source.fresh, 1, flow({ lastSeenNs: now }));
  transfer.bringAll(GENERATION);
  source.fresh.delete(keyOf(1));
  const answered = { lastSeenNs: now + 1n, flags: abi.FlowFlag.FLOW_ANSWERED };
  put(source.live, 1, flow(answered));
  transfer.bringSince(now, GENERATION);
  expect(get(target.fresh, 1)).toBeUndefined();
  expect(get(target.live, 1)).toEqual(flow({ ...answered, egressEpoch: STALE }));
});

test('tables that hold flows already are merged with, in either direction', () => {
  put(source.live, 1, flow({ lastSeenNs: now, responderTcp: FIN }));
  put(source.live, 2, flow({ openedNs: now - 90n * SECOND, lastSeenNs: now - 90n * SECOND }));
  put(target.fresh, 1, flow({ egressEpoch: GENERATION }));
  put(target.fresh, 2, flow({ egressEpoch: GENERATION }));
  new FlowTransfer({ live: [source.live], fresh: [source.fresh] }, target, []).bringAll(GENERATION);
  expect(get(target.live, 1)).toEqual(flow({ egressEpoch: GENERATION, lastSeenNs: now, responderTcp: FIN }));
  expect(get(target.live, 2)).toEqual(flow({ egressEpoch: GENERATION }));
});

test('an end that was not judged stays so', () => {
  put(source.live, 1, flow({ egressEpoch: 0, ingressEpoch: GENERATION }));
  transfer.bringAll(GENERATION);
  expect(get(target.live, 1)).toMatchObject({ egressEpoch: 0, ingressEpoch: STALE });
});
