import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, linkSync, mkdtempSync, openSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { isBpffs, listPins, requireBpffs, unlinkPin } from '../../src/kernel/bpffs.ts';
import { libc } from '../../src/kernel/native.ts';
import {
  fstatId,
  lockFile,
  membarrierGlobal,
  monotonicNs,
  peerCredentials,
  possibleCpus,
} from '../../src/kernel/system.ts';
import { mountPinRoot } from '../support/bpf/pins.ts';

const SYSTEM = join(import.meta.dirname, '../../src/kernel/system.ts');
const CLOCK_MONOTONIC = 1;

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sluice-system-'));
});

afterEach(() => {
  rmSync(directory, { recursive: true });
});

/** node keeps the descriptor of a socket in its handle. */
function descriptorOf(socket: object): number {
  const handle: unknown = Reflect.get(socket, '_handle');
  const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined;
  if (typeof fd !== 'number') throw new Error('the socket has no descriptor');
  return fd;
}

test('a BPF file system is told from any other', () => {
  using pins = mountPinRoot();
  expect(isBpffs(pins.path)).toBe(true);
  expect(isBpffs('/proc')).toBe(false);
  expect(() => {
    requireBpffs(pins.path);
  }).not.toThrow();
  expect(listPins(pins.path)).toEqual([]);
  expect(unlinkPin(`${pins.path}/none`)).toBe(false);
});

test('a pin root on another file system is refused with what it is and the cure', () => {
  expect(() => {
    requireBpffs('/proc');
  }).toThrow('pin root /proc is no BPF file system but proc: mount -t bpf bpf /proc');
});

test('a pin root that is not there is refused with the cure', () => {
  const path = join(directory, 'none');
  expect(() => {
    requireBpffs(path);
  }).toThrow(`pin root ${path} cannot be used (ENOENT): mkdir -p ${path} && mount -t bpf bpf ${path}`);
});

test('a lock is held once, names its holder to others, and is free after close', () => {
  const path = join(directory, 'lock');
  const lock = lockFile(path);
  expect(() => lockFile(path)).toThrow(`${path} is locked by process ${process.pid}: end it first`);
  lock.close();
  lock.close();
  lockFile(path).close();
});

test('a lock is free once its holder was killed, and is not inherited by its children', async () => {
  const path = join(directory, 'lock');
  const code = `
    import { lockFile } from '${SYSTEM}';
    import { spawn } from 'node:child_process';
    lockFile('${path}');
    const child = spawn('sleep', ['60'], { stdio: 'ignore' });
    console.log(child.pid);
    setInterval(() => undefined, 1000);`;
  const holder = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [output] = (await once(holder.stdout, 'data')) as [Buffer];
  try {
    expect(() => lockFile(path)).toThrow(`is locked by process ${holder.pid}`);
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    lockFile(path).close();
  } finally {
    holder.kill('SIGKILL');
    process.kill(Number(output.toString()));
  }
});

test('the peer of a unix socket is the process that connected', async () => {
  const path = join(directory, 'socket');
  const server = createServer().listen(path);
  await once(server, 'listening');
  const client = connect(path);
  await once(client, 'connect');
  expect(peerCredentials(descriptorOf(client))).toEqual({ pid: process.pid, uid: 0, gid: 0 });
  client.destroy();
  server.close();
});

test('peer credentials of what is no socket are an error', () => {
  const fd = openSync(join(directory, 'file'), 'w');
  expect(() => peerCredentials(fd)).toThrow('ENOTSOCK');
  closeSync(fd);
});

test('names and descriptors of one file have one id', () => {
  const path = join(directory, 'file');
  writeFileSync(path, '');
  writeFileSync(join(directory, 'other'), '');
  linkSync(path, join(directory, 'hard'));
  symlinkSync(path, join(directory, 'soft'));
  const fd = openSync(path, 'r');
  const ids = [fd, path, join(directory, 'hard'), join(directory, 'soft')].map((target) => fstatId(target));
  closeSync(fd);
  for (const id of ids) expect(id).toEqual(ids[0]);
  expect(typeof ids[0]?.inode).toBe('bigint');
  expect(fstatId(join(directory, 'other'))).not.toEqual(ids[0]);
});

test('a grace period does not hold up the event loop', async () => {
  let turns = 0;
  const timer = setInterval(() => (turns += 1), 0);
  const start = monotonicNs();
  for (let round = 0; round < 4; round += 1) await membarrierGlobal();
  clearInterval(timer);
  expect(Number(monotonicNs() - start) / 1e6).toBeLessThan(2000);
  expect(turns).toBeGreaterThan(2);
});

test('the clock is CLOCK_MONOTONIC, which programs read', () => {
  const gettime = libc.func('int clock_gettime(int clock, void *time)');
  const time = new BigInt64Array(2);
  const before = monotonicNs();
  gettime(CLOCK_MONOTONIC, time);
  const now = (time[0] ?? 0n) * 1_000_000_000n + (time[1] ?? 0n);
  expect(before <= now && now <= monotonicNs()).toBe(true);
});

test('possible CPUs are at least those that are on', () => {
  const online = Number(spawnSync('nproc', ['--all'], { encoding: 'utf8' }).stdout);
  expect(possibleCpus()).toBeGreaterThanOrEqual(online);
});
