import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readlinkSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isOwnNetns, isSameNetns, netnsIdentity, openNetns, ownNetns, withNetns } from '../../src/kernel/namespace.ts';
import { readSysctl, setSysctl, setSysctlIfPresent } from '../../src/kernel/netlink/sysctl.ts';
import { ConfigError } from '../../src/lib/errors.ts';
import { makeNetns, removeAll, type TestNetns } from '../support/netns.ts';

const SOURCE = resolve(import.meta.dirname, '../../src/kernel');
const current = (): string => readlinkSync('/proc/thread-self/ns/net');

let netns: TestNetns;

beforeAll(() => {
  netns = makeNetns();
});

afterAll(removeAll);

test('work is done inside the namespace, and the thread is back afterwards', () => {
  const own = current();
  const inside = withNetns(netns.fd, current);
  expect(inside).toBe(`net:[${netnsIdentity(netns.fd).inode}]`);
  expect(inside).not.toBe(own);
  expect(current()).toBe(own);
});

test('the thread is back also when the work throws', () => {
  const own = current();
  expect(() => withNetns(netns.fd, () => expect.fail('inside'))).toThrow('inside');
  expect(current()).toBe(own);
});

test('work that returns a promise is refused: the rest of it would run outside', () => {
  expect(() => withNetns(netns.fd, async () => current())).toThrow('must be synchronous');
});

test('one namespace inside another is refused', () => {
  const nested = (): string => withNetns(netns.fd, current);
  expect(() => withNetns(netns.fd, nested)).toThrow('does not nest');
  expect(withNetns(netns.fd, current)).not.toBe(current());
});

test('a namespace is known by device and inode, whatever its path', () => {
  const again = openNetns(`/proc/self/fd/${netns.fd}`);
  expect(isSameNetns(again, netns.fd)).toBe(true);
  expect(isOwnNetns(again)).toBe(false);
  expect(isOwnNetns(ownNetns())).toBe(true);
  closeSync(again);
});

test('a path that is no network namespace is refused with the path', () => {
  expect(() => openNetns('/proc/self/ns/mnt')).toThrow(ConfigError);
  expect(() => openNetns('/proc/self/ns/mnt')).toThrow('/proc/self/ns/mnt is not a network namespace');
  expect(() => openNetns('/etc/passwd')).toThrow('/etc/passwd is not a network namespace');
  expect(() => openNetns('/run/netns/slt-nosuch')).toThrow('open /run/netns/slt-nosuch: ENOENT');
});

test('a descriptor that is no namespace is refused, and nothing is run', () => {
  const fd = openSync('/etc/passwd', 'r');
  expect(() => withNetns(fd, current)).toThrow('setns');
  closeSync(fd);
});

test('without a way back the process ends with a message', () => {
  const script = `
    import { withNetns, openNetns } from '${SOURCE}/namespace.ts';
    import { setFaultHook } from '${SOURCE}/fault.ts';
    const fd = openNetns('${netns.path}');
    setFaultHook(({ object }) => { if (object === 'own network namespace') throw new Error('refused'); });
    withNetns(fd, () => console.log('inside'));
    console.log('never');
  `;
  const node = resolve(import.meta.dirname, '../../node_modules/.bin/node');
  const args = ['--input-type=module-typescript', '--eval', script];
  const { status, signal, stdout, stderr } = spawnSync(node, args, { encoding: 'utf8' });
  expect({ status, signal, stdout }).toEqual({ status: null, signal: 'SIGABRT', stdout: 'inside\n' });
  expect(stderr).toContain('fatal: no way back to the own network namespace: refused');
});

test('network settings are those of the namespace; they are written only when they differ', () => {
  const name = 'net/ipv4/ip_forward';
  const outside = readSysctl(name);
  withNetns(netns.fd, () => {
    setSysctl(name, '0');
    expect(setSysctl(name, '1')).toBe(true);
    expect(setSysctl(name, '1')).toBe(false);
    expect(readSysctl(name)).toBe('1');
    expect(setSysctlIfPresent('net/ipv4/conf/nosuch/rp_filter', '1')).toBe(false);
    expect(() => setSysctl('net/ipv4/conf/nosuch/rp_filter', '1')).toThrow('ENOENT');
  });
  expect(readSysctl(name)).toBe(outside);
});
