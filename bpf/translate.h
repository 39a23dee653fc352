/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Writing other addresses and ports into a packet. Checksums are changed by what differs, so they stay as right or as
 * wrong as they were, and one that the interface is still to fill in (CHECKSUM_PARTIAL) or that is absent (UDP's 0) stays
 * so. SCTP's checksum covers every byte and cannot be changed by a difference: its ports are never written, and no
 * address is part of it.
 */
#ifndef SLUICE_TRANSLATE_H
#define SLUICE_TRANSLATE_H

#include "event.h"

#define IPV4_CHECKSUM 10
#define IPV4_ADDRESSES 12
#define IPV6_ADDRESSES 8
/* Since 6.16, and in repaired older kernels: IPv6 has no checksum of its own to set off a change of addresses. */
#ifndef BPF_F_IPV6
#define BPF_F_IPV6 (1ULL << 7)
#endif

struct tuple {
	union address source;
	union address destination;
	__be16 source_port;
	__be16 destination_port;
	__u32 pad;
};

/* What is known of a packet for a service. */
struct client_entry {
	__u8 is_known; /* its tuple has an entry, which leads to its flow */
	__u8 is_live; /* something of its tuple, that or another, lies in flows_live */
	__u8 has_flow; /* its flow is known */
	__u8 flow_is_live; /* something of the translated tuple, that or another, lies in flows_live */
};

/* What a run keeps in `scratch`: the stack has no room for it. */
struct room {
	struct packet error; /* while h->packet is the packet that it quotes */
	struct tuple client; /* the packet as it came: as the client knows it, or, of an error, the quoted one */
	struct tuple translated; /* what becomes of that */
	struct tuple outer; /* an error's own addresses */
	struct client_entry entry;
};
_Static_assert(sizeof(struct room) <= sizeof(struct scratch_value), "room");

static __always_inline struct room *room(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&scratch, &zero);
}

static __always_inline void tuple_of(struct tuple *t, const struct packet *p)
{
	t->source = p->source;
	t->destination = p->destination;
	t->source_port = p->source_port;
	t->destination_port = p->destination_port;
	t->pad = 0;
}

static __always_inline void use_tuple(struct packet *p, const struct tuple *t)
{
	p->source = t->source;
	p->destination = t->destination;
	p->source_port = t->source_port;
	p->destination_port = t->destination_port;
}

static __always_inline void swap_ends(struct tuple *t)
{
	union address address = t->source;
	__be16 port = t->source_port;

	t->source = t->destination;
	t->destination = address;
	t->source_port = t->destination_port;
	t->destination_port = port;
}

/* Offset of the transport checksum that covers the addresses; 0: there is none in this packet. */
static __always_inline __u32 checksum_offset(const struct packet *p)
{
	if (p->fragment == FRAGMENT_LATER)
		return 0;
	if (p->protocol == PROTOCOL_TCP)
		return p->l4_offset + __builtin_offsetof(struct tcphdr, check);
	if (p->protocol == PROTOCOL_UDP)
		return p->l4_offset + __builtin_offsetof(struct udphdr, check);
	if (p->protocol == PROTOCOL_ICMPV6)
		return p->l4_offset + __builtin_offsetof(struct icmp_header, checksum);
	return 0;
}

static __always_inline int has_writable_ports(const struct packet *p)
{
	return p->fragment != FRAGMENT_LATER && (p->protocol == PROTOCOL_TCP || p->protocol == PROTOCOL_UDP);
}

static __always_inline long change_address_checksum(struct __sk_buff *skb, const struct packet *p, __u32 offset,
						    __s64 difference)
{
	__u64 flags = BPF_F_PSEUDO_HDR | (p->protocol == PROTOCOL_UDP ? BPF_F_MARK_MANGLED_0 : 0);

	/* A kernel without the flag refuses it and changes nothing. */
	if (p->family == FAMILY_IPV6 && !bpf_l4_csum_replace(skb, offset, 0, difference, flags | BPF_F_IPV6))
		return 0;
	return bpf_l4_csum_replace(skb, offset, 0, difference, flags);
}

