/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Where an allowed packet goes, and the gateway's answers to a pod's ARP requests. */
#ifndef SLUICE_FORWARD_H
#define SLUICE_FORWARD_H

#include "event.h"

/* Never TC_ACT_OK: it would end the run, and programs and filters after this one would be skipped. */
#define CONTINUE TC_ACT_UNSPEC

#define GATEWAY_IPV4 bpf_htonl(0xa9fe0101) /* 169.254.1.1 */
#define GATEWAY_IPV6_HIGH bpf_cpu_to_be64(0xfe80000000000000ULL) /* fe80::1 */
#define GATEWAY_IPV6_LOW bpf_cpu_to_be64(1)

/* <linux/if_arp.h> needs headers of a C library. */
#define ARPHRD_ETHER 1
#define ARPOP_REQUEST 1
#define ARPOP_REPLY 2

struct arp_ipv4 {
	__be16 hardware_type;
	__be16 protocol_type;
	__u8 hardware_length;
	__u8 protocol_length;
	__be16 operation;
	__u8 sender_mac[6];
	__u8 sender_ip[4];
	__u8 target_mac[6];
	__u8 target_ip[4];
};
_Static_assert(sizeof(struct arp_ipv4) == 28, "RFC 826");

static __always_inline int same_mac(const __u8 *a, const __u8 *b)
{
	return *(const __u16 *)a == *(const __u16 *)b && *(const __u16 *)(a + 2) == *(const __u16 *)(b + 2) &&
	       *(const __u16 *)(a + 4) == *(const __u16 *)(b + 4);
}

/*
 * Turns a request for the gateway into its answer and sends it back; a truthful answer to the host's own request goes to
 * the host; all else is dropped. The neighbour entry that wiring made needs none;
 * this is for tools, and for pods that flush their neighbour table.
 */
static __always_inline int answer_arp(struct __sk_buff *skb, struct hook *h, const struct endpoint_value *end)
{
	struct arp_ipv4 arp;
	__u8 macs[12];
	__be32 gateway = GATEWAY_IPV4;

	h->reason = REASON_ARP;
	if (bpf_skb_load_bytes(skb, ETH_HLEN, &arp, sizeof(arp)))
		return TC_ACT_SHOT;
	if (arp.hardware_type != bpf_htons(ARPHRD_ETHER) || arp.protocol_type != bpf_htons(ETH_P_IP) ||
	    arp.hardware_length != 6 || arp.protocol_length != 4 || !same_mac(arp.sender_mac, end->mac) ||
	    !*(const __u32 *)end->ipv4 || __builtin_memcmp(arp.sender_ip, end->ipv4, 4))
		return TC_ACT_SHOT;
	if (arp.operation == bpf_htons(ARPOP_REPLY)) {
		h->reason = REASON_FORWARDED_STACK;
		return CONTINUE;
	}
	if (arp.operation != bpf_htons(ARPOP_REQUEST) || __builtin_memcmp(arp.target_ip, &gateway, 4))
		return TC_ACT_SHOT;
	arp.operation = bpf_htons(ARPOP_REPLY);
	__builtin_memcpy(arp.target_mac, arp.sender_mac, 6);
	__builtin_memcpy(arp.target_ip, arp.sender_ip, 4);
	__builtin_memcpy(arp.sender_mac, end->host_mac, 6);
	__builtin_memcpy(arp.sender_ip, &gateway, 4);
	__builtin_memcpy(macs, end->mac, 6);
	__builtin_memcpy(macs + 6, end->host_mac, 6);
	if (bpf_skb_store_bytes(skb, ETH_HLEN, &arp, sizeof(arp), 0) || bpf_skb_store_bytes(skb, 0, macs, sizeof(macs), 0)) {
		h->reason = REASON_INTERNAL;
		return TC_ACT_SHOT;
	}
	h->reason = REASON_ANSWERED;
	return bpf_redirect(skb->ifindex, 0);
}

/* Straight into the receiver's namespace, as if it had come over its own wire. */
static __always_inline int forward_peer(struct __sk_buff *skb, struct hook *h, const struct local_value *to)
{
	__u8 macs[12];

	__builtin_memcpy(macs, to->mac, 6);
	__builtin_memcpy(macs + 6, to->host_mac, 6);
	if (bpf_skb_store_bytes(skb, 0, macs, sizeof(macs), 0)) {
		h->reason = REASON_INTERNAL;
		return TC_ACT_SHOT;
	}
	h->reason = REASON_FORWARDED_PEER;
	return bpf_redirect_peer(to->ifindex, 0);
}

#endif
