/** The pieces that carry this repository's tests into another kernel: archive, modules, and the small vitest. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cpioParts } from '../../kernels/cpio.ts';
import { expect as guestExpect } from '../../kernels/guest/expect.ts';
import * as guest from '../../kernels/guest/vitest.ts';
import { modulesInOrder } from '../../kernels/modules.ts';

interface Unpacked {
  readonly path: string;
  readonly mode: number;
  readonly content: string;
}

/** Reads "newc" as the kernel does: 110 bytes of header, name and data each padded to a multiple of four. */
function unpack(archive: Buffer): Unpacked[] {
  const found: Unpacked[] = [];
  const padded = (length: number): number => Math.ceil(length / 4) * 4;
  for (let at = 0; at < archive.length;) {
    const field = (index: number): number =>
      Number.parseInt(archive.toString('latin1', at + 6 + index * 8, at + 14 + index * 8), 16);
    expect(archive.toString('latin1', at, at + 6)).toBe('070701');
    const [mode, size, nameBytes] = [field(1), field(6), field(11)];
    const path = archive.toString('utf8', at + 110, at + 110 + nameBytes - 1);
    at += padded(110 + nameBytes);
    if (path === 'TRAILER!!!') return found;
    found.push({ path, mode, content: archive.toString('utf8', at, at + size) });
    at += padded(size);
  }
  throw new Error('no trailer');
}

describe('the archive', () => {
  test('has every file with the folders it lies in, each once', () => {
    const file = (path: string, content: string): { path: string; content: Uint8Array } => ({
      path,
      content: Buffer.from(content),
    });
    const entries = [file('init', 'a'), { path: 'dev', content: undefined }, file('a/b/c', 'abcd'), file('a/b/d', '')];
    const unpacked = unpack(Buffer.concat([...cpioParts(entries)]));
    expect(unpacked.map(({ path, content }) => `${path}=${content}`)).toEqual([
      'init=a',
      'dev=',
      'a=',
      'a/b=',
      'a/b/c=abcd',
      'a/b/d=',
    ]);
    expect(unpacked.map(({ mode }) => mode >> 12)).toEqual([0o10, 0o4, 0o4, 0o4, 0o10, 0o10]);
  });
});

describe('modules', () => {
  let folder: string;
  const module = (path: string, depends: string): void => {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), `ELF\0license=GPL\0depends=${depends}\0name=x\0`);
  };

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-modules-'));
    writeFileSync(join(folder, 'modules.builtin'), 'kernel/net/core/built-in.ko\n');
    module('kernel/net/bridge/bridge.ko', 'stp,llc,built_in');
    module('kernel/net/802/stp.ko', 'llc');
    module('kernel/net/llc/llc.ko', '');
    module('kernel/net/lost.ko', 'nowhere');
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test('come after those they need; what is built in is left out', () => {
    const names = modulesInOrder(folder, ['bridge', 'built-in', 'llc']).map(({ name }) => name);
    expect(names).toEqual(['llc', 'stp', 'bridge']);
  });

  test('one that is missing is named with what needs it', () => {
    expect(() => modulesInOrder(folder, ['lost'])).toThrow('no module nowhere, which lost needs');
    expect(() => modulesInOrder(folder, ['veth'])).toThrow('no module veth, which the guest needs');
  });
});

