/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The hashes on which the data plane, the daemon and the planner must agree. */
#ifndef MZ_ABI_HASH_H
#define MZ_ABI_HASH_H

#include "bpf/abi/types.h"

/* Finalizer of MurmurHash3 (A. Appleby, public domain): every input bit
 * changes every output bit with probability near one half. */
static inline __u32 mz_mix32(__u32 x)
{
	x ^= x >> 16;
	x *= 0x85ebca6bu;
	x ^= x >> 13;
	x *= 0xc2b2ae35u;
	return x ^ (x >> 16);
}

/* Bytes of a network-order word as one number, the same on any machine. */
static inline __u32 mz_be32_value(__be32 v)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return __builtin_bswap32((__u32)v);
#else
	return (__u32)v;
#endif
}

static inline __u32 mz_addr_hash(const struct mz_addr *a)
{
	__u32 h;

	/* All of IPv4 have the same first words: a constant. */
	if (!(a->w[0] | a->w[1]) && mz_be32_value(a->w[2]) == 0xffff)
		return mz_mix32(mz_mix32(mz_mix32(mz_mix32(0x9e3779b9u)) ^ 0xffff) ^ mz_be32_value(a->w[3]));
	h = mz_mix32(mz_be32_value(a->w[0]) ^ 0x9e3779b9u);
	h = mz_mix32(h ^ mz_be32_value(a->w[1]));
	h = mz_mix32(h ^ mz_be32_value(a->w[2]));
	return mz_mix32(h ^ mz_be32_value(a->w[3]));
}

/* A destination's bucket: which row of a network's (or VPC's) shard table
 * names the hop that knows it. MZ_BUCKETS rows a table, a power of two. */
#define MZ_BUCKETS 128u

static inline __u32 mz_bucket(const struct mz_addr *dst)
{
	return mz_addr_hash(dst) & (MZ_BUCKETS - 1);
}

#endif
