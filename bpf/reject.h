/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * An error in answer to a packet that leads nowhere, in the name of where it was sent: a reset for TCP (RFC 9293 section
 * 3.10.7.1), port unreachable for the rest (RFC 792, 4443). It goes straight back into the pod, past the other hook: it is
 * no packet that policy has a say in. Errors, resets, later fragments and what has options or extension headers get none.
 */
#ifndef SLUICE_REJECT_H
#define SLUICE_REJECT_H

#include "translate.h"

#define ANSWER_HOP_LIMIT 64
#define ICMP_UNREACHABLE 3
#define ICMP_PORT_UNREACHABLE 3
#define ICMPV6_UNREACHABLE 1
#define ICMPV6_PORT_UNREACHABLE 4
#define IPV4_QUOTE_BYTES (sizeof(struct iphdr) + QUOTED_TRANSPORT_BYTES)
#define IPV6_QUOTE_BYTES (sizeof(struct ipv6hdr) + QUOTED_TRANSPORT_BYTES)
#define ICMP_BODY_MAX (sizeof(struct icmp_header) + IPV6_QUOTE_BYTES)

struct answer_ipv4 {
	struct iphdr ip;
	union {
		struct tcphdr tcp;
		struct {
			struct icmp_header icmp;
			__u8 quote[IPV4_QUOTE_BYTES];
		};
	};
};

struct answer_ipv6 {
	struct ipv6hdr ip;
	union {
		struct tcphdr tcp;
		struct {
			struct icmp_header icmp;
			__u8 quote[IPV6_QUOTE_BYTES];
		};
	};
};

/* Of a sum of 16-bit words. */
static __always_inline __u16 fold_checksum(__s64 sum)
{
	__u64 s = (__u32)sum;

	s = (s & 0xffff) + (s >> 16);
	s = (s & 0xffff) + (s >> 16);
	return ~s;
}

/* Pseudo-header without the addresses: length and protocol. */
static __always_inline __u32 pseudo_sum(__u32 bytes, __u8 protocol)
{
	return bpf_htons(bytes) + (__u32)bpf_htons(protocol);
}

static __always_inline int make_reset(struct __sk_buff *skb, const struct packet *p, struct tcphdr *reset)
{
	struct tcphdr tcp;

	if (bpf_skb_load_bytes(skb, p->l4_offset, &tcp, sizeof(tcp)))
		return -1;
	reset->source = p->destination_port;
	reset->dest = p->source_port;
	reset->doff = sizeof(*reset) / 4;
	reset->rst = 1;
	if (tcp.ack) {
		reset->seq = tcp.ack_seq;
	} else {
		__u32 bytes = p->end - p->l4_offset - tcp.doff * 4 + tcp.syn + tcp.fin;

		reset->ack = 1;
		reset->ack_seq = bpf_htonl(bpf_ntohl(tcp.seq) + bytes);
	}
	return 0;
}

static __always_inline int make_answer_ipv4(struct __sk_buff *skb, const struct packet *p, struct answer_ipv4 *a)
{
	int is_tcp = p->protocol == PROTOCOL_TCP;
	__u32 bytes = is_tcp ? sizeof(a->ip) + sizeof(a->tcp) : sizeof(*a);
	__s64 sum;

	if (is_tcp) {
		if (make_reset(skb, p, &a->tcp))
			return 0;
	} else {
		a->icmp.type = ICMP_UNREACHABLE;
		a->icmp.code = ICMP_PORT_UNREACHABLE;
		if (bpf_skb_load_bytes(skb, ETH_HLEN, a->quote, sizeof(a->quote)))
			return 0;
	}
	a->ip.version = 4;
	a->ip.ihl = sizeof(a->ip) / 4;
	a->ip.tot_len = bpf_htons(bytes);
	a->ip.ttl = ANSWER_HOP_LIMIT;
	a->ip.protocol = is_tcp ? PROTOCOL_TCP : PROTOCOL_ICMP;
	a->ip.saddr = p->destination.words[0];
	a->ip.daddr = p->source.words[0];
	a->ip.check = fold_checksum(bpf_csum_diff(0, 0, (__be32 *)&a->ip, sizeof(a->ip), 0));
	if (is_tcp) {
		sum = bpf_csum_diff(0, 0, (__be32 *)&a->ip.saddr, 8, pseudo_sum(sizeof(a->tcp), PROTOCOL_TCP));
		a->tcp.check = fold_checksum(bpf_csum_diff(0, 0, (__be32 *)&a->tcp, sizeof(a->tcp), sum));
	} else {
		a->icmp.checksum = fold_checksum(
			bpf_csum_diff(0, 0, (__be32 *)&a->icmp, sizeof(a->icmp) + sizeof(a->quote), 0));
	}
	return bytes;
}

