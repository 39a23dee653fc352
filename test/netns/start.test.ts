/**
 * NP-14, from the first instant: a closed pod is flooded from before its interface exists until after ADD returns, from a
 * pod of its node and from outside, and nothing arrives; the first packet to and from an allowed pod passes.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ClusterHost } from '../support/cluster-host.ts';
import { cniAdd, type CniAttachment, cniDel } from '../support/cni-call.ts';
import { UdpFlow } from '../support/flow.ts';
import { FLOOD_MARK, Flooder } from '../support/flooder.ts';
import type { TestNetns } from '../support/netns.ts';
import { NetnsSniffer } from '../support/netns-sniffer.ts';
import { nodeManifest } from '../support/node-host.ts';
import { isolation } from '../support/policy-manifest.ts';
import { ipBatch } from '../support/run-command.ts';

const STARTS = Number(process.env['SLUICE_STARTS'] ?? 2000);
/** Attachments under way at one time, as at the boot of a node. */
const SLOTS = 6;
/** Addresses ahead of the last one given that are flooded: more than can be given before the next aim. */
const AIM_AHEAD = 2 * SLOTS;
const FIRST_PACKET_MS = 1000;
const TEST_MS = 900_000;

let cluster: ClusterHost;

beforeAll(async () => {
  cluster = await ClusterHost.start({ nodes: 1, attach: 'auto' });
  cluster.applyNamespace('x');
  // Released addresses rest, so thousands of starts need more of them than the test hosts' usual ranges hold.
  const manifest = nodeManifest(cluster.node(0));
  cluster.manifests.apply({ ...manifest, spec: { podCIDRs: ['10.200.0.0/16', 'fd00:200::/112'] } });
  await ipBatch(cluster.external.netns, [
    `route add 10.200.0.0/16 via ${cluster.node(0).addresses.ipv4}`,
    `route add fd00:200::/112 via ${cluster.node(0).addresses.ipv6}`,
  ]);
  for (const kind of ['closed', 'open']) {
    for (let slot = 0; slot < SLOTS; slot++) cluster.manifests.apply(podManifest(kind, slot));
  }
  cluster.manifests.apply(isolation('x', ['Ingress'], 'closed'));
  await cluster.startPods([
    { namespace: 'x', name: 'sender', node: 0, labels: { pod: 'sender' }, ports: [{ protocol: 'UDP', port: 80 }] },
  ]);
});
afterAll(() => cluster.close());

function podManifest(kind: string, slot: number): Parameters<ClusterHost['manifests']['apply']>[0] {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace: 'x', name: `${kind}-${slot}`, labels: { pod: kind } },
    spec: { nodeName: cluster.node(0).name, containers: [{ name: 'server', image: 'server' }] },
  };
}

interface Started {
  readonly addresses: readonly string[];
  readonly netns: TestNetns;
}

/** Starts and ends pods in every slot until there were enough; `watch` runs around each ADD. */
async function startMany(
  kind: string,
  watch: (netns: TestNetns, add: () => Promise<Started>) => Promise<void>,
): Promise<void> {
  let started = 0;
  const runSlot = async (slot: number): Promise<void> => {
    const netns = cluster.ledger.makeNetns(`${kind}-${slot}`);
    while (started < STARTS) {
      started += 1;
      const attachment: CniAttachment = {
        containerId: `${kind}-${slot}-${started}`,
        netns: netns.path,
        interfaceName: 'eth0',
        podNamespace: 'x',
        podName: `${kind}-${slot}`,
        podUid: '',
      };
      await watch(netns, async () => {
        const { ips } = await cniAdd(cluster.instance(0), attachment);
        return { netns, addresses: ips.map(({ address }) => address.slice(0, address.indexOf('/'))) };
      });
      await cniDel(cluster.instance(0), attachment);
    }
  };
  await Promise.all(Array.from({ length: SLOTS }, (_, slot) => runSlot(slot)));
}

/** The next addresses of both families behind the n-th of the range. */
function addressesAfter(last: number): string[] {
  return Array.from({ length: AIM_AHEAD }, (_, i) => last + 1 + i).flatMap((n) => [
    `10.200.${n >> 8}.${n & 255}`,
    `fd00:200::${n.toString(16)}`,
  ]);
}

test(`of a closed pod, ${STARTS} times: nothing arrives`, { timeout: TEST_MS }, async () => {
  const flooders = [
    await Flooder.start(cluster.ledger, cluster.pod('x/sender').netns),
    await Flooder.start(cluster.ledger, cluster.external.netns),
  ];
  const aim = (addresses: readonly string[]): void => {
    for (const flooder of flooders) flooder.aim(addresses);
  };
  const ends = (address: string): number => Number(address.split('.')[2]) * 256 + Number(address.split('.')[3]);
  let last = ends(cluster.pod('x/sender').addresses.ipv4);
  let arrived = 0;
  let started = 0;
  const present = new Set<string>();
  aim(addressesAfter(last));
  await startMany('closed', async (netns, add) => {
    using sniffer = new NetnsSniffer(netns);
    const { addresses } = await add();
    for (const address of addresses) present.add(address);
    last = Math.max(last, ends(addresses[0]!));
    aim([...present, ...addressesAfter(last)]);
    await delay(2);
    arrived += sniffer.count(FLOOD_MARK);
    started += 1;
    for (const address of addresses) present.delete(address);
  });
  const sent = await Promise.all(flooders.map((flooder) => flooder.stop()));
  console.log(`${started} starts of a closed pod; ${sent.join(' and ')} datagrams sent; ${arrived} arrived`);
  expect(started).toBe(STARTS);
  expect(arrived).toBe(0);
  for (const count of sent) expect(count).toBeGreaterThan(STARTS);
});

test(`of an allowed pod, ${STARTS} times: the first packet passes, both ways`, { timeout: TEST_MS }, async () => {
  const sender = cluster.pod('x/sender');
  let arrived = 0;
  let answered = 0;
  await startMany('open', async (netns, add) => {
    using sniffer = new NetnsSniffer(netns);
    const { addresses } = await add();
    const mark = `first-packet-to-${addresses[0]}.`;
    const socket = await UdpFlow.open(sender.netns, { protocol: 'UDP', port: 9, address: addresses[0]! });
    socket.send(mark);
    const deadline = performance.now() + FIRST_PACKET_MS;
    let seen = sniffer.count(mark);
    while (seen === 0 && performance.now() < deadline) {
      await delay(1);
      seen = sniffer.count(mark);
    }
    arrived += seen;
    socket.close();
    using own = await UdpFlow.open(netns, { protocol: 'UDP', port: 80, address: sender.addresses.ipv4 });
    if (await own.exchange(20, FIRST_PACKET_MS)) answered += 1;
  });
  console.log(
    `${STARTS} starts of an allowed pod: first packet arrived ${arrived}, own first packet answered ${answered}`,
  );
  expect(arrived).toBe(STARTS);
  expect(answered).toBe(STARTS);
});
