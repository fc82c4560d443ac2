/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rows 1 and 2: the hop as it is, behind a wrapper that restores its input. */
#include "bpf/target/xdp.h"

#include "bpf/lib/ingress.h"

#define BENCH_HOOK "xdp.frags"
#define BENCH_DONE XDP_TX
#include "perf/bench.h"

#define BENCH_INNER_IP (MZ_OUTER_LEN4 + ETH_HLEN)

BENCH_OP(empty)
{
	(void)ctx;
	return BENCH_DONE;
}

BENCH_OP(wrap)
{
	return bench_restore(ctx, 9, BENCH_INNER_IP) ? XDP_ABORTED : BENCH_DONE;
}

BENCH_OP(hop)
{
	return bench_restore(ctx, 9, BENCH_INNER_IP) ? XDP_ABORTED : mz_ingress(ctx);
}
