import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readLines, readStart, readText } from '../../../../src/cluster/kubernetes/lines.ts';

async function* chunksOf(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  let from = 0;
  for (const size of sizes) {
    yield bytes.subarray(from, from + size);
    from += size;
  }
  yield bytes.subarray(from);
}

const collect = (bytes: Uint8Array, sizes: readonly number[], bytesMax: number): Promise<string[]> =>
  Array.fromAsync(readLines(chunksOf(bytes, sizes), bytesMax));

test('lines are the same however the bytes are cut, also inside a character', async () => {
  const line = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }).filter((text) => !text.includes('\n'));
  await fc.assert(
    fc.asyncProperty(fc.array(line, { maxLength: 8 }), fc.array(fc.nat(9), { maxLength: 30 }), async (lines, sizes) => {
      const bytes = Buffer.from(lines.map((text) => `${text}\n`).join(''));
      expect(await collect(bytes, sizes, 1_000)).toEqual(lines.map((text) => Buffer.from(text).toString('utf8')));
    }),
  );
});

test('a line of the bound passes, one byte more is refused before its end is awaited', async () => {
  expect(await collect(Buffer.from('abcd\n\nabcd\n'), [3, 4], 4)).toEqual(['abcd', 'abcd']);
  await expect(collect(Buffer.from('abcde\n'), [], 4)).rejects.toMatchObject({ kind: 'protocol' });
  await expect(collect(Buffer.from('abcde'), [2, 1], 4)).rejects.toMatchObject({ kind: 'protocol' });
});

test('a body that ends in the middle of a line is broken off', async () => {
  await expect(collect(Buffer.from('abc\nde'), [], 10)).rejects.toMatchObject({ kind: 'network' });
});

test('a whole body is bounded; of an error only the start is read', async () => {
  const bytes = Buffer.from('0123456789');
  expect(await readText(chunksOf(bytes, [4]), 10)).toBe('0123456789');
  await expect(readText(chunksOf(bytes, [4]), 9)).rejects.toMatchObject({ kind: 'protocol' });
  expect(await readStart(chunksOf(bytes, [4, 1]), 5)).toBe('01234');
});
