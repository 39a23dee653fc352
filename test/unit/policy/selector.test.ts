import { describe, expect, test } from 'vitest';
import { compileSelector } from '../../../src/policy/selector.ts';
import { requirement, selector } from '../../support/policy-builders.ts';

describe('matching', () => {
  test.each([
    ['NP-22: empty selects everything', selector(), {}, true],
    ['NP-23: In needs the key', selector({}, requirement('a', 'In', 'x', 'y')), {}, false],
    ['NP-23: In with the value', selector({}, requirement('a', 'In', 'x', 'y')), { a: 'y' }, true],
    ['NP-23: NotIn holds without the key', selector({}, requirement('a', 'NotIn', 'x')), {}, true],
    ['NP-23: NotIn with the value', selector({}, requirement('a', 'NotIn', 'x')), { a: 'x' }, false],
    ['NP-23: Exists with an empty value', selector({}, requirement('a', 'Exists')), { a: '' }, true],
    ['NP-23: DoesNotExist with the key', selector({}, requirement('a', 'DoesNotExist')), { a: '' }, false],
    ['NP-23: an empty value needs the key', selector({ a: '' }), {}, false],
    ['NP-24: all requirements hold', selector({ a: 'x' }, requirement('b', 'Exists')), { a: 'x' }, false],
    ['NP-24: In without values selects nothing', selector({}, requirement('a', 'In')), { a: 'x' }, false],
    ['NP-24: NotIn without values selects nothing', selector({}, requirement('a', 'NotIn')), {}, false],
    ['NP-24: Exists with values selects nothing', selector({}, requirement('a', 'Exists', 'x')), { a: 'x' }, false],
    ['inherited names are no labels', selector({}, requirement('constructor', 'Exists')), {}, false],
  ])('%s', (_, given, labels, expected) => {
    expect(compileSelector(given).matches(labels)).toBe(expected);
  });
});

test('equal selectors have equal texts however they are written', () => {
  const text = compileSelector(selector({ a: 'x' }, requirement('b', 'In', '2', '1'))).text;
  expect(text).toBe('a=x,b in (1|2)');
  expect(compileSelector(selector({}, requirement('b', 'In', '1', '2', '1'), requirement('a', 'In', 'x'))).text).toBe(
    text,
  );
});

test('a value that looks like syntax is quoted, so different selectors have different texts', () => {
  expect(compileSelector(selector({ a: 'x,b=y' })).text).not.toBe(compileSelector(selector({ a: 'x', b: 'y' })).text);
});
