/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* All the underlay sends, in order. The tables decide which role this host
 * plays for the packet: endpoint host, bouncer, divider. */
#ifndef MZ_LIB_INGRESS_H
#define MZ_LIB_INGRESS_H

#include "bpf/lib/control.h"
#include "bpf/lib/flow.h"
#include "bpf/lib/function.h"
#include "bpf/lib/geneve.h"
#include "bpf/lib/group.h"
#include "bpf/lib/inner.h"
#include "bpf/lib/nat.h"
#include "bpf/lib/rewrite.h"
#include "bpf/lib/route.h"
#include "bpf/lib/sender.h"
#include "bpf/lib/shape.h"

/* XDP delivers to those who want packets more than streams (decision 0025): TC keeps superpackets
 * whole. Frames of several pages are TC's, too: taps refuse them, and Linux 6.1 redirects none. */
static __always_inline int mz_defers_delivery(const struct mz_pkt *p)
{
	return !MZ_DELIVERS_ALL &&
	       (!mz_function_bits(p->deliver_flags, MZ_EP_F_XDP) || p->len > (__u32)(p->end - p->data));
}

static __always_inline int mz_ingress_deliver(struct mz_pkt *p)
{
	if (mz_defers_delivery(p) || mz_defers_functions(p) || mz_defers_shaping(p))
		return mz_end(p, MZ_ACT_DEFER, MZ_R_DELIVERED);
	MZ_TRY(mz_stage_arriving(p));
	if (!(mz_cfg.flags & MZ_CFG_F_NO_FLOWS)) { /* else nobody looks at ports */
		MZ_TRY(mz_stage_l4(p, MZ_R_INNER_TRUNCATED));
		MZ_TRY(mz_stage_flow(p, p->opt_flags & MZ_OPT_F_MAPPED, MZ_DIR_INGRESS, p->out_ifindex, MZ_FLOW_LEARNS));
		MZ_TRY(mz_stage_translate(p));
	} else {
		MZ_TRY(mz_stage_learn(p, NULL));
	}
	MZ_TRY(mz_stage_shape(p, p->deliver_flags));
	return mz_decap(p);
}

static __always_inline int mz_ingress_forward(struct mz_pkt *p)
{
	enum mz_act act;

	if (!p->to_host)
		MZ_TRY(mz_route_hops(p, MZ_AT_UNDERLAY));
	MZ_TRY(mz_stage_host(p, &act));
	if (p->why == MZ_R_REDIRECTED && !p->hops)
		mz_report_moved(p);
	MZ_TRY(mz_stage_hop_functions(p));
	return mz_hop(p, act);
}

static __always_inline int mz_ingress_stages(struct mz_pkt *p)
{
	MZ_TRY(mz_stage_outer(p));
	MZ_TRY(mz_stage_geneve(p));
	MZ_TRY(mz_stage_sender(p));
	MZ_TRY(mz_stage_control(p));
	if (mz_stage_inner(p) != MZ_NEXT)
		return mz_stage_inner_group(p);
	MZ_TRY(mz_stage_hint(p));
	MZ_TRY(mz_route_endpoint(p, MZ_AT_UNDERLAY));
	if (p->out_ifindex)
		return mz_ingress_deliver(p);
	return mz_ingress_forward(p);
}

static __always_inline int mz_ingress(mz_ctx_t *ctx)
{
	struct mz_pkt p = { .ctx = ctx, .dir = MZ_DIR_INGRESS };

	mz_open_head(&p, MZ_OUTER_LEN4);
	mz_ingress_stages(&p);
	return mz_finish(&p);
}

#endif
