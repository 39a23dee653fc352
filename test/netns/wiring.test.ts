import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  listWiredInterfaces,
  type PodWiring,
  startPod,
  unwirePod,
  type WiredPod,
  wirePod,
} from '../../src/agent/wiring.ts';
import { WiringError } from '../../src/agent/wiring/error.ts';
import { hostInterfaceName, interfacePrefix, randomMac } from '../../src/agent/wiring/name.ts';
import {
  ensureForwarding,
  ensureUnreachable,
  type NodeNetwork,
  openNodeNetwork,
  removeUnreachable,
} from '../../src/agent/wiring/node.ts';
import { type FaultPoint, setFaultHook } from '../../src/kernel/fault.ts';
import { getLink } from '../../src/kernel/netlink/link.ts';
import { ConfigError } from '../../src/lib/errors.ts';
import { makeNetns, removeAll, type TestNetns } from '../support/netns.ts';

const INSTANCE = 'test';
const NODE_ADDRESSES = ['192.0.2.1', '2001:db8::1'];

let host: TestNetns;
let node: NodeNetwork;
let count = 0;

beforeEach(() => {
  host = makeNetns('node');
  host.exec('sysctl', '-q', '-w', 'net.ipv4.conf.all.rp_filter=1', 'net.ipv4.conf.default.rp_filter=1');
  host.exec('ip', 'link', 'set', 'lo', 'up');
  host.exec('ip', 'address', 'add', '192.0.2.1/32', 'dev', 'lo');
  host.exec('ip', 'address', 'add', '2001:db8::1/128', 'dev', 'lo', 'nodad');
  node = openNodeNetwork(host.fd);
  ensureForwarding(node);
});

afterEach(() => {
  setFaultHook(undefined);
  node[Symbol.dispose]();
  removeAll();
});

function podOf(netns: TestNetns, overrides: Partial<PodWiring> = {}): PodWiring {
  const number = ++count;
  return {
    hostName: hostInterfaceName(INSTANCE, `container${number}`, 'eth0', 'net'),
    ifname: 'eth0',
    netnsFd: netns.fd,
    addresses: [`10.1.0.${number}`, `fd00:1::${number.toString(16)}`],
    mac: randomMac(randomBytes),
    hostMac: randomMac(randomBytes),
    mtu: 1400,
    nodeAddresses: NODE_ADDRESSES,
    ...overrides,
  };
}

function start(pod: PodWiring): WiredPod {
  const wired = wirePod(node, pod);
  startPod(node, wired);
  return wired;
}

const pings = (from: TestNetns, to: string, ...options: string[]): boolean =>
  from.succeeds('ping', '-c1', '-W1', ...options, to);

const permanent = (lladdr: string) => (dst: string) => expect.objectContaining({ dst, lladdr, state: ['PERMANENT'] });

/** All that a namespace has, without what changes by itself. */
function stateOf(netns: TestNetns): unknown {
  const links = netns.ip('link').map(({ ifname, flags, address }) => ({ ifname, flags, address }));
  const rest = ['address', 'route show table all', '-6 route show table all', 'neighbour', '-6 neighbour', 'rule'];
  return { links, rest: rest.map((command) => netns.exec('ip', ...command.split(' '))) };
}

const openFiles = (): number => readdirSync('/proc/self/fd').length;

