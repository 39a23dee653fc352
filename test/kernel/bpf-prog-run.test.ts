import { afterAll, beforeAll, expect, test } from 'vitest';
import { BpfObject } from '../../src/kernel/bpf-object.ts';
import { progRun } from '../../src/kernel/prog-run.ts';
import { compileBpfFile, PROBE_SOURCE } from '../support/bpf/compile.ts';

let object: BpfObject;

beforeAll(() => {
  object = BpfObject.load({ source: compileBpfFile(PROBE_SOURCE), name: 'probe' });
});

afterAll(() => {
  object.close();
});

const PACKET = Uint8Array.from({ length: 60 }, (_, index) => index);

test('a run gives the return value, the packet and the mark as the program left them', () => {
  const result = progRun(object.program('probe'), { packet: PACKET, mark: 41 });
  expect(result).toMatchObject({ retval: 7, mark: 42 });
  expect(result.packet).toEqual(PACKET);
});

test('return values are signed: TC_ACT_UNSPEC is -1', () => {
  expect(progRun(object.program('discard'), { packet: PACKET }).retval).toBe(-1);
  expect(progRun(object.program('deny'), { packet: PACKET }).retval).toBe(2);
});

test('the time of a run is the mean of its repetitions', () => {
  const repeat = 1000;
  const beganNs = process.hrtime.bigint();
  const { durationNs } = progRun(object.program('discard'), { packet: PACKET, repeat });
  const wholeNs = Number(process.hrtime.bigint() - beganNs);
  expect(durationNs).toBeGreaterThan(0);
  // The sum of the repetitions would be longer than the call as a whole.
  expect(durationNs * repeat).toBeLessThanOrEqual(wholeNs);
});

test('a packet without an Ethernet header, and an interface that is not there, are refused', () => {
  expect(() => progRun(object.program('deny'), { packet: new Uint8Array(3) })).toThrow('EINVAL');
  expect(() => progRun(object.program('deny'), { packet: PACKET, ifindex: 0x7ffffff })).toThrow('ENODEV');
});
