/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Fragments have no ports but in the first one. Rules (RFC 1858, 3128, 5722):
 *
 * 1. a first fragment is judged like any packet, and once it is allowed teaches its ports to the rest;
 * 2. the rest is judged with what was taught; without it it is dropped: nothing passes by having no ports;
 * 3. a first fragment without the whole transport header is dropped (packet.h);
 * 4. a later fragment that begins inside the first is dropped: it could overwrite what was judged.
 *
 * A first fragment of the same packet sent again teaches anew: it was judged by itself, whatever its ports are.
 */
#ifndef SLUICE_FRAGMENT_H
#define SLUICE_FRAGMENT_H

#include "event.h"

static __always_inline void fragment_key_of(struct fragment_key *key, const struct __sk_buff *skb,
					    const struct packet *p, enum direction direction)
{
	key->ifindex = skb->ifindex;
	key->identification = p->identification;
	__builtin_memcpy(key->source, &p->source, sizeof(key->source));
	__builtin_memcpy(key->destination, &p->destination, sizeof(key->destination));
	key->family = p->family;
	key->protocol = p->fragment_protocol;
	key->direction = direction;
}

/* Rules 2 and 4. REASON_FORWARDED_STACK: the packet can be judged now. */
static __noinline int recall_fragment(struct __sk_buff *skb, struct hook *h, enum direction direction)
{
	struct packet *p = &h->packet;
	struct fragment_key key = {};
	struct fragment_value *v;

	fragment_key_of(&key, skb, p, direction);
	v = bpf_map_lookup_elem(&fragments, &key);
	if (!v || h->now_ns - v->seen_ns > FRAGMENT_TIMEOUT_MS * 1000000ULL)
		return REASON_FRAGMENT;
	if (p->fragment_offset < v->first_end)
		return REASON_FRAGMENT_OVERLAP;
	p->protocol = v->protocol;
	p->source_port = v->source_port;
	p->destination_port = v->destination_port;
	p->tcp_flags = v->tcp_flags;
	p->icmp_type = v->icmp_type;
	p->icmp_code = v->icmp_code;
	return REASON_FORWARDED_STACK;
}

/* Rule 1, for a first fragment that was allowed. */
static __noinline void teach_fragment(struct __sk_buff *skb, const struct hook *h, enum direction direction)
{
	const struct packet *p = &h->packet;
	struct fragment_key key = {};
	struct fragment_value v = {
		.seen_ns = h->now_ns,
		.first_end = p->fragment_bytes,
		.source_port = p->source_port,
		.destination_port = p->destination_port,
		.protocol = p->protocol,
		.tcp_flags = p->tcp_flags,
		.icmp_type = p->icmp_type,
		.icmp_code = p->icmp_code,
	};

	fragment_key_of(&key, skb, p, direction);
	/* Should it fail the rest is dropped, with a reason: nothing to do here. */
	bpf_map_update_elem(&fragments, &key, &v, BPF_ANY);
}

#endif