describe('a pod that is wired', () => {
  test('reaches another pod of the node with its first packet, in both families, through the host stack', () => {
    const [a, b] = [makeNetns('a'), makeNetns('b')];
    start(podOf(a));
    const other = start(podOf(b));
    for (const address of other.addresses) expect(pings(a, address)).toBe(true);
  });

  test('has its names, MACs and MTU, addresses that are usable at once, and a default route', () => {
    const a = makeNetns('a');
    const pod = start(podOf(a));
    expect(a.ip('link', 'show', 'eth0')).toMatchObject([
      { ifindex: pod.podIndex, address: pod.mac, mtu: 1400, operstate: 'UP', qdisc: 'noqueue' },
    ]);
    expect(host.ip('link', 'show', pod.hostName)).toMatchObject([
      { ifindex: pod.hostIndex, address: pod.hostMac, mtu: 1400, operstate: 'UP', inet6_addr_gen_mode: 'none' },
    ]);
    const addresses = a.ip('address', 'show', 'dev', 'eth0')[0]!['addr_info'] as Record<string, unknown>[];
    for (const [local, prefixlen] of [
      [pod.addresses[0], 32],
      [pod.addresses[1], 128],
    ]) {
      const address = addresses.find((entry) => entry['local'] === local);
      expect(address).toMatchObject({ prefixlen, scope: 'global' });
      expect(address).not.toHaveProperty('tentative');
    }
    expect(a.ip('-4', 'route')).toMatchObject([
      { dst: 'default', gateway: '169.254.1.1', dev: 'eth0', flags: ['onlink'] },
    ]);
    expect(a.ip('-6', 'route', 'show', 'default')).toMatchObject([{ gateway: 'fe80::1', dev: 'eth0' }]);
    expect(a.ip('link', 'show', 'lo')[0]!['flags']).toContain('UP');
  });

  test('has permanent neighbour entries for its gateways, and the host has them for the pod', () => {
    const a = makeNetns('a');
    const pod = start(podOf(a));
    const inPod = a.ip('neighbour', 'show', 'dev', 'eth0');
    expect(inPod).toEqual(expect.arrayContaining(['169.254.1.1', 'fe80::1'].map(permanent(pod.hostMac))));
    const onHost = host.ip('neighbour', 'show', 'dev', pod.hostName);
    expect(onHost).toEqual(expect.arrayContaining(pod.addresses.map(permanent(pod.mac))));
  });

  test('is reached from the node itself, from the address of the node that was given', () => {
    const a = makeNetns('a');
    const pod = start(podOf(a));
    expect(host.ip('-4', 'route', 'show', pod.addresses[0]!)).toMatchObject([
      { dev: pod.hostName, scope: 'link', prefsrc: '192.0.2.1', protocol: '83' },
    ]);
    expect(host.ip('-6', 'route', 'show', pod.addresses[1]!)).toMatchObject([
      { dev: pod.hostName, prefsrc: '2001:db8::1', protocol: '83' },
    ]);
    for (const address of pod.addresses) expect(pings(host, address)).toBe(true);
  });

  test('finds its IPv6 gateway also by solicitation, when it lost the permanent entry', () => {
    const a = makeNetns('a');
    const pod = start(podOf(a));
    a.exec('ip', 'neighbour', 'del', 'fe80::1', 'dev', 'eth0');
    expect(pings(a, '2001:db8::1')).toBe(true);
    expect(a.ip('-6', 'neighbour', 'show', 'fe80::1')).toMatchObject([{ lladdr: pod.hostMac }]);
  });

  test('may have one family only', () => {
    const [a, b] = [makeNetns('a'), makeNetns('b')];
    const ipv4 = start(podOf(a, { addresses: ['10.2.0.1'] }));
    const ipv6 = start(podOf(b, { addresses: ['fd00:2::1'] }));
    expect(pings(host, '10.2.0.1')).toBe(true);
    expect(pings(host, 'fd00:2::1')).toBe(true);
    expect(a.ip('-6', 'route', 'show', 'default')).toEqual([]);
    expect(b.ip('-4', 'route')).toEqual([]);
    expect(host.ip('-6', 'address', 'show', 'dev', ipv4.hostName)).toEqual([]);
    expect(host.ip('-4', 'route', 'show', 'dev', ipv6.hostName)).toEqual([]);
  });

  test('has IPv6 also where its namespace was made without, and the host accepts no advertisements from it', () => {
    const a = makeNetns('a');
    a.exec('sysctl', '-q', '-w', 'net.ipv6.conf.all.disable_ipv6=1', 'net.ipv6.conf.default.disable_ipv6=1');
    const pod = start(podOf(a));
    expect(pings(host, pod.addresses[1]!)).toBe(true);
    expect(pings(a, pod.addresses[1]!)).toBe(true);
    expect(host.exec('sysctl', '-n', `net.ipv6.conf.${pod.hostName}.accept_ra`).trim()).toBe('0');
  });
});

