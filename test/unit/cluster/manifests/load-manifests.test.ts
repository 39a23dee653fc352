import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { YAML_BYTES_MAX } from '../../../../src/cluster/manifests/limits.ts';
import { loadManifests } from '../../../../src/cluster/manifests/load-manifests.ts';
import { readManifestFile } from '../../../../src/cluster/manifests/read-manifest-file.ts';
import { Snapshot } from '../../../../src/cluster/snapshot.ts';
import { ConfigError } from '../../../../src/lib/errors.ts';
import { tempFolder } from '../../lib/temp-folder.ts';

const namespace = (name: string): string => `apiVersion: v1\nkind: Namespace\nmetadata: {name: ${name}}\n`;

test('files, folders and texts together are one state', async () => {
  const folder = tempFolder();
  mkdirSync(join(folder, 'more'));
  writeFileSync(join(folder, 'more', 'a.yaml'), namespace('a'));
  writeFileSync(join(folder, 'policy.txt'), namespace('b'));
  const { changes, problems } = await loadManifests(
    [join(folder, 'more'), join(folder, 'policy.txt')],
    [{ name: '(standard input)', text: namespace('c') }],
  );
  const snapshot = new Snapshot();
  snapshot.apply(changes);
  expect(new Set(snapshot.namespaces.keys())).toEqual(new Set(['a', 'b', 'c']));
  expect(problems).toEqual([]);
});

test('a file larger than its limit is a problem of that file, and the others are read', async () => {
  const folder = tempFolder();
  writeFileSync(join(folder, 'a.yaml'), '#'.repeat(YAML_BYTES_MAX + 1));
  writeFileSync(join(folder, 'b.yaml'), namespace('b'));
  const { changes, problems } = await loadManifests([folder]);
  expect(changes).toHaveLength(1);
  expect(problems).toMatchObject([
    { file: join(folder, 'a.yaml'), message: expect.stringContaining('YAML_BYTES_MAX') },
  ]);
});

test('a file that fails while it is read is a problem of that file, worth another try', async () => {
  const file = join(tempFolder(), 'a.yaml');
  symlinkSync('/proc/self/mem', file);
  const { content, retry } = await readManifestFile(file, { kind: 'file', stamp: '', bytes: 0 });
  expect([content.complete, content.problems[0]?.message, retry]).toEqual([
    false,
    expect.stringContaining('cannot be read: EIO'),
    true,
  ]);
});

test('a path that is missing is an error that names it', async () => {
  const load = loadManifests(['/nonexistent/policy.yaml']);
  await expect(load).rejects.toThrow(ConfigError);
  await expect(load).rejects.toThrow('/nonexistent/policy.yaml cannot be read: ENOENT');
});
