// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * The two hooks of a pod's veth, seen from its host end: from_pod on ingress (what the pod sends), to_pod on egress
 * (what the host hands to the pod). This file holds the order of the steps; each step is explained where it is written.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include "abi.h"
#include "maps.h"
#include "packet.h"
#include "event.h"
#include "policy.h"
#include "conntrack.h"
#include "fragment.h"
#include "forward.h"

/* A flow's tuple in the direction it was opened. */
struct ends {
	union address opener;
	union address responder;
	__be16 port; /* at the responder */
	__u16 pad[3];
};

static __always_inline void ends_of(struct ends *e, const struct packet *p, int is_reply)
{
	__builtin_memset(e, 0, sizeof(*e));
	if (is_reply) {
		e->opener = p->destination;
		e->responder = p->source;
		e->port = p->source_port;
	} else {
		e->opener = p->source;
		e->responder = p->destination;
		e->port = p->destination_port;
	}
}

static __always_inline struct endpoint_value *endpoint_of(const struct address_value *address)
{
	struct endpoint_key key = { .ifindex = address->ifindex };
	struct endpoint_value *end = bpf_map_lookup_elem(&endpoints, &key);

	return end && end->id == address->endpoint_id ? end : 0;
}

static __always_inline enum verdict closed(struct hook *h, __u32 endpoint_id, enum direction direction)
{
	h->reason = REASON_CLOSED;
	h->endpoint_id = endpoint_id;
	h->direction = direction;
	return VERDICT_DENY;
}

/*
 * Judges a flow at each end that is a local endpoint, in the direction it was opened, and notes verdict, epoch and
 * endpoint of each in *v. One end's judgement never stands in for the other's, and an end that was judged before and
 * whose address is not known any more does not say yes.
 */
__noinline int judge_flow(struct hook *h, const struct ends *e, struct flow_value *v, __u32 config_flags)
{
	struct address_value *opener, *responder;
	int to_own_node, to_itself;
	struct endpoint_value *end;

	/* Not static: verified once, not with every call; the verifier then asks for these. */
	if (!h || !e || !v)
		return VERDICT_DENY;
	opener = find_address(h->packet.family, &e->opener);
	responder = find_address(h->packet.family, &e->responder);
	to_own_node = responder && (responder->flags & ADDRESS_OWN_NODE) && !(config_flags & CONFIG_JUDGE_OWN_NODE);
	to_itself = same_address(&e->opener, &e->responder);
	h->port_class = port_class_of(h, e->port);
	if (opener && opener->ifindex) {
		v->opener_endpoint = opener->endpoint_id;
		end = endpoint_of(opener);
		if (!end)
			v->egress_verdict = closed(h, opener->endpoint_id, DIRECTION_EGRESS);
		else if (to_own_node || to_itself)
			v->egress_verdict = VERDICT_ALLOW;
		else
			v->egress_verdict =
				judge_end(h, end, DIRECTION_EGRESS, class_of(h, responder, &e->responder));
		v->egress_epoch = h->generation;
		if (v->egress_verdict != VERDICT_ALLOW)
			return VERDICT_DENY;
	} else if (v->egress_epoch) {
		return closed(h, v->opener_endpoint, DIRECTION_EGRESS);
	}
	if (responder && responder->ifindex) {
		v->responder_endpoint = responder->endpoint_id;
		end = endpoint_of(responder);
		if (!end)
			v->ingress_verdict = closed(h, responder->endpoint_id, DIRECTION_INGRESS);
		else if (to_itself || v->origin == ORIGIN_HOST)
			v->ingress_verdict = VERDICT_ALLOW;
		else
			v->ingress_verdict = judge_end(h, end, DIRECTION_INGRESS, class_of(h, opener, &e->opener));
		v->ingress_epoch = h->generation;
		if (v->ingress_verdict != VERDICT_ALLOW)
			return VERDICT_DENY;
	} else if (v->ingress_epoch) {
		return closed(h, v->responder_endpoint, DIRECTION_INGRESS);
	}
	return VERDICT_ALLOW;
}

/*
 * Judged under other tables, or denied: a pod's start comes in force without a new generation and may allow what was
 * denied, so a denial is never remembered.
 */
static __always_inline int is_stale(const struct hook *h, const struct flow_value *v)
{
	return (v->egress_epoch && v->egress_epoch != h->generation) ||
	       (v->ingress_epoch && v->ingress_epoch != h->generation) || v->egress_verdict == VERDICT_DENY ||
	       v->ingress_verdict == VERDICT_DENY;
}

