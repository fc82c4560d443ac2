/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The stages of an endpoint's packet out (bpf/lib/egress.h) and in (bpf/lib/ingress.h), as
 * perf/stages.h has it. */
#include "perf/bench_room.h"

#include "bpf/lib/egress.h"
#include "bpf/lib/ingress.h"

#define BENCH_HOOK "tc"
#define BENCH_DONE TC_ACT_OK
#include "perf/bench.h"
#include "perf/stages.h"

#define BENCH_INNER_IP (MZ_OUTER_LEN4 + ETH_HLEN)

static __always_inline int deliver_stages(struct mz_pkt *p, int upto)
{
	MZ_TRY(ingress_stages(p, upto));
	if (upto < 6)
		return MZ_NEXT;
	CUT(6);
	MZ_TRY(mz_stage_arriving(p));
	MZ_TRY(mz_stage_l4(p, MZ_R_INNER_TRUNCATED));
	CUT(7);
	MZ_TRY(mz_stage_flow(p, p->opt_flags & MZ_OPT_F_MAPPED, MZ_DIR_INGRESS, p->out_ifindex, MZ_FLOW_LEARNS));
	CUT(8);
	MZ_TRY(mz_stage_translate(p));
	MZ_TRY(mz_stage_shape(p, p->deliver_flags));
	return mz_decap(p);
}

static __always_inline int deliver_upto(struct __sk_buff *ctx, int upto)
{
	struct mz_pkt p = { .ctx = ctx, .dir = MZ_DIR_INGRESS };
	int verdict = BENCH_DONE;

	if (bench_grow(ctx) || bench_restore(ctx, 10, BENCH_INNER_IP))
		return TC_ACT_SHOT;
	if (upto) {
		mz_open_head(&p, MZ_OUTER_LEN4);
		deliver_stages(&p, upto);
		mz_found(&p);
	}
	if (upto < 9)
		return bench_shrink(ctx) ? TC_ACT_SHOT : verdict;
	return upto > 9 ? mz_finish(&p) : verdict;
}

static __always_inline int encap_stages(struct mz_pkt *p, int upto)
{
	const struct mz_port *port = NULL;
	enum mz_act act;
	__be16 type = 0;

	CUT(1);
	MZ_TRY(mz_stage_port(p, &port));
	MZ_TRY(mz_stage_eth(p, port, &type));
	CUT(2);
	MZ_TRY(mz_egress_ip4(p, port));
	CUT(3);
	MZ_TRY(mz_stage_l4(p, MZ_R_L4_TRUNCATED));
	MZ_TRY(mz_stage_local(p, port));
	mz_stage_trust(p, port);
	MZ_TRY(mz_stage_functions(p, MZ_POINT_EGRESS));
	CUT(4);
	MZ_TRY(mz_stage_flow(p, port->flags & MZ_EP_F_CHOICE, MZ_DIR_EGRESS, port->ifindex, MZ_FLOW_ONLY));
	CUT(5);
	MZ_TRY(mz_route_endpoint(p, MZ_AT_SENDER));
	CUT(6);
	if (!p->to_host)
		MZ_TRY(mz_route_path(p));
	CUT(7);
	MZ_TRY(mz_stage_translate(p));
	MZ_TRY(mz_stage_host(p, &act));
	CUT(8);
	MZ_TRY(mz_stage_shape(p, port->flags));
	CUT(9);
	return mz_encap(p, port->mac, act);
}

static __always_inline int encap_upto(struct __sk_buff *ctx, int upto)
{
	struct mz_pkt p = { .ctx = ctx, .dir = MZ_DIR_EGRESS };
	int verdict = BENCH_DONE;

	if (bench_restore(ctx, 2, ETH_HLEN))
		return TC_ACT_SHOT;
	if (upto) {
		mz_open_head(&p, 0);
		encap_stages(&p, upto);
		mz_found(&p);
	}
	if (upto > 10)
		verdict = mz_finish(&p);
	if (upto < 10 && bench_grow(ctx)) /* all have the room made and taken back */
		return TC_ACT_SHOT;
	return bench_shrink(ctx) ? TC_ACT_SHOT : verdict;
}

#define STAGE(path, n)                        \
	BENCH_OP(path##_##n)                  \
	{                                     \
		return path##_upto(ctx, n);   \
	}
#define STAGES(path) STAGE(path, 0) STAGE(path, 1) STAGE(path, 2) STAGE(path, 3) STAGE(path, 4) STAGE(path, 5) \
	STAGE(path, 6) STAGE(path, 7) STAGE(path, 8) STAGE(path, 9) STAGE(path, 10)
STAGES(deliver)
STAGES(encap)
STAGE(encap, 11)
