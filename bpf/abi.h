/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Every struct, enum and limit that the programs share with user space. This is the only place where a shared layout
 * is written: src/kernel/abi.gen.ts is made from the type information (BTF) that clang keeps of it.
 *
 * Rules, held by the generator: fixed-width integers only, no implicit padding, no bit-fields, no pointers; byte order
 * is the machine's (little-endian) unless the type is __be16 or __be32; constants are enum members.
 */
#ifndef SLUICE_ABI_H
#define SLUICE_ABI_H

#include <linux/types.h>

#define DOC(text) __attribute__((btf_decl_tag("doc:" text)))

enum limits {
	LIMIT_ENDPOINTS = 4096, /* pods of one node */
	LIMIT_LOCALS = 8192, /* addresses of the pods of one node: one a family */
	LIMIT_ADDRESSES = 262144, /* pod and node addresses known to one node */
	LIMIT_PREFIXES = 65536, /* ipBlocks, their excepts and podCIDRs, after removal of duplicates */
	LIMIT_ROWS = 524288, /* stored verdict rows; 16 bytes of memory each before there is any */
	LIMIT_FLOWS_NEW = 65536, /* default size of the table of unanswered flows */
	LIMIT_FLOWS_LIVE = 262144, /* default size of the table of flows seen both ways */
	LIMIT_FRAGMENTS = 8192, /* fragmented packets under way whose ports are remembered */
	LIMIT_ENDPOINT_FLOWS = 32768, /* default of flows one endpoint may have in the table of flows seen both ways */
	LIMIT_FRONTENDS = 131072, /* service frontends, and the addresses that they have */
	LIMIT_BACKENDS = 262144,
	LIMIT_SLOTS = 4194304, /* of all frontends together; the table takes four bytes each from the start */
	LIMIT_AFFINITIES = 65536, /* clients that are to find the backend they had, by frontend */
	LIMIT_SERVICE_RANGES = 64,
	SLOTS_PER_CELL = 2, /* slots one element of the slot table holds */
	SOURCE_PORT_TRIES_MAX = 16, /* other source ports tried for a translated flow whose own is taken */
	SOURCE_PORT_FIRST = 1024, /* they are taken from here up to 65535 */
	SERVICE_FLOW_CHARGE = 2, /* entries of a translated flow: it counts for so many at its endpoint */
	EXTENSION_HEADERS_MAX = 6, /* IPv6 extension headers of one packet */
	IPV4_OPTIONS_MAX = 40, /* options of one packet: each is at least one byte */
	USAGE_SLOTS = 16, /* a flow's life is counted in this many parts */
	FRAGMENT_TIMEOUT_MS = 30000, /* as long as receivers wait for the rest (RFC 1122: 60 s at the most) */
	LIMIT_PORT_CLASSES = 65536, /* ids of port classes are 16 bits wide */
	PORT_CLASSES_PER_BLOCK = 256, /* port classes one verdict row holds */
	PORT_CLASSES_PER_CELL = 4, /* ports one element of the port table holds */
	PORT_TABLE_CELLS = 49152, /* elements of one port table: 3 protocols x 65536 ports / 4 */
	PORT_TABLES = 2, /* the one in force and the one being written */
	EVENT_RING_BYTES = 1048576,
	EVENT_LIMIT_ENTRIES = 16384, /* (endpoint, reason) pairs whose events are limited at one time */
	EVENTS_PER_WINDOW = 10, /* events one (endpoint, reason) may send in a window; the counters count every packet */
	EVENT_WINDOW_MS = 1000,
};

enum family {
	FAMILY_NONE = 0,
	FAMILY_IPV4 = 4,
	FAMILY_IPV6 = 6,
};

/* Rule sets 0 and 1 have no rows. */
enum rule_set {
	RULE_SET_CLOSED = 0, /* nothing passes: policies not known yet, or deny all */
	RULE_SET_OPEN = 1, /* everything passes: no policy isolates this direction */
	RULE_SET_FIRST = 2,
};

enum peer_class {
	PEER_CLASS_DEFAULT = 0, /* row for every class that has none of its own */
	PEER_CLASS_WORLD = 1, /* outside every known prefix: matches only terms that mean every peer */
	PEER_CLASS_UNKNOWN_POD = 2, /* inside a podCIDR, pod not known: matches only terms that mean every peer */
	PEER_CLASS_FIRST = 3,
	PEER_CLASS_NONE = 0xffffffff, /* in a versioned value: the element does not exist on that side */
};

