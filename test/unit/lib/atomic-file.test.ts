import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { replaceFile } from '../../../src/lib/atomic-file.ts';
import { tempFolder } from './temp-folder.ts';

test('the file has the new text and nothing else stays in the folder', async () => {
  const folder = tempFolder();
  await replaceFile(join(folder, 'state'), 'one');
  await replaceFile(join(folder, 'state'), 'two');
  expect(readFileSync(join(folder, 'state'), 'utf8')).toBe('two');
  expect(readdirSync(folder)).toEqual(['state']);
});

test('when the file cannot be replaced nothing stays of the attempt', async () => {
  const folder = tempFolder();
  mkdirSync(join(folder, 'state', 'child'), { recursive: true });
  await expect(replaceFile(join(folder, 'state'), 'text')).rejects.toThrow(/EISDIR|ENOTEMPTY/);
  expect(readdirSync(folder)).toEqual(['state']);
});
