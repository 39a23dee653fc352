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
#include "service.h"
#include "reject.h"

static __always_inline struct endpoint_value *endpoint_of(const struct local_value *local)
{
	struct endpoint_key key = { .ifindex = local->ifindex };
	struct endpoint_value *end = bpf_map_lookup_elem(&endpoints, &key);

	return end && end->id == local->endpoint_id ? end : 0;
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
__noinline int judge_flow(struct hook *h, int is_reply, struct flow_value *v, __u32 config_flags)
{
	const union address *opener_address, *responder_address;
	struct local_value *opener, *responder;
	struct endpoint_value *end;
	int to_itself;

	/* Not static: verified once, not with every call; the verifier then asks for these. */
	if (!h || !v)
		return VERDICT_DENY;
	opener_address = is_reply ? &h->packet.destination : &h->packet.source;
	responder_address = is_reply ? &h->packet.source : &h->packet.destination;
	opener = find_local(h->packet.family, opener_address);
	responder = find_local(h->packet.family, responder_address);
	to_itself = same_address(opener_address, responder_address);
	h->port_class = port_class_of(h, is_reply ? h->packet.source_port : h->packet.destination_port);
	if (opener) {
		v->opener_endpoint = opener->endpoint_id;
		end = endpoint_of(opener);
		if (!end)
			v->egress_verdict = closed(h, opener->endpoint_id, DIRECTION_EGRESS);
		else if (to_itself)
			v->egress_verdict = VERDICT_ALLOW;
		else
			v->egress_verdict = judge_end(h, end, DIRECTION_EGRESS, responder_address,
						      !(config_flags & CONFIG_JUDGE_OWN_NODE));
		v->egress_epoch = h->generation;
		if (v->egress_verdict != VERDICT_ALLOW)
			return VERDICT_DENY;
	} else if (v->egress_epoch) {
		return closed(h, v->opener_endpoint, DIRECTION_EGRESS);
	}
	if (responder) {
		v->responder_endpoint = responder->endpoint_id;
		end = endpoint_of(responder);
		if (!end)
			v->ingress_verdict = closed(h, responder->endpoint_id, DIRECTION_INGRESS);
		else if (to_itself || v->origin == ORIGIN_HOST)
			v->ingress_verdict = VERDICT_ALLOW;
		else
			v->ingress_verdict = judge_end(h, end, DIRECTION_INGRESS, opener_address, 0);
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

	if (!is_stale(h, f->value))
		return VERDICT_ALLOW;
	/* Not its value as it is: the verifier would follow what it could be besides these two. */
	return judge_flow(h, f->is_reply, f->value, c->flags) == VERDICT_ALLOW ? VERDICT_ALLOW : VERDICT_DENY;
}

/*
 * The verdict of a packet without an entry; an allowed one is recorded where its kind may open a flow. `new_flow` is zeroed
 * but for origin and translation. The endpoint in *h is that of the hook; its end must have been judged, whatever the
 * addresses say. Sets the path where `peer` allows it and the flow is seen from its first packet. is_live: an entry of its
 * tuple that is not believed may lie in flows_live. Not static: verified once.
 */
__noinline int judge_unknown(struct hook *h, const struct config *c, int peer, int is_live)
{
	__u32 zero = 0, own;
	struct flow_value *v;
	int source_opened = 1;
	__u8 direction;

	v = bpf_map_lookup_elem(&new_flow, &zero);
	if (!h || !c || !v)
		return VERDICT_DENY;
	own = h->endpoint_id;
	direction = h->direction;
	if (h->now_ns < c->grace_until_ns && !is_opening(&h->packet)) {
		if (judge_flow(h, 1, v, c->flags) == VERDICT_ALLOW) {
			source_opened = 0;
		} else {
			__builtin_memset(v, 0, __builtin_offsetof(struct flow_value, origin));
			v->opener_endpoint = 0;
			v->responder_endpoint = 0;
			h->direction = direction;
		}
	}
	if (source_opened) {
		if (judge_flow(h, 0, v, c->flags) != VERDICT_ALLOW)
			return VERDICT_DENY;
	}
	/* from_pod speaks for the packet's source, to_pod for its destination. */
	if (own != (source_opened == (direction == DIRECTION_EGRESS) ? v->opener_endpoint : v->responder_endpoint))
		return closed(h, own, direction);
	v->path = peer && is_opening(&h->packet) && v->responder_endpoint ? FLOW_PATH_PEER : FLOW_PATH_STACK;
	if (may_open(&h->packet) && open_flow(h, is_live, source_opened)) {
		h->reason = REASON_FLOW_TABLE;
		return VERDICT_DENY;
	}
	return VERDICT_ALLOW;
}

/*
 * A pod's error about an answer of a service, which the pod knows by the frontend's address: finds the flow, and says in *r
 * what the answer was before it was translated back.
 */
static __always_inline void find_quoted_answer(struct hook *h, struct flow *f, struct room *r, __u32 endpoint_id)
{
	const struct flow_value *client = f->value;
	struct packet *p = &h->packet;
	struct tuple *quote = &r->translated;

	__builtin_memcpy(&quote->source, client->translated_address, sizeof(quote->source));
	quote->source_port = client->translated_port;
	quote->destination = p->destination;
	quote->destination_port = client->source_port;
	if (same_address(&quote->source, &p->destination)) {
		quote->destination = p->source;
		endpoint_id = 0;
	}
	r->outer.source = quote->destination;
	r->outer.destination = quote->source;
	use_tuple(p, quote);
	flow_find(h, f, ENDPOINT_ANY, endpoint_id);
	if (f->value && (f->value->flags & FLOW_FRONTEND || !f->value->frontend))
		f->value = 0;
}

/*
 * What becomes of the packet that an error quotes, whose flow has to do with a service: 1, and *r says it; or 0, nothing does.
 * Without f->value it is nobody's any more.
 */
static __noinline int translate_quote(struct hook *h, struct flow *f, struct room *r, __u32 endpoint_id)
{
	struct tuple *quote = &r->translated;
	struct packet *p = &h->packet;

	tuple_of(&r->client, p);
	r->outer.source = r->error.source;
	r->outer.destination = r->error.destination;
	if (f->value->flags & FLOW_FRONTEND) {
		if (h->direction == DIRECTION_EGRESS) {
			find_quoted_answer(h, f, r, endpoint_id);
			return 1;
		}
		f->value = 0; /* nobody but the client knows the flow by this tuple */
		return 0;
	}
	if (f->is_reply || (h->direction == DIRECTION_EGRESS && f->value->path != FLOW_PATH_PEER))
		return 0;
	/* Of its own packet the client knows what its answer would be, the other way round. */
	quote->source = p->destination;
	quote->destination = p->source;
	swap_ends(answer_to(quote, f->value));
	if (same_address(&quote->destination, &p->source)) {
		r->outer.source = quote->destination;
		r->outer.destination = quote->source;
	}
	return 1;
}

/*
 * Makes h->packet the packet that the ICMP error in it quotes; room()->error is the error then. 0: it quotes none that its
 * receiver could have sent, and h->packet is as it was. of_source: the error is about a packet to who sends it. Not static:
 * verified once.
 */
__noinline int read_quote(struct __sk_buff *skb, struct hook *h, int of_source)
{
	struct room *r = room();
	struct packet *p;

	if (!h || !r)
		return 0;
	p = &h->packet;
	r->error = *p;
	if (parse_ip(skb, p, p->family == FAMILY_IPV4 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6),
		     p->l4_offset + sizeof(struct icmp_header), p->end) == REASON_FORWARDED_STACK &&
	    p->fragment != FRAGMENT_LATER && same_address(&p->source, &r->error.destination) &&
	    (!of_source || same_address(&p->destination, &r->error.source)))
		return 1;
	*p = r->error;
	return 0;
}

/*
 * An ICMP error belongs to the flow whose packet it quotes, and shares its verdict. h->packet: that packet; the error again
 * afterwards. VERDICT_NONE: it quotes no flow. The ids are those of the quoted packet's ends. What the error quotes is translated
 * as the packets of its flow are, and so is whom it is for where that is the frontend. Returns an enum verdict, or
 * ERROR_ALLOW_PEER: allowed, and the flow's packets go straight to the peer. Not static: verified once.
 */
#define ERROR_ALLOW_PEER 16

__noinline int judge_error(struct __sk_buff *skb, struct hook *h, const struct config *c, __u32 source_endpoint,
			   __u32 destination_endpoint)
{
	int verdict = VERDICT_NONE, translated = 0, failed = 0, peer = 0;
	struct room *r = room();
	struct flow f = {};

	if (!h || !c || !r)
		return VERDICT_DENY;
	flow_find(h, &f, source_endpoint, destination_endpoint);
	if (f.value && f.value->frontend)
		translated = translate_quote(h, &f, r, destination_endpoint);
	if (f.value) {
		peer = f.value->path == FLOW_PATH_PEER;
		verdict = judge_known(h, &f, c);
	}
	if (verdict == VERDICT_ALLOW && translated) {
		use_tuple(&h->packet, &r->client);
		failed = rewrite_quote(skb, h, &r->translated, r->error.l4_offset);
	}
	h->packet = r->error;
	if (verdict == VERDICT_ALLOW && translated) {
		if (failed || rewrite_packet(skb, h, &r->outer)) {
			h->reason = REASON_INTERNAL;
			return VERDICT_DENY;
		}
		h->packet.destination = r->outer.destination;
	}
	return verdict == VERDICT_ALLOW && peer ? ERROR_ALLOW_PEER : verdict;
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

/*
 * What a pod sends to the port of the tunnel between nodes would be unpacked there, and judged by nobody. Only another pod may
 * get it: which other addresses are a node's is not known for sure, and on the way out the packet gets this node's address.
 */
static __always_inline int is_tunnel(const struct packet *p)
{
	struct address_value *known;

	if (!vxlan_port || p->protocol != PROTOCOL_UDP || p->destination_port != bpf_htons(vxlan_port))
		return 0;
	known = find_address(p->family, &p->destination);
	return !known || known->flags & ADDRESS_OWN_NODE;
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
static __always_inline int forward(struct __sk_buff *skb, struct hook *h, __u8 path, const struct local_value *to)
{
	return path == FLOW_PATH_PEER && to ? forward_peer(skb, h, to) : to_stack(h);
}

/* Rewrites the packet as *to says; *h goes on describing it. */
static __always_inline int translate(struct __sk_buff *skb, struct hook *h, struct tuple *to)
{
	if (rewrite_packet(skb, h, to)) {
		h->reason = REASON_INTERNAL;
		return 0;
	}
	use_tuple(&h->packet, to);
	return 1;
}

static __always_inline int may_take_peer_path(const struct __sk_buff *skb, const struct endpoint_value *end,
					      const struct local_value *to)
{
	return to && to->ifindex != skb->ifindex && !((end->flags | to->endpoint_flags) & ENDPOINT_NO_PEER);
}

/* The answer to what leads nowhere, if there is one; h->reason says why. */
static __always_inline int reject(struct __sk_buff *skb, struct hook *h, const struct endpoint_value *end)
{
	__u8 macs[12];

	if (make_rejection(skb, h))
		return TC_ACT_SHOT;
	__builtin_memcpy(macs, end->mac, 6);
	__builtin_memcpy(macs + 6, end->host_mac, 6);
	if (bpf_skb_store_bytes(skb, 0, macs, sizeof(macs), 0))
		return drop(h, REASON_INTERNAL);
	return bpf_redirect_peer(skb->ifindex, 0);
}

/*
 * Whether the packet may be for a service: the client's tuple is known; or it has no flow, or one that nobody answered, so that
 * a service that came after its first packet is found.
 */
static __always_inline int may_enter_service(const struct hook *h, const struct flow *f, const struct config *c,
					     const struct local_value *to)
{
	if (f->value && f->value->flags & FLOW_FRONTEND)
		return 1;
	return c->flags & CONFIG_SERVICES && !to &&
	       (!f->value || (!f->value->frontend && !(f->value->flags & FLOW_ANSWERED) && is_opening(&h->packet))) &&
	       !find_address(h->packet.family, &h->packet.destination);
}

/* A packet for a service that was judged. h->packet: as the pod sent it; r->translated: what it becomes. */
static __always_inline int send_to_backend(struct __sk_buff *skb, struct hook *h, struct room *r, __u8 path,
					   const struct local_value *to)
{
	if (h->packet.fragment == FRAGMENT_FIRST)
		teach_fragment(skb, h, DIRECTION_EGRESS);
	if (!translate(skb, h, &r->translated))
		return TC_ACT_SHOT;
	return forward(skb, h, path, to);
}

/* A packet for a service whose flow is *f. h->packet: translated; r->client: as the pod sent it. */
static __always_inline int pass_to_backend(struct __sk_buff *skb, struct hook *h, const struct config *c, __u32 endpoint_id,
					   struct flow *f, struct room *r, const struct local_value *to)
{
	struct packet *p = &h->packet;
	int closing;
	__u8 path;

	if (is_tunnel(p))
		return drop(h, REASON_TUNNEL);
	tuple_of(&r->translated, p);
	if (judge_known(h, f, c) != VERDICT_ALLOW)
		return TC_ACT_SHOT;
	path = f->value->path;
	flow_seen(h, f);
	closing = is_closing(f->value);
	use_tuple(p, &r->client);
	if (!r->entry.is_known) {
		if (open_client(h, endpoint_id, r->entry.is_live))
			return drop(h, REASON_FLOW_TABLE);
	} else if (closing ? r->entry.is_live : f->is_live && !r->entry.is_live) {
		move_client(h, !closing);
	}
	return send_to_backend(skb, h, r, path, to);
}

/* A packet for a service that opens a flow; *v says how it is translated. h->packet and r->client as above. */
static __always_inline int open_to_backend(struct __sk_buff *skb, struct hook *h, const struct config *c,
					   const struct endpoint_value *end, struct flow_value *v, struct room *r,
					   const struct local_value *to)
{
	struct packet *p = &h->packet;

	if (is_tunnel(p))
		return drop(h, REASON_TUNNEL);
	tuple_of(&r->translated, p);
	if (is_hairpin(p, &r->client)) {
		v->path = FLOW_PATH_PEER;
		v->responder_endpoint = end->id;
		if (may_open(p) && open_flow(h, r->entry.flow_is_live, 1))
			return drop(h, REASON_FLOW_TABLE);
	} else if (judge_unknown(h, c, may_take_peer_path(skb, end, to), r->entry.flow_is_live) != VERDICT_ALLOW) {
		return TC_ACT_SHOT;
	}
	use_tuple(p, &r->client);
	if (open_client(h, end->id, r->entry.is_live))
		return drop(h, REASON_FLOW_TABLE);
	return send_to_backend(skb, h, r, v->path, to);
}

/* The answer of a backend becomes that of the frontend. f: as flow_seen left it. 0: it could not be done. */
static __always_inline int pass_to_client(struct __sk_buff *skb, struct hook *h, const struct flow *f, struct tuple *answer)
{
	int closing = is_closing(f->value);

	if (!translate(skb, h, answer))
		return 0;
	if (closing)
		move_client(h, 0);
	return 1;
}

/* A packet that is judged as it is. */
static __always_inline int pass_from_pod(struct __sk_buff *skb, struct hook *h, const struct config *c,
					 const struct endpoint_value *end, struct flow *f, struct local_value *to)
{
	struct packet *p = &h->packet;
	struct tuple *answer = 0;
	__u8 path;

	if (is_tunnel(p))
		return drop(h, REASON_TUNNEL);
	if (f->value) {
		if (judge_known(h, f, c) != VERDICT_ALLOW)
			return TC_ACT_SHOT;
		/* To the backend of a flow that came by the service, from the port it came from: nobody could tell the answers. */
		if (f->value->frontend && !f->is_reply)
			return drop(h, REASON_TRANSLATION);
		path = f->value->path;
		if (f->value->frontend && path == FLOW_PATH_PEER) {
			answer = answer_to_client(p, f->value);
			if (!answer)
				return drop(h, REASON_INTERNAL);
		}
		flow_seen(h, f);
	} else {
		f->value = new_flow_from(ORIGIN_POD);
		if (!f->value)
			return drop(h, REASON_INTERNAL);
		if (judge_unknown(h, c, may_take_peer_path(skb, end, to), f->is_live) != VERDICT_ALLOW)
			return TC_ACT_SHOT;
		path = f->value->path;
	}
	if (p->fragment == FRAGMENT_FIRST)
		teach_fragment(skb, h, DIRECTION_EGRESS);
	if (answer) {
		if (!pass_to_client(skb, h, f, answer))
			return TC_ACT_SHOT;
		to = find_local(p->family, &p->destination);
	}
	return forward(skb, h, path, to);
}

/* The end of an Ethernet header. */
struct sender {
	__u8 mac[6];
	__be16 ethertype;
};

static __always_inline int run_from_pod(struct __sk_buff *skb, struct hook *h, const struct config *c)
{
	struct packet *p = &h->packet;
	struct endpoint_key key = { .ifindex = skb->ifindex };
	struct endpoint_value *end = bpf_map_lookup_elem(&endpoints, &key);
	struct local_value *to;
	struct flow flow = {};
	struct sender sender;
	enum reason reason;

	if (!end)
		return drop(h, REASON_NO_ENDPOINT);
	h->endpoint_id = end->id;
	if (skb->vlan_present)
		return drop(h, REASON_ETHERTYPE);
	if (bpf_skb_load_bytes(skb, __builtin_offsetof(struct ethhdr, h_source), &sender, sizeof(sender)))
		return drop(h, REASON_MALFORMED);
	if (!same_mac(sender.mac, end->mac))
		return drop(h, REASON_SOURCE_MAC);
	if (sender.ethertype == bpf_htons(ETH_P_ARP))
		return answer_arp(skb, h, end);
	reason = read_packet(skb, h, sender.ethertype, DIRECTION_EGRESS);
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

	to = find_local(p->family, &p->destination);
	if (is_icmp_error(p) && read_quote(skb, h, 1)) {
		int verdict = judge_error(skb, h, c, to ? to->endpoint_id : 0, end->id);

		if (verdict == VERDICT_ALLOW)
			return to_stack(h);
		if (verdict == ERROR_ALLOW_PEER)
			return forward(skb, h, FLOW_PATH_PEER, find_local(p->family, &p->destination));
		if (verdict != VERDICT_NONE)
			return TC_ACT_SHOT;
	}
	flow_find(h, &flow, end->id, to ? to->endpoint_id : 0);
	if (may_enter_service(h, &flow, c, to)) {
		struct room *r = room();
		int service = SERVICE_NONE, is_client = flow.value && flow.value->flags & FLOW_FRONTEND;

		if (!r)
			return drop(h, REASON_INTERNAL);
		tuple_of(&r->client, p);
		r->entry.is_known = 0;
		r->entry.is_live = flow.is_live;
		if (is_client) {
			service = recall_backend(h, flow.value);
			if (service == SERVICE_REJECT)
				return reject(skb, h, end);
			if (service == SERVICE_BACKEND)
				r->entry.is_known = find_recalled(h, &flow, &to, &r->client) == REAL_KNOWN;
		}
		if (!r->entry.is_known) {
			struct flow_value *v = new_flow_from(ORIGIN_POD);

			if (!v)
				return drop(h, REASON_INTERNAL);
			use_tuple(p, &r->client);
			service = enter_service(h, v, &r->client, &r->entry);
			if (service == SERVICE_BACKEND) {
				to = find_local(p->family, &p->destination);
				if (!r->entry.has_flow)
					return open_to_backend(skb, h, c, end, v, r, to);
				flow_key_of(&flow, p);
				flow.is_live = r->entry.flow_is_live;
				flow.is_reply = 0;
				flow.value = flow.is_live ? bpf_map_lookup_elem(&flows_live, &flow.key) :
							    bpf_map_lookup_elem(&flows_new, &flow.key);
			}
		}
		if (service == SERVICE_BACKEND) {
			/* Moved or gone in between: the next packet finds it. */
			if (!flow.value)
				return drop(h, REASON_FLOW_TABLE);
			return pass_to_backend(skb, h, c, end->id, &flow, r, to);
		}
		use_tuple(p, &r->client);
		if (service == SERVICE_REJECT)
			return reject(skb, h, end);
		if (service == SERVICE_DROP)
			return TC_ACT_SHOT;
		if (is_client) {
			flow.value = 0;
			flow.is_live = r->entry.is_live;
			to = find_local(p->family, &p->destination);
		}
	}
	return pass_from_pod(skb, h, c, end, &flow, to);
}

static __always_inline int run_to_pod(struct __sk_buff *skb, struct hook *h, const struct config *c)
{
	struct packet *p = &h->packet;
	struct endpoint_key key = { .ifindex = skb->ifindex };
	struct endpoint_value *end = bpf_map_lookup_elem(&endpoints, &key);
	/* 0 only for what the node itself sends: this says where a packet comes from, its source address does not. */
	int from_host = skb->ingress_ifindex == 0;
	struct local_value *from;
	struct flow flow = {};
	struct tuple *answer = 0;
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

	from = find_local(p->family, &p->source);
	/* A local pod's address that did not come in by that pod's interface is a lie. */
	if (!from_host && from && from->ifindex != skb->ingress_ifindex)
		return drop(h, REASON_SOURCE_ADDRESS);
	if (is_icmp_error(p) && read_quote(skb, h, 0)) {
		int verdict = judge_error(skb, h, c, end->id, ENDPOINT_ANY);

		if (verdict == VERDICT_ALLOW || verdict == ERROR_ALLOW_PEER)
			return to_stack(h);
		if (verdict != VERDICT_NONE)
			return TC_ACT_SHOT;
	}
	flow_find(h, &flow, from ? from->endpoint_id : 0, end->id);
	/*
	 * Answers of a frontend are made here; and what a pod sends to itself by a service goes straight back into it, so here
	 * it is somebody else's packet, and nobody has judged it.
	 */
	if (flow.value && (flow.value->flags & FLOW_FRONTEND || (flow.value->frontend && !flow.value->opener_endpoint)))
		return drop(h, REASON_TRANSLATION);
	if (flow.value) {
		/* What the node itself sends is allowed whatever the entry says (NP-80). */
		if (!from_host && judge_known(h, &flow, c) != VERDICT_ALLOW)
			return TC_ACT_SHOT;
		if (flow.value->frontend && flow.is_reply) {
			answer = answer_to_client(p, flow.value);
			if (!answer)
				return drop(h, REASON_INTERNAL);
		}
		flow_seen(h, &flow);
	} else {
		struct flow_value *v = new_flow_from(from_host ? ORIGIN_HOST : ORIGIN_FORWARDED);

		if (!v)
			return drop(h, REASON_INTERNAL);
		if (judge_unknown(h, c, 0, flow.is_live) != VERDICT_ALLOW) {
			if (!from_host)
				return TC_ACT_SHOT;
			h->direction = DIRECTION_INGRESS; /* the denial, which may be of the other end, is not heard */
		}
	}
	if (p->fragment == FRAGMENT_FIRST)
		teach_fragment(skb, h, DIRECTION_INGRESS);
	if (answer && !pass_to_client(skb, h, &flow, answer))
		return TC_ACT_SHOT;
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