/* Fixed port classes; the compiler numbers its own from PORT_CLASS_FIRST. */
enum port_class {
	PORT_CLASS_OTHER = 0, /* a protocol without ports that is not ICMP or ICMPv6 */
	PORT_CLASS_ICMP = 1,
	PORT_CLASS_ICMPV6 = 2,
	PORT_CLASS_FIRST = 3,
};

/* Index of a protocol's third of the port table. */
enum port_protocol {
	PORT_PROTOCOL_TCP = 0,
	PORT_PROTOCOL_UDP = 1,
	PORT_PROTOCOL_SCTP = 2,
};

enum direction {
	DIRECTION_EGRESS = 0, /* out of the pod */
	DIRECTION_INGRESS = 1, /* into the pod */
};

/* Why a packet ended where it did. Each is counted; each except REASON_FORWARDED_* is a drop. */
enum reason {
	REASON_FORWARDED_STACK = 0, /* handed to the host's stack, or by it to the pod */
	REASON_FORWARDED_PEER = 1, /* straight into the receiver's namespace */
	REASON_ANSWERED = 2, /* an ARP request answered by the program itself */
	REASON_POLICY = 3, /* no rule of the policies that isolate the pod allows it */
	REASON_NO_ENDPOINT = 4, /* the interface is not (yet) an endpoint */
	REASON_CLOSED = 5, /* the endpoint's policies are not known yet */
	REASON_SOURCE_ADDRESS = 6, /* not an address of the pod that sent it */
	REASON_SOURCE_MAC = 7, /* not the hardware address of the pod that sent it */
	REASON_MALFORMED = 8, /* truncated, or lengths contradict one another */
	REASON_ETHERTYPE = 9, /* neither IPv4, IPv6 nor ARP */
	REASON_ARP = 10, /* neither a request for the gateway nor an answer, or not in the pod's own name */
	REASON_NEIGHBOUR_DISCOVERY = 11, /* router and neighbour messages a pod has no business sending; dropped quietly */
	REASON_MULTICAST = 12, /* multicast or broadcast; dropped quietly */
	REASON_FRAGMENT = 13, /* a later fragment whose first one was not seen, or was denied */
	REASON_EXTENSION_HEADER = 14, /* more IPv6 extension headers than are walked, or one that is not known */
	REASON_V4_MAPPED = 15, /* an IPv6 packet with an IPv4-mapped address */
	REASON_FLOW_TABLE = 16, /* the flow could not be recorded */
	REASON_INTERNAL = 17, /* a helper failed that must not fail */
	REASON_FRAGMENT_TINY = 18, /* a first fragment without the whole transport header */
	REASON_FRAGMENT_OVERLAP = 19, /* a later fragment that would overwrite the first */
	REASON_SOURCE_ROUTE = 20, /* a source route: the destination in the header is not where the packet goes */
	REASON_NO_SUCH_SERVICE = 21, /* to an address of a service range, or a port of a service, that leads nowhere */
	REASON_NO_BACKEND = 22, /* the service has no endpoint, or the one of a TCP flow is gone; answered with an error */
	REASON_TRAFFIC_POLICY = 23, /* the service has endpoints, but none that may be used on this node */
	REASON_TRANSLATION = 24, /* to a service, but the packet cannot be told from one of another flow once translated */
	REASON_TUNNEL = 25, /* UDP to the port of the nodes' tunnel, and not to a pod */
	REASON_COUNT = 26,
};

/* A judgement of one end of a flow, or of one packet. */
enum verdict {
	VERDICT_NONE = 0, /* not judged at this end */
	VERDICT_ALLOW = 1,
	VERDICT_DENY = 2, /* a live flow that a change denied: a tombstone */
};

/* Where a flow came from. */
enum origin {
	ORIGIN_POD = 0, /* from_pod saw it open */
	ORIGIN_FORWARDED = 1, /* the host forwarded it to the pod */
	ORIGIN_HOST = 2, /* the node itself opened it */
};

/* How a flow's packets travel; chosen at its first packet and kept. */
enum flow_path {
	FLOW_PATH_STACK = 0,
	FLOW_PATH_PEER = 1,
};

enum endpoint_flag {
	ENDPOINT_NO_PEER = 1, /* always through the stack: the interface has a qdisc or program that redirect would bypass */
};

enum address_flag {
	ADDRESS_OWN_NODE = 1, /* an address of the node itself */
};

