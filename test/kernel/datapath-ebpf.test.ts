/** What only the kernel's datapath has: pins, programs on interfaces, events, and an agent that dies half-way. */
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { DropEvent } from '../../src/datapath/datapath.ts';
import { FILTER_HANDLE, FILTER_PRIORITY } from '../../src/datapath/ebpf/clsact-hooks.ts';
import type { EbpfDatapath } from '../../src/datapath/ebpf/datapath.ts';
import { type TcxLinkInfo, TcxLink } from '../../src/kernel/bpf-link.ts';
import { setFaultHook } from '../../src/kernel/fault.ts';
import { withNetns } from '../../src/kernel/namespace.ts';
import { listBpfFilters, type BpfFilter } from '../../src/kernel/netlink/filter.ts';
import { Netlink } from '../../src/kernel/netlink/netlink.ts';
import { ConfigError } from '../../src/lib/errors.ts';
import { frame, SYN, tcp, TCP } from '../support/packet.ts';
import { PacketSocket } from '../support/packet-socket.ts';
import { wire } from '../unit/datapath/contract.ts';
import { ANY_PEER, type World, WorldCompiler } from '../unit/datapath/table-world.ts';
import { DatapathHost } from './datapath-host.ts';

const BASE: World = {
  addresses: { '10.0.0.1': 1, '10.0.0.2': 2 },
  prefixes: { '10.0.0.0/16': 'unknown' },
  portTerms: [{ protocol: 0, first: 80, last: 80 }],
  endpoints: { 7: { ingress: [[0, 0]], egress: [[0, 0]] } },
};

let host: DatapathHost;
let datapath: EbpfDatapath;
let ifindex: number;

beforeEach(async () => {
  host = new DatapathHost();
  datapath = await host.open();
  ifindex = host.makeInterface();
});
afterEach(async () => {
  setFaultHook(undefined);
  await host.cleanUp();
});

function pins(): string[] {
  return readdirSync(join(host.pinRoot.path, 'test')).sort();
}

function mapPins(): string[] {
  return pins().filter((pin) => !pin.startsWith('link-'));
}

function linkInfo(side: 'in' | 'out'): TcxLinkInfo {
  using link = TcxLink.openPinned(join(host.pinRoot.path, 'test', `link-7-${side}`));
  return link.info();
}

function filters(direction: 'ingress' | 'egress'): BpfFilter[] {
  using netlink = withNetns(host.netns.fd, () => Netlink.open());
  return netlink.dump(listBpfFilters(ifindex, direction));
}

function ingressFrom(source: string): string | undefined {
  return datapath.judge({ source, destination: '10.0.0.7', protocol: 6, destinationPort: 80 }).ingress;
}

function state(): (string | undefined)[] {
  return ['10.0.0.1', '10.0.0.2', '10.0.0.3'].map(ingressFrom);
}

