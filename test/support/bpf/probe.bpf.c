// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* One small map of each type Sluice uses and programs that touch them: the subject of the tests of src/kernel/. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>
#include "../../../bpf/abi.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct row_key);
	__type(value, struct row_value);
	__uint(max_entries, 30000);
	__uint(map_flags, BPF_F_NO_PREALLOC);
} rows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 8);
} small SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, struct flow_key);
	__type(value, struct flow_value);
	__uint(max_entries, 128);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__type(key, struct prefix_key);
	__type(value, struct prefix_value);
	__uint(max_entries, 64);
	__uint(map_flags, BPF_F_NO_PREALLOC);
} prefixes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct port_cell);
	__uint(max_entries, 1000);
	__uint(map_flags, BPF_F_MMAPABLE);
} ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct counter_value);
	__uint(max_entries, 4);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

const volatile __u32 verdict_of_probe SEC(".rodata.config") = 7;

const volatile enum reason abi_reason SEC(".rodata.abi");
const volatile enum peer_class abi_peer_class SEC(".rodata.abi");
const volatile enum limits abi_limits SEC(".rodata.abi");
const volatile struct drop_event abi_drop_event SEC(".rodata.abi");
const volatile struct config abi_config SEC(".rodata.abi");
const volatile struct address_key abi_address_key SEC(".rodata.abi");

/* Sends one event that carries the packet's mark, counts the packet, and returns the constant. */
SEC("tc")
int probe(struct __sk_buff *skb)
{
	__u32 index = skb->ingress_ifindex & 3;
	struct counter_value *counter = bpf_map_lookup_elem(&counters, &index);
	struct drop_event *event;

	if (counter) {
		counter->packets += 1;
		counter->bytes += skb->len;
	}
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (event) {
		__builtin_memset(event, 0, sizeof(*event));
		event->generation = skb->mark;
		event->ifindex = skb->ifindex;
		event->bytes = skb->len;
		bpf_ringbuf_submit(event, 0);
	}
	skb->mark += 1;
	return verdict_of_probe;
}

/* Reserves a record and gives it back. */
SEC("tc")
int discard(struct __sk_buff *skb)
{
	struct drop_event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (event)
		bpf_ringbuf_discard(event, 0);
	return TC_ACT_UNSPEC;
}

/* Drops everything. */
SEC("tc")
int deny(struct __sk_buff *skb)
{
	return TC_ACT_SHOT;
}

/* Reads what user space wrote: the first class of cell mark of `ports`. */
SEC("tc")
int read_port(struct __sk_buff *skb)
{
	__u32 index = skb->mark;
	struct port_cell *cell = bpf_map_lookup_elem(&ports, &index);

	return cell ? cell->port_class[0] : -1;
}

/* Uses the maps that only user space writes. */
SEC("tc")
int touch(struct __sk_buff *skb)
{
	struct row_key row = { .rule_set = skb->mark };
	struct flow_key flow = { .protocol = skb->mark };
	struct prefix_key prefix = { .bits = 32 };
	__u32 key = skb->mark;

	return bpf_map_lookup_elem(&rows, &row) && bpf_map_lookup_elem(&flows, &flow) &&
	       bpf_map_lookup_elem(&prefixes, &prefix) && bpf_map_lookup_elem(&small, &key);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
