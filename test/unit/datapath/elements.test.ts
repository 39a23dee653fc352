import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import {
  CONFIG_JUDGE_OWN_NODE,
  ENDPOINT_ADDRESSES_MAX,
  ENDPOINT_NO_PEER,
  isInForce,
  LIMIT_ENDPOINTS,
  nextGeneration,
  PORT_CLASSES_PER_CELL,
  PORT_TABLE_CELLS,
} from '../../../src/datapath/elements.ts';

const NUMBERS = Object.entries({
  LIMIT_ENDPOINTS,
  ENDPOINT_NO_PEER,
  CONFIG_JUDGE_OWN_NODE,
  PORT_TABLE_CELLS,
  PORT_CLASSES_PER_CELL,
  LIMIT_LOCALS: LIMIT_ENDPOINTS * ENDPOINT_ADDRESSES_MAX,
});
const header = readFileSync(new URL('../../../bpf/abi.h', import.meta.url), 'utf8');

test.each(NUMBERS)('%s is what bpf/abi.h says', (name, value) => {
  expect(Number(new RegExp(`\\b${name} = ([0-9]+)`).exec(header)?.[1])).toBe(value);
});

test('a new side is in force once the generation in force has reached it, modulo 2^32', () => {
  expect(isInForce(5, 5)).toBe(true);
  expect(isInForce(5, 6)).toBe(false);
  expect(isInForce(1, 0xffff_ffff)).toBe(true);
  expect(isInForce(0xffff_ffff, 1)).toBe(false);
});

test('generation 0 is never in force', () => {
  expect(nextGeneration(0xffff_ffff)).toBe(1);
  expect(nextGeneration(1)).toBe(2);
});
