import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { SUPPORTED_VERSIONS } from '../../../src/cni/version.ts';

const ROOT = join(import.meta.dirname, '../../..');

test('CNI-4: the installed list asks only for verbs that are implemented', () => {
  const list = JSON.parse(readFileSync(join(ROOT, 'cni-conf/10-sluice.conflist'), 'utf8')) as {
    cniVersion: string;
    cniVersions: string[];
    disableCheck: boolean;
    disableGC: boolean;
    plugins: { type: string }[];
  };
  for (const version of [list.cniVersion, ...list.cniVersions]) expect(SUPPORTED_VERSIONS).toContain(version);
  // With 1.1.0 a runtime asks for STATUS and takes the node for not ready when that fails.
  expect(list.cniVersions).not.toContain('1.1.0');
  expect(list).toMatchObject({ disableCheck: true, disableGC: true, plugins: [{ type: 'sluice-cni' }] });
});

test('CNI-53: launcher and agent support the same versions', () => {
  const source = readFileSync(join(ROOT, 'launcher/config.c'), 'utf8');
  const list = /SUPPORTED_VERSIONS\[\] = \{([^}]*)\}/.exec(source)?.[1] ?? '';
  expect(JSON.parse(`[${list}]`)).toEqual(SUPPORTED_VERSIONS);
});
