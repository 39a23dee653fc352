/** Whatever is in a file, a command says where and what, in a moment, and drops nothing in silence. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { tempFolder } from '../unit/lib/temp-folder.ts';
import { sluice, tempFile } from './cli-runner.ts';

const LABELS = 50_001;
const POD = 'apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n';
const label = (i: number): string => `label-${i}: ${'x'.repeat(60)}`;
const WELL = `${POD}---\n${POD.replace('name: a', 'name: b')}`;

const nested = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`;
const lists = (depth: number): string =>
  depth === 0 ? '[]' : `[{apiVersion: v1, kind: List, items: ${lists(depth - 1)}}]`;

/** Name, text, and what is said of it: the place and the words. */
const BAD: readonly (readonly [string, string, string, RegExp])[] = [
  ['no YAML', 'in.yaml', `${POD}   labels: {\n`, /in\.yaml:4:9: error.*Nested mappings are not allowed/],
  [
    'a map of labels of four megabytes',
    'in.yaml',
    `${POD}  labels:\n${Array.from({ length: LABELS }, (_, i) => `    ${label(i)}\n`).join('')}`,
    /in\.yaml:5:3: error.*metadata\.labels: has 50001 items; at most 50000 are read/,
  ],
  [
    'a map of labels of ten megabytes',
    'in.json',
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name: 'a',
        labels: Object.fromEntries(Array.from({ length: 150_000 }, (_, i) => label(i).split(': '))),
      },
    }),
    /in\.json: error.*metadata\.labels: has 150000 items/,
  ],
  [
    'an alias of what it stands in',
    'in.yaml',
    'apiVersion: v1\nkind: Pod\nmetadata: &a\n  name: a\n  labels: *a\n',
    /in\.yaml:5:11: error.*must be a string/,
  ],
  [
    'aliases of aliases',
    'in.yaml',
    `a: &a [x, x, x, x]\n${Array.from('bcdefgh', (name, i) => `${name}: &${name} [${Array(9).fill(`*${'abcdefg'[i]}`).join(', ')}]\n`).join('')}`,
    /in\.yaml:1:1: error.*ALIASES_MAX, 100/,
  ],
  [
    'lists nested twenty thousand deep',
    'in.yaml',
    `apiVersion: v1\nkind: List\nitems: ${nested(20_000)}\n`,
    /in\.yaml:3:\d+: error.*nested too deeply/,
  ],
  [
    'Lists of Lists',
    'in.yaml',
    `apiVersion: v1\nkind: List\nitems: ${lists(20)}\n`,
    /in\.yaml:3:\d+: error.*LIST_DEPTH_MAX, 8/,
  ],
  ['one name twice', 'in.yaml', `${POD}---\n${POD}`, /in\.yaml:6:1: error.*Pod default\/a is in .*in\.yaml:1 already/],
  ['one key twice', 'in.yaml', `${POD}  name: b\n`, /in\.yaml:5:3: error.*unique: name is there twice/],
  [
    'a policy of a kind that is not enforced',
    'in.yaml',
    'apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: { name: a }\n',
    /in\.yaml:1:13: error.*is not enforced/,
  ],
  [
    'an unknown kind',
    'in.yaml',
    'apiVersion: example.com/v1\nkind: Thing\nmetadata: { name: a }\n',
    /in\.yaml:2:7: warning.*example\.com\/v1 Thing are left alone/,
  ],
  ['what is no object', 'in.yaml', '42\n', /in\.yaml:1:1: error.*is no Kubernetes object/],
];

describe.each(BAD)('%s', (_, name, text, expected) => {
  test('is told with its place', { timeout: 30_000 }, async () => {
    const { exitCode, stdout } = await sluice(['lint', '-f', tempFile(name, text)]);
    expect(exitCode).toBe(1);
    expect(stdout.replaceAll(/ SL\d+/g, '')).toMatch(expected);
  });
});

test('every command names the bad file among good ones, and ends with 2', { timeout: 60_000 }, async () => {
  const folder = tempFolder();
  const input = join(folder, 'input');
  mkdirSync(input);
  writeFileSync(join(input, 'well.yaml'), WELL);
  writeFileSync(join(input, 'worse.yaml'), `${POD}   labels: {\n`);
  const flows = tempFile('flows.jsonl', '{"source":"10.0.0.1","destination":"10.0.0.2","destinationPort":80}\n');
  const tests = tempFile(
    'test.yaml',
    'apiVersion: sluice/v1\nkind: PolicyTest\nmetadata: { name: t }\nexpect: [{ from: a, to: b, port: 80, verdict: allow }]\n',
  );
  const commands = [
    ['explain', '--from', 'a', '--to', 'b'],
    ['matrix'],
    ['compile'],
    ['replay', flows],
    ['test', tests],
  ].map((args) => [...args, '-f', input]);
  for (const args of [...commands, ['diff', input, input]]) {
    const { exitCode, stdout, stderr } = await sluice(args);
    expect({ args, exitCode }).toEqual({ args, exitCode: 2 });
    expect(`${stdout}${stderr}`).toContain('worse.yaml:4:9');
    expect(stderr).not.toMatch(/\n\s+at |node:internal/);
  }
});
