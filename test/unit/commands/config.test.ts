import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { parse } from 'yaml';
import { runConfig } from '../../../src/commands/config.ts';
import { ConfigError } from '../../../src/lib/errors.ts';

const OBJECT = '/opt/sluice.bpf.o';
let printed: string[];

beforeEach(() => {
  printed = [];
  vi.stubEnv('NODE_NAME', 'n1');
  vi.spyOn(console, 'log').mockImplementation((text: string) => printed.push(text));
});

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

test('the table says where each value comes from', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'config-'));
  const config = join(folder.path, 'config.yaml');
  await writeFile(config, '# of this cluster\nserviceCIDRs: [10.96.0.0/16]\n');
  await runConfig({ source: 'kubernetes', config, output: 'table' }, OBJECT);
  const lines = printed.join('\n').split('\n');
  const lineOf = (name: string): string => lines.find((line) => line.startsWith(`${name} `)) ?? '';
  expect(lineOf('source')).toMatch(/ kubernetes +--source$/);
  expect(lineOf('node')).toMatch(/ n1 +NODE_NAME$/);
  expect(lineOf('serviceCIDRs')).toContain(' ["10.96.0.0/16"] ');
  expect(lineOf('serviceCIDRs').endsWith(` ${config}:2`)).toBe(true);
  expect(lineOf('object')).toMatch(/ \/opt\/sluice\.bpf\.o +default$/);
});

test('YAML is a file that says the same', async () => {
  await runConfig({ source: 'kubernetes', flowTimeouts: 'tcp=60', output: 'yaml' }, OBJECT);
  await using folder = await mkdtempDisposable(join(tmpdir(), 'config-'));
  const config = join(folder.path, 'config.yaml');
  await writeFile(config, printed[0] ?? '');
  vi.stubEnv('NODE_NAME', '');
  await runConfig({ config, output: 'yaml' }, '/elsewhere');
  expect(printed[1]).toContain(`# ${config}:`);
  expect(parse(printed[1] ?? '')).toEqual(parse(printed[0] ?? ''));
});

test('JSON has value and origin by name', async () => {
  await runConfig({ source: 'kubernetes', output: 'json' }, OBJECT);
  expect(JSON.parse(printed[0] ?? '')).toMatchObject({
    source: { value: 'kubernetes', origin: { kind: 'option', option: '--source' } },
    node: { value: 'n1', origin: { kind: 'environment', variable: 'NODE_NAME' } },
    podWaitSeconds: { origin: { kind: 'default' } },
  });
});

test('wrong settings and another format are refused', async () => {
  await expect(runConfig({ source: 'nowhere', output: 'table' }, OBJECT)).rejects.toThrow('--source "nowhere": use');
  await expect(runConfig({ source: 'kubernetes', output: 'xml' }, OBJECT)).rejects.toThrow(ConfigError);
  expect(printed).toEqual([]);
});
