/** The bundle's own rules, and that the image is made of what there is. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { lazyNames } from '../../../tools/bundle-lazy-package.ts';
import { thirdPartyLicences } from '../../../tools/bundle-licences.ts';
import { readDockerfile } from '../../support/image-root.ts';

const ROOT = join(import.meta.dirname, '../../..');

describe('of a package that is loaded lazily', () => {
  test('the names count that the sources take apart', () => {
    const source = "const { A, B: Other } = await import('big'); const { C } = await import('small');";
    expect(lazyNames(source, 'big')).toEqual(['A', 'B']);
    expect(lazyNames("import type { A } from 'big';", 'big')).toEqual([]);
  });

  test('taking it whole is refused: all of it would be in the image', () => {
    expect(() => lazyNames("const big = await import('big');", 'big')).toThrow("import('big') must be taken apart");
  });
});

test('licences of bundled packages go along, each once', () => {
  const inputs = [
    'src/main.ts',
    'node_modules/yaml/dist/a.js',
    'node_modules/yaml/dist/b.js',
    'node_modules/pino/pino.js',
  ];
  const text = thirdPartyLicences(inputs, ROOT);
  expect(text.match(/^---- \S+/gm)).toEqual(['---- pino', '---- yaml']);
  expect(text).toContain('Permission to use, copy, modify');
});

describe('the Dockerfile', () => {
  const { sources, packages, entryPoint } = readDockerfile();

  test('copies what is there, and .dockerignore lets it through', () => {
    const ignore = readFileSync(join(ROOT, '.dockerignore'), 'utf8').split('\n');
    for (const source of sources) {
      expect(existsSync(join(ROOT, source)), source).toBe(true);
      expect(ignore).toContain(`!${source}`);
    }
    expect(ignore.filter((line) => line.startsWith('!')).length).toBe(sources.length);
    expect(ignore.find((line) => !line.startsWith('#'))).toBe('*');
  });

  test('needs no BuildKit', () => {
    const text = readFileSync(join(ROOT, 'Dockerfile'), 'utf8');
    expect(text).not.toMatch(/^# *syntax=|--mount=|<<[A-Z'"]|--chmod=|--link|TARGETARCH/m);
  });

  test('starts the agent without a shell and has no compiler in its last stage', () => {
    expect(entryPoint).toEqual(['/usr/local/bin/node', '/opt/sluice/main.js']);
    expect(packages).toEqual(['iptables', 'libatomic1', 'libbpf1', 'libstdc++6']);
  });
});
