/** A compiler that starts over beside tables that are in force, as after a restart of the agent. */
import { expect, test } from 'vitest';
import { MemoryDatapath } from '../../../src/datapath/memory/datapath.ts';
import { MemoryStore } from '../../../src/datapath/memory/store.ts';
import { Compiler } from '../../../src/policy/compiler.ts';
import type { ClusterChange } from '../../../src/policy/model.ts';
import { makeEndpoint, makeNamespace, makeNode, makePod, makePolicy, selector } from '../../support/policy-builders.ts';

const NODE = 'n';
const ADDRESSES = { a: '10.244.1.1', b: '10.244.1.2', guest: '10.244.1.3' } as const;
const PODS = ['a', 'b', 'guest'] as const;
const isolateB: ClusterChange = {
  kind: 'NetworkPolicy',
  op: 'set',
  object: makePolicy('x/iso', { subject: selector({ pod: 'b' }) }),
};

function desired(pods: readonly (typeof PODS)[number][]): ClusterChange[] {
  return [
    { kind: 'Namespace', op: 'set', object: makeNamespace('x') },
    { kind: 'Node', op: 'set', object: makeNode(NODE, { podCIDRs: ['10.244.1.0/24'] }) },
    ...pods.flatMap((name): ClusterChange[] => [
      { kind: 'Pod', op: 'set', object: makePod(`x/${name}`, { nodeName: NODE, labels: { pod: name } }) },
      {
        kind: 'LocalEndpoint',
        op: 'set',
        object: makeEndpoint(PODS.indexOf(name) + 1, `x/${name}`, [ADDRESSES[name]]),
      },
    ]),
  ];
}

async function attach(datapath: MemoryDatapath, name: (typeof PODS)[number]): Promise<void> {
  const id = PODS.indexOf(name) + 1;
  const macs = { mac: `02:00:00:00:00:0${id}`, hostMac: `02:00:00:00:01:0${id}` };
  await datapath.attachEndpoint({ id, ifindex: 10 + id, addresses: [ADDRESSES[name]], ...macs, noPeer: false });
}

test('a policy that comes after the restart is in force, whatever ids the kernel named before', async () => {
  const store = new MemoryStore();
  const before = await MemoryDatapath.open({ store });
  const first = new Compiler({ node: NODE });
  for (const name of PODS) await attach(before, name);
  for (const change of desired(PODS)) first.update(change);
  await before.apply(first.compile().tables);

  const datapath = await MemoryDatapath.open({ store });
  const second = new Compiler({ node: NODE, reserved: datapath.idsInUse() });
  await datapath.detachEndpoint(3);
  for (const change of desired(['a', 'b'])) second.update(change);
  const flow = { source: ADDRESSES.a, destination: ADDRESSES.b, protocol: 6, destinationPort: 80 };
  for (const [change, ingress] of [
    [undefined, 'allow'],
    [isolateB, 'deny'],
    [{ kind: 'NetworkPolicy', op: 'delete', key: 'x/iso' }, 'allow'],
    [isolateB, 'deny'],
  ] as const) {
    if (change !== undefined) second.update(change);
    const { tables, retired } = second.compile();
    await datapath.apply(tables);
    second.release(retired);
    expect(datapath.judge(flow)).toEqual({ egress: 'allow', ingress });
  }
});
