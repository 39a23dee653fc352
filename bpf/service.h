/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Services. What a pod sends to a frontend is translated before it is judged, so that policy sees the backend:
 *
 * 1. the client's tuple (client, frontend) has an entry marked FLOW_FRONTEND that says where it leads; the flow itself is
 *    that of the translated packets (client, backend), and only it is judged, times out and has a TCP state;
 * 2. without such an entry the backend is, with session affinity, the one that the client had, while it is there and the
 *    client's last new flow is not too long ago (SVC-24); else that of the tuple's hash: slots[first + (hash * slots >> 32)];
 * 3. where the translated tuple is another flow's, another source port is taken; SCTP's ports cannot be changed;
 * 4. where client and backend are one pod, the source becomes the frontend's address: the pod would not believe a packet
 *    from itself, and its answer would not come by. Such a flow is not judged (NP-86);
 * 5. a flow stays with its backend while that is one of the frontend's. After that UDP and SCTP, and TCP that opens, choose anew;
 *    TCP under way goes on while the address is that of a known pod or node (it drains), and is reset when it is not;
 * 6. a TCP segment that opens nothing and has no flow is not translated: a backend chosen now would not know it.
 *
 * Replies are translated back at the last hook before the client: in from_pod when they go straight into its namespace,
 * else in to_pod. What the stack and its connection tracking see in between are translated packets in both directions.
 *
 * Ids alone are not believed: an entry leads where it says while the backend of that id has its address and port, and is
 * behind the frontend of that id.
 */
#ifndef SLUICE_SERVICE_H
#define SLUICE_SERVICE_H

#include "conntrack.h"
#include "translate.h"

/* What becomes of a packet. */
enum service {
	SERVICE_NONE = 0, /* not for a service */
	SERVICE_BACKEND = 1,
	SERVICE_REJECT = 2, /* answered with an error; h->reason says why */
	SERVICE_DROP = 3, /* likewise, without an answer */
};

enum real {
	REAL_NEW = 0,
	REAL_KNOWN = 1, /* the flow of this client's tuple */
	REAL_TAKEN = 2, /* another flow has the translated tuple */
};

static __always_inline __u32 rotate_left(__u32 word, int bits)
{
	return word << bits | word >> (32 - bits);
}

/* MurmurHash3_x86_32 of whole words, as src/service/murmur.ts has it. */
static __always_inline __u32 murmur3(const __u32 *words, int count)
{
	__u32 hash = 0;

	for (int i = 0; i < count; i++) {
		hash ^= rotate_left(words[i] * 0xcc9e2d51, 15) * 0x1b873593;
		hash = rotate_left(hash, 13) * 5 + 0xe6546b64;
	}
	hash ^= count * 4;
	hash = (hash ^ hash >> 16) * 0x85ebca6b;
	hash = (hash ^ hash >> 13) * 0xc2b2ae35;
	return hash ^ hash >> 16;
}

/* src/service/choose.ts, rule 1. */
static __always_inline __u32 hash_client(const struct packet *p)
{
	__u32 words[6] = { p->source.words[0], p->source.words[1], p->source.words[2], p->source.words[3] };

	words[4] = p->source_port | (__u32)p->destination_port << 16;
	words[5] = p->protocol;
	return murmur3(words, 6);
}

/* NULL: it is none of the frontend's. */
static __always_inline struct backend_value *find_backend(__u32 id, __u32 frontend)
{
	struct backend_value *backend = bpf_map_lookup_elem(&backends, &id);

	return backend && backend->frontend == frontend ? backend : 0;
}

/* The backend that the client had, if it is still to get it; 0: none. */
static __always_inline __u32 remembered_backend(const struct hook *h, const struct frontend_value *frontend,
						struct affinity_key *key)
{
	struct affinity_value *v;

	key->frontend = frontend->id;
	__builtin_memcpy(key->client, &h->packet.source, sizeof(key->client));
	v = bpf_map_lookup_elem(&affinities, key);
	if (!v || (__s64)(h->now_ns - v->last_opened_ns) > (__s64)(frontend->affinity_seconds * 1000000000ULL))
		return 0;
	return v->backend;
}

