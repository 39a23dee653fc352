import fc from 'fast-check';
import { expect, test } from 'vitest';
import { assignRanges } from '../../../../src/agent/routing/pod-range.ts';
import { overlaps } from '../../../../src/net/cidr.ts';
import type { Node } from '../../../../src/policy/model.ts';

const node = (name: string, ...podCIDRs: string[]): Node => ({ name, podCIDRs, addresses: [] });
const textOf = ({ node: name, text }: { node: string; text: string }): string => `${name} ${text}`;

test('podCIDRs that do not overlap are all kept, families apart', () => {
  const { ranges, conflicts } = assignRanges([node('b', '10.1.0.0/24', 'fd00::/64'), node('a', '10.0.0.0/24')]);
  expect(ranges.map(textOf)).toEqual(['a 10.0.0.0/24', 'b 10.1.0.0/24', 'b fd00::/64']);
  expect(ranges.map(({ first }) => first)).toEqual(['10.0.0.0', '10.1.0.0', 'fd00::']);
  expect(conflicts).toEqual([]);
});

test.each([
  ['the same', '10.0.0.0/24', '10.0.0.0/24'],
  ['a wider one', '10.0.0.0/16', '10.0.0.0/24'],
  ['a narrower one', '10.0.0.128/25', '10.0.0.0/24'],
])('of two nodes with %s the first by name keeps it', (_, ofB, ofA) => {
  const { ranges, conflicts } = assignRanges([node('b', ofB), node('a', ofA)]);
  expect(ranges.map(textOf)).toEqual([`a ${ofA}`]);
  expect(conflicts.map(({ refused, other }) => [refused, other].map(textOf))).toEqual([[`b ${ofB}`, `a ${ofA}`]]);
});

test('a wide one that gives way to several leaves room for those in it', () => {
  const { ranges } = assignRanges([node('z', '10.0.0.0/8'), node('a', '10.0.1.0/24'), node('b', '10.0.2.0/24')]);
  expect(ranges.map(textOf)).toEqual(['a 10.0.1.0/24', 'b 10.0.2.0/24']);
});

test('whatever the podCIDRs, no two that are kept overlap, and the order of the nodes does not matter', () => {
  const range = fc.tuple(fc.integer({ min: 0, max: 15 }), fc.integer({ min: 24, max: 28 }));
  const nodes = fc.uniqueArray(
    fc.record({ name: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'), ranges: fc.array(range, { maxLength: 3 }) }),
    { selector: ({ name }) => name },
  );
  fc.assert(
    fc.property(nodes, (given) => {
      const list = given.map(({ name, ranges }) =>
        node(name, ...ranges.map(([at, length]) => `10.0.0.${at * 16}/${length}`)),
      );
      const { ranges } = assignRanges(list);
      for (const [i, a] of ranges.entries()) {
        for (const b of ranges.slice(i + 1)) expect(overlaps(a.cidr, b.cidr)).toBe(false);
      }
      expect(assignRanges(list.toReversed()).ranges).toEqual(ranges);
    }),
  );
});
