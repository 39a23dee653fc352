/**
 * A pod that lies: other source addresses, other hardware addresses, segments of connections that never were. Kube-proxy's
 * INVALID drop is taken out of the nodes: what is dropped here, Sluice has dropped.
 */
import { beforeAll, describe, expect, onTestFailed, test } from 'vitest';
import { PacketCounts } from '../support/agent-status.ts';
import type { ClusterHost } from '../support/cluster-host.ts';
import { ACK, concat, frame, RST, SYN, TCP, tcp, UDP, udp } from '../support/packet.ts';
import { PacketSocket } from '../support/packet-socket.ts';
import { POD_INTERFACE, type PodHost } from '../support/pod-host.ts';
import { isolation } from '../support/policy-manifest.ts';
import { probe, SILENCE_MS } from '../support/probe.ts';
import { ipBatch, runCommand } from '../support/run-command.ts';
import { reaches, startTrio, targetOf, withPolicies } from '../support/trio.ts';

const FOREIGN_MAC = '02:de:ad:be:ef:01';
const OTHER_POD_PORT = 4242;
const FAMILIES = ['ipv4', 'ipv6'] as const;
const ETHER_TYPE_OFFSET = 12;
const ETHER_TYPE_IPV4 = 0x0800;
const IP_OFFSET = 14;
const IPV4_HEADER_BYTES = 20;
const IPV4_CHECKSUM_OFFSET = 10;

let cluster: ClusterHost;

beforeAll(async () => {
  cluster = await startTrio();
  const rule = ['-D', 'KUBE-FORWARD', '-m', 'conntrack', '--ctstate', 'INVALID', '-j', 'DROP'];
  for (const { netns } of cluster.nodes) {
    for (const tool of ['iptables', 'ip6tables']) await runCommand(tool, rule, { netns });
  }
  return () => cluster.close();
});

function showLogsOnFailure(): void {
  onTestFailed(() => {
    console.error(cluster.logTails());
  });
}

interface Lie {
  readonly from: PodHost;
  readonly to: PodHost;
  readonly family: (typeof FAMILIES)[number];
  readonly protocol: number;
  readonly payload: Uint8Array;
  readonly source?: string;
  readonly sourceMac?: string;
}

/** A frame as `from` would send it to its gateway, but for what the lie overrides; recognized by its last bytes. */
function lieFrame(lie: Lie): { bytes: Uint8Array; isSeenIn: (seen: Uint8Array) => boolean } {
  const marker = crypto.getRandomValues(new Uint8Array(16));
  const bytes = withHeaderChecksum(
    frame({
      source: lie.source ?? lie.from.addresses[lie.family],
      destination: lie.to.addresses[lie.family],
      sourceMac: lie.sourceMac ?? macOf(lie.from, (sandbox) => sandbox !== ''),
      destinationMac: macOf(lie.from, (sandbox) => sandbox === ''),
      protocol: lie.protocol,
      payload: concat(lie.payload, marker),
    }),
  );
  return { bytes, isSeenIn: (seen) => Buffer.from(seen).includes(marker) };
}

/** RFC 791: without it the host's stack takes no IPv4 packet. IPv6 headers have none. */
function withHeaderChecksum(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  if (view.getUint16(ETHER_TYPE_OFFSET) !== ETHER_TYPE_IPV4) return bytes;
  let sum = 0;
  for (let offset = IP_OFFSET; offset < IP_OFFSET + IPV4_HEADER_BYTES; offset += 2) sum += view.getUint16(offset);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  view.setUint16(IP_OFFSET + IPV4_CHECKSUM_OFFSET, ~sum & 0xffff);
  return bytes;
}

/** Of the end in the pod, or on the host, which is the pod's gateway. */
function macOf(pod: PodHost, isIt: (sandbox: string) => boolean): string {
  const found = pod.result.interfaces.find(({ sandbox }) => isIt(sandbox ?? ''));
  if (found === undefined) throw new Error(`the result of ADD for ${pod.key} misses an interface`);
  return found.mac;
}

