/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The stages of a hop (bpf/lib/ingress.h), as perf/stages.h has it. */
#include "bpf/target/xdp.h"

#include "bpf/lib/ingress.h"

#define BENCH_HOOK "xdp.frags"
#define BENCH_DONE XDP_TX
#include "perf/bench.h"
#include "perf/stages.h"

#define BENCH_INNER_IP (MZ_OUTER_LEN4 + ETH_HLEN)

static __always_inline int hop_stages(struct mz_pkt *p, int upto)
{
	enum mz_act act;

	MZ_TRY(ingress_stages(p, upto));
	if (upto < 6)
		return MZ_NEXT;
	CUT(6);
	if (!p->to_host)
		MZ_TRY(mz_route_hops(p, MZ_AT_UNDERLAY));
	CUT(7);
	MZ_TRY(mz_stage_host(p, &act));
	CUT(8);
	MZ_TRY(mz_stage_hop_functions(p));
	return mz_hop(p, act);
}

static __always_inline int hop_upto(struct xdp_md *ctx, int upto)
{
	struct mz_pkt p = { .ctx = ctx, .dir = MZ_DIR_INGRESS };

	if (bench_restore(ctx, 9, BENCH_INNER_IP))
		return XDP_ABORTED;
	if (!upto)
		return BENCH_DONE;
	mz_open_head(&p, 0);
	hop_stages(&p, upto);
	mz_found(&p);
	return upto > 9 ? mz_finish(&p) : BENCH_DONE;
}

#define STAGE(n)                      \
	BENCH_OP(hop_##n)             \
	{                             \
		return hop_upto(ctx, n); \
	}
STAGE(0) STAGE(1) STAGE(2) STAGE(3) STAGE(4) STAGE(5) STAGE(6) STAGE(7) STAGE(8) STAGE(9) STAGE(10)
