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

#define IPV4_FRAGMENT 0x3fff /* offset and more-fragments bits, host order */
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

struct packet {
	union address source;
	union address destination;
	__be16 source_port; /* ICMP echo: the identifier, in both */
	__be16 destination_port;
	__u16 l4_offset; /* from the start of the frame */
	__u8 family;
	__u8 protocol;
	__u8 tcp_flags;
	__u8 icmp_type;
	__u8 icmp_code;
	__u8 hop_limit;
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

/* Reads ports, flags or ICMP type. available: bytes from the transport header to the end of the IP packet. */
static __always_inline enum reason parse_transport(struct __sk_buff *skb, struct packet *p, __u32 available)
{
	if (p->protocol == PROTOCOL_TCP) {
		struct tcphdr tcp;

		if (available < sizeof(tcp) || bpf_skb_load_bytes(skb, p->l4_offset, &tcp, sizeof(tcp)) || tcp.doff < 5)
			return REASON_MALFORMED;
		p->source_port = tcp.source;
		p->destination_port = tcp.dest;
		p->tcp_flags = ((__u8 *)&tcp)[13];
	} else if (p->protocol == PROTOCOL_UDP || p->protocol == PROTOCOL_SCTP) {
		__u32 least = p->protocol == PROTOCOL_UDP ? sizeof(struct udphdr) : 12;
		__be16 ports[2];

		if (available < least || bpf_skb_load_bytes(skb, p->l4_offset, ports, sizeof(ports)))
			return REASON_MALFORMED;
		p->source_port = ports[0];
		p->destination_port = ports[1];
	} else if (is_icmp(p)) {
		struct icmp_header icmp;

		if (available < sizeof(icmp) || bpf_skb_load_bytes(skb, p->l4_offset, &icmp, sizeof(icmp)))
			return REASON_MALFORMED;
		p->icmp_type = icmp.type;
		p->icmp_code = icmp.code;
		if (is_echo_request(p) || is_echo_reply(p)) {
			p->source_port = icmp.identifier;
			p->destination_port = icmp.identifier;
		}
	}
	return REASON_FORWARDED_STACK;
}

static __always_inline enum reason parse_ipv4(struct __sk_buff *skb, struct packet *p)
{
	struct iphdr ip;
	__u32 header, total;

	if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)))
		return REASON_MALFORMED;
	header = ip.ihl * 4;
	total = bpf_ntohs(ip.tot_len);
	if (ip.version != 4 || header < sizeof(ip) || total < header || total + ETH_HLEN > skb->len)
		return REASON_MALFORMED;
	p->family = FAMILY_IPV4;
	p->protocol = ip.protocol;
	p->hop_limit = ip.ttl;
	p->source.words[0] = ip.saddr;
	p->destination.words[0] = ip.daddr;
	if (ip.frag_off & bpf_htons(IPV4_FRAGMENT))
		return REASON_FRAGMENT;
	p->l4_offset = ETH_HLEN + header;
	return parse_transport(skb, p, total - header);
}

static __always_inline enum reason parse_ipv6(struct __sk_buff *skb, struct packet *p)
{
	struct ipv6hdr ip;
	__u32 payload;

	if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)))
		return REASON_MALFORMED;
	payload = bpf_ntohs(ip.payload_len);
	if (ip.version != 6 || payload + sizeof(ip) + ETH_HLEN > skb->len)
		return REASON_MALFORMED;
	p->family = FAMILY_IPV6;
	p->protocol = ip.nexthdr;
	p->hop_limit = ip.hop_limit;
	__builtin_memcpy(&p->source, &ip.saddr, sizeof(p->source));
	__builtin_memcpy(&p->destination, &ip.daddr, sizeof(p->destination));
	if (is_v4_mapped(&p->source) || is_v4_mapped(&p->destination))
		return REASON_V4_MAPPED;
	switch (ip.nexthdr) {
	case IPPROTO_FRAGMENT:
		return REASON_FRAGMENT;
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
	case IPPROTO_AH:
	case IPPROTO_MH:
	case 139: /* HIP */
	case 140: /* shim6 */
		return REASON_EXTENSION_HEADER;
	}
	p->l4_offset = ETH_HLEN + sizeof(ip);
	return parse_transport(skb, p, payload);
}

/* Fills *p (zeroed by the caller) from an Ethernet frame with that EtherType. REASON_FORWARDED_STACK: readable. */
static __always_inline enum reason parse_ip(struct __sk_buff *skb, __be16 ethertype, struct packet *p)
{
	if (ethertype == bpf_htons(ETH_P_IP))
		return parse_ipv4(skb, p);
	if (ethertype == bpf_htons(ETH_P_IPV6))
		return parse_ipv6(skb, p);
	return REASON_ETHERTYPE;
}

#endif