test('before it is started a pod can send nothing, whatever it does with its interface', () => {
  const a = makeNetns('a');
  const wired = wirePod(node, podOf(a));
  a.exec('ip', 'link', 'set', 'eth0', 'down');
  a.exec('ip', 'link', 'set', 'eth0', 'up');
  a.succeeds('ping', '-c1', '-W1', '-I', 'eth0', '192.0.2.1');
  const stats = host.ip('-s', 'link', 'show', wired.hostName)[0]!['stats64'];
  expect(stats).toMatchObject({ rx: { packets: 0 }, tx: { packets: 0 } });
  expect(node.netlink.run(getLink(wired.hostIndex))).toMatchObject({ up: false, carrier: false });
  expect(host.ip('-4', 'route', 'show', 'dev', wired.hostName)).toEqual([]);
});

describe('a pod that is refused', () => {
  test('CNI-21: keeps its interface of the same name, and nothing is left on the node', () => {
    const a = makeNetns('a');
    a.exec('ip', 'link', 'add', 'eth0', 'type', 'bridge');
    const before = [stateOf(host), stateOf(a)];
    const refused = (): WiredPod => wirePod(node, podOf(a));
    expect(refused).toThrow(expect.objectContaining({ code: 'WIRING_POD_INTERFACE_EXISTS' }));
    expect(refused).toThrow(WiringError);
    expect([stateOf(host), stateOf(a)]).toEqual(before);
  });

  test('CNI-21: keeps its first attachment when the same is asked for again, even with the same MAC', () => {
    const [a, b] = [makeNetns('a'), makeNetns('b')];
    const pod = start(podOf(a));
    const again = { ...pod, netnsFd: b.fd };
    expect(() => wirePod(node, again)).toThrow(expect.objectContaining({ code: 'WIRING_HOST_INTERFACE_EXISTS' }));
    expect(pings(host, pod.addresses[0]!)).toBe(true);
  });

  test("CNI-14: is refused when its namespace is the node's own", () => {
    const before = stateOf(host);
    const own = podOf(host);
    expect(() => wirePod(node, own)).toThrow(expect.objectContaining({ code: 'WIRING_OWN_NAMESPACE' }));
    expect(stateOf(host)).toEqual(before);
  });

  test('is refused for wrong input before anything is made', () => {
    const a = makeNetns('a');
    const before = [stateOf(host), stateOf(a)];
    for (const wrong of [
      { addresses: [] },
      { addresses: ['10.1.0.1', '10.1.0.2'] },
      { addresses: ['10.1.0.300'] },
      { mac: '02:00' },
      { ifname: 'a/b' },
      { hostName: 'longer-than-15-bytes' },
      { nodeAddresses: ['192.0.2.1', '192.0.2.2'] },
    ]) {
      expect(() => wirePod(node, podOf(a, wrong))).toThrow(ConfigError);
    }
    expect([stateOf(host), stateOf(a)]).toEqual(before);
  });

  test('leaves the route of another pod with its address alone, and nothing of its own', () => {
    const [a, b] = [makeNetns('a'), makeNetns('b')];
    const first = start(podOf(a));
    const before = stateOf(host);
    const second = wirePod(node, podOf(b, { addresses: first.addresses }));
    expect(() => startPod(node, second)).toThrow(/RTM_NEWROUTE route 10\.1\.0\.\d+\/32 .*EEXIST/);
    expect(stateOf(host)).toEqual(before);
    expect(b.succeeds('ip', 'link', 'show', 'eth0')).toBe(false);
    expect(pings(host, first.addresses[0]!)).toBe(true);
  });
});

