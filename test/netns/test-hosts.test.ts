/**
 * The test hosts themselves, with pods wired by plain routes and no agent: what a probe reports must be what the kernel
 * did, and the fixtures must be as unforgiving as real nodes.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type AddressPair, routesToPods } from '../support/address-plan.ts';
import { type ExternalHost, makeExternalHost } from '../support/external-host.ts';
import { TcpFlow, UdpFlow } from '../support/flow.ts';
import { Ledger } from '../support/ledger.ts';
import { mapLimited } from '../support/map-limited.ts';
import { NameServer, type ServedPort } from '../support/name-server.ts';
import type { TestNetns } from '../support/netns.ts';
import { makeNodeHost, type NodeHost } from '../support/node-host.ts';
import { ethernet } from '../support/packet.ts';
import { PacketSocket } from '../support/packet-socket.ts';
import { isEchoAnswered, PATIENCE_MS, probe, PROBES_AT_ONCE, SILENCE_MS } from '../support/probe.ts';
import { ipBatch, runCommand } from '../support/run-command.ts';
import { Wire } from '../support/wire.ts';

const GATEWAY: AddressPair = { ipv4: '169.254.1.1', ipv6: 'fe80::1' };
const SERVED: readonly ServedPort[] = [
  { protocol: 'TCP', port: 80 },
  { protocol: 'UDP', port: 80 },
];
const NODE_COUNT = 2;
const PODS = ['a1', 'a2', 'b1'] as const;

const ledger = new Ledger();
const pods = new Map<string, { netns: TestNetns; addresses: AddressPair }>();
let nodes: readonly NodeHost[];
let external: ExternalHost;

async function wirePod(name: string, node: NodeHost, number: number): Promise<void> {
  const netns = ledger.makeNetns(name);
  const addresses = {
    ipv4: node.podCidrs.ipv4.replace('.0/24', `.${number}`),
    ipv6: node.podCidrs.ipv6.replace('::/64', `::${number}`),
  };
  await ipBatch(node.netns, [
    `link add pod${number} type veth peer name eth0 netns ${netns.name}`,
    `link set pod${number} up`,
    `address add ${GATEWAY.ipv4}/32 dev pod${number}`,
    `address add ${GATEWAY.ipv6}/64 dev pod${number} nodad`,
    `route add ${addresses.ipv4} dev pod${number}`,
    `route add ${addresses.ipv6} dev pod${number}`,
  ]);
  await ipBatch(netns, [
    'link set eth0 up',
    `address add ${addresses.ipv4}/32 dev eth0`,
    `address add ${addresses.ipv6}/128 dev eth0 nodad`,
    `route add ${GATEWAY.ipv4} dev eth0`,
    `route add default via ${GATEWAY.ipv4} dev eth0`,
    `route add ::/0 via ${GATEWAY.ipv6} dev eth0`,
  ]);
  const server = await NameServer.open(netns, name, SERVED);
  ledger.add(`servers of ${name}`, () => {
    server.close();
  });
  pods.set(name, { netns, addresses });
}

function pod(name: string): { netns: TestNetns; addresses: AddressPair } {
  const found = pods.get(name);
  if (found === undefined) throw new Error(`no pod ${name}`);
  return found;
}

async function setForwarding(verb: '-A' | '-D'): Promise<void> {
  for (const { netns } of nodes) {
    for (const tool of ['iptables', 'ip6tables']) {
      await runCommand(tool, [verb, 'FORWARD', '-i', 'pod+', '-j', 'ACCEPT'], { netns });
      await runCommand(tool, [verb, 'FORWARD', '-o', 'pod+', '-j', 'ACCEPT'], { netns });
    }
  }
}

beforeAll(async () => {
  const wire = await Wire.make(ledger);
  external = await makeExternalHost(ledger, wire, NODE_COUNT);
  nodes = [await makeNodeHost(ledger, wire, 0), await makeNodeHost(ledger, wire, 1)];
  for (const [index, { netns }] of nodes.entries()) await ipBatch(netns, routesToPods(1 - index));
  for (const [index, name] of PODS.entries()) {
    const node = nodes[name.startsWith('a') ? 0 : 1];
    if (node !== undefined) await wirePod(name, node, index + 5);
  }
  const server = await NameServer.open(external.netns, 'outside', SERVED);
  ledger.add('servers of the outside host', () => {
    server.close();
  });
  await setForwarding('-A');
});

afterAll(() => {
  ledger.removeAll();
});

test('every pair of pods and the outside host answer one another by name over TCP, UDP and both families', async () => {
  const ends = [
    ...[...pods].map(([name, { netns, addresses }]) => ({ name, netns, addresses })),
    { name: 'outside', netns: external.netns, addresses: external.addresses },
  ];
  const probes = ends.flatMap((from) =>
    ends.flatMap((to) =>
      SERVED.flatMap(({ protocol, port }) =>
        [to.addresses.ipv4, to.addresses.ipv6].map((address) => ({ from, to, target: { protocol, address, port } })),
      ),
    ),
  );
  const results = await mapLimited(probes, PROBES_AT_ONCE, ({ from, target }) =>
    probe(from.netns, target, { timeoutMs: PATIENCE_MS }),
  );
  expect(results).toEqual(probes.map(({ to }) => ({ kind: 'answered', by: to.name })));
});

test('a port nobody listens on is refused over TCP and silent over UDP', async () => {
  const address = pod('b1').addresses.ipv4;
  const { netns } = pod('a1');
  expect(await probe(netns, { protocol: 'TCP', address, port: 9 }, { timeoutMs: SILENCE_MS })).toEqual({
    kind: 'refused',
  });
  expect(await probe(netns, { protocol: 'UDP', address, port: 9 }, { timeoutMs: SILENCE_MS })).toEqual({
    kind: 'timeout',
  });
});

test('a probe from a port and an address of the outside host arrives from there', async () => {
  const outside = external.outside[0]?.ipv4 ?? '';
  const { addresses } = pod('a1');
  const result = await probe(
    external.netns,
    { protocol: 'UDP', address: addresses.ipv4, port: 80 },
    { timeoutMs: PATIENCE_MS, sourceAddress: outside, sourcePort: 5353 },
  );
  expect(result).toEqual({ kind: 'answered', by: 'a1' });
});

test('echo requests are answered in both families', async () => {
  expect(await isEchoAnswered(pod('a1').netns, pod('b1').addresses.ipv4)).toBe(true);
  expect(await isEchoAnswered(pod('a1').netns, pod('b1').addresses.ipv6)).toBe(true);
});

test('five hundred connections and datagrams at one time all find their server', async () => {
  const { addresses } = pod('b1');
  const targets = Array.from({ length: 500 }, (_, index) => ({
    protocol: index % 2 === 0 ? ('TCP' as const) : ('UDP' as const),
    address: index % 4 < 2 ? addresses.ipv4 : addresses.ipv6,
    port: 80,
  }));
  const results = await mapLimited(targets, PROBES_AT_ONCE, (target) =>
    probe(pod('a2').netns, target, { timeoutMs: PATIENCE_MS }),
  );
  expect(results.filter((result) => result.kind !== 'answered')).toEqual([]);
});

test('the FORWARD policy of a node drops in silence what no rule accepts, between its pods too', async () => {
  await setForwarding('-D');
  const address = pod('a2').addresses.ipv4;
  const results = await Promise.all(
    SERVED.map(({ protocol, port }) => probe(pod('a1').netns, { protocol, address, port }, { timeoutMs: SILENCE_MS })),
  );
  await setForwarding('-A');
  expect(results).toEqual([{ kind: 'timeout' }, { kind: 'timeout' }]);
});

test('a flow brings back everything that was sent on it, megabytes over TCP and full datagrams over UDP', async () => {
  const { netns } = pod('a1');
  for (const address of [pod('b1').addresses.ipv4, pod('b1').addresses.ipv6]) {
    using tcp = await TcpFlow.open(netns, { protocol: 'TCP', address, port: 80 }, PATIENCE_MS);
    expect(await tcp.exchange(4 * 1024 * 1024, PATIENCE_MS)).toBe(true);
    expect(await tcp.exchange(1, PATIENCE_MS)).toBe(true);
    using udp = await UdpFlow.open(netns, { protocol: 'UDP', address, port: 80 });
    expect(await udp.exchange(1400, PATIENCE_MS)).toBe(true);
  }
});

test('a frame that is sent on an interface is seen on the other end of it', async () => {
  const marker = Uint8Array.from({ length: 46 }, (_, index) => index);
  const frame = ethernet('ff:ff:ff:ff:ff:ff', '02:00:00:00:00:01', 0x88b5, marker);
  using sender = new PacketSocket(pod('a1').netns, 'eth0');
  using receiver = new PacketSocket(nodes[0]!.netns, 'pod5');
  const isMarked = (seen: Uint8Array): boolean => Buffer.from(seen).includes(Buffer.from(marker));
  expect(await receiver.sees(isMarked, 20)).toBe(false);
  sender.send(frame);
  expect(await receiver.sees(isMarked, SILENCE_MS)).toBe(true);
});
