import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { compileBpfFile, compileBpfText, PROBE_SOURCE } from '../../support/bpf/compile.ts';

const TOOL = join(import.meta.dirname, '../../../tools/gen-abi.ts');

let directory: string;
let object: string;
let generated: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'sluice-gen-'));
  object = join(directory, 'probe.o');
  writeFileSync(object, compileBpfFile(PROBE_SOURCE));
  generated = execFileSync(process.execPath, [TOOL, object], { encoding: 'utf8' });
});

afterAll(() => {
  rmSync(directory, { recursive: true });
});

function check(text: string): { status: number | null; stderr: string } {
  const file = join(directory, 'abi.gen.ts');
  writeFileSync(file, text);
  return spawnSync(process.execPath, [TOOL, '--check', object, file], { encoding: 'utf8' });
}

test('a struct becomes a readonly type with camelCase fields, without what only fills space', () => {
  expect(generated).toContain('export interface PrefixKey {\n  readonly bits: number;\n  readonly family: number;\n');
  expect(generated).not.toContain('readonly pad');
  expect(generated).not.toContain('readonly reserve');
  expect(generated).toContain('export const PREFIX_KEY_SIZE = 24;');
});

test('64-bit fields are bigint, byte arrays Uint8Array, other arrays number[]', () => {
  expect(generated).toContain('readonly lastSeenNs: bigint;');
  expect(generated).toContain('readonly addressLo: Uint8Array;');
  expect(generated).toContain('readonly portClass: readonly number[];');
});

test('enums lose the prefix that all their members share with their name', () => {
  expect(generated).toMatch(/export const Reason = \{\n {2}FORWARDED_STACK: 0,/);
  expect(generated).toMatch(/export const PeerClass = \{[^}]*NONE: 4294967295,/);
  expect(generated).toMatch(/export const Limit = \{\n {2}LIMIT_ENDPOINTS: 4096,/);
});

test('doc comments travel from the C header', () => {
  expect(generated).toContain('/** ICMP echo: the identifier, at both ends */');
});

test('the file on disk is accepted while it is what the object says', () => {
  expect(check(generated)).toMatchObject({ status: 0, stderr: '' });
});

test('a stale file is refused with the line that differs and the cure', () => {
  const line = generated.split('\n').findIndex((text) => text.includes('ROW_KEY_SIZE')) + 1;
  const result = check(generated.replace('ROW_KEY_SIZE = 12', 'ROW_KEY_SIZE = 16'));
  expect(result.status).toBe(1);
  expect(result.stderr).toContain(`abi.gen.ts:${line}: is not what`);
  expect(result.stderr).toContain('make gen');
});

test('a file cut off at its end is stale', () => {
  expect(check(generated.split('\n').slice(0, -3).join('\n')).status).toBe(1);
});

test('a type that breaks a rule is named and nothing is written', () => {
  const bad = join(directory, 'bad.o');
  writeFileSync(bad, compileBpfText('struct bad { char a; int b; }; struct bad it;'));
  const result = spawnSync(process.execPath, [TOOL, bad], { encoding: 'utf8' });
  expect(result).toMatchObject({ status: 1, stdout: '' });
  expect(result.stderr).toContain('gen-abi: struct bad: a has the type char');
});

test('wrong arguments show the usage', () => {
  expect(spawnSync(process.execPath, [TOOL], { encoding: 'utf8' })).toMatchObject({ status: 2, stdout: '' });
});

test('the same object gives the same text every time', () => {
  expect(execFileSync(process.execPath, [TOOL, object], { encoding: 'utf8' })).toBe(generated);
  expect(readFileSync(object).length).toBeGreaterThan(0);
});