static __always_inline void remember_backend(const struct hook *h, const struct affinity_key *key, __u32 backend)
{
	struct affinity_value v = { .last_opened_ns = h->now_ns, .backend = backend };

	/* Should it fail the client's next flow goes by its hash: nothing to do here. */
	bpf_map_update_elem(&affinities, key, &v, BPF_ANY);
}

static __always_inline enum service refuse(struct hook *h, enum reason reason, enum service what)
{
	h->reason = reason;
	return what;
}

/* The address is no frontend's with this port: is it one of a service all the same? */
static __always_inline enum service without_frontend(struct hook *h, struct frontend_key *key)
{
	struct prefix_key range = { .family = key->family };

	key->protocol = 0;
	key->port = 0;
	if (bpf_map_lookup_elem(&frontends, key))
		return refuse(h, REASON_NO_SUCH_SERVICE, SERVICE_REJECT);
	range.bits = 32 + (key->family == FAMILY_IPV4 ? 32 : 128);
	__builtin_memcpy(range.address, key->address, sizeof(range.address));
	if (bpf_map_lookup_elem(&service_ranges, &range))
		return refuse(h, REASON_NO_SUCH_SERVICE, SERVICE_DROP);
	return SERVICE_NONE;
}

/* Rule 2: fills *v with where the packet leads. Not static: verified once, as those below. */
__noinline int choose_backend(struct hook *h, struct flow_value *v)
{
	struct backend_value *backend = 0;
	struct frontend_value *frontend;
	struct affinity_key client = {};
	struct frontend_key key = {};
	struct slot_cell *cell;
	__u32 slot, index, id;

	if (!h || !v)
		return SERVICE_DROP;
	key.family = h->packet.family;
	key.protocol = h->packet.protocol;
	key.port = h->packet.destination_port;
	__builtin_memcpy(key.address, &h->packet.destination, sizeof(key.address));
	frontend = bpf_map_lookup_elem(&frontends, &key);
	/* A packet of protocol 0 asks with the key that stands for the address. */
	if (!frontend || frontend->flags & FRONTEND_ADDRESS)
		return without_frontend(h, &key);
	if (frontend->flags & FRONTEND_ELSEWHERE)
		return SERVICE_NONE;
	if (frontend->flags & FRONTEND_DROP)
		return refuse(h, REASON_TRAFFIC_POLICY, SERVICE_DROP);
	if (frontend->flags & FRONTEND_REJECT || !frontend->slot_count)
		return refuse(h, REASON_NO_BACKEND, SERVICE_REJECT);
	if (frontend->affinity_seconds) {
		id = remembered_backend(h, frontend, &client);
		backend = find_backend(id, frontend->id);
	}
	if (!backend) {
		slot = frontend->first_slot + ((__u64)hash_client(&h->packet) * frontend->slot_count >> 32);
		index = slot / SLOTS_PER_CELL;
		cell = bpf_map_lookup_elem(&slots, &index);
		if (!cell)
			return refuse(h, REASON_NO_BACKEND, SERVICE_REJECT);
		id = cell->backend[slot % SLOTS_PER_CELL];
		backend = find_backend(id, frontend->id);
	}
	if (!backend)
		return refuse(h, REASON_NO_BACKEND, SERVICE_REJECT);
	if (frontend->affinity_seconds && is_opening(&h->packet))
		remember_backend(h, &client, id);
	if (h->packet.protocol == PROTOCOL_SCTP && backend->port != key.port)
		return refuse(h, REASON_TRANSLATION, SERVICE_DROP);
	v->frontend = frontend->id;
	v->backend = id;
	v->original_port = key.port;
	__builtin_memcpy(v->original_address, key.address, sizeof(v->original_address));
	v->translated_port = backend->port;
	__builtin_memcpy(v->translated_address, backend->address, sizeof(v->translated_address));
	v->client_port = h->packet.source_port;
	v->source_port = h->packet.source_port;
	return SERVICE_BACKEND;
}