/* The verdict of a flow that has an entry; judged anew, in its original direction, when it is stale. */
static __always_inline enum verdict judge_known(struct hook *h, struct flow *f, const struct config *c)
{
	struct ends e;

	if (!is_stale(h, f->value))
		return VERDICT_ALLOW;
	ends_of(&e, &h->packet, f->is_reply);
	/* Not its value as it is: the verifier would follow what it could be besides these two. */
	return judge_flow(h, &e, f->value, c->flags) == VERDICT_ALLOW ? VERDICT_ALLOW : VERDICT_DENY;
}

/*
 * The verdict of a packet without an entry; an allowed one is recorded where its kind may open a flow. v: zeroed but for
 * origin. own: the endpoint of the hook; its end must have been judged, whatever the addresses say. Sets v->path where
 * `peer` allows it and the flow is seen from its first packet.
 */
static __always_inline enum verdict judge_unknown(struct hook *h, struct flow *f, struct flow_value *v,
						  const struct config *c, __u32 own, int peer)
{
	const struct packet *p = &h->packet;
	__u8 direction = h->direction;
	int source_opened = 1;
	struct ends e;

	if (h->now_ns < c->grace_until_ns && !is_opening(p)) {
		ends_of(&e, p, 1);
		if (judge_flow(h, &e, v, c->flags) == VERDICT_ALLOW) {
			source_opened = 0;
		} else {
			__builtin_memset(v, 0, __builtin_offsetof(struct flow_value, origin));
			v->opener_endpoint = 0;
			v->responder_endpoint = 0;
			h->direction = direction;
		}
	}
	if (source_opened) {
		ends_of(&e, p, 0);
		if (judge_flow(h, &e, v, c->flags) != VERDICT_ALLOW)
			return VERDICT_DENY;
	}
	/* from_pod speaks for the packet's source, to_pod for its destination. */
	if (own != (source_opened == (direction == DIRECTION_EGRESS) ? v->opener_endpoint : v->responder_endpoint))
		return closed(h, own, direction);
	v->path = peer && is_opening(p) && v->responder_endpoint ? FLOW_PATH_PEER : FLOW_PATH_STACK;
	if (may_open(p) && flow_open(h, f, v, source_opened)) {
		h->reason = REASON_FLOW_TABLE;
		return VERDICT_DENY;
	}
	return VERDICT_ALLOW;
}

/*
 * An ICMP error belongs to the flow whose packet it quotes, and shares its verdict; the quoted packet must be one that the
 * receiver of the error sent. VERDICT_NONE: it quotes no flow. The ids are those of the quoted packet's ends.
 */
static __always_inline enum verdict judge_error(struct __sk_buff *skb, struct hook *h, struct flow *f,
						const struct config *c, __u32 source_endpoint, __u32 destination_endpoint)
{
	struct packet error = h->packet;
	enum verdict verdict = VERDICT_NONE;
	__u32 ethertype = error.family == FAMILY_IPV4 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6);

	if (parse_ip(skb, &h->packet, ethertype, error.l4_offset + sizeof(struct icmp_header), error.end) ==
		    REASON_FORWARDED_STACK &&
	    h->packet.fragment != FRAGMENT_LATER && same_address(&h->packet.source, &error.destination) &&
	    (destination_endpoint == ENDPOINT_ANY || same_address(&h->packet.destination, &error.source))) {
		flow_find(h, f, source_endpoint, destination_endpoint);
		if (f->value)
			verdict = judge_known(h, f, c);
	}
	h->packet = error;
	return verdict;
}

static __always_inline struct flow_value *new_flow_from(enum origin origin)
{
	__u32 zero = 0;
	struct flow_value *v = bpf_map_lookup_elem(&new_flow, &zero);

	if (v) {
		__builtin_memset(v, 0, sizeof(*v));
		v->origin = origin;
	}
	return v;
}

/* Reads what every packet needs once, so that it sees one state of all the tables. */
static __always_inline struct config *begin(struct hook *h)
{
	__u32 zero = 0;
	struct config *c = bpf_map_lookup_elem(&config, &zero);
	__u64 commit;

	if (!c)
		return 0;
	commit = *(volatile __u64 *)&c->commit;
	h->generation = (__u32)commit;
	h->port_table = (commit >> 32) & 1;
	h->now_ns = bpf_ktime_get_ns();
	return c;
}

static __always_inline int drop(struct hook *h, enum reason reason)
{
	h->reason = reason;
	return TC_ACT_SHOT;
}

static __always_inline int to_stack(struct hook *h)
{
	h->reason = REASON_FORWARDED_STACK;
	return CONTINUE;
}

/* Parses, and gives a later fragment what its first one taught. */
static __always_inline enum reason read_packet(struct __sk_buff *skb, struct hook *h, __be16 ethertype,
					       enum direction direction)
{
	enum reason reason = parse_ip(skb, &h->packet, ethertype, ETH_HLEN, 0);