static __always_inline int make_answer_ipv6(struct __sk_buff *skb, const struct packet *p, struct answer_ipv6 *a)
{
	int is_tcp = p->protocol == PROTOCOL_TCP;
	__u32 body = is_tcp ? sizeof(a->tcp) : ICMP_BODY_MAX;
	__u8 protocol = is_tcp ? PROTOCOL_TCP : PROTOCOL_ICMPV6;
	__s64 sum;

	if (is_tcp) {
		if (make_reset(skb, p, &a->tcp))
			return 0;
	} else {
		a->icmp.type = ICMPV6_UNREACHABLE;
		a->icmp.code = ICMPV6_PORT_UNREACHABLE;
		if (bpf_skb_load_bytes(skb, ETH_HLEN, a->quote, sizeof(a->quote)))
			return 0;
	}
	a->ip.version = 6;
	a->ip.payload_len = bpf_htons(body);
	a->ip.nexthdr = protocol;
	a->ip.hop_limit = ANSWER_HOP_LIMIT;
	__builtin_memcpy(&a->ip.saddr, &p->destination, 16);
	__builtin_memcpy(&a->ip.daddr, &p->source, 16);
	sum = bpf_csum_diff(0, 0, (__be32 *)&a->ip.saddr, 32, pseudo_sum(body, protocol));
	if (is_tcp)
		a->tcp.check = fold_checksum(bpf_csum_diff(0, 0, (__be32 *)&a->tcp, sizeof(a->tcp), sum));
	else
		a->icmp.checksum = fold_checksum(bpf_csum_diff(0, 0, (__be32 *)&a->icmp, ICMP_BODY_MAX, sum));
	return sizeof(a->ip) + body;
}

static __always_inline int replace_ip_packet(struct __sk_buff *skb, const void *packet, __u32 bytes)
{
	return bpf_skb_change_tail(skb, ETH_HLEN + bytes, 0) ||
	       bpf_skb_store_bytes(skb, ETH_HLEN, packet, bytes, BPF_F_RECOMPUTE_CSUM);
}

/* Turns the packet in *h, which lies in skb as it is, into the answer to it. 0: done. Not static: verified once. */
__noinline int make_rejection(struct __sk_buff *skb, struct hook *h)
{
	int is_tcp;
	struct packet *p;

	if (!h)
		return -1;
	p = &h->packet;
	is_tcp = p->protocol == PROTOCOL_TCP;
	if (p->fragment == FRAGMENT_LATER || is_icmp_error(p) || (is_tcp && p->tcp_flags & TCP_RST))
		return -1;
	if (p->family == FAMILY_IPV4) {
		struct answer_ipv4 a = {};

		if (p->l4_offset != ETH_HLEN + sizeof(a.ip) || !make_answer_ipv4(skb, p, &a))
			return -1;
		return is_tcp ? replace_ip_packet(skb, &a, sizeof(a.ip) + sizeof(a.tcp)) :
				replace_ip_packet(skb, &a, sizeof(a));
	} else {
		struct answer_ipv6 a = {};

		if (p->l4_offset != ETH_HLEN + sizeof(a.ip) || !make_answer_ipv6(skb, p, &a))
			return -1;
		return is_tcp ? replace_ip_packet(skb, &a, sizeof(a.ip) + sizeof(a.tcp)) :
				replace_ip_packet(skb, &a, sizeof(a));
	}
}

#endif
