import { mkdirSync, renameSync, rmSync, symlinkSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { SETTLE_MS, SETTLE_MS_MAX } from '../../../../src/cluster/manifests/limits.ts';
import { ManifestSource } from '../../../../src/cluster/manifests/manifest-source.ts';
import { Snapshot } from '../../../../src/cluster/snapshot.ts';
import type { ClusterUpdate } from '../../../../src/cluster/source.ts';
import { systemClock } from '../../../../src/lib/clock.ts';
import { ConfigError } from '../../../../src/lib/errors.ts';
import { FakeClock } from '../../lib/fake-clock.ts';
import { tempFolder } from '../../lib/temp-folder.ts';

/** No test waits for a look without an event, except where it says so. */
const NEVER_MS = 3_600_000;

const namespace = (name: string, labels = '{}'): string =>
  `apiVersion: v1\nkind: Namespace\nmetadata:\n  name: ${name}\n  labels: ${labels}\n`;

interface Watched {
  readonly source: ManifestSource;
  readonly snapshot: Snapshot;
  readonly updates: ClusterUpdate[];
  readonly names: () => readonly string[];
  readonly messages: () => readonly string[];
}

async function watched(folder: string, rescanIntervalMs = NEVER_MS, fake?: FakeClock): Promise<Watched> {
  const source = new ManifestSource({ folder, clock: fake ?? systemClock, rescanIntervalMs });
  onTestFinished(() => source.close());
  const snapshot = new Snapshot();
  const updates: ClusterUpdate[] = [];
  source.start((update) => {
    snapshot.apply(update.changes);
    updates.push(update);
  });
  fake?.advance(0);
  await source.synced;
  return {
    source,
    snapshot,
    updates,
    names: () => [...snapshot.namespaces.keys()].toSorted(),
    messages: () => updates.at(-1)?.problems.map(({ message }) => message) ?? [],
  };
}

/** Bounded wait for a condition; the source has no other sign that it has seen something. */
const until = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 5_000, interval: 10 });

/** Waits until whatever happened in the folder before is taken: a marker that is made now is seen after it. */
async function settled(folder: string, { names }: Watched, marker: string): Promise<void> {
  writeFileSync(join(folder, `${marker}.yaml`), namespace(marker));
  await until(() => expect(names()).toContain(marker));
}

test('the first update holds the whole folder and comes before synced', async () => {
  const folder = tempFolder();
  mkdirSync(join(folder, 'sub'));
  writeFileSync(join(folder, 'a.yaml'), `${namespace('a')}---\n${namespace('b')}`);
  writeFileSync(join(folder, 'sub', 'c.yaml'), namespace('c'));
  const { source, updates, names } = await watched(folder);
  expect([names(), updates.length, updates[0]?.problems]).toEqual([['a', 'b', 'c'], 1, []]);
  expect(source.freshness()).toEqual({ synced: true, asOfMs: expect.any(Number), fault: undefined });
});

test('an empty folder is an empty state, told once', async () => {
  const { updates } = await watched(tempFolder());
  expect(updates).toEqual([{ changes: [], services: [], problems: [] }]);
});

test('a file that comes, changes and goes is followed, also in a folder that comes', async () => {
  const folder = tempFolder();
  const { names, snapshot } = await watched(folder);
  mkdirSync(join(folder, 'sub'));
  writeFileSync(join(folder, 'sub', 'a.yaml'), namespace('a'));
  await until(() => expect(names()).toEqual(['a']));
  writeFileSync(join(folder, 'sub', 'a.yaml'), namespace('a', '{team: red}'));
  await until(() => expect(snapshot.namespaces.get('a')?.labels['team']).toBe('red'));
  rmSync(join(folder, 'sub'), { recursive: true });
  await until(() => expect(names()).toEqual([]));
});

test('changes of several files made together come as one batch', async () => {
  const folder = tempFolder();
  writeFileSync(join(folder, 'a.yaml'), namespace('moving'));
  const { updates, names } = await watched(folder);
  unlinkSync(join(folder, 'a.yaml'));
  writeFileSync(join(folder, 'b.yaml'), `${namespace('moving')}---\n${namespace('new')}`);
  await until(() => expect(names()).toEqual(['moving', 'new']));
  expect(updates.slice(1).flatMap(({ changes }) => changes)).toMatchObject([{ op: 'set', object: { name: 'new' } }]);
});

/** Moves the clock and waits for the look at the folder that this begins, if any. */
async function pass(clock: FakeClock, ms: number): Promise<void> {
  clock.advance(ms);
  await until(() => expect(clock.pending).toBe(1));
}

test('a file that is empty or missing for less than SETTLE_MS, as editors leave it, never counts as gone', async () => {
  const folder = tempFolder();
  const file = join(folder, 'a.yaml');
  writeFileSync(file, namespace('a'));
  const clock = new FakeClock();
  const { updates, snapshot } = await watched(folder, SETTLE_MS / 4, clock);
  await until(() => expect(clock.pending).toBe(1));
  const interruptions = { red: () => truncateSync(file), blue: () => renameSync(file, `${file}~`) };
  for (const [team, interrupt] of Object.entries(interruptions)) {
    interrupt();
    for (let i = 0; i < 3; i++) await pass(clock, SETTLE_MS / 4);
    writeFileSync(file, namespace('a', `{team: ${team}}`));
    while (snapshot.namespaces.get('a')?.labels['team'] !== team) await pass(clock, SETTLE_MS / 4);
  }
  expect(updates.flatMap(({ changes }) => changes).filter(({ op }) => op === 'delete')).toEqual([]);
});