static __always_inline long rewrite_addresses(struct __sk_buff *skb, const struct packet *p, struct tuple *to)
{
	__u32 sum = checksum_offset(p);
	__s64 difference;

	if (p->family == FAMILY_IPV4) {
		__u32 from[2] = { p->source.words[0], p->destination.words[0] };
		__u32 now[2] = { to->source.words[0], to->destination.words[0] };

		difference = bpf_csum_diff(from, sizeof(from), now, sizeof(now), 0);
		return (sum && change_address_checksum(skb, p, sum, difference)) ||
		       bpf_l3_csum_replace(skb, ETH_HLEN + IPV4_CHECKSUM, 0, difference, 0) ||
		       bpf_skb_store_bytes(skb, ETH_HLEN + IPV4_ADDRESSES, now, sizeof(now), 0);
	}
	difference = bpf_csum_diff((__be32 *)&p->source, 32, (__be32 *)&to->source, 32, 0);
	return (sum && change_address_checksum(skb, p, sum, difference)) ||
	       bpf_skb_store_bytes(skb, ETH_HLEN + IPV6_ADDRESSES, &to->source, 32, 0);
}

/* h->packet: the packet as it is. 0: it is as *to says now. Not static: verified once. */
__noinline int rewrite_packet(struct __sk_buff *skb, struct hook *h, struct tuple *to)
{
	struct packet *p;

	if (!h || !to)
		return -1;
	p = &h->packet;
	if ((!same_address(&p->source, &to->source) || !same_address(&p->destination, &to->destination)) &&
	    rewrite_addresses(skb, p, to))
		return -1;
	if (has_writable_ports(p)) {
		__u32 from = p->source_port | (__u32)p->destination_port << 16;
		__u32 now = to->source_port | (__u32)to->destination_port << 16;
		__u64 flags = sizeof(now) | (p->protocol == PROTOCOL_UDP ? BPF_F_MARK_MANGLED_0 : 0);

		if (from != now && (bpf_l4_csum_replace(skb, checksum_offset(p), from, now, flags) ||
				    bpf_skb_store_bytes(skb, p->l4_offset, &now, sizeof(now), 0)))
			return -1;
	}
	return 0;
}

/*
 * Rewrites the packet that an ICMP error quotes. h->packet: the quoted packet as it is. icmp_offset: of the error's header.
 * The quoted transport checksum stays: it is of the whole packet, which is seldom there, and nobody verifies it.
 */
__noinline int rewrite_quote(struct __sk_buff *skb, struct hook *h, struct tuple *to, __u32 icmp_offset)
{
	__u32 ip_offset = icmp_offset + sizeof(struct icmp_header);
	__u32 sum = icmp_offset + __builtin_offsetof(struct icmp_header, checksum);
	__u32 from_ports, ports;
	struct packet *p;
	__s64 difference;

	if (!h || !to)
		return -1;
	p = &h->packet;
	if (p->family == FAMILY_IPV4) {
		__u32 from[2] = { p->source.words[0], p->destination.words[0] };
		__u32 now[2] = { to->source.words[0], to->destination.words[0] };

		/* Addresses and the checksum over them change by opposite amounts: the error's checksum does not see it. */
		difference = bpf_csum_diff(from, sizeof(from), now, sizeof(now), 0);
		if (bpf_l3_csum_replace(skb, ip_offset + IPV4_CHECKSUM, 0, difference, 0) ||
		    bpf_skb_store_bytes(skb, ip_offset + IPV4_ADDRESSES, now, sizeof(now), 0))
			return -1;
	} else {
		difference = bpf_csum_diff((__be32 *)&p->source, 32, (__be32 *)&to->source, 32, 0);
		if (bpf_l4_csum_replace(skb, sum, 0, difference, 0) ||
		    bpf_skb_store_bytes(skb, ip_offset + IPV6_ADDRESSES, &to->source, 32, 0))
			return -1;
	}
	if (!has_writable_ports(p))
		return 0;
	from_ports = p->source_port | (__u32)p->destination_port << 16;
	ports = to->source_port | (__u32)to->destination_port << 16;
	return bpf_l4_csum_replace(skb, sum, from_ports, ports, sizeof(ports)) ||
			       bpf_skb_store_bytes(skb, p->l4_offset, &ports, sizeof(ports), 0) ?
		       -1 :
		       0;
}

#endif
