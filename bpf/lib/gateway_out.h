/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A gateway, on the way out: from endpoints' tunnels to the outside, or straight to another
 * endpoint's outside address. */
#ifndef MZ_LIB_GATEWAY_OUT_H
#define MZ_LIB_GATEWAY_OUT_H

#include "bpf/lib/function.h"
#include "bpf/lib/gateway.h"
#include "bpf/lib/gateway_tell.h"
#include "bpf/lib/inner.h"
#include "bpf/lib/nat.h"
#include "bpf/lib/rewrite.h"
#include "bpf/lib/sender.h"

static __noinline int mz_tell_short(struct mz_pkt *p, __u32 why)
{
	struct mz_teller by;

	mz_complainer(&by, 0);
	return mz_icmp_short(p, &by, mz_error_kind(p, why), why == MZ_R_OUTSIDE_TOO_BIG ? p->size : 0, MZ_R_TTL_REPLY);
}

/* The endpoint is told as a router outside would tell it: the error comes in where
 * theirs do, and is translated as theirs are. Two functions: each needs its stack. */
static __noinline const struct mz_teller *mz_outside_teller(struct mz_pkt *p)
{
	__u32 zero = 0;
	struct mz_teller *by = mz_lookup(mz_new_flow, &zero); /* the stack is short */

	if (!by)
		return NULL;
	mz_complainer(by, p->size);
	p->len = mz_length(p); /* without the tunnel's headers */
	p->out_ifindex = mz_cfg.outside;
	return by;
}

/* p->size is how big it may be. */
static __noinline int mz_tell_too_big(struct mz_pkt *p)
{
	const struct mz_teller *by = mz_outside_teller(p);

	return by ? mz_too_big(p, by) : mz_drop(p, MZ_R_OUTSIDE_TOO_BIG);
}

/* Also where a RST is usual: it would come in from an address of the pools. */
static __noinline int mz_tell_error(struct mz_pkt *p, __u32 why)
{
	const struct mz_teller *by = mz_outside_teller(p);

	return by ? mz_error_about(p, by, why) : mz_drop(p, (enum mz_reason)why);
}

static __always_inline int mz_refuse_inside(struct mz_pkt *p, __u32 why)
{
	if (why == MZ_R_OUTSIDE_TOO_BIG)
		mz_tell_too_big(p);
	else
		mz_tell_error(p, why);
	if (p->act != MZ_ACT_ANSWER && p->why == MZ_R_NO_ROOM)
		mz_tell_short(p, why);
	if (p->act == MZ_ACT_ANSWER)
		return mz_end(p, MZ_ACT_REENTER, mz_told(why));
	return mz_drop(p, (enum mz_reason)why);
}

/* To a service that nobody serves. */
static __always_inline int mz_refuse_hairpin(struct mz_pkt *p)
{
	__u32 why = p->why;

	MZ_TRY(mz_bare(p));
	MZ_TRY(mz_stage_translate(p));
	return mz_refuse_inside(p, why);
}

/* Taking the tunnel's headers off reads the ports anew: they have to stand there. */
static __always_inline int mz_hairpin_functions(struct mz_pkt *p)
{
	if (!mz_has_functions(p, MZ_EP_F_INGRESS))
		return MZ_NEXT;
	MZ_TRY(mz_stage_translate(p));
	return mz_stage_arriving(p);
}

/* To an outside address of ours (RFC 4787 REQ-9): straight to its endpoint, as if it had
 * come from outside, with the sender's outside address. */
static __always_inline int mz_stage_hairpin(struct mz_pkt *p, const struct mz_pool *pool)
{
	enum mz_act act = MZ_ACT_SEND;
	struct mz_geneve *g;
	struct mz_opt *o;

	p->opt_flags = MZ_OPT_F_OUTSIDE;
	if (mz_enter_as(p, pool) == MZ_END)
		return p->act == MZ_ACT_REFUSE ? mz_refuse_hairpin(p) : MZ_END;
	MZ_TRY(mz_route_inside(p));
	MZ_TRY(mz_stage_ttl(p));
	p->label = 0; /* it comes from an outside address, which has none */
	if (p->out_ifindex) {
		MZ_TRY(mz_hairpin_functions(p));
		MZ_TRY(mz_receivers_flow(p));
		MZ_TRY(mz_stage_translate(p));
		return mz_decap(p);
	}
	MZ_TRY(mz_stage_translate(p));
	g = mz_at(p, p->geneve, sizeof(*g));
	o = mz_at(p, p->opt, sizeof(*o));
	if (!g || !o || !p->opt) /* a foreign stack's: the receiver could not be told */
		return mz_drop(p, MZ_R_OPTION_INVALID);
	g->vni = mz_htonl(p->vni << 8);
	o->label = 0;
	MZ_TRY(mz_stage_host(p, &act));
	return mz_hop(p, act);
}