test('a folder that never rests is taken as it is after SETTLE_MS_MAX', async () => {
  const folder = tempFolder();
  const clock = new FakeClock();
  const { names } = await watched(folder, SETTLE_MS, clock);
  const startMs = clock.monotonicMs();
  for (let i = 0; names().length === 0; i++) {
    writeFileSync(join(folder, 'a.yaml'), namespace(`n${i}`));
    await pass(clock, SETTLE_MS / 2);
    expect(clock.monotonicMs() - startMs).toBeLessThan(2 * SETTLE_MS_MAX);
  }
  expect(clock.monotonicMs() - startMs).toBeGreaterThanOrEqual(SETTLE_MS_MAX);
});

test('a file that does not parse keeps its objects in force and is reported until it is mended', async () => {
  const folder = tempFolder();
  const file = join(folder, 'a.yaml');
  writeFileSync(file, namespace('a'));
  const all = await watched(folder);
  writeFileSync(file, 'apiVersion: v1\nkind: {\n');
  await until(() => expect(all.updates.at(-1)?.problems[0]).toMatchObject({ file, severity: 'error' }));
  await settled(folder, all, 'marker');
  expect([all.names(), all.messages().length > 0]).toEqual([['a', 'marker'], true]);
  writeFileSync(file, namespace('b'));
  await until(() => expect([all.names(), all.messages()]).toEqual([['b', 'marker'], []]));
});

test('a mounted ConfigMap is followed over its swap', async () => {
  const folder = tempFolder();
  for (const version of ['1', '2']) {
    mkdirSync(join(folder, `..${version}`));
    writeFileSync(join(folder, `..${version}`, 'a.yaml'), namespace(`v${version}`));
  }
  symlinkSync('..1', join(folder, '..data'));
  symlinkSync('..data/a.yaml', join(folder, 'a.yaml'));
  const { names } = await watched(folder);
  expect(names()).toEqual(['v1']);
  symlinkSync('..2', join(folder, '..data_tmp'));
  renameSync(join(folder, '..data_tmp'), join(folder, '..data'));
  await until(() => expect(names()).toEqual(['v2']));
});

test('what no event tells of is seen by the next look', async () => {
  const outside = join(tempFolder(), 'a.yaml');
  const folder = tempFolder();
  writeFileSync(outside, namespace('a'));
  symlinkSync(outside, join(folder, 'a.yaml'));
  const { names } = await watched(folder, 50);
  writeFileSync(outside, namespace('b'));
  await until(() => expect(names()).toEqual(['b']));
});

test('a folder that is missing at the start is a wrong setting', async () => {
  const folder = join(tempFolder(), 'none');
  const source = new ManifestSource({ folder, clock: systemClock });
  onTestFinished(() => source.close());
  source.start(() => undefined);
  await expect(source.synced).rejects.toThrow(ConfigError);
  await expect(source.synced).rejects.toThrow(`${folder} cannot be read: ENOENT`);
});

test('a folder that vanishes later changes nothing, is reported with its age, and is followed when it is back', async () => {
  const folder = join(tempFolder(), 'manifests');
  mkdirSync(folder);
  writeFileSync(join(folder, 'a.yaml'), namespace('a'));
  const { source, names, messages } = await watched(folder, 50);
  renameSync(folder, `${folder}.away`);
  await until(() => expect(messages()[0]).toContain('cannot be read: ENOENT'));
  const { asOfMs, fault } = source.freshness();
  expect([names(), fault]).toEqual([['a'], expect.stringContaining('ENOENT')]);
  expect(asOfMs).toBeLessThanOrEqual(Date.now());
  mkdirSync(folder);
  writeFileSync(join(folder, 'b.yaml'), namespace('b'));
  await until(() => expect([names(), messages(), source.freshness().fault]).toEqual([['b'], [], undefined]));
});

test('what lies below a folder that becomes unreadable stays in force', async () => {
  const folder = tempFolder();
  mkdirSync(join(folder, 'sub'));
  writeFileSync(join(folder, 'sub', 'a.yaml'), namespace('a'));
  const all = await watched(folder);
  renameSync(join(folder, 'sub'), join(folder, '.sub'));
  symlinkSync('sub', join(folder, 'sub'));
  await until(() => expect(all.messages()[0]).toContain('cannot be read: ELOOP'));
  expect(all.names()).toEqual(['a']);
  unlinkSync(join(folder, 'sub'));
  await until(() => expect([all.names(), all.messages()]).toEqual([[], []]));
});

test('a source that is closed before it was read says so, and tells nothing afterwards', async () => {
  const source = new ManifestSource({ folder: tempFolder(), clock: systemClock });
  const updates: ClusterUpdate[] = [];
  source.start((update) => updates.push(update));
  await source.close();
  await expect(source.synced).rejects.toThrow('was closed before it was read');
  expect(updates).toEqual([]);
});
