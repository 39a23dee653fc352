/** The share of the flow table that an endpoint may have holds over time: flows that are kept alive stay counted. */
import { expect, test } from 'vitest';
import { RuleSet } from '../../src/kernel/abi.gen.ts';
import { LoadedPrograms, type TestPod } from '../support/loaded-programs.ts';
import { frame, SYN, ACK, TCP, tcp, UDP, udp } from '../support/packet.ts';

const SHOT = 2;
const SHARE = 20;
const LIFE_MS = 1_000;
const TOUCH_MS = 150;

function between(from: TestPod, to: TestPod, protocol: number, payload: Uint8Array): Uint8Array {
  const macs = { sourceMac: from.mac, destinationMac: from.hostMac };
  return frame({ source: from.ipv4, destination: to.ipv4, protocol, payload, ...macs });
}

function openPrograms(): LoadedPrograms {
  const host = new LoadedPrograms({
    endpoint_flows_max: SHARE,
    other_live_timeout_ns: BigInt(LIFE_MS) * 1_000_000n,
    other_opening_timeout_ns: BigInt(LIFE_MS) * 1_000_000n,
  });
  for (const pod of [host.a, host.b]) host.setPod(pod, { ingress: RuleSet.OPEN, egress: RuleSet.OPEN });
  return host;
}

async function pause(ms: number): Promise<void> {
  const end = performance.now() + ms;
  while (performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 10));
}

test('flows that are kept alive beyond the life of an idle one make no room for others', async () => {
  using host = openPrograms();
  const { a, b } = host;
  const talk = (port: number): void => {
    expect(host.run('from_pod', a, between(a, b, UDP, udp(port, 53))).retval).not.toBe(SHOT);
    expect(host.run('from_pod', b, between(b, a, UDP, udp(53, port))).retval).not.toBe(SHOT);
  };
  const ports = Array.from({ length: SHARE }, (_, i) => 1_000 + i);
  for (let passed = 0; passed < 2 * LIFE_MS; passed += TOUCH_MS) {
    for (const port of ports) talk(port);
    await pause(TOUCH_MS);
  }
  for (const port of ports) talk(port + SHARE);
  expect(host.flows('flows_live')).toHaveLength(SHARE);
});

test('idle flows are forgotten after their life, and others may take their place', async () => {
  using host = openPrograms();
  const { a, b } = host;
  const talk = (port: number): void => {
    host.run('from_pod', a, between(a, b, UDP, udp(port, 53)));
    host.run('from_pod', b, between(b, a, UDP, udp(53, port)));
  };
  for (let i = 0; i < SHARE; i += 1) talk(1_000 + i);
  await pause(1.2 * LIFE_MS);
  for (let i = 0; i < SHARE; i += 1) talk(2_000 + i);
  expect(host.flows('flows_live')).toHaveLength(2 * SHARE);
});

test('a flow whose entry another one takes is counted no longer', () => {
  using host = openPrograms();
  const { a, b } = host;
  for (let i = 0; i < 3 * SHARE; i += 1) {
    const [from, to] = i % 2 === 0 ? [a, b] : [b, a];
    const [one, other] = i % 2 === 0 ? [4000, 80] : [80, 4000];
    // A SYN from the end that did not open it.
    host.run('from_pod', from, between(from, to, TCP, tcp(one, other, SYN)));
    host.run('from_pod', to, between(to, from, TCP, tcp(other, one, SYN | ACK)));
  }
  expect(host.flows('flows_live')).toHaveLength(1);
  for (let i = 0; i < SHARE - 1; i += 1) {
    host.run('from_pod', a, between(a, b, TCP, tcp(5_000 + i, 80, SYN)));
    host.run('from_pod', b, between(b, a, TCP, tcp(80, 5_000 + i, SYN | ACK)));
  }
  expect(host.flows('flows_live')).toHaveLength(SHARE);
});
