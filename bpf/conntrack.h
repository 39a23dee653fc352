/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Flows. Two tables, so that a flood of unanswered flows cannot evict answered ones; and a limit of answered flows an
 * endpoint, so that two ends that answer one another cannot evict those of others. An entry is believed only if
 *
 * 1. it is not older than the timeout of its state, and
 * 2. the local ends are the endpoints it was made for (ids are never used twice: an address that is given to another
 *    pod does not inherit the flows of its former owner).
 *
 * Rules for TCP, independent of sequence numbers:
 *
 * 3. SYN on a closing entry, or from the end that did not open the flow, is a new flow;
 * 4. SYN-ACK and RST never make an entry (NP-101); they are judged as they stand when they meet none;
 * 5. any other segment without an entry is judged as it stands and makes one.
 *
 * A denied new flow makes no entry.
 */
#ifndef SLUICE_CONNTRACK_H
#define SLUICE_CONNTRACK_H

#include "policy.h"

/* Rewriting last_seen_ns with every packet would bounce the cache line between CPUs. */
#define LAST_SEEN_STEP_NS (100ULL * 1000000)

struct flow {
	struct flow_key key;
	struct flow_value *value; /* NULL: none */
	__u8 is_live; /* in flows_live */
	__u8 source_is_high; /* the packet's source is the key's higher end */
	__u8 is_reply; /* the packet goes to the opener; only meaningful with a value */
	__u8 pad;
};

/* Puts the packet's tuple into canonical order. Any total order serves. */
static __always_inline void flow_key_of(struct flow *f, const struct packet *p)
{
	int high;

	if (p->source.halves[0] != p->destination.halves[0])
		high = p->source.halves[0] > p->destination.halves[0];
	else if (p->source.halves[1] != p->destination.halves[1])
		high = p->source.halves[1] > p->destination.halves[1];
	else
		high = p->source_port > p->destination_port;
	f->source_is_high = high;
	if (high) {
		__builtin_memcpy(f->key.address_lo, &p->destination, 16);
		__builtin_memcpy(f->key.address_hi, &p->source, 16);
		f->key.port_lo = p->destination_port;
		f->key.port_hi = p->source_port;
	} else {
		__builtin_memcpy(f->key.address_lo, &p->source, 16);
		__builtin_memcpy(f->key.address_hi, &p->destination, 16);
		f->key.port_lo = p->source_port;
		f->key.port_hi = p->destination_port;
	}
	f->key.family = p->family;
	f->key.protocol = p->protocol;
}

static __always_inline int is_closing(const struct flow_value *v)
{
	__u8 both = v->opener_tcp & v->responder_tcp;

	return (both & TCP_SEEN_FIN) || ((v->opener_tcp | v->responder_tcp) & TCP_SEEN_RST);
}

static __always_inline __u64 timeout_ns(const struct flow *f)
{
	int is_answered = f->value->flags & FLOW_ANSWERED;

	if (f->key.protocol != PROTOCOL_TCP)
		return is_answered ? other_live_timeout_ns : other_opening_timeout_ns;
	if (is_closing(f->value))
		return tcp_closing_timeout_ns;
	return is_answered ? tcp_live_timeout_ns : tcp_opening_timeout_ns;
}

/*
 * Finds the packet's flow (rules 1-3). source_endpoint, destination_endpoint: ids of the local endpoints that have the
 * packet's addresses now, 0 for none; ENDPOINT_ANY for an end that is not checked here.
 */
#define ENDPOINT_ANY 0xffffffff

