import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import * as ids from '../../../src/policy/ids.ts';

const header = readFileSync(new URL('../../../bpf/abi.h', import.meta.url), 'utf8');
const derived = new Set(['ROW_BYTES', 'ADDRESS_KEY_BYTES', 'PREFIX_KEY_BYTES']);

test.each(Object.entries(ids).filter(([name]) => !derived.has(name)))('%s is what bpf/abi.h says', (name, value) => {
  const found = new RegExp(`\\b${name} = (0x[0-9a-f]+|[0-9]+)`).exec(header);
  expect(found?.[1]).toBeDefined();
  expect(Number(found?.[1])).toBe(value);
});