describe("the guest's expect decides as vitest's", () => {
  class Pair {
    readonly a = 1;
    readonly b = undefined;
  }
  const error = Object.assign(new TypeError('no way'), { code: 'E', list: [1, 2] });
  const values: readonly unknown[] = [
    undefined,
    null,
    0,
    -0,
    1,
    1n,
    Number.NaN,
    '',
    'abc',
    [],
    [1, 2],
    [1, undefined],
    [[1], { a: 1 }],
    {},
    { a: 1 },
    { a: 1, b: undefined },
    { a: 1, b: 2, c: { d: [1, { e: 2 }] } },
    { c: { d: [1, { e: 2 }] } },
    { code: 'E', list: [1, 2] },
    new Pair(),
    new Set([1]),
    new Set([1, 2]),
    new Map([['a', { b: 1 }]]),
    new Map([['a', { b: 2 }]]),
    Uint8Array.of(1, 2),
    Buffer.from([1, 2]),
    error,
    new Error('no way'),
  ];
  const holds = (run: () => void): boolean => {
    try {
      run();
      return true;
    } catch {
      return false;
    }
  };

  test.each(['toBe', 'toEqual'] as const)('%s, over every pair of values', (name) => {
    for (const actual of values) {
      for (const expected of values) {
        const [own, theirs] = [() => guestExpect(actual)[name](expected), () => expect(actual)[name](expected)];
        expect([actual, expected, holds(own)]).toEqual([actual, expected, holds(theirs)]);
      }
    }
  });

  test('toMatchObject, wherever a plain object is expected; elsewhere it is at least as strict', () => {
    const objects = values.filter((value): value is object => typeof value === 'object' && value !== null);
    for (const actual of objects) {
      for (const expected of objects) {
        const own = holds(() => guestExpect(actual).toMatchObject(expected));
        const theirs = holds(() => expect(actual).toMatchObject(expected));
        if (own || expected.constructor === Object) {
          expect([actual, expected, own]).toEqual([actual, expected, theirs]);
        }
      }
    }
  });

  test('toThrow with nothing, text, pattern, class and asymmetric matcher; not turns each around', () => {
    const throws = (): never => {
      throw error;
    };
    const expectations = [undefined, 'no way', 'way', 'other', /n. w/, /x/, TypeError, RangeError];
    for (const run of [throws, () => undefined]) {
      for (const expected of expectations) {
        const own = holds(() => guestExpect(run).toThrow(expected));
        expect([expected, own]).toEqual([expected, holds(() => expect(run).toThrow(expected))]);
        expect(holds(() => guestExpect(run).not.toThrow(expected))).toBe(!own);
      }
    }
    expect(holds(() => guestExpect(throws).toThrow(guestExpect.objectContaining({ code: 'E' })))).toBe(true);
    expect(holds(() => guestExpect(throws).toThrow(guestExpect.objectContaining({ code: 'F' })))).toBe(false);
  });
});

test("the guest's tests run in order, with hooks of all suites around them, and a failure is told and not fatal", async () => {
  const calls: string[] = [];
  const call = (name: string) => () => calls.push(name);
  guest.beforeAll(call('all+'));
  guest.afterAll(call('all-'));
  guest.beforeEach(call('each+'));
  guest.afterEach(call('each-'));
  guest.describe.each(['x', 'y'])('suite %s', (letter: string) => {
    guest.beforeEach(call(`${letter}+`));
    guest.afterEach(call(`${letter}-`));
    guest.test.each([
      ['one', 1],
      ['two', 2],
    ])('case %s', (_: string, number: number) => {
      calls.push(`${letter}${number}`);
      if (number === 2) throw new Error(`bad ${letter}`);
    });
  });
  guest.test('$name is told', () => undefined);
  const results: string[] = [];
  for await (const { path, error } of guest.runTests()) results.push(`${path.join('/')}: ${error?.message ?? 'ok'}`);
  expect(results).toEqual([
    'suite x/case one: ok',
    'suite x/case two: bad x',
    'suite y/case one: ok',
    'suite y/case two: bad y',
    '$name is told: ok',
  ]);
  const around = (letter: string, number: number): string[] => [
    'each+',
    `${letter}+`,
    `${letter}${number}`,
    `${letter}-`,
    'each-',
  ];
  const pairs = ['x', 'y'].flatMap((letter) => [1, 2].flatMap((number) => around(letter, number)));
  expect(calls).toEqual(['all+', ...pairs, 'each+', 'each-', 'all-']);
});