static __always_inline void flow_find(const struct hook *h, struct flow *f, __u32 source_endpoint,
				      __u32 destination_endpoint)
{
	const struct packet *p = &h->packet;
	struct flow_value *v;
	__u32 opener, responder;

	flow_key_of(f, p);
	f->is_live = 1;
	f->value = bpf_map_lookup_elem(&flows_live, &f->key);
	if (!f->value) {
		f->is_live = 0;
		f->value = bpf_map_lookup_elem(&flows_new, &f->key);
	}
	v = f->value;
	if (!v)
		return;
	f->is_reply = f->source_is_high != v->opener;
	opener = f->is_reply ? destination_endpoint : source_endpoint;
	responder = f->is_reply ? source_endpoint : destination_endpoint;
	if ((opener != ENDPOINT_ANY && opener != v->opener_endpoint) ||
	    (responder != ENDPOINT_ANY && responder != v->responder_endpoint)) {
		f->value = 0;
		return;
	}
	/* The tuple of a client of a service: rule 1 holds for the flow that it leads to. */
	if (v->flags & FLOW_FRONTEND)
		return;
	if ((h->now_ns > v->last_seen_ns && h->now_ns - v->last_seen_ns > timeout_ns(f)) ||
	    (p->protocol == PROTOCOL_TCP && (p->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN &&
	     (f->is_reply || is_closing(v))))
		f->value = 0;
}

static __always_inline __u8 tcp_seen(const struct packet *p)
{
	return (p->tcp_flags & TCP_SYN ? TCP_SEEN_SYN : 0) | (p->tcp_flags & TCP_ACK ? TCP_SEEN_ACK : 0) |
	       (p->tcp_flags & TCP_FIN ? TCP_SEEN_FIN : 0) | (p->tcp_flags & TCP_RST ? TCP_SEEN_RST : 0);
}

/*
 * How many flows an endpoint has in flows_live: those seen within one life of a flow and not seen to end. Time is cut into
 * parts, and a flow is counted in the part it was last seen in: flows which end unseen (UDP, a peer that vanished) are
 * forgotten without anybody counting, flows which go on are not.
 */
static __always_inline __u32 usage_part(__u64 time_ns, int is_tcp)
{
	return time_ns / ((is_tcp ? tcp_live_timeout_ns : other_live_timeout_ns) / (USAGE_SLOTS - 1) + 1);
}

/* Flows of every part that is not too long ago. */
static __always_inline __u32 usage_sum(const __u32 *parts, const __u32 *flows, __u32 now)
{
	__u32 sum = 0;

	for (int i = 0; i < USAGE_SLOTS; i++)
		sum += flows[i] & -(__u32)(now - parts[i] < USAGE_SLOTS);
	return sum;
}

/* Flows are counted where they were opened, or, opened from elsewhere, where to. */
static __always_inline __u32 charged_endpoint(const struct flow_value *v)
{
	return v->opener_endpoint ? v->opener_endpoint : v->responder_endpoint;
}

/* Entries that the flow has. */
static __always_inline __u32 charge_of(const struct flow_value *v)
{
	return v->frontend ? SERVICE_FLOW_CHARGE : 1;
}

/* Counts a flow more in a part. */
static __always_inline void usage_add(__u32 *parts, __u32 *flows, __u32 part, __u32 charge)
{
	if (parts[part % USAGE_SLOTS] != part) {
		parts[part % USAGE_SLOTS] = part;
		flows[part % USAGE_SLOTS] = 0;
	}
	__sync_fetch_and_add(&flows[part % USAGE_SLOTS], charge);
}

/* Takes back what was counted once, unless it is forgotten by now. */
static __always_inline void usage_take(const __u32 *parts, __u32 *flows, __u32 part, __u32 charge)
{
	if (parts[part % USAGE_SLOTS] == part && flows[part % USAGE_SLOTS] >= charge)
		__sync_fetch_and_add(&flows[part % USAGE_SLOTS], -charge);
}

/* Counts the flow if its endpoint may have one more; 0: it may not. Not static: verified once. */
__noinline int charge_flow(struct flow_value *v, __u64 now_ns, int is_tcp)
{
	struct usage_value *usage;
	__u32 id, part;

	if (!v)
		return 0;
	id = charged_endpoint(v);
	usage = bpf_map_lookup_elem(&endpoint_usage, &id);
	if (!usage) {
		static const struct usage_value none;

		bpf_map_update_elem(&endpoint_usage, &id, &none, BPF_NOEXIST);
		usage = bpf_map_lookup_elem(&endpoint_usage, &id);
		if (!usage)
			return 0;
	}
	if (usage_sum(usage->tcp_part, usage->tcp_flows, usage_part(now_ns, 1)) +
		    usage_sum(usage->other_part, usage->other_flows, usage_part(now_ns, 0)) >=
	    endpoint_flows_max)
		return 0;
	part = usage_part(now_ns, is_tcp);
	usage_add(is_tcp ? usage->tcp_part : usage->other_part, is_tcp ? usage->tcp_flows : usage->other_flows, part,
		  charge_of(v));
	v->charged_part = part;
	v->flags |= FLOW_CHARGED;
	return 1;
}

/* Counts a flow that goes on in the part of now, instead of the one it was counted in. */
__noinline int move_charge(struct flow_value *v, __u64 now_ns, int is_tcp)
{
	struct usage_value *usage;
	__u32 id, part, *parts, *flows;

	if (!v || !(v->flags & FLOW_CHARGED))
		return 0;
	part = usage_part(now_ns, is_tcp);
	if (part == v->charged_part)
		return 0;
	id = charged_endpoint(v);
	usage = bpf_map_lookup_elem(&endpoint_usage, &id);
	if (!usage)
		return 0;
	parts = is_tcp ? usage->tcp_part : usage->other_part;
	flows = is_tcp ? usage->tcp_flows : usage->other_flows;
	usage_take(parts, flows, v->charged_part, charge_of(v));
	usage_add(parts, flows, part, charge_of(v));
	v->charged_part = part;
	return 1;
}

/* Takes back what charge_flow counted, once. */
__noinline int uncharge_flow(struct flow_value *v, int is_tcp)
{
	struct usage_value *usage;
	__u32 id;

	if (!v || !(v->flags & FLOW_CHARGED))
		return 0;
	v->flags &= ~FLOW_CHARGED;
	id = charged_endpoint(v);
	usage = bpf_map_lookup_elem(&endpoint_usage, &id);
	if (!usage)
		return 0;
	usage_take(is_tcp ? usage->tcp_part : usage->other_part, is_tcp ? usage->tcp_flows : usage->other_flows,
		   v->charged_part, charge_of(v));
	v->charged_part = 0;
	return 1;
}

/*
 * Moves the packet's flow to flows_live, if its endpoint may have one more there, or away from there. Not static: verified
 * once. It finds the entry anew: Linux 6.1 takes keys and values of maps from the stack or from maps only.
 */
__noinline int move_flow(struct hook *h, int to_live)
{
	struct flow f = {};
	struct flow_value *v;
	int is_tcp;

	if (!h)
		return 0;
	flow_key_of(&f, &h->packet);
	is_tcp = f.key.protocol == PROTOCOL_TCP;
	v = to_live ? bpf_map_lookup_elem(&flows_new, &f.key) : bpf_map_lookup_elem(&flows_live, &f.key);
	if (!v)
		return 0;
	if (to_live) {
		if (charge_flow(v, h->now_ns, is_tcp) && !bpf_map_update_elem(&flows_live, &f.key, v, BPF_ANY))
			bpf_map_delete_elem(&flows_new, &f.key);
	} else {
		uncharge_flow(v, is_tcp);
		if (!bpf_map_update_elem(&flows_new, &f.key, v, BPF_ANY))
			bpf_map_delete_elem(&flows_live, &f.key);
	}
	return 1;
}

/*
 * Notes that an allowed packet of the flow was seen. An answered flow moves to flows_live, if its endpoint may have one
 * more there; a closing one moves back, so that only flows that may go on for long lie there.
 */
static __always_inline void flow_seen(struct hook *h, struct flow *f)
{
	struct flow_value *v = f->value;
	int is_tcp = f->key.protocol == PROTOCOL_TCP;

	if (is_tcp) {
		__u8 seen = tcp_seen(&h->packet);

		if (f->is_reply) {
			if ((v->responder_tcp & seen) != seen)
				v->responder_tcp |= seen;
		} else if ((v->opener_tcp & seen) != seen) {
			v->opener_tcp |= seen;
		}
	}
	if (h->now_ns - v->last_seen_ns > LAST_SEEN_STEP_NS) {
		v->last_seen_ns = h->now_ns;
		move_charge(v, h->now_ns, is_tcp);
	}
	if (f->is_reply && !(v->flags & FLOW_ANSWERED))
		v->flags |= FLOW_ANSWERED;
	if (is_closing(v)) {
		if (f->is_live)
			move_flow(h, 0);
	} else if (!f->is_live && f->is_reply) {
		move_flow(h, 1);
	}
}

/* Rules 4 and 5, and their like for ICMP: only an echo request opens a flow, other messages belong to none. */
static __always_inline int may_open(const struct packet *p)
{
	if (p->protocol == PROTOCOL_TCP)
		return !(p->tcp_flags & TCP_RST) && (p->tcp_flags & (TCP_SYN | TCP_ACK)) != (TCP_SYN | TCP_ACK);
	if (is_icmp(p))
		return is_echo_request(p);
	return 1;
}

/* Whether the packet is the first of a flow by its shape, not the middle of one that lost its entry. */
static __always_inline int is_opening(const struct packet *p)
{
	return p->protocol != PROTOCOL_TCP || (p->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

/*
 * Records the flow that the packet opens, as `new_flow` describes it. is_live: an entry of its tuple that is not believed may
 * lie in flows_live, where it would hide this one. 0, or a negative errno. Not static: verified once.
 */
__noinline int open_flow(struct hook *h, int is_live, int source_opened)
{
	struct flow f = {};
	struct flow_value *v;
	__u32 zero = 0;

	/* Not a parameter: Linux 6.1 takes values of maps from the stack or from maps only. */
	v = bpf_map_lookup_elem(&new_flow, &zero);
	if (!h || !v)
		return -1;
	flow_key_of(&f, &h->packet);
	v->opener = source_opened ? f.source_is_high : !f.source_is_high;
	v->last_seen_ns = h->now_ns;
	v->opened_ns = h->now_ns;
	if (f.key.protocol == PROTOCOL_TCP) {
		if (source_opened)
			v->opener_tcp = tcp_seen(&h->packet);
		else
			v->responder_tcp = tcp_seen(&h->packet);
	}
	if (is_live) {
		uncharge_flow(bpf_map_lookup_elem(&flows_live, &f.key), f.key.protocol == PROTOCOL_TCP);
		bpf_map_delete_elem(&flows_live, &f.key);
	}
	return bpf_map_update_elem(&flows_new, &f.key, v, BPF_ANY);
}

#endif