/** The native calls that `work` makes, in order. */
function callsOf(work: () => void): FaultPoint[] {
  const calls: FaultPoint[] = [];
  setFaultHook((point) => calls.push(point));
  work();
  setFaultHook(undefined);
  return calls;
}

/** Runs `work` with a fault at that call; gives the error. */
function failAt({ number, call, object }: FaultPoint, work: () => void): unknown {
  setFaultHook((point) => {
    if (point.number === number) throw new Error(`fault at ${call} ${object}`);
  });
  try {
    work();
  } catch (error) {
    return error;
  } finally {
    setFaultHook(undefined);
  }
  return undefined;
}

/** A thread that can't come back from a namespace ends the process, by design: netlink-namespace.test.ts. */
const isSurvivable = ({ object }: FaultPoint): boolean => object !== 'own network namespace';

describe('CNI-23: a failure leaves no link, route, neighbour or descriptor', () => {
  test('at whichever native call of wirePod', async () => {
    const a = makeNetns('a');
    const pod = podOf(a);
    const calls = callsOf(() => wirePod(node, pod));
    await unwirePod(node, INSTANCE, pod.hostName);
    a.exec('ip', 'link', 'set', 'lo', 'up');
    const before = [stateOf(host), stateOf(a), openFiles()];
    expect(calls.length).toBeGreaterThan(15);
    for (const point of calls.filter(isSurvivable)) {
      const error = failAt(point, () => wirePod(node, pod));
      expect(error, `${point.call} ${point.object}`).toMatchObject({
        message: `fault at ${point.call} ${point.object}`,
      });
      expect([stateOf(host), stateOf(a), openFiles()], `after ${point.call} ${point.object}`).toEqual(before);
    }
    start(pod);
    expect(pings(host, pod.addresses[0]!)).toBe(true);
  });

  test('at whichever native call of startPod', async () => {
    const a = makeNetns('a');
    const pod = podOf(a);
    const first = wirePod(node, pod);
    const calls = callsOf(() => startPod(node, first));
    await unwirePod(node, INSTANCE, pod.hostName);
    const before = [stateOf(host), stateOf(a), openFiles()];
    expect(calls.length).toBeGreaterThan(5);
    for (const point of calls) {
      const wired = wirePod(node, pod);
      const error = failAt(point, () => startPod(node, wired));
      expect(error, `${point.call} ${point.object}`).toMatchObject({
        message: `fault at ${point.call} ${point.object}`,
      });
      expect([stateOf(host), stateOf(a), openFiles()], `after ${point.call} ${point.object}`).toEqual(before);
    }
  });

  test('and when undoing fails as well, the error says both', () => {
    const pod = podOf(makeNetns('a'));
    let failing = false;
    setFaultHook(({ object }) => {
      failing ||= object.includes('neighbour') || object.includes('lo and');
      if (failing) throw new Error('fault');
    });
    const wire = (): WiredPod => wirePod(node, pod);
    expect(wire).toThrow(`fault; and ${pod.hostName} could not be removed: fault`);
  });
});

describe('unwirePod', () => {
  test('removes everything of the pod; once more is fine', async () => {
    const a = makeNetns('a');
    const before = stateOf(host);
    const pod = start(podOf(a));
    expect(listWiredInterfaces(node, INSTANCE)).toMatchObject([{ name: pod.hostName, index: pod.hostIndex }]);
    expect(await unwirePod(node, INSTANCE, pod.hostName)).toBe(true);
    expect(stateOf(host)).toEqual(before);
    expect(a.succeeds('ip', 'link', 'show', 'eth0')).toBe(false);
    expect(await unwirePod(node, INSTANCE, pod.hostName)).toBe(false);
    expect(listWiredInterfaces(node, INSTANCE)).toEqual([]);
  });

  test('CNI-30: succeeds when the namespace is gone, and when several are removed at once', async () => {
    const pods = ['a', 'b', 'c'].map((name) => {
      const netns = makeNetns(name);
      return { netns, ...start(podOf(netns)) };
    });
    pods[0]!.netns.remove();
    await Promise.all(pods.map(({ hostName }) => unwirePod(node, INSTANCE, hostName)));
    expect(listWiredInterfaces(node, INSTANCE)).toEqual([]);
  });

  test('touches no interface without the prefix of the instance', async () => {
    const pod = start(podOf(makeNetns('a')));
    const foreign = { code: 'WIRING_FOREIGN_INTERFACE' };
    await expect(unwirePod(node, 'other', pod.hostName)).rejects.toMatchObject(foreign);
    await expect(unwirePod(node, INSTANCE, 'lo')).rejects.toMatchObject(foreign);
    expect(pings(host, pod.addresses[0]!)).toBe(true);
  });
});

