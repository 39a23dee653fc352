/** The small world that fuzzed packets move in: the pods, and other addresses worth being. */
import { FUZZ_PODS } from './fuzz-step.ts';
import type { RandomSource } from './random-source.ts';
import type { Entrance } from './reference-judge.ts';

export type FamilyName = 'ipv4' | 'ipv6';

/** Addresses of the world that are no pod's of this node. */
export const PLACES = {
  ipv4: ['10.244.1.5', '10.244.1.9', '192.0.2.9', '192.0.2.77', '198.51.100.1', '10.0.0.1', '169.254.1.1'],
  ipv6: ['fd00:244:1::5', 'fd00:244:1::9', '2001:db8::9', '2001:db8::77', '2001:db8:1::1', 'fd00::1', 'fe80::1'],
} as const;
export const NODE_ADDRESSES = { ipv4: '10.0.0.1', ipv6: 'fd00::1' } as const;
/** Addresses of services: two that there may be, one that is nobody's. */
export const SERVICES = {
  ipv4: ['10.96.0.10', '10.96.0.11', '10.96.0.99'],
  ipv6: ['fd00:96::a', 'fd00:96::b', 'fd00:96::99'],
} as const;
/** What services lead to: pods of this node and of others, and what is not known at all. */
export const BACKENDS: Readonly<Record<FamilyName, readonly string[]>> = {
  ipv4: [...FUZZ_PODS.map(({ ipv4 }) => ipv4), '10.244.1.5', '192.0.2.9'],
  ipv6: [...FUZZ_PODS.map(({ ipv6 }) => ipv6), 'fd00:244:1::5', '2001:db8::9'],
};
export const BACKEND_PORTS: readonly number[] = [80, 4000];
export const SERVICE_PORTS: readonly number[] = [80, 443];
export const PORTS: readonly number[] = [53, 80, 443, 4000, 4001, 65_535];
export const FOREIGN_MAC = '02:de:ad:be:ef:01';

const MULTICAST = {
  ipv4: ['224.0.0.251', '239.1.1.1', '255.255.255.255'],
  ipv6: ['ff02::fb', 'ff02::1', 'ff02::16', 'ff05::2', 'ff02::1:ff00:1'],
} as const;
const MAPPED = ['::ffff:10.244.0.2', '::ffff:192.0.2.9'];

export function anyAddress(r: RandomSource, family: FamilyName): string {
  if (r.chance(0.45)) return r.pick(FUZZ_PODS)[family];
  if (r.chance(0.5)) return r.pick(SERVICES[family]);
  if (r.chance(0.06)) return r.pick(MULTICAST[family]);
  if (family === 'ipv6' && r.chance(0.04)) return r.pick(MAPPED);
  return r.pick(PLACES[family]);
}

/** Mostly where a packet of that source comes in. */
export function entranceOf(r: RandomSource, source: string): Entrance {
  const pod = FUZZ_PODS.findIndex(({ ipv4, ipv6 }) => ipv4 === source || ipv6 === source);
  if (pod >= 0 && r.chance(0.8)) return pod;
  return r.pick<Entrance>(['wire', 'wire', 'node', r.below(FUZZ_PODS.length)]);
}
