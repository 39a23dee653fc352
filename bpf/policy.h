/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * A verdict from three numbers: the rule set of the local end and direction, the class of the other end's address, the
 * class of protocol and destination port. Constant look-ups, whatever the number of policies:
 *
 * 1. rule set: endpoints[ifindex], the side that is in force;
 * 2. class of the other end: addresses[address], else the longest of prefixes, else PEER_CLASS_WORLD;
 * 3. port class: ports[protocol, port], or a fixed class;
 * 4. rows[rule set, class, block], else rows[rule set, PEER_CLASS_DEFAULT, block], else deny.
 */
#ifndef SLUICE_POLICY_H
#define SLUICE_POLICY_H

#include "event.h"

/* Versioned values: the new side is in force once the generation in force has reached theirs (modulo 2^32). */
static __always_inline int is_in_force(const struct hook *h, __u32 generation)
{
	return (__s32)(h->generation - generation) >= 0;
}

static __always_inline struct address_value *find_address(__u8 family, const union address *address)
{
	struct address_key key = { .family = family };

	__builtin_memcpy(key.address, address, sizeof(key.address));
	return bpf_map_lookup_elem(&addresses, &key);
}

/* The local endpoint that has the address; NULL: none. */
static __always_inline struct local_value *find_local(__u8 family, const union address *address)
{
	struct address_key key = { .family = family };

	__builtin_memcpy(key.address, address, sizeof(key.address));
	return bpf_map_lookup_elem(&locals, &key);
}

static __always_inline __u32 class_of(const struct hook *h, const struct address_value *known,
				      const union address *address)
{
	struct prefix_key key = { .family = h->packet.family };
	struct prefix_value *prefix;
	__u32 class;

	if (known) {
		class = is_in_force(h, known->generation) ? known->class_new : known->class_old;
		if (class != PEER_CLASS_NONE)
			return class;
	}
	key.bits = 32 + (h->packet.family == FAMILY_IPV4 ? 32 : 128);
	__builtin_memcpy(key.address, address, sizeof(key.address));
	prefix = bpf_map_lookup_elem(&prefixes, &key);
	if (!prefix)
		return PEER_CLASS_WORLD;
	return is_in_force(h, prefix->generation) ? prefix->class_new : prefix->class_old;
}

/* port: in network order, of the end the flow was opened to. */
static __always_inline __u32 port_class_of(const struct hook *h, __be16 port)
{
	const struct packet *p = &h->packet;
	__u32 protocol, index;
	struct port_cell *cell;

	if (is_icmp(p))
		return p->family == FAMILY_IPV4 ? PORT_CLASS_ICMP : PORT_CLASS_ICMPV6;
	if (p->protocol == PROTOCOL_TCP)
		protocol = PORT_PROTOCOL_TCP;
	else if (p->protocol == PROTOCOL_UDP)
		protocol = PORT_PROTOCOL_UDP;
	else if (p->protocol == PROTOCOL_SCTP)
		protocol = PORT_PROTOCOL_SCTP;
	else
		return PORT_CLASS_OTHER;
	index = (protocol * 65536 + bpf_ntohs(port)) / PORT_CLASSES_PER_CELL + h->port_table * PORT_TABLE_CELLS;
	cell = bpf_map_lookup_elem(&ports, &index);
	return cell ? cell->port_class[bpf_ntohs(port) % PORT_CLASSES_PER_CELL] : PORT_CLASS_OTHER;
}

/*
 * The verdict of one end; on a denial *h says what decided it. peer: the address of the other end. allow_own_node: where that is
 * one of the node's own, the answer is yes. The caller has set h->port_class.
 */
static __always_inline enum verdict judge_end(struct hook *h, const struct endpoint_value *end, enum direction direction,
					      const union address *peer, int allow_own_node)
{
	int new = is_in_force(h, end->generation);
	__u32 rule_set = direction == DIRECTION_EGRESS ? (new ? end->egress_new : end->egress_old) :
							 (new ? end->ingress_new : end->ingress_old);
	struct row_key key = { .rule_set = rule_set, .block = h->port_class / PORT_CLASSES_PER_BLOCK };
	__u32 bit = h->port_class % PORT_CLASSES_PER_BLOCK;
	struct address_value *known;
	struct row_value *row;
	__u32 peer_class;

	if (rule_set == RULE_SET_OPEN)
		return VERDICT_ALLOW;
	known = find_address(h->packet.family, peer);
	if (allow_own_node && known && known->flags & ADDRESS_OWN_NODE)
		return VERDICT_ALLOW;
	peer_class = class_of(h, known, peer);
	key.peer_class = peer_class;
	if (rule_set != RULE_SET_CLOSED) {
		row = bpf_map_lookup_elem(&rows, &key);
		if (!row) {
			key.peer_class = PEER_CLASS_DEFAULT;
			row = bpf_map_lookup_elem(&rows, &key);
		}
		if (row) {
			if (row->audit[bit / 8] >> (bit % 8) & 1)
				h->audit = 1;
			if (row->allow[bit / 8] >> (bit % 8) & 1)
				return VERDICT_ALLOW;
		}
	}
	h->reason = rule_set == RULE_SET_CLOSED ? REASON_CLOSED : REASON_POLICY;
	h->endpoint_id = end->id;
	h->rule_set = rule_set;
	h->peer_class = peer_class;
	h->direction = direction;
	return VERDICT_DENY;
}

#endif