describe('programs on interfaces', () => {
  test('by tcx they outlive the process; the next one exchanges them in place', async () => {
    await datapath.attachEndpoint(wire(7, ifindex, ['10.0.0.7']));
    await datapath.close();
    const before = { in: linkInfo('in'), out: linkInfo('out') };
    expect(before).toMatchObject({ in: { ifindex, direction: 'ingress' }, out: { ifindex, direction: 'egress' } });
    datapath = await host.open();
    const after = { in: linkInfo('in'), out: linkInfo('out') };
    expect([after.in.id, after.out.id]).toEqual([before.in.id, before.out.id]);
    expect(after.in.programId).not.toBe(before.in.programId);
    expect(after.out.programId).not.toBe(before.out.programId);
    await datapath.detachEndpoint(7);
    expect(pins().filter((pin) => pin.startsWith('link-'))).toEqual([]);
    expect(host.netns.succeeds('ip', 'link', 'del', 'pod1')).toBe(true);
  });

  test('by clsact they have a priority and handle of their own, and others stay', async () => {
    await datapath.close();
    datapath = await host.open({ attach: 'clsact' });
    expect(datapath.attachMode).toBe('clsact');
    host.netns.exec('tc', 'qdisc', 'add', 'dev', 'pod1', 'clsact');
    const foreign = ['bpf', 'bytecode', '1,6 0 0 0'];
    host.netns.exec('tc', 'filter', 'add', 'dev', 'pod1', 'ingress', 'prio', '5', ...foreign);
    await datapath.attachEndpoint(wire(7, ifindex, ['10.0.0.7']));
    const own = { priority: FILTER_PRIORITY, handle: FILTER_HANDLE, directAction: true };
    const [foreigner, first] = filters('ingress');
    expect(foreigner?.priority).toBe(5);
    expect(first).toMatchObject(own);
    expect(filters('egress')).toMatchObject([own]);
    await datapath.close();
    datapath = await host.open({ attach: 'clsact' });
    const [, exchanged, ...more] = filters('ingress');
    expect(exchanged).toMatchObject(own);
    expect(exchanged?.programId).not.toBe(first?.programId);
    expect(more).toEqual([]);
    await datapath.detachEndpoint(7);
    expect(filters('ingress')).toEqual([foreigner]);
    expect(filters('egress')).toEqual([]);
  });

  test('an attach that fails leaves nothing', async () => {
    await expect(datapath.attachEndpoint(wire(7, 4242, ['10.0.0.7']))).rejects.toThrow('ENODEV');
    expect(pins().filter((pin) => pin.startsWith('link-'))).toEqual([]);
    expect(datapath.endpoints().size).toBe(0);
    expect(ingressFrom('10.0.0.1')).toBeUndefined();
  });

  test('a program that was taken off is put back by attaching again', async () => {
    await datapath.attachEndpoint(wire(7, ifindex, ['10.0.0.7']));
    using link = TcxLink.openPinned(join(host.pinRoot.path, 'test', 'link-7-in'));
    link.detach();
    expect(linkInfo('in').ifindex).toBe(0);
    await datapath.attachEndpoint(wire(7, ifindex, ['10.0.0.7']));
    expect(linkInfo('in').ifindex).toBe(ifindex);
  });

  test('an interface that went while no agent ran does not keep the next one from starting', async () => {
    await datapath.attachEndpoint(wire(7, ifindex, ['10.0.0.7']));
    await datapath.close();
    host.removeInterface(1);
    datapath = await host.open();
    expect([...datapath.endpoints().keys()]).toEqual([7]);
    expect(pins().filter((pin) => pin.startsWith('link-'))).toEqual([]);
    await datapath.detachEndpoint(7);
    expect(datapath.endpoints().size).toBe(0);
  });
});

describe('pins', () => {
  test('a pin root that is no BPF file system is refused', async () => {
    await expect(host.open({ pinRoot: '/tmp' })).rejects.toBeInstanceOf(ConfigError);
  });

  test('maps of another size are made anew, the tables all together; those left behind go', async () => {
    await datapath.attachEndpoint(wire(7, ifindex, ['10.0.0.7']));
    const before = mapPins();
    await datapath.close();
    datapath = await host.open({ flows: { new: 2048, live: 1024 } });
    expect([...datapath.endpoints().keys()]).toEqual([7]);
    expect(mapPins().filter((pin) => !before.includes(pin))).toEqual([expect.stringMatching(/^flows_new-/)]);
    await datapath.close();
    datapath = await host.open({ limits: { ...host.options.limits!, rows: 8192 } });
    expect([...datapath.endpoints().keys()]).toEqual([7]);
    await datapath.apply(new WorldCompiler().compile(BASE));
    expect(mapPins()).toHaveLength(before.length);
    expect(mapPins().filter((pin) => before.includes(pin) && /^(config|rows)-/.test(pin))).toEqual([]);
  });

  test('instances share nothing', async () => {
    await datapath.attachEndpoint(wire(7, ifindex, ['10.0.0.7']));
    const other = await host.open({ instance: 'other' });
    expect(other.endpoints().size).toBe(0);
    expect(() => writeFileSync(join(host.pinRoot.path, 'other', 'x'), '')).toThrow();
  });

  test('NP-81: to judge traffic to the own node is a setting of the start; live flows are judged again', async () => {
    await datapath.attachEndpoint(wire(7, ifindex, ['10.0.0.7']));
    const compiler = new WorldCompiler();
    const world: World = { ...BASE, addresses: { ...BASE.addresses, '203.0.113.1': 'own' } };
    const before = await datapath.apply(compiler.compile(world));
    const toNode = { source: '10.0.0.7', destination: '203.0.113.1', protocol: 6, destinationPort: 80 };
    expect(datapath.judge(toNode).egress).toBe('allow');
    await datapath.close();
    datapath = await host.open({ judgeOwnNode: true });
    expect(datapath.judge(toNode).egress).toBe('deny');
    const after = await datapath.apply(compiler.compile(world));
    expect(after).toMatchObject({ generation: before.generation + 1, writes: 0 });
  });
});

