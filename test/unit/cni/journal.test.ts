import { mkdir, mkdtemp, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DelJournal } from '../../../src/cni/journal.ts';
import { JOURNAL_TEMPORARY_AGE_MS } from '../../../src/cni/limits.ts';
import type { RemoveRequest } from '../../../src/cni/pod-network.ts';
import { ADD_ENVIRONMENT, DEL_ENVIRONMENT, encodeBody } from './cni-body.ts';
import { MemoryLog } from './memory-log.ts';

const ATTACHMENT = { containerId: 'c0ffee', ifname: 'eth0' };

let root = '';
let directory = '';
let log: MemoryLog;
let journal: DelJournal;
let removed: RemoveRequest[];

const remove = (request: RemoveRequest): Promise<void> => {
  removed.push(request);
  return Promise.resolve();
};

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'sluice-journal-'));
  directory = join(root, 'del-journal');
  await mkdir(directory);
  log = new MemoryLog();
  journal = new DelJournal({ directory, log, now: () => Date.now() });
  removed = [];
});

afterEach(async () => {
  await rm(root, { recursive: true });
});

test('CNI-34: an entry is carried out and is gone after', async () => {
  await writeFile(join(directory, 'c0ffee:eth0'), encodeBody(DEL_ENVIRONMENT));
  expect(await journal.list()).toEqual([ATTACHMENT]);
  expect(await journal.settle(ATTACHMENT, remove)).toBe('replayed');
  expect(removed).toEqual([{ ...ATTACHMENT, netns: '/run/netns/pod', netnsHandle: undefined }]);
  expect(await readdir(directory)).toEqual([]);
  expect(await journal.settle(ATTACHMENT, remove)).toBe('absent');
});

test('an entry whose removal fails stays', async () => {
  await writeFile(join(directory, 'c0ffee:eth0'), encodeBody(DEL_ENVIRONMENT));
  await expect(journal.settle(ATTACHMENT, () => Promise.reject(new Error('busy')))).rejects.toThrow('busy');
  expect(await journal.list()).toEqual([ATTACHMENT]);
});

test('a journal that no launcher has made is empty', async () => {
  await rm(directory, { recursive: true });
  expect(await journal.list()).toEqual([]);
  expect(await journal.settle(ATTACHMENT, remove)).toBe('absent');
  await journal.forget(ATTACHMENT);
});

test.each([
  ['text that is no request', 'c0ffee:eth0', Buffer.from('garbage')],
  ['an ADD', 'c0ffee:eth0', encodeBody(ADD_ENVIRONMENT)],
  ['the DEL of another attachment', 'c0ffee:eth1', encodeBody(DEL_ENVIRONMENT)],
  ['more bytes than a request can have', 'c0ffee:eth0', Buffer.alloc(2 * 1024 * 1024)],
])('an entry that holds %s is moved aside and reported', async (_, name, content) => {
  await writeFile(join(directory, name), content);
  const [attachment = ATTACHMENT] = await journal.list();
  expect(await journal.settle(attachment, remove)).toBe('unreadable');
  expect(removed).toEqual([]);
  expect(await readdir(directory)).toEqual([]);
  expect(await readdir(`${directory}-unreadable`)).toEqual([name]);
  expect(log.lines).toMatchObject([{ level: 'error', fields: { entry: name } }]);
});

test('a name that is no attachment, a folder and a link are moved aside', async () => {
  await writeFile(join(directory, 'nonsense'), '');
  await mkdir(join(directory, 'a:b'));
  await symlink('/etc/passwd', join(directory, 'c:d'));
  for (const attachment of await journal.list()) await journal.settle(attachment, remove);
  expect(removed).toEqual([]);
  expect((await readdir(`${directory}-unreadable`)).toSorted()).toEqual(['a:b', 'c:d', 'nonsense']);
});

test('a file that is being written is left alone, one that was left behind is swept away', async () => {
  await writeFile(join(directory, '.100'), 'new');
  await writeFile(join(directory, '.200'), 'old');
  const longAgo = (Date.now() - JOURNAL_TEMPORARY_AGE_MS - 1000) / 1000;
  await utimes(join(directory, '.200'), longAgo, longAgo);
  expect(await journal.list()).toEqual([]);
  expect(await readdir(directory)).toEqual(['.100']);
});
