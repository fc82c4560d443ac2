/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What targets share whose packets are plain bytes: no offloads, nothing that a
 * card will finish. */
#ifndef MZ_TARGET_PLAIN_H
#define MZ_TARGET_PLAIN_H

#include "bpf/lib/pkt.h"

/* A checksum changed by a difference; `zero_means_none`: there may be none. */
static __always_inline __be16 mz_plain_csum(__be16 check, __u32 diff, int zero_means_none)
{
	__u32 sum;

	if (zero_means_none && !check)
		return 0;
	sum = (__u16)~check + (diff & 0xffff) + (diff >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (__u16)~((sum & 0xffff) + (sum >> 16));
	return (__be16)(sum || !zero_means_none ? sum : 0xffff);
}

/* Changes the checksum at `off` by a difference; `pseudo`: in what its
 * pseudo-header covers; `zero_means_none`: of UDP over IPv4. */
static __always_inline int mz_l4_csum(struct mz_pkt *p, __u32 off, __u32 diff, int pseudo, int zero_means_none)
{
	__be16 *check = mz_at(p, off, sizeof(*check));

	(void)pseudo;
	if (!check)
		return -1;
	*check = mz_plain_csum(*check, diff, zero_means_none);
	return 0;
}

static int mz_ctx_load(mz_ctx_t *ctx, __u32 off, void *to, __u32 len);
static int mz_ctx_store(mz_ctx_t *ctx, __u32 off, const void *from, __u32 len);

/* The same where a packet is only known by its context. */
static __always_inline int mz_ctx_l4_csum(mz_ctx_t *ctx, __u32 off, __u32 diff, int pseudo, int zero_means_none)
{
	__be16 check;

	(void)pseudo;
	if (mz_ctx_load(ctx, off, &check, sizeof(check)))
		return -1;
	check = mz_plain_csum(check, diff, zero_means_none);
	return mz_ctx_store(ctx, off, &check, sizeof(check));
}

#endif
