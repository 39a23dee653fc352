import fc from 'fast-check';
import { expect, test } from 'vitest';
import { aggregate, type Chain, prefixChains } from '../../../../src/agent/routing/chain-tree.ts';
import { CHAIN_RULES_MAX } from '../../../../src/agent/routing/limits.ts';
import { type Cidr, containsAddress, formatCidr, parseCidr } from '../../../../src/net/cidr.ts';

const cidrs = (...texts: string[]): Cidr[] => texts.map((text) => parseCidr(text)!);
const QUESTION = { side: '-s', target: '-j YES', otherwise: '-j NO' } as const;

/** What a packet from that address meets, and how many rules it was compared with. */
function walk(chains: readonly Chain[], start: string, address: Cidr): { answer: string; steps: number } {
  let steps = 0;
  let name = start;
  for (;;) {
    const rule = chains
      .find((chain) => chain.name === name)!
      .rules.find((text) => {
        steps++;
        const [, prefix] = /^-s (\S+)/.exec(text) ?? [];
        return prefix === undefined || containsAddress(parseCidr(prefix)!, address);
      })!;
    const [, verb, to] = /-([jg]) (\S+)$/.exec(rule)!;
    if (verb === 'j') return { answer: to!, steps };
    name = to!;
  }
}

test('a short list is one chain, neighbours joined', () => {
  expect(prefixChains('C', cidrs('10.0.0.0/24', '10.0.1.0/24', '172.16.0.1/32'), QUESTION)).toEqual([
    { name: 'C', rules: ['-s 10.0.0.0/23 -j YES', '-s 172.16.0.1/32 -j YES', '-j NO'] },
  ]);
});

test.each([
  [['10.0.0.0/24', '10.0.1.0/24', '10.0.2.0/23'], ['10.0.0.0/22']],
  [
    ['10.0.1.0/24', '10.0.2.0/24'],
    ['10.0.1.0/24', '10.0.2.0/24'],
  ],
  [['10.0.0.0/8', '10.1.0.0/16', '10.1.0.0/16'], ['10.0.0.0/8']],
  [['0.0.0.0/1', '128.0.0.0/1'], ['0.0.0.0/0']],
])('%j are %j', (given, expected) => {
  expect(aggregate(cidrs(...given)).map(formatCidr)).toEqual(expected);
});

test('whatever the list, every address meets what it should, in few steps, in chains of a bounded length', () => {
  const prefix = fc
    .tuple(fc.integer({ min: 0, max: 0xffff }), fc.integer({ min: 22, max: 32 }))
    .map(([low, length]) => parseCidr(`10.9.${low >> 8}.${low & 255}/${length}`)!);
  fc.assert(
    fc.property(fc.array(prefix, { maxLength: 400 }), fc.array(fc.integer({ min: 0, max: 0xffff })), (list, asked) => {
      const chains = prefixChains('C', list, QUESTION);
      for (const { rules } of chains) expect(rules.length).toBeLessThanOrEqual(CHAIN_RULES_MAX + 1);
      expect(new Set(chains.map(({ name }) => name)).size).toBe(chains.length);
      const addresses = asked.map((low) => parseCidr(`10.9.${low >> 8}.${low & 255}/32`)!);
      for (const address of [...addresses, ...list.slice(0, 20)]) {
        const isIn = list.some((cidr) => containsAddress(cidr, address));
        const { answer, steps } = walk(chains, 'C', address);
        expect(answer).toBe(isIn ? 'YES' : 'NO');
        expect(steps).toBeLessThanOrEqual(5 * (CHAIN_RULES_MAX + 1));
      }
    }),
    { numRuns: 50 },
  );
});
