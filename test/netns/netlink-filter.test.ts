import { closeSync } from 'node:fs';
import koffi from 'koffi';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { withNetns } from '../../src/kernel/namespace.ts';
import { libc, native } from '../../src/kernel/native.ts';
import {
  addBpfFilter,
  addClsact,
  type BpfFilterSpec,
  deleteBpfFilter,
  deleteClsact,
  listBpfFilters,
  listQdiscs,
  replaceBpfFilter,
} from '../../src/kernel/netlink/filter.ts';
import { createLink, deleteLink, getLink } from '../../src/kernel/netlink/link.ts';
import { Netlink } from '../../src/kernel/netlink/netlink.ts';
import { systemCallNumbers } from '../../src/kernel/system-call.ts';
import { makeNetns, removeAll, type TestNetns } from '../support/netns.ts';

const BPF_PROG_LOAD = 5;
const BPF_PROG_TYPE_SCHED_CLS = 3;
const TC_ACT_UNSPEC = -1;
const TC_ACT_SHOT = 2;

let node: TestNetns;
let netlink: Netlink;
let index: number;
const programs: number[] = [];

/** `return action` as a program: mov r0, action; exit. */
function loadProgram(action: number): number {
  const instructions = new Uint8Array(16);
  const code = new DataView(instructions.buffer);
  code.setUint8(0, 0xb7);
  code.setInt32(4, action, true);
  code.setUint8(8, 0x95);
  const license = new TextEncoder().encode('GPL\0');
  const attributes = new Uint8Array(48);
  const view = new DataView(attributes.buffer);
  view.setUint32(0, BPF_PROG_TYPE_SCHED_CLS, true);
  view.setUint32(4, 2, true);
  view.setBigUint64(8, koffi.address(instructions), true);
  view.setBigUint64(16, koffi.address(license), true);
  const syscall = libc.func('long syscall(long number, int command, void *attributes, uint32_t size)');
  const fd = native('bpf', 'test program', () =>
    Number(syscall(systemCallNumbers().bpf, BPF_PROG_LOAD, attributes, attributes.length)),
  );
  programs.push(fd);
  return fd;
}

beforeAll(() => {
  node = makeNetns('node');
  netlink = withNetns(node.fd, () => Netlink.open());
});

beforeEach(() => {
  index = netlink.execute([createLink({ name: 'br0', kind: 'bridge' }), getLink('br0')])[1].index;
});

afterEach(() => {
  netlink.run(deleteLink(index));
  for (const fd of programs.splice(0)) closeSync(fd);
});

afterAll(() => {
  netlink?.close();
  removeAll();
});

function tc(...args: readonly string[]): readonly Record<string, unknown>[] {
  return JSON.parse(node.exec('tc', '-j', ...args)) as Record<string, unknown>[];
}

function filter(programFd: number, direction: 'ingress' | 'egress' = 'ingress'): BpfFilterSpec {
  return { index, direction, priority: 0x5a00, handle: 0x5a, programFd, name: 'sluice_test' };
}

test('clsact is added, listed and deleted', () => {
  netlink.run(addClsact(index));
  expect(tc('qdisc', 'show', 'dev', 'br0')).toContainEqual(expect.objectContaining({ kind: 'clsact' }));
  expect(netlink.dump(listQdiscs(index))).toContainEqual({
    index,
    kind: 'clsact',
    handle: 0xffff0000,
    parent: 0xfffffff1,
  });
  expect(() => netlink.run(addClsact(index))).toThrow('EEXIST');
  netlink.run(deleteClsact(index));
  expect(netlink.dump(listQdiscs(index)).some(({ kind }) => kind === 'clsact')).toBe(false);
});

test.each(['ingress', 'egress'] as const)('a direct-action filter is added on %s and listed as tc lists it', (hook) => {
  netlink.execute([addClsact(index), addBpfFilter(filter(loadProgram(TC_ACT_UNSPEC), hook))]);
  const shown = tc('filter', 'show', 'dev', 'br0', hook).find((entry) => entry['options'] !== undefined);
  expect(shown).toMatchObject({
    protocol: 'all',
    pref: 0x5a00,
    kind: 'bpf',
    options: { handle: '0x5a', bpf_name: 'sluice_test', 'direct-action': true },
  });
  const { prog } = shown!['options'] as { prog: { id: number; tag: string } };
  expect(netlink.dump(listBpfFilters(index, hook))).toEqual([
    {
      index,
      direction: hook,
      priority: 0x5a00,
      handle: 0x5a,
      name: 'sluice_test',
      directAction: true,
      programId: prog.id,
      programTag: prog.tag,
    },
  ]);
  expect(netlink.dump(listBpfFilters(index, hook === 'ingress' ? 'egress' : 'ingress'))).toEqual([]);
});

test('a filter is replaced in place: the program changes, another filter does not', () => {
  const other = { ...filter(loadProgram(TC_ACT_UNSPEC)), priority: 7, handle: 1, name: 'other' };
  netlink.execute([addClsact(index), addBpfFilter(other), addBpfFilter(filter(loadProgram(TC_ACT_UNSPEC)))]);
  const before = netlink.dump(listBpfFilters(index, 'ingress'));
  expect(() => netlink.run(addBpfFilter(filter(loadProgram(TC_ACT_SHOT))))).toThrow('EEXIST');
  netlink.run(replaceBpfFilter(filter(loadProgram(TC_ACT_SHOT))));
  const after = netlink.dump(listBpfFilters(index, 'ingress'));
  expect(after).toHaveLength(2);
  expect(after[0]).toEqual(before[0]);
  expect(after[1]!.programId).not.toBe(before[1]!.programId);
  expect(after[1]!.programTag).not.toBe(before[1]!.programTag);
});

test('a filter is deleted by priority and handle, others stay', () => {
  const spec = filter(loadProgram(TC_ACT_UNSPEC));
  const other = { ...spec, handle: 0x5b };
  netlink.execute([addClsact(index), addBpfFilter(spec), addBpfFilter(other), deleteBpfFilter(spec)]);
  expect(netlink.dump(listBpfFilters(index, 'ingress')).map(({ handle }) => handle)).toEqual([0x5b]);
  expect(() => netlink.run(deleteBpfFilter(spec))).toThrow('ENOENT');
});

test('without clsact there are no filters, and adding one is refused with a reason', () => {
  expect(netlink.dump(listBpfFilters(index, 'ingress'))).toEqual([]);
  expect(() => netlink.run(addBpfFilter(filter(loadProgram(TC_ACT_UNSPEC))))).toThrow(
    /RTM_NEWTFILTER filter 23040\/90/,
  );
});
