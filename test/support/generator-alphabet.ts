/**
 * The small alphabets that generated clusters are made of: so small that names, labels, addresses and ports collide all
 * the time, which is where mistakes live. `constructor` is a label key because every object inherits one.
 */

/** The node whose datapath is under test. */
export const LOCAL_NODE = 'here';

export interface NodePlace {
  readonly name: string;
  readonly podCIDRs: readonly string[];
  /** Of the node itself. */
  readonly addresses: readonly string[];
  /** What its pods may have. */
  readonly podAddresses: readonly string[];
}

export const NODE_PLACES: readonly NodePlace[] = [LOCAL_NODE, 'near', 'far'].map((name, index) => {
  const n = index + 1;
  return {
    name,
    podCIDRs: [`10.0.${n}.0/28`, `fd00:0:0:${n}::/124`],
    addresses: [`192.168.0.${n}`, `fd01::${n}`],
    podAddresses: [1, 2, 3, 4, 5].flatMap((host) => [`10.0.${n}.${host}`, `fd00:0:0:${n}::${host}`]),
  };
});

/** Addresses in podCIDRs that no pod is ever given. */
export const UNKNOWN_POD_ADDRESSES: readonly string[] = [1, 2, 3].flatMap((n) => [`10.0.${n}.14`, `fd00:0:0:${n}::e`]);
/** Pods may also have these, which are in no podCIDR. */
export const STRAY_POD_ADDRESSES: readonly string[] = ['10.0.9.1', '10.0.9.2', 'fd00:0:0:9::1', 'fd00:0:0:9::2'];
export const OUTSIDE_ADDRESSES: readonly string[] = ['203.0.113.5', '198.51.100.1', '2001:db8::5', '2001:db8:1::1'];

/** Blocks that hold pods, wide, narrow, nested and adjacent. Canonical text. */
export const POD_BLOCKS: readonly string[] = [
  '0.0.0.0/0 0.0.0.0/1 10.0.0.0/8 10.0.0.0/22 10.0.1.0/28 10.0.1.0/29 10.0.1.2/31 10.0.1.2/32',
  '10.0.2.0/30 10.0.2.4/30 10.0.9.0/31 10.0.9.1/32',
  '::/0 fd00::/16 fd00:0:0:1::/64 fd00:0:0:1::2/127 fd00:0:0:1::2/128 fd00:0:0:2::/125 fd00:0:0:9::/126',
].flatMap((line) => line.split(' '));
/** Blocks of nodes and of the outside, with halves that add up to a whole. */
export const OTHER_BLOCKS: readonly string[] = [
  '128.0.0.0/1 192.168.0.0/24 192.168.0.2/32',
  '203.0.113.0/24 203.0.113.0/25 203.0.113.128/25 203.0.113.4/30 203.0.113.5/32',
  '8000::/1 fd01::/64 2001:db8::/32 2001:db8::4/126 2001:db8::5/128',
].flatMap((line) => line.split(' '));

export const NAMESPACES = ['x', 'y', 'z'] as const;
/** Pods and policies may be in it, but no Namespace object ever is (NP-28). */
export const GHOST_NAMESPACE = 'ghost';
export const POD_NAMES = ['a', 'b', 'c'] as const;
export const POLICY_NAMES = ['p', 'q', 'r'] as const;
export const POD_UIDS = ['', 'u1', 'u2'] as const;
export const LABEL_VALUES = ['', 'web', 'db'] as const;
export const POD_LABEL_KEYS = ['app', 'tier', 'constructor'] as const;
export const NAMESPACE_LABEL_KEYS = ['team', 'constructor'] as const;
export const PORT_NUMBERS = [1, 80, 81, 443, 65535] as const;
export const PORT_NAMES = ['web', 'web', 'dns'] as const;
/** What the names stand for: few, so that pods share names with and without sharing numbers. */
export const NAMED_PORT_NUMBERS = [80, 81, 443] as const;
/** Declared by no pod (NP-46). */
export const UNKNOWN_PORT_NAME = 'absent';
/** TCP is what most of them are. */
export const PROTOCOLS = ['TCP', 'TCP', 'TCP', 'UDP', 'SCTP'] as const;
