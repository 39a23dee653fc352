import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type PackedPod, packPod } from '../../../src/cluster/packed-pod.ts';
import { PodAddresses } from '../../../src/cluster/pod-addresses.ts';

const ADDRESSES = 300;

function pod(name: number, podIPs: readonly string[]): PackedPod {
  const fields = { namespace: 'n', uid: '', nodeName: '', labels: {}, namedPorts: [] };
  return packPod({ ...fields, name: `p${name}`, podIPs, hostNetwork: false, terminal: false });
}

const text = (index: number): string =>
  index % 3 === 0 ? `fd00::${(index + 1).toString(16)}` : `10.0.${index >> 8}.${index & 255}`;

test('an address finds a pod that has it, through any coming and going', () => {
  const step = fc.record({ name: fc.nat(40), at: fc.array(fc.nat(ADDRESSES - 1), { maxLength: 12 }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const addresses = new PodAddresses();
      const there = new Map<number, PackedPod>();
      for (const { name, at } of steps) {
        const before = there.get(name);
        if (before !== undefined) addresses.delete(before);
        const now = pod(name, [...new Set(at)].map(text));
        addresses.add(now);
        there.set(name, now);
      }
      for (let index = 0; index < ADDRESSES; index++) {
        const owners = [...there.values()].filter((owner) => owner.unpack().podIPs.includes(text(index)));
        const found = addresses.find(text(index));
        if (owners.length === 0) expect(found).toBe(undefined);
        else expect(owners).toContain(found);
      }
    }),
    { numRuns: 40 },
  );
});

test('places that are given up again and again do not fill it', () => {
  const addresses = new PodAddresses();
  for (let i = 0; i < 5_000; i++) {
    const passing = pod(i, [text(i % ADDRESSES)]);
    addresses.add(passing);
    addresses.delete(passing);
  }
  expect(addresses.find(text(1))).toBe(undefined);
});