	if (reason == REASON_FORWARDED_STACK && h->packet.fragment == FRAGMENT_LATER)
		reason = recall_fragment(skb, h, direction);
	return reason;
}

static __always_inline int is_fragment_reason(enum reason reason)
{
	return reason == REASON_FRAGMENT || reason == REASON_FRAGMENT_TINY || reason == REASON_FRAGMENT_OVERLAP;
}

static __always_inline int is_own_source(const struct packet *p, const struct endpoint_value *end)
{
	const union address *source = &p->source;

	if (p->family == FAMILY_IPV4)
		return source->words[0] && source->words[0] == *(const __u32 *)end->ipv4;
	return (source->halves[0] | source->halves[1]) && source->halves[0] == *(const __u64 *)end->ipv6 &&
	       source->halves[1] == *(const __u64 *)(end->ipv6 + 8);
}

/* Link-local unicast or link-scope multicast: no router forwards a packet to such an address. */
static __always_inline int stays_on_link(const union address *a)
{
	return (a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80) || (a->bytes[0] == 0xff && a->bytes[1] == 0x02);
}

/*
 * Neighbour messages of a pod: a solicitation for the gateway, or an advertisement of its own address. They are not
 * judged, so they must not be able to leave the link.
 */
static __always_inline int link_message_from_pod(struct __sk_buff *skb, struct hook *h, const struct endpoint_value *end)
{
	const struct packet *p = &h->packet;
	union address target;

	if (p->hop_limit != HOP_LIMIT_ON_LINK || !stays_on_link(&p->destination) ||
	    p->l4_offset + ND_MESSAGE_BYTES > p->end ||
	    bpf_skb_load_bytes(skb, p->l4_offset + 8, &target, sizeof(target)))
		return drop(h, REASON_NEIGHBOUR_DISCOVERY);
	if (p->icmp_type == ND_NEIGHBOUR_SOLICITATION && target.halves[0] == GATEWAY_IPV6_HIGH &&
	    target.halves[1] == GATEWAY_IPV6_LOW)
		return to_stack(h);
	if (p->icmp_type == ND_NEIGHBOUR_ADVERTISEMENT && is_own_source(p, end) && same_address(&target, &p->source))
		return to_stack(h);
	return drop(h, REASON_NEIGHBOUR_DISCOVERY);
}

/* Along the flow's path. */
static __always_inline int forward(struct __sk_buff *skb, struct hook *h, const struct flow *f,
				   const struct address_value *to)
{
	return f->value->path == FLOW_PATH_PEER && to && to->ifindex ? forward_peer(skb, h, to) : to_stack(h);
}

static __always_inline int run_from_pod(struct __sk_buff *skb, struct hook *h, const struct config *c)
{
	struct packet *p = &h->packet;
	struct endpoint_key key = { .ifindex = skb->ifindex };
	struct endpoint_value *end = bpf_map_lookup_elem(&endpoints, &key);
	struct address_value *to;
	struct flow flow = {};
	struct ethhdr eth;
	enum reason reason;

	if (!end)
		return drop(h, REASON_NO_ENDPOINT);
	h->endpoint_id = end->id;
	if (skb->vlan_present)
		return drop(h, REASON_ETHERTYPE);
	if (bpf_skb_load_bytes(skb, 0, &eth, sizeof(eth)))
		return drop(h, REASON_MALFORMED);
	if (!same_mac(eth.h_source, end->mac))
		return drop(h, REASON_SOURCE_MAC);
	if (eth.h_proto == bpf_htons(ETH_P_ARP))
		return answer_arp(skb, h, end);
	reason = read_packet(skb, h, eth.h_proto, DIRECTION_EGRESS);
	if (reason == REASON_FORWARDED_STACK && is_link_message(p))
		return link_message_from_pod(skb, h, end);
	/* Before other reasons: listener reports carry an extension header and are no news to anybody. */
	if (p->family && is_multicast(p))
		return drop(h, REASON_MULTICAST);
	if (reason != REASON_FORWARDED_STACK)
		return drop(h, reason);
	if (!is_own_source(p, end))
		return drop(h, REASON_SOURCE_ADDRESS);

	if (is_ipv4_redirect(p))
		return drop(h, REASON_NEIGHBOUR_DISCOVERY);

	to = find_address(p->family, &p->destination);
	if (is_icmp_error(p)) {
		enum verdict verdict = judge_error(skb, h, &flow, c, to ? to->endpoint_id : 0, end->id);

		if (verdict == VERDICT_DENY)
			return TC_ACT_SHOT;
		if (verdict == VERDICT_ALLOW)
			return forward(skb, h, &flow, to);
	}
	flow_find(h, &flow, end->id, to ? to->endpoint_id : 0);
	if (flow.value) {
		if (judge_known(h, &flow, c) != VERDICT_ALLOW)
			return TC_ACT_SHOT;
		flow_seen(h, &flow);
	} else {
		int peer = to && to->ifindex && to->ifindex != skb->ifindex &&
			   !((end->flags | to->endpoint_flags) & ENDPOINT_NO_PEER);

		flow.value = new_flow_from(ORIGIN_POD);
		if (!flow.value)
			return drop(h, REASON_INTERNAL);
		if (judge_unknown(h, &flow, flow.value, c, end->id, peer) != VERDICT_ALLOW)
			return TC_ACT_SHOT;
	}
	if (p->fragment == FRAGMENT_FIRST)
		teach_fragment(skb, h, DIRECTION_EGRESS);
	return forward(skb, h, &flow, to);
}