describe('the node', () => {
  test('forwards both families; what was off is named', () => {
    using fresh = makeNetns('fresh');
    using other = openNodeNetwork(fresh.fd);
    fresh.exec('sysctl', '-q', '-w', 'net.ipv4.ip_forward=0', 'net.ipv6.conf.all.forwarding=0');
    expect(ensureForwarding(other)).toEqual(['net.ipv4.ip_forward', 'net.ipv6.conf.all.forwarding']);
    expect(ensureForwarding(other)).toEqual([]);
    expect(fresh.exec('sysctl', '-n', 'net.ipv4.ip_forward', 'net.ipv6.conf.all.forwarding')).toBe('1\n1\n');
  });

  test('sends nothing to addresses of its podCIDRs that no pod has', () => {
    const cidrs = ['10.1.0.0/24', 'fd00:1::/64'];
    ensureUnreachable(node, cidrs);
    ensureUnreachable(node, cidrs);
    expect(host.ip('-4', 'route')).toMatchObject([{ type: 'unreachable', dst: '10.1.0.0/24', protocol: '83' }]);
    expect(host.ip('-6', 'route', 'show', 'fd00:1::/64')).toMatchObject([{ type: 'unreachable', protocol: '83' }]);
    const a = makeNetns('a');
    const pod = start(podOf(a));
    expect(pings(host, pod.addresses[0]!)).toBe(true);
    const answer = a.exec('sh', '-c', 'ping -c1 -W1 10.1.0.250 || true');
    expect(answer).toContain('Destination Host Unreachable');
    removeUnreachable(node, cidrs);
    removeUnreachable(node, cidrs);
    expect(host.ip('route', 'show', 'type', 'unreachable')).toEqual([]);
    expect(host.ip('-6', 'route', 'show', 'fd00:1::/64')).toEqual([]);
  });
});

describe('names', () => {
  test('a host interface has 15 characters of the alphabet and begins with the prefix of its instance', () => {
    const name = hostInterfaceName('default', 'a'.repeat(64), 'eth0', 'cluster');
    expect(name).toMatch(/^sl[a-z2-7]{13}$/);
    expect(name.startsWith(interfacePrefix('default'))).toBe(true);
    expect(interfacePrefix('default')).toHaveLength(5);
    expect(name).toBe('slpe2lawqhedt4m');
  });

  test('every part counts, and parts do not run into one another', () => {
    const names = [
      hostInterfaceName('i', 'c', 'eth0', 'n'),
      hostInterfaceName('i', 'c', 'eth1', 'n'),
      hostInterfaceName('i', 'd', 'eth0', 'n'),
      hostInterfaceName('i', 'c', 'eth0', 'm'),
      hostInterfaceName('j', 'c', 'eth0', 'n'),
      hostInterfaceName('i', 'ce', 'th0', 'n'),
    ];
    expect(new Set(names).size).toBe(names.length);
    expect(interfacePrefix('i')).not.toBe(interfacePrefix('j'));
  });

  test('a random MAC is a locally administered unicast address', () => {
    expect(randomMac((size) => new Uint8Array(size).fill(0xff))).toBe('fe:ff:ff:ff:ff:ff');
    expect(randomMac((size) => new Uint8Array(size))).toBe('02:00:00:00:00:00');
  });
});
