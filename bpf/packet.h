/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Reading a packet: one struct for both families. What cannot be read whole and without doubt is refused with a reason;
 * nothing is guessed. Headers are copied with bpf_skb_load_bytes, which also reaches parts that are not linear.
 */
#ifndef SLUICE_PACKET_H
#define SLUICE_PACKET_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "abi.h"

#define PROTOCOL_ICMP 1
#define PROTOCOL_TCP 6
#define PROTOCOL_UDP 17
#define PROTOCOL_ICMPV6 58
#define PROTOCOL_SCTP 132

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

#define ICMP_ECHO_REPLY 0
#define ICMP_ECHO_REQUEST 8
#define ICMPV6_ECHO_REQUEST 128
#define ICMPV6_ECHO_REPLY 129
#define ND_NEIGHBOUR_SOLICITATION 135
#define ND_NEIGHBOUR_ADVERTISEMENT 136
#define ND_MESSAGE_BYTES 24 /* RFC 4861 sections 4.3 and 4.4: up to the end of the target */

#define IPV4_FRAGMENT 0x3fff /* offset and more-fragments bits, host order */
#define IPV4_OFFSET 0x1fff /* in units of 8 bytes */
#define IPV4_OPTION_END 0
#define IPV4_OPTION_NOP 1
#define IPV4_OPTION_LSRR 131 /* RFC 791: loose and strict source route */
#define IPV4_OPTION_SSRR 137
#define HOP_LIMIT_ON_LINK 255 /* RFC 4861: neighbour messages that a router forwarded are not believed */

/* RFC 792 and 4443: the same eight bytes; identifier only in echo messages. */
struct icmp_header {
	__u8 type;
	__u8 code;
	__be16 checksum;
	__be16 identifier;
	__be16 sequence;
};

union address {
	__u8 bytes[16];
	__u32 words[4];
	__u64 halves[2];
};

enum fragment {
	FRAGMENT_NONE = 0,
	FRAGMENT_FIRST = 1,
	FRAGMENT_LATER = 2, /* ports, flags and type are those that its first fragment taught */
};

struct packet {
	union address source;
	union address destination;
	__be16 source_port; /* ICMP echo: the identifier, in both */
	__be16 destination_port;
	__u32 identification; /* of the fragmented packet, as on the wire */
	__u32 l4_offset; /* from the start of the frame */
	__u32 end; /* of the IP packet, from the start of the frame */
	__u32 fragment_offset; /* in the packet's payload, bytes */
	__u32 fragment_bytes;
	__u8 family;
	__u8 protocol;
	__u8 tcp_flags;
	__u8 icmp_type;
	__u8 icmp_code;
	__u8 hop_limit;
	__u8 fragment; /* enum fragment */
	__u8 fragment_protocol; /* IPv6: what the fragment header says comes next */
};

static __always_inline int same_address(const union address *a, const union address *b)
{
	return a->halves[0] == b->halves[0] && a->halves[1] == b->halves[1];
}

static __always_inline int is_icmp(const struct packet *p)
{
	return p->family == FAMILY_IPV4 ? p->protocol == PROTOCOL_ICMP : p->protocol == PROTOCOL_ICMPV6;
}

static __always_inline int is_echo_request(const struct packet *p)
{
	return p->icmp_type == (p->family == FAMILY_IPV4 ? ICMP_ECHO_REQUEST : ICMPV6_ECHO_REQUEST);
}

static __always_inline int is_echo_reply(const struct packet *p)
{
	return p->icmp_type == (p->family == FAMILY_IPV4 ? ICMP_ECHO_REPLY : ICMPV6_ECHO_REPLY);
}

/* Messages that quote the packet they are about. A later fragment of one holds the middle of something. */
static __always_inline int is_icmp_error(const struct packet *p)
{
	if (!is_icmp(p) || p->fragment == FRAGMENT_LATER)
		return 0;
	if (p->family == FAMILY_IPV6)
		return p->icmp_type >= 1 && p->icmp_type <= 4;
	return p->icmp_type == 3 || p->icmp_type == 4 || p->icmp_type == 11 || p->icmp_type == 12;
}

