/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where IPv4 endpoints live, one line of cache a look-up: what most packets ask of the endpoints
 * table, whose hash costs a call, and three misses among a million. */
#ifndef MZ_ABI_HOMES_H
#define MZ_ABI_HOMES_H

#include "bpf/abi/types.h"

#define MZ_HOMES 5 /* of a line */

/* A line holds those whose key leads to it, in no order. One writer; readers need no lock: a home is
 * written before its key, and taken key first. What reads while a key goes may follow another
 * endpoint's home: to a host that knows its (VNI, address) as little as before. */
struct mz_home_line {
	__u64 key[MZ_HOMES];  /* mz_home_key(); 0 = free */
	__u32 home[MZ_HOMES]; /* mz_home() */
	__u32 more;           /* endpoints of this line that only the endpoints table has */
} __attribute__((aligned(64)));
MZ_ABI_ASSERT(sizeof(struct mz_home_line) == 64);

static inline __u64 mz_home_key(__u32 vni, __be32 ip4)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return (__u64)vni << 32 | __builtin_bswap32((__u32)ip4);
#else
	return (__u64)vni << 32 | (__u32)ip4;
#endif
}

/* Fibonacci hashing (Knuth, TAOCP 3, 6.4): neighbours spread evenly. `shift`: 64 less the table's
 * size in bits. */
static inline __u32 mz_home_row(__u64 key, __u32 shift)
{
	return (__u32)((key * 0x9e3779b97f4a7c15ull) >> shift);
}

/* The owner's host id, and the VPC's counter slot, which must fit. */
#define MZ_HOME_SLOTS 256u

static inline __u32 mz_home(__u32 host, __u32 vpc)
{
	return vpc << 24 | (host & 0xffffffu);
}

#ifndef __bpf__

/* 1 if the line has the key now, 0 if it is full. */
static inline int mz_home_put(struct mz_home_line *l, __u64 key, __u32 home)
{
	for (int i = 0; i < MZ_HOMES; i++)
		if (l->key[i] == key) {
			__atomic_store_n(&l->home[i], home, __ATOMIC_RELEASE);
			return 1;
		}
	for (int i = 0; i < MZ_HOMES; i++)
		if (!l->key[i]) {
			__atomic_store_n(&l->home[i], home, __ATOMIC_RELEASE);
			__atomic_store_n(&l->key[i], key, __ATOMIC_RELEASE);
			return 1;
		}
	return 0;
}

/* 1 if the line had it. */
static inline int mz_home_take(struct mz_home_line *l, __u64 key)
{
	for (int i = 0; i < MZ_HOMES; i++)
		if (l->key[i] == key) {
			__atomic_store_n(&l->key[i], 0, __ATOMIC_RELEASE);
			return 1;
		}
	return 0;
}

#endif
#endif