/** Whether the frame comes out at the receiver's interface. */
async function arrives(lie: Lie): Promise<boolean> {
  const { bytes, isSeenIn } = lieFrame(lie);
  using sender = new PacketSocket(lie.from.netns, POD_INTERFACE);
  using receiver = new PacketSocket(lie.to.netns, POD_INTERFACE);
  sender.send(bytes);
  return await receiver.sees(isSeenIn, SILENCE_MS);
}

async function droppedFor(reason: string, run: () => Promise<unknown>): Promise<number> {
  const { client } = cluster.agent(0);
  const before = await PacketCounts.read(client);
  await run();
  return (await PacketCounts.read(client)).of(reason) - before.of(reason);
}

describe.each([
  { title: 'to a pod of its node', receiver: 'x/b' },
  { title: 'to a pod of another node', receiver: 'x/c' },
])('$title', ({ receiver }) => {
  test.each(FAMILIES)('%s: what is sent as it should be arrives', async (family) => {
    showLogsOnFailure();
    const ends = { from: cluster.pod('x/a'), to: cluster.pod(receiver), family };
    expect(await arrives({ ...ends, protocol: UDP, payload: udp(OTHER_POD_PORT, 80, 16) })).toBe(true);
  });

  test.each(FAMILIES)('%s: a frame with the source address of another pod is dropped and counted', async (family) => {
    showLogsOnFailure();
    const ends = { from: cluster.pod('x/a'), to: cluster.pod(receiver), family };
    const source = cluster.pod(receiver === 'x/b' ? 'x/c' : 'x/b').addresses[family];
    const lie = { ...ends, source, protocol: UDP, payload: udp(OTHER_POD_PORT, 80, 16) };
    const dropped = await droppedFor('source_address', async () => {
      expect(await arrives(lie)).toBe(false);
    });
    expect(dropped).toBe(1);
  });

  test.each(FAMILIES)('%s: a frame with another hardware address is dropped and counted', async (family) => {
    showLogsOnFailure();
    const ends = { from: cluster.pod('x/a'), to: cluster.pod(receiver), family };
    const lie = { ...ends, sourceMac: FOREIGN_MAC, protocol: UDP, payload: udp(OTHER_POD_PORT, 80, 16) };
    const dropped = await droppedFor('source_mac', async () => {
      expect(await arrives(lie)).toBe(false);
    });
    expect(dropped).toBe(1);
  });

  test.each(
    FAMILIES.flatMap((family) => [
      { family, title: 'ACK', flags: ACK },
      { family, title: 'SYN-ACK', flags: SYN | ACK },
      { family, title: 'RST', flags: RST },
    ]),
  )('NP-101, $family: a $title of no connection arrives at an open pod, not at a closed one', async (segment) => {
    showLogsOnFailure();
    const lie = {
      from: cluster.pod('x/a'),
      to: cluster.pod(receiver),
      family: segment.family,
      protocol: TCP,
      payload: tcp(80, OTHER_POD_PORT, segment.flags),
    };
    expect(await arrives(lie)).toBe(true);
    await withPolicies(cluster, [isolation('x', ['Ingress'], receiver.slice(2))], async () => {
      expect(await arrives({ ...lie, payload: tcp(81, OTHER_POD_PORT, segment.flags) })).toBe(false);
    });
  });
});

test('a pod that gives itself another address gets no answer from it, and keeps its own', async () => {
  showLogsOnFailure();
  const pod = cluster.pod('x/a');
  const stolen = cluster.pod('x/c').addresses.ipv4;
  await ipBatch(pod.netns, [`address add ${stolen}/32 dev ${POD_INTERFACE}`]);
  const result = await probe(pod.netns, targetOf(cluster, 'b', 'UDP'), {
    timeoutMs: SILENCE_MS,
    sourceAddress: stolen,
  });
  await ipBatch(pod.netns, [`address del ${stolen}/32 dev ${POD_INTERFACE}`]);
  expect(result).toEqual({ kind: 'timeout' });
  expect(await reaches(cluster, 'a', 'b')).toBe(true);
});