static __always_inline int is_ipv4_redirect(const struct packet *p)
{
	return p->family == FAMILY_IPV4 && p->protocol == PROTOCOL_ICMP && p->icmp_type == 5;
}

static __always_inline int is_multicast(const struct packet *p)
{
	if (p->family == FAMILY_IPV6)
		return p->destination.bytes[0] == 0xff;
	return (p->destination.bytes[0] & 0xf0) == 0xe0 || p->destination.words[0] == 0xffffffff;
}

static __always_inline int is_v4_mapped(const union address *a)
{
	return a->halves[0] == 0 && a->words[2] == bpf_htonl(0xffff);
}

/* Neighbour discovery and multicast listener messages (RFC 4861, 2710, 3810). */
static __always_inline int is_link_message(const struct packet *p)
{
	if (p->family != FAMILY_IPV6 || p->protocol != PROTOCOL_ICMPV6)
		return 0;
	return (p->icmp_type >= 130 && p->icmp_type <= 137) || p->icmp_type == 143;
}

/* What a packet quotes of another in an ICMP error: the whole IP header, of the transport header at least eight bytes. */
#define QUOTED_TRANSPORT_BYTES 8

/* Bytes that the transport header must have here. */
static __always_inline __u32 transport_bytes(const struct packet *p, int is_quoted)
{
	if (is_quoted)
		return QUOTED_TRANSPORT_BYTES;
	if (p->protocol == PROTOCOL_TCP)
		return sizeof(struct tcphdr);
	if (p->protocol == PROTOCOL_SCTP)
		return 12; /* RFC 9260 section 3.1: the common header */
	return sizeof(struct udphdr); /* ICMP's is as long */
}

/* Reads ports, flags or ICMP type. available: bytes from the transport header to the end of the IP packet. */
static __always_inline enum reason parse_transport(struct __sk_buff *skb, struct packet *p, __u32 available,
						   int is_quoted)
{
	int has_ports = p->protocol == PROTOCOL_TCP || p->protocol == PROTOCOL_UDP || p->protocol == PROTOCOL_SCTP;
	struct icmp_header head;

	if (!has_ports && !is_icmp(p))
		return REASON_FORWARDED_STACK;
	if (available < transport_bytes(p, is_quoted))
		return p->fragment == FRAGMENT_FIRST ? REASON_FRAGMENT_TINY : REASON_MALFORMED;
	/* The first eight bytes: both ports, or the whole ICMP header. */
	if (bpf_skb_load_bytes(skb, p->l4_offset, &head, sizeof(head)))
		return REASON_MALFORMED;
	if (has_ports) {
		p->source_port = *(__be16 *)&head;
		p->destination_port = head.checksum;
	} else {
		p->icmp_type = head.type;
		p->icmp_code = head.code;
		if (is_echo_request(p) || is_echo_reply(p)) {
			p->source_port = head.identifier;
			p->destination_port = head.identifier;
		}
	}
	if (p->protocol == PROTOCOL_TCP && !is_quoted) {
		__u8 lengths_and_flags[2];

		if (bpf_skb_load_bytes(skb, p->l4_offset + 12, lengths_and_flags, 2) || lengths_and_flags[0] < 5 << 4)
			return REASON_MALFORMED;
		p->tcp_flags = lengths_and_flags[1];
	}
	return REASON_FORWARDED_STACK;
}

