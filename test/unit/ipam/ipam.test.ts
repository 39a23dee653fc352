import { chmodSync, linkSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Ipam } from '../../../src/ipam/ipam.ts';
import { IpamError } from '../../../src/ipam/ipam-error.ts';
import { REST_MS_DEFAULT } from '../../../src/ipam/limits.ts';
import type { Owner } from '../../../src/ipam/owner.ts';
import { FakeClock } from '../lib/fake-clock.ts';
import { tempFolder } from '../lib/temp-folder.ts';

interface Node {
  readonly clock: FakeClock;
  readonly runDir: string;
  readonly stateDir: string;
  readonly start: (...podCIDRs: string[]) => Ipam;
}

function node(): Node {
  const clock = new FakeClock();
  const runDir = join(tempFolder(), 'run');
  const stateDir = join(tempFolder(), 'lib');
  const start = (...podCIDRs: string[]): Ipam => {
    const ipam = new Ipam({ runDir, stateDir, clock });
    onTestFinished(() => ipam.close());
    ipam.configure(podCIDRs);
    return ipam;
  };
  return { clock, runDir, stateDir, start };
}

const owner = (containerId: string, ifname = 'eth0'): Owner => ({ network: 'sluice', containerId, ifname });
const give = (ipam: Ipam, id: string, inUse: (address: string) => boolean = () => false): readonly string[] =>
  ipam.allocate({ owner: owner(id), inUse });

