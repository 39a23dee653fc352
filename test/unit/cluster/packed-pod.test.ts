import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PackedPod, packPod } from '../../../src/cluster/packed-pod.ts';
import type { Pod } from '../../../src/policy/model.ts';

const POD: Pod = {
  namespace: 'shop',
  name: 'web-0',
  uid: '0f0e0d0c-0b0a-4908-8706-050403020100',
  nodeName: 'n1',
  labels: { app: 'web' },
  podIPs: ['10.0.0.1', 'fd00::1'],
  hostNetwork: false,
  terminal: false,
  namedPorts: [{ name: 'http', protocol: 'TCP', containerPort: 80 }],
};

const address = fc.oneof(
  fc.ipV4(),
  fc.ipV6(),
  fc.constantFrom('fd00::1', '::', '0:0::1', '010.0.0.1', 'no address', ''),
  fc.string({ unit: 'grapheme' }),
);
const pod: fc.Arbitrary<Pod> = fc.record({
  namespace: fc.constantFrom('shop', 'a-b'),
  name: fc.constantFrom('web-0', 'web.1'),
  uid: fc.oneof(
    fc.uuid(),
    fc.uuid().map((uid) => uid.toUpperCase()),
    fc.string({ unit: 'grapheme' }),
  ),
  nodeName: fc.constantFrom('', 'n1'),
  labels: fc.dictionary(fc.constantFrom('app', 'tier'), fc.constantFrom('a', 'b')),
  podIPs: fc.array(address, { maxLength: 4 }),
  hostNetwork: fc.boolean(),
  terminal: fc.boolean(),
  namedPorts: fc.constantFrom([], POD.namedPorts),
});

test('whatever a pod says, it comes out as it went in', () => {
  fc.assert(
    fc.property(pod, (original) => {
      expect(new PackedPod(original, 'x/y').unpack()).toEqual({ ...original, namespace: 'x', name: 'y' });
    }),
  );
});

test('two pods are the same when they say the same, and only then', () => {
  fc.assert(
    fc.property(pod, pod, (a, b) => {
      const says = (one: Pod): object => ({ ...one, namespace: '', name: '' });
      const [x, y] = [new PackedPod(a, 'x/y'), new PackedPod(b, 'x/y')];
      expect(x.isSame(new PackedPod(structuredClone(a), 'x/y'))).toBe(true);
      expect(x.isSame(y)).toBe(JSON.stringify(says(a)) === JSON.stringify(says(b)));
    }),
  );
});

test('a pod that comes out of its packing is packed as that again, a changed copy of it anew', () => {
  const packed = packPod(POD);
  const out = packed.unpack();
  expect(packPod(out)).toBe(packed);
  expect(packPod({ ...out, podIPs: [] }).unpack().podIPs).toEqual([]);
  expect(packPod(structuredClone(out))).not.toBe(packed);
});

test('a pod that nothing can be written to is packed all the same', () => {
  expect(packPod(Object.freeze({ ...POD })).unpack()).toEqual(POD);
});

test('NP-120: nobody is reached at the addresses of a pod that has ended or is on the host network', () => {
  const reached = (fields: Partial<Pod>): number => packPod({ ...POD, ...fields }).liveAddresses().length;
  expect([{}, { terminal: true }, { hostNetwork: true }].map(reached)).toEqual([2, 0, 0]);
});
