import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { SUPPORTED_VERSIONS } from '../../../src/cni/version.ts';

const ROOT = join(import.meta.dirname, '../../..');

test('CNI-4: runtimes that know 1.0.0 can read the installed list, those that know 1.1.0 use it', () => {
  const list = JSON.parse(readFileSync(join(ROOT, 'cni-conf/10-sluice.conflist'), 'utf8')) as {
    cniVersion: string;
    cniVersions: string[];
    plugins: { type: string; capabilities: object }[];
  };
  for (const version of [list.cniVersion, ...list.cniVersions]) expect(SUPPORTED_VERSIONS).toContain(version);
  expect(list.cniVersion).toBe('1.0.0');
  expect(list.cniVersions).toContain('1.1.0');
  // Neither disableCheck nor disableGC; a pod whose bandwidth is limited is wired in another way.
  expect(Object.keys(list).toSorted()).toEqual(['cniVersion', 'cniVersions', 'name', 'plugins']);
  expect(list.plugins).toEqual([{ type: 'sluice-cni', capabilities: { bandwidth: true } }]);
});

test('CNI-53: launcher and agent support the same versions', () => {
  const source = readFileSync(join(ROOT, 'launcher/config.c'), 'utf8');
  const list = /SUPPORTED_VERSIONS\[\] = \{([^}]*)\}/.exec(source)?.[1] ?? '';
  expect(JSON.parse(`[${list}]`)).toEqual(SUPPORTED_VERSIONS);
});
