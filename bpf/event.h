/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Counting every packet, and telling user space of drops: at most EVENTS_PER_WINDOW of one endpoint and reason a window. */
#ifndef SLUICE_EVENT_H
#define SLUICE_EVENT_H

#include "maps.h"
#include "packet.h"

/* What one run of a hook has found out; the single return path counts and reports from it. */
struct hook {
	__u64 now_ns;
	__u32 generation;
	__u32 port_table;
	struct packet packet;
	/* The judgement that decided, for the event. */
	__u32 endpoint_id;
	__u32 rule_set;
	__u32 peer_class;
	__u16 port_class;
	__u8 direction; /* at the judging end */
	__u8 reason;
	__u8 audit;
};

static __always_inline void count(struct __sk_buff *skb, const struct hook *h)
{
	__u32 index = h->reason * 2 + h->direction;
	struct counter_value *c = bpf_map_lookup_elem(&counters, &index);

	if (c) {
		c->packets += 1;
		c->bytes += skb->len;
	}
}

/* Whether one more event of this endpoint and reason may be sent; *suppressed: how many were not, last window. */
static __always_inline int may_send(struct __sk_buff *skb, const struct hook *h, __u32 *suppressed)
{
	struct event_limit_key key = { .ifindex = skb->ifindex, .reason = h->reason };
	struct event_limit_value *v = bpf_map_lookup_elem(&event_limit, &key);

	if (!v) {
		struct event_limit_value first = { .window_start_ns = h->now_ns, .sent = 1 };

		bpf_map_update_elem(&event_limit, &key, &first, BPF_ANY);
		return 1;
	}
	if (h->now_ns - v->window_start_ns > EVENT_WINDOW_MS * 1000000ULL) {
		*suppressed = v->suppressed;
		v->window_start_ns = h->now_ns;
		v->sent = 1;
		v->suppressed = 0;
		return 1;
	}
	if (v->sent < EVENTS_PER_WINDOW) {
		v->sent += 1;
		return 1;
	}
	v->suppressed += 1;
	return 0;
}

static __always_inline void send_event(struct __sk_buff *skb, const struct hook *h, enum verdict verdict)
{
	const struct packet *p = &h->packet;
	__u32 suppressed = 0;
	struct drop_event *e;

	if (!may_send(skb, h, &suppressed))
		return;
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e)
		return;
	e->time_ns = h->now_ns;
	e->generation = h->generation;
	e->ifindex = skb->ifindex;
	e->endpoint_id = h->endpoint_id;
	e->rule_set = h->rule_set;
	e->peer_class = h->peer_class;
	e->port_class = h->port_class;
	e->reason = h->reason;
	e->direction = h->direction;
	__builtin_memcpy(e->source, &p->source, sizeof(e->source));
	__builtin_memcpy(e->destination, &p->destination, sizeof(e->destination));
	e->source_port = is_icmp(p) ? bpf_htons(p->icmp_type << 8 | p->icmp_code) : p->source_port;
	e->destination_port = p->destination_port;
	e->family = p->family;
	e->protocol = p->protocol;
	e->tcp_flags = p->tcp_flags;
	e->verdict = verdict;
	e->bytes = skb->len;
	e->suppressed = suppressed;
	bpf_ringbuf_submit(e, 0);
}

/* Noise that pods make by themselves; it would bury the drops that matter. */
static __always_inline int is_quiet(__u8 reason)
{
	return reason == REASON_MULTICAST || reason == REASON_NEIGHBOUR_DISCOVERY;
}

/* Counts the packet by h->reason and reports it when it was dropped or is to be audited. */
static __always_inline void record(struct __sk_buff *skb, const struct hook *h)
{
	count(skb, h);
	if (h->reason > REASON_ANSWERED) {
		if (!is_quiet(h->reason))
			send_event(skb, h, VERDICT_DENY);
	} else if (h->audit) {
		send_event(skb, h, VERDICT_ALLOW);
	}
}

#endif
