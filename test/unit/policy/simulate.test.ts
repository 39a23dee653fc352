import { expect, test } from 'vitest';
import { formatAddressKey, readAddressKey } from '../../../src/policy/address-key.ts';
import { ADDRESS_OWN_NODE, PEER_CLASS_WORLD } from '../../../src/policy/ids.ts';
import { TableReader } from '../../../src/policy/simulate.ts';
import type { VerdictTables } from '../../../src/policy/tables.ts';

const v4 = (...bytes: number[]): number[] => [4, ...bytes, ...Array<number>(12).fill(0)];

function row(first: number): number[] {
  return [first, ...Array<number>(31).fill(0)];
}

/** 10.0.0.1 is class 5; 10.0.0.2 is the node's; 10.0.0.0/24 is class 6, 10.0.0.0/25 is class 7. */
const tables: VerdictTables = {
  revision: 1,
  addresses: {
    keys: Uint8Array.from([v4(10, 0, 0, 1), v4(10, 0, 0, 2)].flat()),
    classes: Uint32Array.of(5, 0xffffffff),
    flags: Uint32Array.of(0, 1),
  },
  prefixes: {
    keys: Uint8Array.from(
      [
        [4, 24, ...v4(10, 0, 0, 0).slice(1)],
        [4, 25, ...v4(10, 0, 0, 0).slice(1)],
      ].flat(),
    ),
    classes: Uint32Array.of(6, 7),
  },
  ports: {
    protocol: Uint8Array.of(0, 0, 0, 1, 2),
    first: Uint16Array.of(0, 80, 81, 0, 0),
    last: Uint16Array.of(79, 80, 65535, 65535, 65535),
    portClass: Uint16Array.of(3, 4, 3, 3, 300),
  },
  rows: {
    ruleSet: Uint32Array.of(2, 2, 2),
    peerClass: Uint32Array.of(0, 0, 5),
    block: Uint32Array.of(0, 1, 0),
    allow: Uint8Array.from(
      [row(0b00010000), [0, 0, 0, 0, 0, 0b00010000, ...Array<number>(26).fill(0)], row(0b00000010)].flat(),
    ),
    audit: new Uint8Array(96),
  },
  endpoints: {
    id: Uint32Array.of(1, 2, 3),
    ingress: Uint32Array.of(2, 0, 1),
    egress: Uint32Array.of(1, 0, 1),
    ingressPolicies: [[], [], []],
    egressPolicies: [[], [], []],
  },
};
const reader = new TableReader(tables);
const key = (...bytes: number[]): Uint8Array => Uint8Array.from(v4(...bytes));

test('an exact address comes before prefixes, the longest prefix before shorter ones, and the rest is world', () => {
  expect(reader.classOf(key(10, 0, 0, 1))).toBe(5);
  expect(reader.classOf(key(10, 0, 0, 3))).toBe(7);
  expect(reader.classOf(key(10, 0, 0, 200))).toBe(6);
  expect(reader.classOf(key(10, 0, 1, 1))).toBe(PEER_CLASS_WORLD);
  expect(reader.classOf(Uint8Array.of(6, 10, ...new Uint8Array(15)))).toBe(PEER_CLASS_WORLD);
});

test('an address of which only flags are known has the class of its prefix', () => {
  expect(reader.classOf(key(10, 0, 0, 2))).toBe(7);
  expect(reader.flagsOf(key(10, 0, 0, 2))).toBe(ADDRESS_OWN_NODE);
  expect(reader.flagsOf(key(10, 0, 0, 9))).toBe(0);
});

test('port classes by protocol and port, fixed ones without ports', () => {
  expect([79, 80, 81].map((port) => reader.portClassOf(6, port))).toEqual([3, 4, 3]);
  expect([17, 132, 1, 58, 47].map((protocol) => reader.portClassOf(protocol, 80))).toEqual([3, 300, 1, 2, 0]);
});

test('the row of the class, else that of the default, else deny', () => {
  expect(reader.verdict(2, 5, 1)).toBe(true);
  expect(reader.verdict(2, 5, 4)).toBe(false);
  expect(reader.verdict(2, 9, 4)).toBe(true);
  expect(reader.verdict(2, 5, 300)).toBe(true);
  expect(reader.verdict(2, 9, 600)).toBe(false);
  expect(reader.verdict(3, 9, 4)).toBe(false);
});

test('open and closed decide at once', () => {
  expect(reader.judge(3, 'ingress', '8.8.8.8', 6, 1)).toBe('allow');
  expect(reader.judge(2, 'ingress', '10.0.0.1', 6, 80)).toBe('deny');
  expect(reader.judge(1, 'ingress', '8.8.8.8', 6, 80)).toBe('allow');
  expect(reader.judge(1, 'egress', '8.8.8.8', 6, 1)).toBe('allow');
});

test('no endpoint, no verdict; no address, an error', () => {
  expect(reader.judge(9, 'ingress', '8.8.8.8', 6, 80)).toBeUndefined();
  expect(() => reader.judge(1, 'ingress', 'nonsense', 6, 80)).toThrow('"nonsense" is not an IP address');
});

test.each(['10.0.0.1', '255.255.255.255', '::', 'fd00::1', '::ffff:0:1'])('%s is the same after a key', (address) => {
  expect(formatAddressKey(readAddressKey(address) ?? '')).toBe(address);
});
