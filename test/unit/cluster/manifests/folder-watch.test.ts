import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { FolderWatch } from '../../../../src/cluster/manifests/folder-watch.ts';
import { tempFolder } from '../../lib/temp-folder.ts';

function counting(): { readonly watch: FolderWatch; readonly events: () => number } {
  let events = 0;
  const watch = new FolderWatch(() => events++);
  onTestFinished(() => watch.close());
  return { watch, events: () => events };
}

test('only a folder that was not watched before is new, and one that takes its place is another', async () => {
  const folder = join(tempFolder(), 'sub');
  mkdirSync(folder);
  const { watch, events } = counting();
  expect([watch.update(new Map([[folder, '1']])), watch.update(new Map([[folder, '1']]))]).toEqual([true, false]);
  rmSync(folder, { recursive: true });
  mkdirSync(folder);
  expect(watch.update(new Map([[folder, '2']]))).toBe(true);
  const before = events();
  writeFileSync(join(folder, 'a.yaml'), '');
  await vi.waitFor(() => expect(events()).toBeGreaterThan(before));
});

test('a folder that cannot be watched is a fault that names it, until it can or is left out', () => {
  const { watch } = counting();
  expect(watch.update(new Map([['/nonexistent', '1']]))).toBe(false);
  expect(watch.fault).toContain('/nonexistent cannot be watched: ENOENT');
  watch.update(new Map());
  expect(watch.fault).toBe(undefined);
});
