/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The TC target, whose packets can be given room and lose it as often as they are run. */
#ifndef MZ_PERF_BENCH_ROOM_H
#define MZ_PERF_BENCH_ROOM_H

#include <linux/pkt_cls.h>

/* A second encapsulation of one skb is refused, and nothing clears the mark of
 * the first: here the room is made without the ENCAP flags. */
#define mz_push_outer mz_push_outer_marked
#include "bpf/target/tc.h"
#undef mz_push_outer

static __always_inline int bench_grow(struct __sk_buff *ctx)
{
	return (int)bpf_skb_adjust_room(ctx, MZ_OUTER_LEN4, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO);
}

static __always_inline int bench_shrink(struct __sk_buff *ctx)
{
	return (int)bpf_skb_adjust_room(ctx, -(int)MZ_OUTER_LEN4, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO);
}

static __always_inline int mz_push_outer(struct mz_pkt *p, int v6)
{
	if (v6) /* not measured */
		return -1;
	if (bench_grow(p->ctx))
		return -1;
	mz_reload(p);
	return 0;
}

#endif