enum config_flag {
	CONFIG_JUDGE_OWN_NODE = 1, /* judge pod to own node by egress policy instead of allowing it */
	CONFIG_SERVICES = 2, /* there are frontends or service ranges to look for */
};

enum flow_flag {
	FLOW_ANSWERED = 1, /* seen in both directions */
	FLOW_CHARGED = 2, /* counted among the flows of an endpoint */
	FLOW_FRONTEND = 4, /* not a flow: the tuple of a client's packets to a frontend; it lives by the flow that it leads to */
};

enum frontend_flag {
	FRONTEND_REJECT = 2, /* no usable endpoint anywhere: answered with an error */
	FRONTEND_DROP = 4, /* endpoints, but none that may be used on this node */
	FRONTEND_ADDRESS = 8, /* protocol and port are 0: this stands for an address that some frontend has */
	FRONTEND_ELSEWHERE = 16, /* somebody else translates it: judged as it stands, and left to the stack */
};

/* State of one direction of a TCP flow, as bits. */
enum tcp_flag {
	TCP_SEEN_SYN = 1,
	TCP_SEEN_ACK = 2,
	TCP_SEEN_FIN = 4,
	TCP_SEEN_RST = 8,
};

/*
 * The one element of the map `config`. commit is read and written as one 64-bit word: generation in the low half, the
 * number of the port table in force in the high half. A packet reads it once, so it sees one state of all the tables.
 */
struct config {
	__u64 commit DOC("low 32 bits: generation in force; high 32 bits: port table in force (0 or 1)");
	__u64 grace_until_ns DOC("CLOCK_MONOTONIC; until then a segment without an entry may be admitted as a reply; 0: never");
	__u32 flags DOC("bits of enum config_flag");
	__u32 pad;
};
_Static_assert(sizeof(struct config) == 24, "config");

/* Key of `endpoints`: index of the host end of the pod's veth. */
struct endpoint_key {
	__u32 ifindex;
};
_Static_assert(sizeof(struct endpoint_key) == 4, "endpoint_key");

/*
 * A pod's interface. Rule sets are versioned: *_new is in force once the generation in force has reached `generation`,
 * *_old before. The same rule holds for every versioned value.
 */
struct endpoint_value {
	__u32 id DOC("unique over the life of the node; 0 is no endpoint");
	__u32 flags DOC("bits of enum endpoint_flag");
	__u8 mac[6] DOC("hardware address of the pod's end");
	__u8 host_mac[6] DOC("hardware address of the host's end, the pod's gateway");
	__u32 generation DOC("from this generation on the new rule sets are in force");
	__u32 ingress_old;
	__u32 ingress_new;
	__u32 egress_old;
	__u32 egress_new;
	__u8 ipv4[4] DOC("all zero: none");
	__u8 ipv6[16] DOC("all zero: none");
	__u32 pad;
};
_Static_assert(sizeof(struct endpoint_value) == 64, "endpoint_value");

struct address_key {
	__u8 family DOC("enum family");
	__u8 pad[3];
	__u8 address[16] DOC("network order; IPv4 in the first 4 bytes, the rest zero");
};
_Static_assert(sizeof(struct address_key) == 20, "address_key");

/* What is known of one address. class_*: versioned, PEER_CLASS_NONE means look among the prefixes. */
struct address_value {
	__u32 generation;
	__u32 class_old;
	__u32 class_new;
	__u32 flags DOC("bits of enum address_flag");
};
_Static_assert(sizeof(struct address_value) == 16, "address_value");

/* Key of `locals`: address_key. The local endpoint that has the address. */
struct local_value {
	__u32 endpoint_id;
	__u32 ifindex DOC("host end of the endpoint's veth");
	__u8 mac[6] DOC("hardware address of the pod's end");
	__u8 host_mac[6];
	__u32 endpoint_flags DOC("bits of enum endpoint_flag");
};
_Static_assert(sizeof(struct local_value) == 24, "local_value");

/* Longest prefix match: bits counts the family byte and the three pad bytes too (32 + prefix length). */
struct prefix_key {
	__u32 bits;
	__u8 family;
	__u8 pad[3];
	__u8 address[16];
};
_Static_assert(sizeof(struct prefix_key) == 24, "prefix_key");