/* Rules 1 and 5: whether the packet goes where its client's entry says. SERVICE_NONE: choose anew. */
__noinline int recall_backend(struct hook *h, const struct flow_value *client)
{
	struct backend_value *backend;
	union address address;

	if (!h || !client)
		return SERVICE_DROP;
	backend = find_backend(client->backend, client->frontend);
	__builtin_memcpy(&address, client->translated_address, sizeof(address));
	if (backend && backend->port == client->translated_port &&
	    same_address(&address, (const union address *)backend->address))
		return SERVICE_BACKEND;
	if (h->packet.protocol != PROTOCOL_TCP || is_opening(&h->packet))
		return SERVICE_NONE;
	if (!find_address(h->packet.family, &address))
		return refuse(h, REASON_NO_BACKEND, SERVICE_REJECT);
	return SERVICE_BACKEND;
}

/* Rule 3: gives the translated packet in *h a source port that no flow has. 0: none was found. */
__noinline int take_source_port(struct hook *h)
{
	struct flow f = {};
	__be16 taken;

	if (!h || h->packet.protocol == PROTOCOL_SCTP)
		return 0;
	taken = h->packet.source_port;
	for (int i = 0; i < SOURCE_PORT_TRIES_MAX; i++) {
		__u32 port = SOURCE_PORT_FIRST + bpf_get_prandom_u32() % (0x10000 - SOURCE_PORT_FIRST);

		h->packet.source_port = bpf_htons(port);
		flow_key_of(&f, &h->packet);
		if (h->packet.source_port != taken && !bpf_map_lookup_elem(&flows_live, &f.key) &&
		    !bpf_map_lookup_elem(&flows_new, &f.key))
			return 1;
	}
	return 0;
}

/* Rule 4. packet: translated. */
static __always_inline int is_hairpin(const struct packet *p, const struct tuple *client)
{
	return same_address(&p->source, &client->destination);
}

/*
 * Makes the packet in *h the one that *v translates the client's to, and finds its flow, in *f, and the local endpoint that it
 * goes to. *v may be what *f has: it is read first. The endpoint in *h is the client.
 */
static __always_inline int find_real(struct hook *h, struct flow *f, struct local_value **to, const struct flow_value *v,
				     const struct tuple *client)
{
	struct packet *p = &h->packet;
	const struct flow_value *found;
	int hairpin;

	__builtin_memcpy(&p->destination, v->translated_address, sizeof(p->destination));
	p->destination_port = v->translated_port;
	p->source_port = v->source_port;
	hairpin = same_address(&client->source, &p->destination);
	p->source = hairpin ? client->destination : client->source;
	*to = find_local(p->family, &p->destination);
	flow_find(h, f, hairpin ? 0 : h->endpoint_id, *to ? (*to)->endpoint_id : 0);
	found = f->value;
	if (!found)
		/* The client's own entry is about to have that tuple. */
		return hairpin && p->source_port == client->destination_port && p->destination_port == client->source_port ?
			       REAL_TAKEN :
			       REAL_NEW;
	return !f->is_reply && !(found->flags & FLOW_FRONTEND) && found->frontend &&
			       found->client_port == client->source_port &&
			       found->original_port == client->destination_port &&
			       same_address((const union address *)found->original_address, &client->destination) ?
		       REAL_KNOWN :
		       REAL_TAKEN;
}

/* That of a client whose entry *f has. *f is the flow afterwards. */
static __noinline int find_recalled(struct hook *h, struct flow *f, struct local_value **to, const struct tuple *client)
{
	return find_real(h, f, to, f->value, client);
}

/* That of a packet whose backend was just chosen. */
static __noinline int find_chosen(struct hook *h, struct client_entry *entry, const struct flow_value *v,
				  const struct tuple *client)
{
	struct local_value *to;
	struct flow f = {};
	int real = find_real(h, &f, &to, v, client);

	entry->has_flow = real == REAL_KNOWN;
	entry->flow_is_live = f.is_live;
	return real;
}

/*
 * Of a client whose entry leads nowhere, or that has none. SERVICE_BACKEND: the packet in *h is what *client, the packet as the
 * client sent it, is translated to; *v says how. Not static: verified once.
 */
