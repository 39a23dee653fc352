import { closeSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { hasTcx, programId, TcxLink } from '../../src/kernel/bpf-link.ts';
import { BpfObject } from '../../src/kernel/bpf-object.ts';
import { listPins, unlinkPin } from '../../src/kernel/bpffs.ts';
import { setFaultHook } from '../../src/kernel/fault.ts';
import { openNetns, withNetns } from '../../src/kernel/namespace.ts';
import { SysError } from '../../src/lib/errors.ts';
import { compileBpfFile, PROBE_SOURCE } from '../support/bpf/compile.ts';
import { bpfDescriptors } from '../support/bpf/descriptors.ts';
import { mountPinRoot, type PinRoot } from '../support/bpf/pins.ts';

const NETNS = `sluice-link-${process.pid}`;

let pins: PinRoot;
let object: BpfObject;
let netns: number;
let devices = 0;

beforeAll(() => {
  execFileSync('ip', ['netns', 'add', NETNS]);
  netns = openNetns(`/run/netns/${NETNS}`);
  pins = mountPinRoot();
  object = BpfObject.load({ source: compileBpfFile(PROBE_SOURCE), name: 'probe' });
});

afterEach(() => {
  setFaultHook(undefined);
  for (const path of listPins(pins.path)) unlinkPin(path);
  expect(bpfDescriptors().filter((target) => target.includes('link'))).toEqual([]);
});

afterAll(() => {
  object.close();
  pins[Symbol.dispose]();
  closeSync(netns);
  execFileSync('ip', ['netns', 'delete', NETNS]);
});

/** A new interface, one end of a veth whose other end is `peer` + its number; name and index. */
function addDevice(): { name: string; ifindex: number } {
  devices += 1;
  const name = `end${devices}`;
  execFileSync('ip', ['-n', NETNS, 'link', 'add', name, 'type', 'veth', 'peer', 'name', `peer${devices}`]);
  const shown = execFileSync('ip', ['-n', NETNS, '-o', 'link', 'show', name], { encoding: 'utf8' });
  return { name, ifindex: Number.parseInt(shown, 10) };
}

function attach(ifindex: number, direction: 'ingress' | 'egress', program = 'probe'): TcxLink {
  return withNetns(netns, () => TcxLink.attach(object.program(program), ifindex, direction));
}

/** The kernel answers every attempt to attach with an error. */
function refuseWith(code: string, errno: number): void {
  setFaultHook(({ call, object: subject }) => {
    if (call === 'bpf(BPF_LINK_CREATE)') throw new SysError({ call, errno, code, object: subject });
  });
}

test('this kernel has tcx, found out by asking it', () => {
  expect(hasTcx()).toBe(true);
});

test('a kernel that does not know tcx is told from one that may not be asked', () => {
  refuseWith('EINVAL', 22);
  expect(hasTcx()).toBe(false);
  refuseWith('EPERM', 1);
  expect(() => hasTcx()).toThrow('EPERM');
});

test('a link says what it runs and where', () => {
  const { ifindex } = addDevice();
  using ingress = attach(ifindex, 'ingress');
  using egress = attach(ifindex, 'egress', 'deny');
  expect(ingress.info()).toMatchObject({
    ifindex,
    direction: 'ingress',
    programId: programId(object.program('probe')),
  });
  expect(egress.info()).toMatchObject({ ifindex, direction: 'egress', programId: programId(object.program('deny')) });
});

test('the program of a link is exchanged in place', () => {
  using link = attach(addDevice().ifindex, 'ingress');
  const { id } = link.info();
  link.update(object.program('deny'));
  expect(link.info()).toMatchObject({ id, programId: programId(object.program('deny')) });
});

test('a pinned link outlives its holder and is found again', () => {
  const { ifindex } = addDevice();
  const path = `${pins.path}/link`;
  const link = attach(ifindex, 'egress');
  const before = link.info();
  link.pin(path);
  link.close();
  link.close();
  using again = TcxLink.openPinned(path);
  expect(again.info()).toEqual(before);
});

test('a link without pin and holder leaves the interface', () => {
  const { name, ifindex } = addDevice();
  attach(ifindex, 'ingress').close();
  const shown = execFileSync('ip', ['netns', 'exec', NETNS, 'bpftool', 'net', 'show', 'dev', name], {
    encoding: 'utf8',
  });
  expect(shown).not.toContain('probe');
});

test('a link outlives its interface with ifindex 0', () => {
  const { name, ifindex } = addDevice();
  using link = attach(ifindex, 'ingress');
  execFileSync('ip', ['-n', NETNS, 'link', 'delete', name]);
  expect(link.info()).toMatchObject({ ifindex: 0, direction: 'ingress' });
});

test('a detached link has ifindex 0', () => {
  using link = attach(addDevice().ifindex, 'ingress');
  link.detach();
  expect(link.info().ifindex).toBe(0);
});

test('an interface that is not there, and one of another namespace, are refused by name', () => {
  expect(() => attach(9999, 'ingress')).toThrow('bpf(BPF_LINK_CREATE) tcx ingress of interface 9999: ENODEV');
});

test('a pin that is a map is not taken for a link', () => {
  const path = `${pins.path}/map`;
  object.map('small').pin(path);
  expect(() => TcxLink.openPinned(path)).toThrow(path);
});

test('an attached program sees the packets of the interface', () => {
  const { name, ifindex } = addDevice();
  using link = attach(ifindex, 'egress');
  const key = Uint8Array.of(0, 0, 0, 0);
  const packets = (): bigint =>
    (object.map('counters').lookupPerCpu(key) ?? [])
      .map((value) => new DataView(value.buffer, value.byteOffset).getBigUint64(0, true))
      .reduce((sum, one) => sum + one, 0n);
  const before = packets();
  execFileSync('ip', ['-n', NETNS, 'addr', 'add', '192.0.2.1/24', 'dev', name]);
  execFileSync('ip', ['-n', NETNS, 'link', 'set', `peer${devices}`, 'up']);
  execFileSync('ip', ['-n', NETNS, 'link', 'set', name, 'arp', 'off', 'up']);
  execFileSync('ip', ['netns', 'exec', NETNS, 'bash', '-c', 'echo hello > /dev/udp/192.0.2.2/9']);
  expect(packets()).toBeGreaterThan(before);
  expect(link.info().ifindex).toBe(ifindex);
});
