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

/* A floor that did not find what it was to find would be none. */
static __always_inline int bench_failed(void)
{
	bench.wrong++;
	return XDP_ABORTED;
}

BENCH_OP(floor_bouncer)
{
	__u32 r = bench_random();

	if (!bench_known(bench_src(r)))
		return bench_failed();
	bench_send(ctx, bench_endpoint_host(bench_dst(r)), 8);
	bench_count(ctx);
	return BENCH_DONE;
}

BENCH_OP(floor_divider)
{
	__u32 r = bench_random(), row;
	struct mz_net_key key = { .prefixlen = 160, .vni = mz_htonl(7), .ip = mz_addr4(bench_dst(r)) };
	struct mz_network *n;
	struct mz_shard *s;

	if (!bench_known(bench_src(r)) || bench_endpoint_host(bench_dst(r)))
		return bench_failed();
	n = mz_lookup(mz_networks, &key);
	row = n ? n->shard + (r & (MZ_BUCKETS - 1)) : 0;
	s = mz_lookup(mz_shards, &row);
	if (s && bench_known(s->primary)) /* does it answer? */
		bench_send(ctx, s->primary, 8);
	bench_count(ctx);
	return BENCH_DONE;
}

BENCH_OP(hop)
{
	return bench_restore(ctx, 9, BENCH_INNER_IP) ? XDP_ABORTED : mz_ingress(ctx);
}