function failure(action: () => unknown): IpamError {
  try {
    action();
  } catch (error) {
    if (error instanceof IpamError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

test('rule 2: an owner gets one address of every family, in the order of the podCIDRs', () => {
  const ipam = node().start('fd00:1::/64', '10.0.0.0/24');
  expect(give(ipam, 'a')).toEqual(['fd00:1::1', '10.0.0.1']);
  expect(ipam.find(owner('a'))?.addresses).toEqual(['fd00:1::1', '10.0.0.1']);
});

test('rule 2: when one family is exhausted the address of the other is given back', () => {
  const { runDir, start } = node();
  const ipam = start('10.0.0.0/24', 'fd00::1/128');
  give(ipam, 'a');
  const error = failure(() => give(ipam, 'b'));
  expect(error.code).toBe('IPAM_EXHAUSTED');
  expect(readdirSync(join(runDir, 'ipam'))).toEqual(['10.0.0.1', 'fd00::1']);
  expect(ipam.list()).toHaveLength(1);
});

test('without a range the error says that the node has no podCIDRs yet', () => {
  const error = failure(() => give(node().start(), 'a'));
  expect([error.code, error.message]).toEqual(['IPAM_NO_RANGE', 'no address range: this node has no podCIDRs yet']);
});

test('a second allocation of one owner is refused and names the address it holds; another interface is another owner', () => {
  const ipam = node().start('10.0.0.0/24');
  give(ipam, 'a');
  const error = failure(() => give(ipam, 'a'));
  expect(error.code).toBe('IPAM_DUPLICATE');
  expect(error.message).toBe(
    'duplicate allocation is not allowed: container a interface eth0 on network sluice holds 10.0.0.1',
  );
  expect(ipam.allocate({ owner: owner('a', 'eth1'), inUse: () => false })).toEqual(['10.0.0.2']);
});

test('an owner with an empty part is refused', () => {
  expect(failure(() => give(node().start('10.0.0.0/24'), '')).code).toBe('IPAM_BAD_OWNER');
});

test('CNI-30: a release is idempotent and one of an unknown owner gives nothing', async () => {
  const ipam = node().start('10.0.0.0/24');
  give(ipam, 'a');
  expect(await Promise.all([ipam.release(owner('a')), ipam.release(owner('a'))])).toEqual([['10.0.0.1'], ['10.0.0.1']]);
  expect(await ipam.release(owner('a'))).toEqual([]);
  expect(await ipam.release(owner('stranger'))).toEqual([]);
});

test('an owner is held until its release is over', async () => {
  const ipam = node().start('10.0.0.0/24');
  give(ipam, 'a');
  const release = ipam.release(owner('a'));
  expect(failure(() => give(ipam, 'a')).code).toBe('IPAM_DUPLICATE');
  await release;
  expect(give(ipam, 'a')).toEqual(['10.0.0.2']);
});

test('rule 3: a released address is not given before its rest is over, also when nothing else is left', async () => {
  const { clock, start } = node();
  const ipam = start('10.0.0.0/30');
  give(ipam, 'a');
  give(ipam, 'b');
  await ipam.release(owner('a'));
  clock.advance(REST_MS_DEFAULT - 1);
  const error = failure(() => give(ipam, 'c'));
  expect(error.retryAfterMs).toBe(1);
  expect(error.message).toBe(
    'no free address in 10.0.0.0/30: of 2, 1 held, 1 resting, 0 in use by pods known elsewhere; the next is free in 1 s',
  );
  clock.advance(1);
  expect(give(ipam, 'c')).toEqual(['10.0.0.1']);
});

test('rule 3: setting the time neither ends nor prolongs a rest', async () => {
  const { clock, start } = node();
  const ipam = start('10.0.0.1/32');
  give(ipam, 'a');
  await ipam.release(owner('a'));
  clock.setWall(Date.parse('2030-01-01T00:00:00Z'));
  expect(failure(() => give(ipam, 'b')).code).toBe('IPAM_EXHAUSTED');
  clock.setWall(Date.parse('2020-01-01T00:00:00Z'));
  clock.advance(REST_MS_DEFAULT);
  expect(give(ipam, 'b')).toEqual(['10.0.0.1']);
});

test('rule 3: a rest outlives a reboot, and one found far in the future lasts a whole rest', async () => {
  const { clock, runDir, start } = node();
  const before = start('10.0.0.1/32');
  give(before, 'a');
  await before.release(owner('a'));
  await before.close();
  rmSync(runDir, { recursive: true });
  clock.setWall(Date.parse('2020-01-01T00:00:00Z'));
  const after = start('10.0.0.1/32');
  expect(failure(() => give(after, 'b')).retryAfterMs).toBe(REST_MS_DEFAULT);
  clock.advance(REST_MS_DEFAULT);
  expect(give(after, 'b')).toEqual(['10.0.0.1']);
});

test('rule 4: addresses go round robin, over a reboot too', async () => {
  const { clock, runDir, start } = node();
  const before = start('10.0.0.0/29');
  for (const id of ['a', 'b', 'c']) give(before, id);
  await before.close();
  rmSync(runDir, { recursive: true });
  clock.advance(REST_MS_DEFAULT);
  const after = start('10.0.0.0/29');
  expect(['d', 'e', 'f', 'g'].flatMap((id) => give(after, id))).toEqual([
    '10.0.0.4',
    '10.0.0.5',
    '10.0.0.6',
    '10.0.0.1',
  ]);
});

test('rule 5: an address that another live pod is seen to have is passed over and counted', () => {
  const ipam = node().start('10.0.0.0/30');
  expect(give(ipam, 'a', (address) => address === '10.0.0.1')).toEqual(['10.0.0.2']);
  expect(failure(() => give(ipam, 'b', () => true)).message).toContain('1 held, 0 resting, 1 in use by pods known');
});

test('rule 6: an allocation outside the present ranges stays held until it is released', async () => {
  const { start } = node();
  const ipam = start('10.0.0.0/24');
  give(ipam, 'a');
  ipam.configure(['10.1.0.0/24']);
  expect(give(ipam, 'b')).toEqual(['10.1.0.1']);
  expect(ipam.find(owner('a'))?.addresses).toEqual(['10.0.0.1']);
  ipam.configure(['10.0.0.1/32']);
  expect(failure(() => give(ipam, 'c')).code).toBe('IPAM_EXHAUSTED');
  expect(await ipam.release(owner('a'))).toEqual(['10.0.0.1']);
});

test('a wrong range is refused and the ranges before stay', () => {
  const ipam = node().start('10.0.0.0/24');
  expect(failure(() => ipam.configure(['10.0.0.0/24', 'ten'])).code).toBe('IPAM_BAD_RANGE');
  expect(give(ipam, 'a')).toEqual(['10.0.0.1']);
});

test('of several ranges of a family the next is used when the first is full', () => {
  const ipam = node().start('10.0.0.1/32', '10.1.0.1/32');
  expect([give(ipam, 'a'), give(ipam, 'b')]).toEqual([['10.0.0.1'], ['10.1.0.1']]);
});

test('the record of an allocation names its owner and its time', () => {
  const { runDir, start } = node();
  give(start('fd00::/64'), 'a');
  expect(JSON.parse(readFileSync(join(runDir, 'ipam', 'fd00::1'), 'utf8'))).toEqual({
    network: 'sluice',
    containerId: 'a',
    ifname: 'eth0',
    time: '2026-01-01T00:00:00.000Z',
  });
});

test('rule 1: what was allocated is held after a crash, and released when its owner is not alive', async () => {
  const { start } = node();
  const before = start('10.0.0.0/24', 'fd00::/64');
  for (const id of ['a', 'b']) give(before, id);
  const after = start('10.0.0.0/24', 'fd00::/64');
  expect(after.find(owner('a'))?.addresses).toEqual(['10.0.0.1', 'fd00::1']);
  expect((await after.reconcile([owner('b')])).map((dead) => dead.owner)).toEqual([owner('a')]);
  expect(after.list().map((allocation) => allocation.owner)).toEqual([owner('b')]);
});

test('rule 1: what a crash leaves of a half-made allocation is held by its owner, and a prepared record is removed', async () => {
  const { runDir, start } = node();
  give(start('10.0.0.0/24', 'fd00::/64'), 'a');
  rmSync(join(runDir, 'ipam', 'fd00::1'));
  writeFileSync(join(runDir, 'ipam', '.new'), '{"netw');
  const after = start('10.0.0.0/24', 'fd00::/64');
  expect(after.problems()).toEqual([]);
  expect(after.find(owner('a'))?.addresses).toEqual(['10.0.0.1']);
  expect((await after.reconcile([]))[0]?.owner).toEqual(owner('a'));
  expect(readdirSync(join(runDir, 'ipam'))).toEqual([]);
});

test('rule 1: killed between naming a record and unnaming its preparation, the record stays whole', () => {
  const { runDir, start } = node();
  const record = join(runDir, 'ipam', '10.0.0.1');
  const leaveSecondName = (): void => linkSync(record, join(runDir, 'ipam', '.new'));
  const before = start('10.0.0.0/24');
  give(before, 'a');
  const text = readFileSync(record, 'utf8');
  leaveSecondName();
  give(before, 'b');
  leaveSecondName();
  give(start('10.0.0.0/24'), 'c');
  expect([readFileSync(record, 'utf8'), readdirSync(join(runDir, 'ipam'))]).toEqual([
    text,
    ['10.0.0.1', '10.0.0.2', '10.0.0.3'],
  ]);
});

test.each([
  ['is empty', '', 'is no record of an allocation'],
  ["has another plugin's record", 'docker0\r\neth0', 'is no record of an allocation'],
  ['names no interface', '{"network":"n","containerId":"c","ifname":"","time":"2026-01-01"}', 'is no record'],
  ['is longer than any record', 'x'.repeat(5000), 'RECORD_BYTES_MAX'],
])('a file named by an address that %s is reported and its address never given', (_, text, message) => {
  const { runDir, start } = node();
  const file = join(runDir, 'ipam', '10.0.0.1');
  mkdirSync(join(runDir, 'ipam'), { recursive: true });
  writeFileSync(file, text);
  const ipam = start('10.0.0.0/30');
  expect(ipam.problems()).toEqual([{ file, message: expect.stringContaining(message) }]);
  expect(give(ipam, 'a')).toEqual(['10.0.0.2']);
});

test('a file named by an address in other letters is reported and its address never given', () => {
  const { runDir, start } = node();
  mkdirSync(join(runDir, 'ipam'), { recursive: true });
  writeFileSync(join(runDir, 'ipam', 'FD00::1'), '');
  const ipam = start('fd00::/126');
  expect(ipam.problems()[0]?.message).toContain('written fd00::1');
  expect(give(ipam, 'a')).toEqual(['fd00::2']);
});

test('a file that is named by no address is reported and left alone', async () => {
  const { runDir, start } = node();
  mkdirSync(join(runDir, 'ipam'), { recursive: true });
  writeFileSync(join(runDir, 'ipam', 'last_reserved_ip.0'), '10.0.0.1');
  const ipam = start('10.0.0.0/30');
  expect(ipam.problems()[0]?.message).toContain('is no record of an address');
  await ipam.reconcile([]);
  expect(readdirSync(join(runDir, 'ipam'))).toEqual(['last_reserved_ip.0']);
});

test('a record that somebody else writes meanwhile is not overwritten: the next address is given', () => {
  const { runDir, start } = node();
  const ipam = start('10.0.0.0/29');
  mkdirSync(join(runDir, 'ipam', '10.0.0.1'));
  expect(give(ipam, 'a')).toEqual(['10.0.0.2']);
  expect(ipam.problems()).toEqual([
    {
      file: join(runDir, 'ipam', '10.0.0.1'),
      message: 'was written by somebody else; the address is kept back until the next start',
    },
  ]);
});

test('a record that cannot be written gives no address and leaves nothing held', () => {
  const { runDir, start } = node();
  const ipam = start('10.0.0.0/24');
  rmSync(join(runDir, 'ipam'), { recursive: true });
  expect(failure(() => give(ipam, 'a')).code).toBe('IPAM_STATE');
  expect(ipam.list()).toEqual([]);
});

test('a folder that cannot be made is named', () => {
  const file = join(tempFolder(), 'file');
  writeFileSync(file, '');
  const error = failure(() => new Ipam({ runDir: file, stateDir: file, clock: new FakeClock() }));
  expect([error.code, error.message]).toEqual(['IPAM_STATE', expect.stringContaining(`${file}/ipam`)]);
});

test('a damaged file of rests is reported, costs nothing that is held, and is replaced', async () => {
  const { stateDir, start } = node();
  give(start('10.0.0.0/24'), 'a');
  mkdirSync(stateDir, { recursive: true });
  writeFileSync(join(stateDir, 'ipam.json'), '{"version":1,"cursors":{},"restsUntil":{"10.0.0.9":"soon"}}');
  const after = start('10.0.0.0/24');
  expect(after.problems()[0]?.message).toContain('is damaged');
  expect(give(after, 'b')).toEqual(['10.0.0.2']);
  await after.close();
  expect(after.problems()).toEqual([]);
});

test('CNI-34: a state folder that cannot be written does not keep a pod from being deleted, and is reported', async () => {
  const { clock, stateDir, start } = node();
  const ipam = start('10.0.0.1/32');
  give(ipam, 'a');
  rmSync(stateDir, { recursive: true });
  writeFileSync(stateDir, '');
  chmodSync(stateDir, 0o400);
  expect(await ipam.release(owner('a'))).toEqual(['10.0.0.1']);
  expect(ipam.problems()[0]?.message).toContain('could not be written');
  expect(failure(() => give(ipam, 'b')).code).toBe('IPAM_EXHAUSTED');
  clock.advance(REST_MS_DEFAULT);
  expect(give(ipam, 'b')).toEqual(['10.0.0.1']);
});
