/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Every map, and the globals that keep the shared enums and event layouts in the object's type information. */
#ifndef SLUICE_MAPS_H
#define SLUICE_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "abi.h"

#define MAP(kind, map, key_type, value_type, entries, flags)                                                           \
	struct {                                                                                                       \
		__uint(type, kind);                                                                                    \
		__type(key, key_type);                                                                                 \
		__type(value, value_type);                                                                             \
		__uint(max_entries, entries);                                                                          \
		__uint(map_flags, flags);                                                                              \
	} map SEC(".maps")

/* Which state of the tables is in force. */
MAP(BPF_MAP_TYPE_ARRAY, config, __u32, struct config, 1, BPF_F_MMAPABLE);
/* The pods of this node, by the host end of their veth. */
MAP(BPF_MAP_TYPE_HASH, endpoints, struct endpoint_key, struct endpoint_value, LIMIT_ENDPOINTS, BPF_F_NO_PREALLOC);
/*
 * The addresses of these pods. Apart from `addresses`, which has all of the cluster's: every packet asks whether its other end is
 * here, and this table stays in the processor's caches however large the cluster is.
 */
MAP(BPF_MAP_TYPE_HASH, locals, struct address_key, struct local_value, LIMIT_LOCALS, BPF_F_NO_PREALLOC);
/* Classes of single addresses. */
MAP(BPF_MAP_TYPE_HASH, addresses, struct address_key, struct address_value, LIMIT_ADDRESSES, BPF_F_NO_PREALLOC);
/* Classes of the addresses that have no element of their own. */
MAP(BPF_MAP_TYPE_LPM_TRIE, prefixes, struct prefix_key, struct prefix_value, LIMIT_PREFIXES, BPF_F_NO_PREALLOC);
/* Port class of every port of every protocol, twice: in force and being written. */
MAP(BPF_MAP_TYPE_ARRAY, ports, __u32, struct port_cell, PORT_TABLE_CELLS *PORT_TABLES, BPF_F_MMAPABLE);
/* Verdicts. */
MAP(BPF_MAP_TYPE_HASH, rows, struct row_key, struct row_value, LIMIT_ROWS, BPF_F_NO_PREALLOC);
/* Flows that were not answered yet; a flood of them evicts only its like. */
MAP(BPF_MAP_TYPE_LRU_HASH, flows_new, struct flow_key, struct flow_value, LIMIT_FLOWS_NEW, 0);
/* Flows seen in both directions. */
MAP(BPF_MAP_TYPE_LRU_HASH, flows_live, struct flow_key, struct flow_value, LIMIT_FLOWS_LIVE, 0);
/* Service frontends, and the addresses that they have. */
MAP(BPF_MAP_TYPE_HASH, frontends, struct frontend_key, struct frontend_value, LIMIT_FRONTENDS, BPF_F_NO_PREALLOC);
/* Which backend a hash leads to, for all frontends. */
MAP(BPF_MAP_TYPE_ARRAY, slots, __u32, struct slot_cell, LIMIT_SLOTS / SLOTS_PER_CELL, BPF_F_MMAPABLE);
/* Where a backend is. */
MAP(BPF_MAP_TYPE_HASH, backends, __u32, struct backend_value, LIMIT_BACKENDS, BPF_F_NO_PREALLOC);
/* Which backend a client had, for session affinity. */
MAP(BPF_MAP_TYPE_LRU_HASH, affinities, struct affinity_key, struct affinity_value, LIMIT_AFFINITIES, 0);
/* What no frontend has of these leads nowhere. The value says nothing. */
MAP(BPF_MAP_TYPE_LPM_TRIE, service_ranges, struct prefix_key, __u32, LIMIT_SERVICE_RANGES, BPF_F_NO_PREALLOC);
/* Ports of fragmented packets under way. */
MAP(BPF_MAP_TYPE_LRU_HASH, fragments, struct fragment_key, struct fragment_value, LIMIT_FRAGMENTS, 0);
/* How many flows each endpoint has in flows_live. */
MAP(BPF_MAP_TYPE_LRU_HASH, endpoint_usage, __u32, struct usage_value, LIMIT_ENDPOINTS, 0);
/* Packets and bytes by reason and direction. */
MAP(BPF_MAP_TYPE_PERCPU_ARRAY, counters, __u32, struct counter_value, REASON_COUNT * 2, 0);
/* Room for the entry of a flow that is being judged: the stack has none left. */
MAP(BPF_MAP_TYPE_PERCPU_ARRAY, new_flow, __u32, struct flow_value, 1, 0);
/* Likewise, for packets on their way through a translation. */
MAP(BPF_MAP_TYPE_PERCPU_ARRAY, scratch, __u32, struct scratch_value, 1, 0);
/* How many events of one (endpoint, reason) were sent in this window. */
MAP(BPF_MAP_TYPE_LRU_HASH, event_limit, struct event_limit_key, struct event_limit_value, EVENT_LIMIT_ENTRIES, 0);

/* drop_event records. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, EVENT_RING_BYTES);
} events SEC(".maps");

/* Timeouts of flows without traffic, in nanoseconds; set before the programs are loaded. */
const volatile __u64 tcp_opening_timeout_ns SEC(".rodata.config") = 60ULL * 1000000000;
const volatile __u64 tcp_live_timeout_ns SEC(".rodata.config") = 86400ULL * 1000000000;
const volatile __u64 tcp_closing_timeout_ns SEC(".rodata.config") = 10ULL * 1000000000;
const volatile __u64 other_opening_timeout_ns SEC(".rodata.config") = 60ULL * 1000000000;
const volatile __u64 other_live_timeout_ns SEC(".rodata.config") = 180ULL * 1000000000;

/* UDP port of the tunnel between nodes; 0: there is none. Set before the programs are loaded. */
const volatile __u16 vxlan_port SEC(".rodata.config") = 0;

/* Flows that one endpoint may have in flows_live; those beyond stay among the unanswered. */
const volatile __u32 endpoint_flows_max SEC(".rodata.config") = LIMIT_ENDPOINT_FLOWS;

/* Nothing reads these: type information of an enum or struct is kept only if a map or a global uses it. */
const volatile enum limits abi_limits SEC(".rodata.abi");
const volatile enum family abi_family SEC(".rodata.abi");
const volatile enum rule_set abi_rule_set SEC(".rodata.abi");
const volatile enum peer_class abi_peer_class SEC(".rodata.abi");
const volatile enum port_class abi_port_class SEC(".rodata.abi");
const volatile enum port_protocol abi_port_protocol SEC(".rodata.abi");
const volatile enum direction abi_direction SEC(".rodata.abi");
const volatile enum reason abi_reason SEC(".rodata.abi");
const volatile enum verdict abi_verdict SEC(".rodata.abi");
const volatile enum origin abi_origin SEC(".rodata.abi");
const volatile enum flow_path abi_flow_path SEC(".rodata.abi");
const volatile enum endpoint_flag abi_endpoint_flag SEC(".rodata.abi");
const volatile enum address_flag abi_address_flag SEC(".rodata.abi");
const volatile enum config_flag abi_config_flag SEC(".rodata.abi");
const volatile enum flow_flag abi_flow_flag SEC(".rodata.abi");
const volatile enum frontend_flag abi_frontend_flag SEC(".rodata.abi");
const volatile enum tcp_flag abi_tcp_flag SEC(".rodata.abi");
const volatile struct drop_event abi_drop_event SEC(".rodata.abi");

#endif
