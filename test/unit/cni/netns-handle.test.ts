import { closeSync, fstatSync, openSync } from 'node:fs';
import { expect, test } from 'vitest';
import { openCallerNetns } from '../../../src/cni/netns-handle.ts';
import { rejectedBy } from './thrown.ts';

function openOwn(): { fd: number; device: bigint; inode: bigint; close: () => void } {
  const fd = openSync('/proc/self/ns/net', 'r');
  const { dev, ino } = fstatSync(fd, { bigint: true });
  return { fd, device: dev, inode: ino, close: () => closeSync(fd) };
}

test('opens what the caller holds, and closes it at the end', async () => {
  const own = openOwn();
  let fd = -1;
  {
    await using handle = await openCallerNetns(`${own.fd} ${own.device} ${own.inode}`, process.pid);
    fd = handle.fd;
    expect(fd).not.toBe(own.fd);
    expect(handle).toMatchObject({ device: own.device, inode: own.inode });
    expect(fstatSync(fd, { bigint: true }).ino).toBe(own.inode);
  }
  expect(() => fstatSync(fd)).toThrow('EBADF');
  own.close();
});

test('refuses a descriptor that is another file than stated', async () => {
  const own = openOwn();
  const error = await rejectedBy(openCallerNetns(`${own.fd} ${own.device} ${own.inode + 1n}`, process.pid));
  expect(error.code).toBe(8);
  expect(error.details).toContain(`found device ${own.device} inode ${own.inode}`);
  own.close();
});

test('refuses a descriptor that is not open any more', async () => {
  const own = openOwn();
  own.close();
  expect((await rejectedBy(openCallerNetns(`${own.fd} 4 1`, process.pid))).code).toBe(8);
});

test('says what to do when the caller is in a PID namespace that the agent does not see', async () => {
  const error = await rejectedBy(openCallerNetns('3 4 5', 0));
  expect(error.code).toBe(101);
  expect(error.details).toContain('hostPID');
});

test.each(['', '3', '3 4', '-1 4 5', '../1 4 5', '3 4 5 6', '3  4 5', '99999999999 4 5'])(
  'refuses the statement %j',
  async (statement) => {
    expect((await rejectedBy(openCallerNetns(statement, process.pid))).code).toBe(103);
  },
);
