/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A gateway, on the way in: from the outside to endpoints. */
#ifndef MZ_LIB_GATEWAY_IN_H
#define MZ_LIB_GATEWAY_IN_H

#include "bpf/lib/function.h"
#include "bpf/lib/gateway.h"
#include "bpf/lib/gateway_tell.h"
#include "bpf/lib/nat.h"
#include "bpf/lib/rewrite.h"
#include "bpf/lib/services.h"

/* Who tells, in a frame back to the router that the packet came by; and our MAC. The
 * stack is short. */
struct mz_back {
	struct mz_teller by;
	__u8 self[MZ_ETH_ALEN] __attribute__((aligned(4)));
};
MZ_ABI_ASSERT(sizeof(struct mz_back) <= sizeof(struct mz_flow));

static __always_inline struct mz_back *mz_back_of(struct mz_pkt *p)
{
	const struct mz_eth *eth = mz_at(p, 0, sizeof(*eth));
	__u32 zero = 0;
	struct mz_back *b = mz_lookup(mz_new_flow, &zero);

	if (!eth || !b)
		return NULL;
	mz_complainer(&b->by, mz_cfg.inner_mtu);
	mz_mac_copy(b->by.mac, eth->src);
	mz_mac_copy(b->self, eth->dst);
	return b;
}

static __always_inline int mz_told_outside(struct mz_pkt *p, const struct mz_back *b, __u32 why)
{
	struct mz_eth *eth;

	if (p->act != MZ_ACT_ANSWER)
		return mz_drop(p, (enum mz_reason)why);
	eth = mz_at(p, 0, sizeof(*eth));
	if (!eth)
		return mz_drop(p, MZ_R_NO_ROOM);
	mz_mac_copy(eth->src, b->self);
	return MZ_END;
}

static __noinline int mz_error_outside(struct mz_pkt *p, __u32 why)
{
	const struct mz_back *b = mz_back_of(p);

	if (!b)
		return mz_drop(p, (enum mz_reason)why);
	if (why == MZ_R_OUTSIDE_TOO_BIG)
		mz_too_big(p, &b->by);
	else
		mz_error_about(p, &b->by, why);
	return mz_told_outside(p, b, why);
}

static __noinline int mz_reset_outside(struct mz_pkt *p, __u32 why)
{
	const struct mz_back *b = mz_back_of(p);

	if (!b || p->event == MZ_L4_ABORT)
		return mz_drop(p, (enum mz_reason)why);
	mz_reset(p, &b->by, why);
	return mz_told_outside(p, b, why);
}

/* The sender outside is told why its packet goes no further. */
static __always_inline int mz_tell_outside(struct mz_pkt *p)
{
	__u32 why = p->why;

	if (why != MZ_R_OUTSIDE_TOO_BIG && why != MZ_R_TTL_EXCEEDED && mz_may_reset(p))
		return mz_reset_outside(p, why);
	return mz_error_outside(p, why);
}

/* A source that no host outside has: also of the link (RFC 3927 2.7), where a host's
 * services are. */
static __always_inline int mz_is_nobodys(const struct mz_pkt *p)
{
	if (p->v6)
		return mz_ip6_is_odd(&p->src) || mz_is_service6(&p->src);
	return mz_ip4_is_odd(p->src.w[3]) || mz_ntohl(p->src.w[3]) >> 16 == 0xa9fe;
}

/* Reads the IP header; what is for none of the pools stays as it is. */
static __always_inline int mz_stage_pool(struct mz_pkt *p, const struct mz_pool **pool, __u32 *total)
{
	struct mz_eth *eth = mz_at(p, 0, sizeof(*eth));
	int why;

	if (!eth)
		return mz_not_ours(p);
	p->v6 = mz_family(eth);
	if (eth->proto == mz_htons(ETH_P_IP))
		why = mz_parse_ip4(p, total, MZ_R_IP4_TRUNCATED, MZ_R_IP4_INVALID);
	else if (eth->proto == mz_htons(ETH_P_IPV6))
		why = mz_parse_ip6(p, total, MZ_R_IP6_TRUNCATED, MZ_R_IP6_INVALID, MZ_R_IP6_EXTENSIONS);
	else
		return mz_not_ours(p);
	if (why)
		return mz_not_ours(p);
	*pool = mz_pool_of(&p->dst);
	if (!*pool)
		return mz_not_ours(p);
	/* Of the pools only gateways make sources, and those packets go by tunnel. */
	if (mz_is_nobodys(p) || mz_pool_of(&p->src))
		return mz_drop(p, MZ_R_OUTSIDE_SOURCE);
	return MZ_NEXT;
}

/* Nor does the VPC's own come from outside: an endpoint takes such an address for a
 * neighbour's. */
static __always_inline int mz_stage_outside_source(struct mz_pkt *p)
{
	const struct mz_network *net = mz_network_of(p->vni, &p->src);

	if (net && !(net->flags & MZ_NET_F_OUTSIDE))
		return mz_drop(p, MZ_R_OUTSIDE_SOURCE);
	return MZ_NEXT;
}

static __always_inline __u32 mz_ttl_left(struct mz_pkt *p)
{
	/* After 8 bytes in the one, after 7 in the other. */
	const __u8 *ttl = mz_at(p, p->l2 + ETH_HLEN + (p->v6 ? 7 : 8), 1);

	return ttl ? *ttl : 0;
}

static __always_inline int mz_gateway_in_stages(struct mz_pkt *p)
{
	const struct mz_pool *pool = NULL;
	enum mz_act act;
	__u32 total = 0;

	MZ_TRY(mz_stage_pool(p, &pool, &total));
	MZ_TRY(mz_stage_l4(p, MZ_R_L4_TRUNCATED));
	p->size = mz_wire_size(p, total);
	if (mz_unlikely(p->size > mz_cfg.inner_mtu))
		return mz_end(p, MZ_ACT_REFUSE, MZ_R_OUTSIDE_TOO_BIG);
	if (mz_unlikely(mz_ttl_left(p) <= 1))
		return mz_end(p, MZ_ACT_REFUSE, MZ_R_TTL_EXCEEDED);
	p->opt_flags = MZ_OPT_F_OUTSIDE;
	MZ_TRY(mz_enter_as(p, pool));
	MZ_TRY(mz_stage_outside_source(p));
	MZ_TRY(mz_route_inside(p));
	MZ_TRY(mz_stage_ttl(p));
	if (p->out_ifindex) {
		MZ_TRY(mz_stage_functions(p, MZ_POINT_INGRESS));
		MZ_TRY(mz_receivers_flow(p));
		MZ_TRY(mz_stage_translate(p));
		return mz_address_frame(p);
	}
	MZ_TRY(mz_stage_translate(p));
	MZ_TRY(mz_stage_host(p, &act));
	return mz_encap(p, mz_gateway(), act);
}

/* Ingress of the outside interface. */
static __always_inline int mz_gateway_in(mz_ctx_t *ctx)
{
	struct mz_pkt p = { .ctx = ctx, .dir = MZ_DIR_INGRESS };

	mz_open(&p);
	mz_gateway_in_stages(&p);
	if (mz_unlikely(p.act == MZ_ACT_REFUSE))
		mz_tell_outside(&p);
	return mz_finish(&p);
}

#endif
