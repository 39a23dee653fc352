import { expect, test } from 'vitest';
import { SharedParts } from '../../../src/cluster/shared-parts.ts';
import type { Pod } from '../../../src/policy/model.ts';

function pod(name: string, labels: Pod['labels']): Pod {
  const namedPorts = [{ name: 'http', protocol: 'TCP', containerPort: 80 }] as const;
  const plain = { uid: name, nodeName: 'n', podIPs: [], hostNetwork: false, terminal: false };
  return { namespace: 'x', name, labels, namedPorts, ...plain };
}

test('pods say what they said, and replicas share labels and ports', () => {
  const parts = new SharedParts();
  const [one, two, other] = [pod('a', { app: 'web' }), pod('b', { app: 'web' }), pod('c', { app: 'db' })];
  const shared = [one, two, other].map((each) => parts.share(each));
  expect(shared).toEqual([one, two, other]);
  expect(shared[1]?.labels).toBe(shared[0]?.labels);
  expect(shared[1]?.namedPorts).toBe(shared[0]?.namedPorts);
  expect(shared[2]?.labels).not.toBe(shared[0]?.labels);
});

test('more different values than are kept cost nothing but the sharing', () => {
  const parts = new SharedParts();
  for (let i = 0; i < 70_000; i++) parts.share(pod(`p${i}`, { unique: `${i}` }));
  const last = pod('last', { app: 'web' });
  expect(parts.share(last)).toEqual(last);
});