static __always_inline int run_to_pod(struct __sk_buff *skb, struct hook *h, const struct config *c)
{
	struct packet *p = &h->packet;
	struct endpoint_key key = { .ifindex = skb->ifindex };
	struct endpoint_value *end = bpf_map_lookup_elem(&endpoints, &key);
	/* 0 only for what the node itself sends: this says where a packet comes from, its source address does not. */
	int from_host = skb->ingress_ifindex == 0;
	struct address_value *from;
	struct flow flow = {};
	enum reason reason;
	__be16 ethertype;

	if (!end)
		return drop(h, REASON_NO_ENDPOINT);
	h->endpoint_id = end->id;
	if (skb->vlan_present)
		return drop(h, REASON_ETHERTYPE);
	if (bpf_skb_load_bytes(skb, __builtin_offsetof(struct ethhdr, h_proto), &ethertype, sizeof(ethertype)))
		return drop(h, REASON_MALFORMED);
	/* Only the node itself, and answer_arp, send ARP here: each pod has a wire of its own. */
	if (ethertype == bpf_htons(ETH_P_ARP))
		return to_stack(h);
	reason = read_packet(skb, h, ethertype, DIRECTION_INGRESS);
	/* The node's own packets pass even where they cannot be followed. */
	if (from_host && (is_fragment_reason(reason) || reason == REASON_EXTENSION_HEADER || is_link_message(p)))
		return to_stack(h);
	if (reason != REASON_FORWARDED_STACK)
		return drop(h, reason);

	from = find_address(p->family, &p->source);
	/* A local pod's address that did not come in by that pod's interface is a lie. */
	if (!from_host && from && from->ifindex && from->ifindex != skb->ingress_ifindex)
		return drop(h, REASON_SOURCE_ADDRESS);
	if (is_icmp_error(p)) {
		enum verdict verdict = judge_error(skb, h, &flow, c, end->id, ENDPOINT_ANY);

		if (verdict == VERDICT_DENY)
			return TC_ACT_SHOT;
		if (verdict == VERDICT_ALLOW)
			return to_stack(h);
	}
	flow_find(h, &flow, from ? from->endpoint_id : 0, end->id);
	if (flow.value) {
		/* What the node itself sends is allowed whatever the entry says (NP-80). */
		if (!from_host && judge_known(h, &flow, c) != VERDICT_ALLOW)
			return TC_ACT_SHOT;
		flow_seen(h, &flow);
	} else {
		struct flow_value *v = new_flow_from(from_host ? ORIGIN_HOST : ORIGIN_FORWARDED);

		if (!v)
			return drop(h, REASON_INTERNAL);
		if (judge_unknown(h, &flow, v, c, end->id, 0) != VERDICT_ALLOW) {
			if (!from_host)
				return TC_ACT_SHOT;
			h->direction = DIRECTION_INGRESS; /* the denial, which may be of the other end, is not heard */
		}
	}
	if (p->fragment == FRAGMENT_FIRST)
		teach_fragment(skb, h, DIRECTION_INGRESS);
	return to_stack(h);
}

SEC("tc")
int from_pod(struct __sk_buff *skb)
{
	struct hook h = { .direction = DIRECTION_EGRESS, .reason = REASON_INTERNAL };
	struct config *c = begin(&h);
	int action = c ? run_from_pod(skb, &h, c) : TC_ACT_SHOT;

	record(skb, &h);
	return action;
}

SEC("tc")
int to_pod(struct __sk_buff *skb)
{
	struct hook h = { .direction = DIRECTION_INGRESS, .reason = REASON_INTERNAL };
	struct config *c = begin(&h);
	int action = c ? run_to_pod(skb, &h, c) : TC_ACT_SHOT;

	record(skb, &h);
	return action;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