/* class_*: versioned; PEER_CLASS_NONE is not allowed (an absent prefix takes the class of the one around it). */
struct prefix_value {
	__u32 generation;
	__u32 class_old;
	__u32 class_new;
	__u32 pad;
};
_Static_assert(sizeof(struct prefix_value) == 16, "prefix_value");

/* Four consecutive ports of one protocol: the port classes. Index: table * PORT_TABLE_CELLS + (protocol * 65536 + port) / 4. */
struct port_cell {
	__u16 port_class[4];
};
_Static_assert(sizeof(struct port_cell) == 8, "port_cell");

struct row_key {
	__u32 rule_set;
	__u32 peer_class;
	__u32 block DOC("port class / PORT_CLASSES_PER_BLOCK");
};
_Static_assert(sizeof(struct row_key) == 12, "row_key");

/* Bit n % 8 of byte n / 8 belongs to port class block * 256 + n. */
struct row_value {
	__u8 allow[32];
	__u8 audit[32] DOC("1: send an event although the verdict is allow");
};
_Static_assert(sizeof(struct row_value) == 64, "row_value");

/* A flow in canonical order: the end with the smaller (address, port) first. After translation. */
struct flow_key {
	__u8 address_lo[16];
	__u8 address_hi[16];
	__be16 port_lo DOC("ICMP echo: the identifier, at both ends");
	__be16 port_hi;
	__u8 family;
	__u8 protocol DOC("IANA protocol number");
	__u8 pad[2];
};
_Static_assert(sizeof(struct flow_key) == 40, "flow_key");

struct flow_value {
	__u64 last_seen_ns DOC("CLOCK_MONOTONIC");
	__u64 opened_ns DOC("CLOCK_MONOTONIC");
	__u32 egress_epoch DOC("generation at which the opener's egress was judged; 0: not judged here");
	__u32 ingress_epoch DOC("generation at which the responder's ingress was judged; 0: not judged here");
	__u8 egress_verdict DOC("enum verdict");
	__u8 ingress_verdict DOC("enum verdict");
	__u8 origin DOC("enum origin");
	__u8 path DOC("enum flow_path");
	__u8 opener DOC("0: the lower end opened it; 1: the higher end");
	__u8 opener_tcp DOC("bits of enum tcp_flag, from the opener");
	__u8 responder_tcp DOC("bits of enum tcp_flag, from the responder");
	__u8 flags DOC("bits of enum flow_flag");
	__u32 opener_endpoint DOC("id of the local endpoint that opened it; 0: none");
	__u32 responder_endpoint DOC("id of the local endpoint it was opened to; 0: none");
	__u32 frontend DOC("id of the service frontend it was translated from; 0: not translated");
	__be16 original_port DOC("destination port before translation");
	__be16 translated_port DOC("destination port after translation");
	__u8 original_address[16] DOC("destination before translation");
	__u8 translated_address[16] DOC("destination after translation");
	__u32 backend DOC("id of the backend it was translated to");
	__be16 client_port DOC("source port before translation");
	__be16 source_port DOC("source port after translation");
	__u32 charged_part DOC("part of time (see usage_value) in which it is counted; 0 unless FLOW_CHARGED");
	__u8 reserve[4];
};
_Static_assert(sizeof(struct flow_value) == 96, "flow_value");

/* Key of `frontends`. Protocol and port 0: any port of the address. */
struct frontend_key {
	__u8 family DOC("enum family");
	__u8 protocol DOC("IANA protocol number");
	__be16 port;
	__u8 address[16] DOC("network order; IPv4 in the first 4 bytes, the rest zero");
};
_Static_assert(sizeof(struct frontend_key) == 20, "frontend_key");

/* Its slots are slots[first_slot] to slots[first_slot + slot_count - 1]. */
struct frontend_value {
	__u32 id DOC("of the key; 0 for FRONTEND_ADDRESS");
	__u32 flags DOC("bits of enum frontend_flag");
	__u32 first_slot;
	__u32 slot_count DOC("0: nothing is behind it");
	__u32 affinity_seconds DOC("for so long after its last new flow a client finds the backend it had; 0: no affinity");
};
_Static_assert(sizeof(struct frontend_value) == 20, "frontend_value");

/* Slot s of the table is backend[s % SLOTS_PER_CELL] of element s / SLOTS_PER_CELL: the id of a backend; 0: free. */
struct slot_cell {
	__u32 backend[2];
};
_Static_assert(sizeof(struct slot_cell) == 8, "slot_cell");

