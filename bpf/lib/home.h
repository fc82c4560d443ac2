/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The host of an IPv4 destination, by one line of cache (bpf/abi/homes.h). */
#ifndef MZ_LIB_HOME_H
#define MZ_LIB_HOME_H

#include "bpf/abi/homes.h"
#include "bpf/lib/count.h"

/* What a line says of who is not in it. Host ids begin with 1. */
#define MZ_HOME_NONE 0u             /* there is none */
#define MZ_HOME_ASK  mz_home(0, 1)  /* the endpoints table knows */

/* All ones where they are the same: a branch for each key would be guessed wrong. */
static __always_inline __u32 mz_same(__u64 a, __u64 b)
{
	__u64 other = a ^ b;

	return (__u32)(((other | -other) >> 63) - 1);
}

/* mz_home() of where the packet goes, or one of the above. */
static __always_inline __u32 mz_home_of(struct mz_pkt *p)
{
	const volatile struct mz_home_line *l;
	__u32 row, home = 0;
	__u64 key;

	if (!mz_cfg.home_shift || p->v6)
		return MZ_HOME_ASK;
	key = mz_home_key(p->vni, p->dst.w[3]);
	row = mz_home_row(key, mz_cfg.home_shift);
	l = mz_lookup(mz_homes, &row);
	if (!l)
		return MZ_HOME_ASK;
	for (int i = 0; i < MZ_HOMES; i++)
		home |= l->home[i] & mz_same(l->key[i], key);
	if (home)
		return home;
	return l->more ? MZ_HOME_ASK : MZ_HOME_NONE;
}

#endif