__noinline int enter_service(struct hook *h, struct flow_value *v, struct tuple *client, struct client_entry *entry)
{
	int service, real;

	if (!h || !v || !client || !entry)
		return SERVICE_DROP;
	service = choose_backend(h, v);
	if (service != SERVICE_BACKEND)
		return service;
	real = find_chosen(h, entry, v, client);
	if (real == REAL_KNOWN)
		return SERVICE_BACKEND;
	if (!is_opening(&h->packet))
		return SERVICE_NONE;
	if (real == REAL_TAKEN) {
		if (!take_source_port(h))
			return refuse(h, REASON_TRANSLATION, SERVICE_DROP);
		v->source_port = h->packet.source_port;
		if (find_chosen(h, entry, v, client) != REAL_NEW)
			return refuse(h, REASON_TRANSLATION, SERVICE_DROP);
	}
	return SERVICE_BACKEND;
}

/*
 * Records the client's tuple, which h->packet has, beside its flow. `new_flow` says how it is translated. is_live: it or
 * an entry not believed lies in flows_live. 0, or a negative errno. Not static: verified once.
 */
__noinline int open_client(struct hook *h, __u32 endpoint_id, int is_live)
{
	struct flow f = {};
	struct flow_value *v;
	__u32 zero = 0;

	/* Not a parameter: Linux 6.1 takes values of maps from the stack or from maps only. */
	v = bpf_map_lookup_elem(&new_flow, &zero);
	if (!h || !v)
		return -1;
	flow_key_of(&f, &h->packet);
	v->egress_epoch = 0;
	v->ingress_epoch = 0;
	v->egress_verdict = VERDICT_NONE;
	v->ingress_verdict = VERDICT_NONE;
	v->opener = f.source_is_high;
	v->opener_tcp = 0;
	v->responder_tcp = 0;
	v->flags = FLOW_FRONTEND;
	v->opener_endpoint = endpoint_id;
	v->responder_endpoint = 0;
	v->last_seen_ns = h->now_ns;
	v->opened_ns = h->now_ns;
	v->charged_part = 0;
	if (is_live) {
		uncharge_flow(bpf_map_lookup_elem(&flows_live, &f.key), f.key.protocol == PROTOCOL_TCP);
		bpf_map_delete_elem(&flows_live, &f.key);
	}
	return bpf_map_update_elem(&flows_new, &f.key, v, BPF_ANY);
}

/* Brings the client's entry into the table in which its flow lies. h->packet: the client's, or its answer. */
__noinline int move_client(struct hook *h, int to_live)
{
	struct flow f = {};
	struct flow_value *v;

	if (!h)
		return 0;
	flow_key_of(&f, &h->packet);
	v = to_live ? bpf_map_lookup_elem(&flows_new, &f.key) : bpf_map_lookup_elem(&flows_live, &f.key);
	if (!v || !(v->flags & FLOW_FRONTEND))
		return 0;
	if (to_live) {
		if (!bpf_map_update_elem(&flows_live, &f.key, v, BPF_ANY))
			bpf_map_delete_elem(&flows_new, &f.key);
	} else {
		if (!bpf_map_update_elem(&flows_new, &f.key, v, BPF_ANY))
			bpf_map_delete_elem(&flows_live, &f.key);
	}
	return 1;
}

/* Makes of a packet of the flow that goes to its opener what it is for the client. */
static __always_inline struct tuple *answer_to(struct tuple *t, const struct flow_value *v)
{
	union address backend = t->source;

	__builtin_memcpy(&t->source, v->original_address, sizeof(t->source));
	/* Rule 4. */
	if (same_address(&t->destination, &t->source))
		t->destination = backend;
	t->source_port = v->original_port;
	t->destination_port = v->client_port;
	t->pad = 0;
	return t;
}

/* NULL: there is no room. */
static __always_inline struct tuple *answer_to_client(const struct packet *p, const struct flow_value *v)
{
	struct room *r = room();

	if (!r)
		return 0;
	tuple_of(&r->translated, p);
	return answer_to(&r->translated, v);
}

#endif