/* Key of `backends`: its id. */
struct backend_value {
	__u8 address[16] DOC("network order; IPv4 in the first 4 bytes, the rest zero");
	__be16 port;
	__u8 family DOC("enum family");
	__u8 pad;
	__u32 frontend DOC("id of the frontend that it is behind");
};
_Static_assert(sizeof(struct backend_value) == 24, "backend_value");

/* A client of a service with session affinity. */
struct affinity_key {
	__u32 frontend DOC("id");
	__u8 client[16] DOC("network order; IPv4 in the first 4 bytes, the rest zero");
};
_Static_assert(sizeof(struct affinity_key) == 20, "affinity_key");

/* Where its last flow was led. */
struct affinity_value {
	__u64 last_opened_ns DOC("CLOCK_MONOTONIC");
	__u32 backend DOC("id; believed only while it is a backend of the frontend");
	__u32 pad;
};
_Static_assert(sizeof(struct affinity_value) == 16, "affinity_value");

/* A fragmented packet, as the hook of one interface sees it. */
struct fragment_key {
	__u32 ifindex;
	__u32 identification DOC("IPv4: 16 bits, IPv6: 32 bits; as on the wire");
	__u8 source[16];
	__u8 destination[16];
	__u8 family;
	__u8 protocol DOC("IPv6: what the fragment header says comes next");
	__u8 direction DOC("enum direction");
	__u8 pad;
};
_Static_assert(sizeof(struct fragment_key) == 44, "fragment_key");

/* What its first fragment taught, after it was allowed. */
struct fragment_value {
	__u64 seen_ns DOC("CLOCK_MONOTONIC");
	__u32 first_end DOC("bytes of the packet's payload that the first fragment holds");
	__be16 source_port;
	__be16 destination_port;
	__u8 protocol DOC("of the transport header");
	__u8 tcp_flags;
	__u8 icmp_type;
	__u8 icmp_code;
	__u32 pad;
};
_Static_assert(sizeof(struct fragment_value) == 24, "fragment_value");

/*
 * Key of `endpoint_usage`: the endpoint's id. How many flows were last counted in each of the last parts of time and not
 * seen to end: an upper bound of the endpoint's flows that live on in the table of flows seen both ways. Index: part %
 * USAGE_SLOTS.
 */
struct usage_value {
	__u32 tcp_part[16] DOC("number of the part since the machine's start");
	__u32 tcp_flows[16];
	__u32 other_part[16];
	__u32 other_flows[16];
};
_Static_assert(sizeof(struct usage_value) == 256, "usage_value");

/* Element of `scratch`: room of one run of a program, of no meaning to others. */
struct scratch_value {
	__u64 room[32];
};
_Static_assert(sizeof(struct scratch_value) == 256, "scratch_value");

struct counter_value {
	__u64 packets;
	__u64 bytes;
};
_Static_assert(sizeof(struct counter_value) == 16, "counter_value");

/* One dropped (or audited) packet, as sent through the ring buffer. */
struct drop_event {
	__u64 time_ns DOC("CLOCK_MONOTONIC");
	__u32 generation;
	__u32 ifindex DOC("the interface of the hook that dropped it");
	__u32 endpoint_id DOC("the endpoint at whose end it was judged; 0: none");
	__u32 rule_set DOC("that judged it; 0 where no rule set did");
	__u32 peer_class DOC("of the other side; 0 where none was looked up");
	__u16 port_class;
	__u8 reason DOC("enum reason");
	__u8 direction DOC("enum direction at the judging end");
	__u8 source[16];
	__u8 destination[16];
	__be16 source_port DOC("ICMP: the type, in the high byte, and code");
	__be16 destination_port DOC("ICMP: the identifier of an echo");
	__u8 family;
	__u8 protocol;
	__u8 tcp_flags;
	__u8 verdict DOC("VERDICT_DENY: dropped; VERDICT_ALLOW: audited");
	__u32 bytes DOC("length of the packet");
	__u32 suppressed DOC("events of this endpoint and reason that were not sent in the last window");
};
_Static_assert(sizeof(struct drop_event) == 80, "drop_event");

struct event_limit_key {
	__u32 ifindex;
	__u32 reason;
};
_Static_assert(sizeof(struct event_limit_key) == 8, "event_limit_key");

struct event_limit_value {
	__u64 window_start_ns;
	__u32 sent;
	__u32 suppressed;
};
_Static_assert(sizeof(struct event_limit_value) == 16, "event_limit_value");

#endif