/* Whether the options hold a source route: then the destination in the header is not where the packet goes. */
__noinline int check_ipv4_options(struct __sk_buff *skb, __u32 offset, __u32 bytes)
{
	__u32 at = 0;

	for (int i = 0; i < IPV4_OPTIONS_MAX; i++) {
		__u8 option[2] = {};

		if (at >= bytes)
			return REASON_FORWARDED_STACK;
		if (bpf_skb_load_bytes(skb, offset + at, option, 1))
			return REASON_MALFORMED;
		if (option[0] == IPV4_OPTION_END)
			return REASON_FORWARDED_STACK;
		if (option[0] == IPV4_OPTION_NOP) {
			at += 1;
			continue;
		}
		if (option[0] == IPV4_OPTION_LSRR || option[0] == IPV4_OPTION_SSRR)
			return REASON_SOURCE_ROUTE;
		if (bpf_skb_load_bytes(skb, offset + at + 1, option + 1, 1) || option[1] < 2 || at + option[1] > bytes)
			return REASON_MALFORMED;
		at += option[1];
	}
	return REASON_FORWARDED_STACK;
}

static __always_inline enum reason parse_ipv4(struct __sk_buff *skb, struct packet *p, __u32 offset, __u32 quote_end)
{
	struct iphdr ip;
	__u32 header, total, fragment;

	if ((quote_end && quote_end < offset + sizeof(ip)) || bpf_skb_load_bytes(skb, offset, &ip, sizeof(ip)))
		return REASON_MALFORMED;
	header = ip.ihl * 4;
	total = bpf_ntohs(ip.tot_len);
	if (quote_end)
		total = quote_end - offset; /* cut off somewhere */
	if (ip.version != 4 || header < sizeof(ip) || total < header || total + offset > skb->len)
		return REASON_MALFORMED;
	p->family = FAMILY_IPV4;
	p->protocol = ip.protocol;
	p->hop_limit = ip.ttl;
	p->source.words[0] = ip.saddr;
	p->destination.words[0] = ip.daddr;
	p->l4_offset = offset + header;
	p->end = offset + total;
	if (header > sizeof(ip) && !quote_end) {
		enum reason reason = check_ipv4_options(skb, offset + sizeof(ip), header - sizeof(ip));

		if (reason != REASON_FORWARDED_STACK)
			return reason;
	}
	fragment = bpf_ntohs(ip.frag_off);
	if (fragment & IPV4_FRAGMENT) {
		p->fragment = fragment & IPV4_OFFSET ? FRAGMENT_LATER : FRAGMENT_FIRST;
		p->fragment_protocol = ip.protocol;
		p->identification = ip.id;
		p->fragment_offset = (fragment & IPV4_OFFSET) * 8;
		p->fragment_bytes = total - header;
		if (p->fragment_offset + p->fragment_bytes > 0xffff)
			return REASON_MALFORMED;
		if (p->fragment == FRAGMENT_LATER)
			return REASON_FORWARDED_STACK;
	}
	return parse_transport(skb, p, total - header, quote_end);
}

/* The start of every extension header. */
struct extension {
	__u8 next;
	__u8 length; /* in units that differ by header */
	__be16 rest; /* fragment: offset and more-fragments bit; routing: type and segments left */
};

