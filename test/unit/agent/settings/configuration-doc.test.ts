import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { withTable } from '../../../../tools/settings-doc.ts';

test('docs/configuration.md lists every setting as it is (node tools/settings-doc.ts --write)', async () => {
  const document = await readFile(new URL('../../../../docs/configuration.md', import.meta.url), 'utf8');
  expect(withTable(document)).toBe(document);
});
