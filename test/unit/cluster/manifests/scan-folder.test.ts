import { linkSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { expect, test } from 'vitest';
import { DEPTH_MAX, FILES_MAX } from '../../../../src/cluster/manifests/limits.ts';
import { isManifestName, scanFolder } from '../../../../src/cluster/manifests/scan-folder.ts';
import { tempFolder } from '../../lib/temp-folder.ts';

function folderWith(...files: string[]): string {
  const root = tempFolder();
  for (const file of files) {
    mkdirSync(join(root, file, '..'), { recursive: true });
    writeFileSync(join(root, file), '');
  }
  return root;
}

async function found(root: string): Promise<readonly string[]> {
  const { entries } = await scanFolder(root);
  return [...entries].map(([path, { kind }]) =>
    kind === 'file' ? relative(root, path) : `${relative(root, path)} (${kind})`,
  );
}

test.each([
  '.a.yaml',
  '.#a.yaml',
  '#a.yaml#',
  'a.yaml~',
  '~a.yaml',
  '.a.yaml.swp',
  'a.yaml.bak',
  'a.txt',
  'yaml',
  'a.YAML',
])('%s is no manifest', (name) => expect(isManifestName(name)).toBe(false));

test('manifests are found in every folder, in the order of their paths, hidden folders left out', async () => {
  const root = folderWith(
    'b.yml',
    'a/z.json',
    'a.yaml',
    'a/deep/er/x.yaml',
    '.git/config.yaml',
    'notes.txt',
    'c.yaml~',
  );
  expect(await found(root)).toEqual(['a.yaml', 'a/deep/er/x.yaml', 'a/z.json', 'b.yml']);
});

test('a mounted ConfigMap is seen once, and its swap changes the stamps', async () => {
  const root = folderWith('..1/p.yaml', '..2/p.yaml');
  symlinkSync('..1', join(root, '..data'));
  symlinkSync('..data/p.yaml', join(root, 'p.yaml'));
  const before = await scanFolder(root);
  symlinkSync('..2', join(root, '..data_tmp'));
  renameSync(join(root, '..data_tmp'), join(root, '..data'));
  const after = await scanFolder(root);
  expect([...after.entries.keys()]).toEqual([join(root, 'p.yaml')]);
  expect(after.entries).not.toEqual(before.entries);
});

test('a link to a folder is followed, a link back up ends', async () => {
  const root = folderWith('real/a.yaml');
  symlinkSync('..', join(root, 'real', 'up'));
  symlinkSync('real', join(root, 'other'));
  expect(await found(root)).toEqual(['other/a.yaml']);
});

test('a link to nothing is out of sight, not gone', async () => {
  const root = folderWith('a.yaml');
  symlinkSync('nowhere', join(root, 'b.yaml'));
  expect(await found(root)).toEqual(['a.yaml', 'b.yaml (blocked)']);
});

test('folders deeper than DEPTH_MAX and more files than FILES_MAX are faults that name the limit', async () => {
  const deep = folderWith(`${'d/'.repeat(DEPTH_MAX + 1)}a.yaml`);
  await expect(scanFolder(deep)).rejects.toThrow(`DEPTH_MAX, ${DEPTH_MAX}`);
  const many = folderWith('a.yaml');
  for (let i = 1; i < FILES_MAX; i++) linkSync(join(many, 'a.yaml'), join(many, `${i}.yaml`));
  expect((await scanFolder(many)).entries.size).toBe(FILES_MAX);
  linkSync(join(many, 'a.yaml'), join(many, 'z.yaml'));
  await expect(scanFolder(many)).rejects.toThrow(`FILES_MAX, ${FILES_MAX}`);
});

test('a root that is missing or no folder is a fault that names it', async () => {
  const root = folderWith('a.yaml');
  await expect(scanFolder(join(root, 'none'))).rejects.toThrow(`${root}/none cannot be read: ENOENT`);
  await expect(scanFolder(join(root, 'a.yaml'))).rejects.toThrow('a.yaml is no folder');
});
