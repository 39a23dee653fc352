import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { putLauncher } from '../../../../src/agent/install/launcher.ts';
import { tempFolder } from '../../lib/temp-folder.ts';

/** Answers VERSION as the launcher does. */
const LAUNCHER = `#!/bin/sh
[ "$CNI_COMMAND" = VERSION ] && echo '{"cniVersion":"1.1.0","supportedVersions":["0.4.0","1.0.0"]}'
`;

let directory: string;
let source: string;
const target = (): string => join(directory, 'sluice-cni');

beforeEach(() => {
  directory = tempFolder();
  source = join(tempFolder(), 'built');
  writeFileSync(source, LAUNCHER);
});

test('the launcher is put beside the other plugins, to be run by all', async () => {
  writeFileSync(join(directory, 'loopback'), '');
  expect(await putLauncher(source, directory, '1.0.0')).toBe(true);
  expect(readdirSync(directory).toSorted()).toEqual(['loopback', 'sluice-cni']);
  expect(readFileSync(target(), 'utf8')).toBe(LAUNCHER);
  expect(statSync(target()).mode & 0o777).toBe(0o755);
});

test('it is not touched when it is there, and put right when somebody made it not executable', async () => {
  await putLauncher(source, directory, '1.0.0');
  const { ino } = statSync(target());
  expect(await putLauncher(source, directory, '1.0.0')).toBe(false);
  expect(statSync(target()).ino).toBe(ino);
  chmodSync(target(), 0o644);
  expect(await putLauncher(source, directory, '1.0.0')).toBe(true);
  expect(statSync(target()).mode & 0o777).toBe(0o755);
});

test('CNI-62: another one is replaced by a rename: who runs the old one keeps it', async () => {
  writeFileSync(target(), 'old');
  const { ino } = statSync(target());
  expect(await putLauncher(source, directory, '1.0.0')).toBe(true);
  expect(statSync(target()).ino).not.toBe(ino);
});

test.each([
  ['does not run on this node', 'no program of this machine', 'the launcher does not run on this node'],
  ['lacks the version of its configuration', LAUNCHER.replace(',"1.0.0"', ''), 'the launcher knows CNI 0.4.0, but its'],
])('one that %s is never put there', async (_, text, message) => {
  writeFileSync(target(), 'old');
  writeFileSync(source, text);
  await expect(putLauncher(source, directory, '1.0.0')).rejects.toThrow(message);
  expect(readdirSync(directory)).toEqual(['sluice-cni']);
  expect(readFileSync(target(), 'utf8')).toBe('old');
});

test('a folder or a launcher that is not there is named', async () => {
  await expect(putLauncher(source, `${directory}/none`, '1.0.0')).rejects.toThrow(`--cni-bin ${directory}/none is no`);
  await expect(putLauncher(`${source}.gone`, directory, '1.0.0')).rejects.toThrow(`${source}.gone cannot be read`);
});