/* By the kernel's routes: static ones, or what a routing daemon learned. Only by the
 * outside interface: a tenant's packet never leaves for the underlay. Of one that is too
 * big p->size is then how big it may be. */
static __noinline int mz_outside_route(struct mz_pkt *p, enum mz_act *act)
{
	struct bpf_fib_lookup fib;
	int rc;

	if (p->size > mz_cfg.outside_mtu) { /* with forwarding off the FIB does not look */
		p->size = mz_cfg.outside_mtu;
		return mz_drop(p, MZ_R_OUTSIDE_TOO_BIG);
	}
	__builtin_memset(&fib, 0, sizeof(fib));
	fib.ifindex = mz_cfg.outside;
	fib.tot_len = (__u16)p->size;
	if (p->v6) {
		fib.family = 10 /* AF_INET6 */;
		*(struct mz_addr *)fib.ipv6_src = p->src;
		*(struct mz_addr *)fib.ipv6_dst = p->dst;
	} else {
		fib.family = 2 /* AF_INET */;
		fib.ipv4_src = p->src.w[3];
		fib.ipv4_dst = p->dst.w[3];
	}
	rc = mz_fib(p, &fib);
	mz_note(p, MZ_ST_NEXTHOP, MZ_OBJ_PORT, mz_cfg.outside, (__u32)rc);
	p->nh.ifindex = mz_cfg.outside;
	*act = MZ_ACT_SEND;
	if (rc == BPF_FIB_LKUP_RET_SUCCESS && fib.ifindex == mz_cfg.outside) {
		mz_mac_copy(p->nh.dmac, fib.dmac);
		mz_mac_copy(p->nh.smac, fib.smac);
		return MZ_NEXT;
	}
	if (rc == BPF_FIB_LKUP_RET_FRAG_NEEDED) {
		p->size = fib.mtu_result;
		return mz_drop(p, MZ_R_OUTSIDE_TOO_BIG);
	}
	/* With forwarding off there, as is best, the FIB says no more than that: the
	 * kernel's neighbour code asks for the route itself. */
	if (MZ_CAN_RESOLVE && (rc == BPF_FIB_LKUP_RET_FWD_DISABLED ||
			       (rc == BPF_FIB_LKUP_RET_NO_NEIGH && fib.ifindex == mz_cfg.outside))) {
		*act = MZ_ACT_RESOLVE;
		return MZ_NEXT;
	}
	return mz_drop(p, MZ_R_OUTSIDE_ROUTE);
}

static __always_inline int mz_gateway_out_stages(struct mz_pkt *p)
{
	enum mz_act act = MZ_ACT_SEND;
	const struct mz_pool *pool;
	struct mz_eth *eth;

	/* What is dropped here was dropped by the program before. */
	if (mz_stage_outer(p) || mz_stage_geneve(p) || mz_stage_sender(p) || p->oam || mz_stage_inner(p))
		return mz_not_ours(p);
	if (!mz_served(p))
		return mz_not_ours(p);
	MZ_TRY(mz_stage_l4(p, MZ_R_INNER_TRUNCATED));
	MZ_TRY(mz_leave_as(p));
	pool = mz_pool_of(&p->dst);
	if (mz_unlikely(pool != NULL))
		return mz_stage_hairpin(p, pool);
	MZ_TRY(mz_bare(p));
	p->size = mz_wire_size(p, p->ip_end - ETH_HLEN);
	MZ_TRY(mz_stage_translate(p));
	p->out_ifindex = mz_cfg.outside;
	if (mz_stage_ttl(p) == MZ_END || mz_outside_route(p, &act) == MZ_END)
		return p->why == MZ_R_OUTSIDE_ROUTE ? MZ_END : mz_refuse_inside(p, p->why);
	eth = mz_at(p, 0, sizeof(*eth));
	if (!eth)
		return mz_drop(p, MZ_R_NO_ROOM);
	mz_fill_eth(eth, &p->nh, mz_ether_type(p));
	return mz_end(p, act, MZ_R_TO_OUTSIDE);
}

/* Behind the ingress program of the underlay: what that leaves to a gateway. */
static __always_inline int mz_gateway_out(mz_ctx_t *ctx)
{
	struct mz_pkt p = { .ctx = ctx, .dir = MZ_DIR_EGRESS };

	mz_open(&p);
	mz_gateway_out_stages(&p);
	return mz_finish(&p);
}

#endif