test('a drop is counted by reason and direction, and told with what decided it', async () => {
  const wiring = wire(7, ifindex, ['10.0.0.7']);
  await datapath.attachEndpoint(wiring);
  const { generation } = await datapath.apply(new WorldCompiler().compile(BASE));
  for (const name of ['pod1', 'pod1p']) host.netns.exec('ip', 'link', 'set', name, 'up');
  const told = new Promise<DropEvent>((resolve) => {
    datapath.onDrop((event) => {
      if (event.destination === '10.0.0.2') resolve(event);
    });
  });
  using socket = new PacketSocket(host.netns, 'pod1p');
  socket.send(
    frame({
      source: '10.0.0.7',
      destination: '10.0.0.2',
      sourceMac: wiring.mac,
      destinationMac: wiring.hostMac,
      protocol: TCP,
      payload: tcp(4000, 80, SYN),
    }),
  );
  expect(await told).toMatchObject({
    generation,
    ifindex,
    endpointId: 7,
    reason: 'policy',
    direction: 'egress',
    verdict: 'deny',
    protocol: 6,
    source: '10.0.0.7',
    sourcePort: 4000,
    destinationPort: 80,
    suppressed: 0,
  });
  const counted = datapath.counters().find(({ reason, direction }) => reason === 'policy' && direction === 'egress');
  expect(counted?.packets).toBe(1n);
});

test('an agent that dies at any native call of an apply leaves the old or the new state, and the next one goes on', async () => {
  const wiring = wire(7, ifindex, ['10.0.0.7']);
  await datapath.attachEndpoint(wiring);
  const worlds: readonly World[] = [
    BASE,
    {
      addresses: { '10.0.0.1': 2, '10.0.0.2': 1 },
      prefixes: { '10.0.0.0/16': 'unknown', '10.0.0.0/24': 4 },
      portTerms: [...BASE.portTerms, { protocol: 0, first: 1, last: 1023 }],
      endpoints: { 7: { ingress: [[0, 0]], egress: [[ANY_PEER, 1]] } },
    },
  ];
  let compiler = new WorldCompiler();
  await datapath.apply(compiler.compile(worlds[0]!));
  compiler.release();
  let current = 0;
  let died = 0;
  for (let call = 1; died === call - 1; call++) {
    const next = 1 - current;
    const tables = compiler.compile(worlds[next]!);
    const old = state();
    setFaultHook(({ number }) => {
      if (number === call) throw new Error('the agent dies here');
    });
    const outcome: unknown = await datapath.apply(tables).catch((error: unknown) => error);
    setFaultHook(undefined);
    const left = state();
    datapath = await host.open();
    expect(state()).toEqual(left);
    await datapath.apply(tables);
    const fresh = state();
    expect([old, fresh]).toContainEqual(left);
    expect(fresh).toEqual(next === 0 ? ['allow', 'deny', 'deny'] : ['deny', 'allow', 'deny']);
    compiler.release();
    current = next;
    if (outcome instanceof Error) died += 1;
  }
  expect(died).toBeGreaterThan(5);
});
