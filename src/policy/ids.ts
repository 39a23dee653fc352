/**
 * The numbers of bpf/abi.h that the compiler and its readers need. policy/ is pure and imports nothing of kernel/, so
 * they are written here once more; a unit test compares every one with the header's text.
 */

export const RULE_SET_CLOSED = 0;
export const RULE_SET_OPEN = 1;
export const RULE_SET_FIRST = 2;

export const PEER_CLASS_DEFAULT = 0;
export const PEER_CLASS_WORLD = 1;
export const PEER_CLASS_UNKNOWN_POD = 2;
export const PEER_CLASS_FIRST = 3;
export const PEER_CLASS_NONE = 0xffffffff;

export const PORT_CLASS_OTHER = 0;
export const PORT_CLASS_ICMP = 1;
export const PORT_CLASS_ICMPV6 = 2;
export const PORT_CLASS_FIRST = 3;

export const PORT_PROTOCOL_TCP = 0;
export const PORT_PROTOCOL_UDP = 1;
export const PORT_PROTOCOL_SCTP = 2;

export const ADDRESS_OWN_NODE = 1;

export const LIMIT_ADDRESSES = 262144;
export const LIMIT_PREFIXES = 65536;
export const LIMIT_ROWS = 524288;
export const LIMIT_PORT_CLASSES = 65536;
export const PORT_CLASSES_PER_BLOCK = 256;

/** Bytes of one row's bits. */
export const ROW_BYTES: number = PORT_CLASSES_PER_BLOCK / 8;
/** Bytes of one key of AddressTable and of PrefixTable. */
export const ADDRESS_KEY_BYTES = 17;
export const PREFIX_KEY_BYTES = 18;