/* Steps over one extension header. Returns REASON_ANSWERED when p->protocol is none: the walk has ended. */
static __always_inline enum reason step_extension(struct __sk_buff *skb, struct packet *p, __u32 end, int is_quoted)
{
	struct extension header;
	__u32 bytes;

	switch (p->protocol) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
	case IPPROTO_AH:
	case IPPROTO_FRAGMENT:
		break;
	case 139: /* HIP (RFC 7401) */
	case 140: /* shim6 (RFC 5533) */
		return REASON_EXTENSION_HEADER;
	default:
		return REASON_ANSWERED;
	}
	if (p->l4_offset + 8 > end || bpf_skb_load_bytes(skb, p->l4_offset, &header, sizeof(header)))
		return p->fragment == FRAGMENT_FIRST ? REASON_FRAGMENT_TINY : REASON_MALFORMED;
	bytes = (header.length + 1) * 8;
	if (p->protocol == IPPROTO_AH)
		bytes = (header.length + 2) * 4;
	if (p->protocol == IPPROTO_ROUTING && (header.rest & bpf_htons(0xff)))
		return REASON_SOURCE_ROUTE;
	if (p->protocol == IPPROTO_FRAGMENT) {
		__u16 offset = bpf_ntohs(header.rest) & 0xfff8;
		int has_more = bpf_ntohs(header.rest) & 1;

		bytes = 8;
		if (p->fragment)
			return REASON_MALFORMED;
		if (bpf_skb_load_bytes(skb, p->l4_offset + 4, &p->identification, 4))
			return REASON_MALFORMED;
		p->fragment = offset ? FRAGMENT_LATER : has_more ? FRAGMENT_FIRST : FRAGMENT_NONE;
		p->fragment_protocol = header.next;
		p->fragment_offset = offset;
		p->fragment_bytes = end - p->l4_offset - 8;
		if (!is_quoted && p->fragment_offset + p->fragment_bytes > 0xffff)
			return REASON_MALFORMED;
	}
	p->protocol = header.next;
	p->l4_offset += bytes;
	if (p->l4_offset > end)
		return p->fragment == FRAGMENT_FIRST ? REASON_FRAGMENT_TINY : REASON_MALFORMED;
	return REASON_FORWARDED_STACK;
}

static __always_inline enum reason parse_ipv6(struct __sk_buff *skb, struct packet *p, __u32 offset, __u32 quote_end)
{
	struct ipv6hdr ip;
	enum reason reason;
	__u32 end;

	if ((quote_end && quote_end < offset + sizeof(ip)) || bpf_skb_load_bytes(skb, offset, &ip, sizeof(ip)))
		return REASON_MALFORMED;
	end = offset + sizeof(ip) + bpf_ntohs(ip.payload_len);
	if (quote_end)
		end = quote_end;
	if (ip.version != 6 || end > skb->len || end < offset + sizeof(ip))
		return REASON_MALFORMED;
	p->family = FAMILY_IPV6;
	p->protocol = ip.nexthdr;
	p->hop_limit = ip.hop_limit;
	__builtin_memcpy(&p->source, &ip.saddr, sizeof(p->source));
	__builtin_memcpy(&p->destination, &ip.daddr, sizeof(p->destination));
	p->l4_offset = offset + sizeof(ip);
	p->end = end;
	if (is_v4_mapped(&p->source) || is_v4_mapped(&p->destination))
		return REASON_V4_MAPPED;
	for (int i = 0; i <= EXTENSION_HEADERS_MAX; i++) {
		reason = step_extension(skb, p, end, quote_end);
		if (reason == REASON_ANSWERED)
			return parse_transport(skb, p, end - p->l4_offset, quote_end);
		if (reason != REASON_FORWARDED_STACK)
			return reason;
		/* What follows in a later fragment is in the middle of something. */
		if (p->fragment == FRAGMENT_LATER && i < EXTENSION_HEADERS_MAX)
			return REASON_FORWARDED_STACK;
	}
	return REASON_EXTENSION_HEADER;
}

/*
 * Fills *p from the IP packet at offset; REASON_FORWARDED_STACK: readable. quote_end: 0, or where the ICMP error ends that
 * quotes the packet and may have cut it off. Of a later fragment the transport header is not read. Not static: verified
 * once, not with every call.
 */
__noinline int parse_ip(struct __sk_buff *skb, struct packet *p, __u32 ethertype, __u32 offset, __u32 quote_end)
{
	if (!p)
		return REASON_INTERNAL;
	__builtin_memset(p, 0, sizeof(*p));
	if (ethertype == bpf_htons(ETH_P_IP))
		return parse_ipv4(skb, p, offset, quote_end);
	if (ethertype == bpf_htons(ETH_P_IPV6))
		return parse_ipv6(skb, p, offset, quote_end);
	return REASON_ETHERTYPE;
}

#endif
