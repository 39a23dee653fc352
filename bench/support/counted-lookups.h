/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Included ahead of sluice.bpf.c: the same programs, which also count their look-ups and writes of maps. Only for counting:
 * what is timed is the object as it is shipped.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct counted {
	__u64 lookups;
	__u64 writes;
};

struct counted counted_calls = {};

/* A function of its own: where it is inlined, what it needs does not fit the stack. */
static __attribute__((noinline)) void count_lookup(void)
{
	counted_calls.lookups++;
}

#define bpf_map_lookup_elem(map, key) (count_lookup(), bpf_map_lookup_elem(map, key))
#define bpf_map_update_elem(map, key, value, flags) \
	(counted_calls.writes++, bpf_map_update_elem(map, key, value, flags))
#define bpf_map_delete_elem(map, key) (counted_calls.writes++, bpf_map_delete_elem(map, key))
