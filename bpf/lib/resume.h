/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where packets come back from functions: to the next one, or to the rest of their
 * way, as their point has it. */
#ifndef MZ_LIB_RESUME_H
#define MZ_LIB_RESUME_H

#include "bpf/lib/egress.h"
#include "bpf/lib/eth.h"
#include "bpf/lib/function.h"
#include "bpf/lib/ingress.h"

/* The interface of the endpoint whose functions they are. */
static __always_inline __u32 mz_function_ifindex(struct mz_pkt *p)
{
	__u32 in = mz_in_ifindex(p);

	/* Else the compiler chooses between two addresses, and the verifier wants the
	 * context's plain (clang 19, Linux 6.18). */
	asm volatile("" : "+r"(in));
	return p->point == MZ_POINT_HOP ? 0 : p->point == MZ_POINT_EGRESS ? in : p->out_ifindex;
}

/* The function whose turn it is, as its slot + 1; 0 at the chain's end. */
static __always_inline __u32 mz_function_turn(const struct mz_pkt *p)
{
	__u32 id = p->chain;
	const struct mz_function_chain *chain = mz_lookup(mz_function_chains, &id);

	return chain && p->chain_at < MZ_FUNCTION_CHAIN_LEN ? chain->slot[p->chain_at & 7] : 0;
}

/* The chain that begins here. */
static __always_inline __u8 mz_function_chain_of(struct mz_pkt *p)
{
	__u32 slot = mz_function_ifindex(p) & (MZ_PORTS - 1);
	const struct mz_function_chains *c;

	if (p->point == MZ_POINT_HOP)
		c = mz_lookup(mz_function_vpcs, &p->vpc);
	else
		c = mz_lookup(mz_function_ports, &slot);
	return c ? c->chain[p->point & (MZ_FUNCTION_POINT_COUNT - 1)] : 0;
}

static __always_inline void mz_function_describe(struct mz_function_packet *to, struct mz_pkt *p)
{
	to->point = p->point;
	to->vni = p->vni;
	to->ifindex = mz_function_ifindex(p);
	to->frame = p->l2;
	to->l4 = p->l2 + ETH_HLEN + p->l4;
	to->uplink = mz_cfg.uplink;
	to->verdict = MZ_FUNCTION_DROP;
	to->src_port = (__be16)p->ports;
	to->dst_port = (__be16)(p->ports >> 16);
	to->proto = p->proto;
	to->v6 = p->v6;
	to->fragment = p->later;
	to->pad = 0;
	__builtin_memcpy(to->src, &p->src, sizeof(to->src));
	__builtin_memcpy(to->dst, &p->dst, sizeof(to->dst));
}

/* Makes the packet ready for the function whose turn it is: returns its slot, or
 * MZ_FUNCTIONS if there is none. A described packet meets none: they may have effects
 * elsewhere. A function of its own, as its neighbour below: the stack is short. */
static __noinline __u32 mz_function_ready(struct mz_pkt *p)
{
	__u32 kind = mz_function_kind(p), turn = mz_function_turn(p), at = turn - 1 + kind * MZ_FUNCTIONS;
	struct mz_function_packet *packet = mz_lookup(mz_function_packets, &kind);
	struct mz_function_count *count = mz_lookup(mz_function_counts, &at);
	const struct mz_function_slot *s = mz_lookup(mz_function_slots, &at);

	if (!turn || !packet || !count || !s)
		return MZ_FUNCTIONS;
	if (p->trace) {
		mz_note(p, MZ_ST_FUNCTIONS, MZ_OBJ_FUNCTION, turn - 1, p->point);
		return MZ_FUNCTIONS;
	}
	mz_function_describe(packet, p);
	packet->interface = s->interface;
	count->packets++;
	mz_function_save(p);
	return (turn - 1) & (MZ_FUNCTIONS - 1);
}

/* Nobody was there: it was removed this moment. */
static __noinline void mz_function_missed(struct mz_pkt *p)
{
	__u32 kind = mz_function_kind(p);
	struct mz_function_packet *packet = mz_lookup(mz_function_packets, &kind);

	if (packet)
		packet->verdict = MZ_FUNCTION_NEXT;
}

/* To the function whose turn it is, if there is one. */
static __always_inline int mz_stage_turn(struct mz_pkt *p)
{
	__u32 slot = mz_function_ready(p);

	if (slot >= MZ_FUNCTIONS)
		return MZ_NEXT;
	mz_jump(p, slot);
	mz_function_missed(p);
	mz_jump(p, MZ_FUNCTION_RESUME);
	return mz_drop(p, MZ_R_FUNCTION_DROP);
}

/* To the function's interface. The frame says whose it is. */
static __always_inline int mz_function_take(struct mz_pkt *p, __u32 interface)
{
	static const __u8 prefix[4] __attribute__((aligned(4))) = MZ_TAKEN_MAC;
	__be16 slot = mz_htons((__u16)(mz_function_ifindex(p) & (MZ_PORTS - 1)));
	struct mz_eth *eth = mz_at(p, 0, sizeof(*eth));

	if (!eth)
		return mz_drop(p, MZ_R_NO_ROOM);
	__builtin_memcpy(eth->dst, prefix, sizeof(prefix));
	*(__be16 *)(eth->dst + 4) = slot;
	p->out_ifindex = interface;
	p->deliver_flags = 0;
	return mz_end(p, MZ_ACT_DELIVER, MZ_R_FUNCTION_TAKEN);
}

/* What the function decided, counted. */
static __noinline int mz_stage_verdict(struct mz_pkt *p)
{
	__u32 kind = mz_function_kind(p), turn = mz_function_turn(p), at = turn - 1 + kind * MZ_FUNCTIONS;
	const struct mz_function_packet *packet = mz_lookup(mz_function_packets, &kind);
	struct mz_function_count *count = mz_lookup(mz_function_counts, &at);
	const struct mz_function_slot *s = mz_lookup(mz_function_slots, &at);

	p->chain_at++;
	if (!turn || !packet || !count || !s)
		return mz_drop(p, MZ_R_FUNCTION_DROP);
	if (packet->verdict == MZ_FUNCTION_NEXT)
		return MZ_NEXT;
	if (packet->verdict == MZ_FUNCTION_TAKE && s->interface && p->point != MZ_POINT_HOP) {
		count->taken++;
		return mz_function_take(p, s->interface);
	}
	count->dropped++;
	return mz_drop(p, MZ_R_FUNCTION_DROP);
}

static __always_inline int mz_chain_begin(struct mz_pkt *p)
{
	p->chain = mz_function_chain_of(p);
	p->chain_at = 0;
	return mz_stage_turn(p);
}

static __always_inline int mz_resume_egress(struct mz_pkt *p)
{
	const struct mz_port *port = mz_port_of(mz_in_ifindex(p));

	if (!port)
		return mz_drop(p, MZ_R_NO_PORT);
	p->len = mz_length(p); /* of which the tunnel's headers tell */
	return mz_egress_onward(p, port);
}

/* Policy stands between its two points. */
static __always_inline int mz_resume_ingress(struct mz_pkt *p)
{
	if (p->dir == MZ_DIR_INGRESS)
		MZ_TRY(mz_learn_for(p, NULL));
	MZ_TRY(mz_receivers_flow(p));
	MZ_TRY(mz_stage_translate(p));
	p->point = MZ_POINT_INGRESS_AFTER;
	return mz_chain_begin(p);
}

/* The rest of the way of an endpoint's packet. */
static __always_inline int mz_resume_endpoint(struct mz_pkt *p)
{
	if (p->point == MZ_POINT_EGRESS)
		return mz_resume_egress(p);
	if (p->point == MZ_POINT_INGRESS)
		MZ_TRY(mz_resume_ingress(p));
	MZ_TRY(mz_stage_shape(p, MZ_EP_F_SHAPED)); /* a function costs more than to ask */
	return mz_address_frame(p);
}

static __always_inline int mz_resume_stages(struct mz_pkt *p)
{
	if (p->chain_at == MZ_CHAIN_NEW) {
		MZ_TRY(mz_stage_translate(p)); /* functions are to see what the receiver would */
		MZ_TRY(mz_chain_begin(p));
	} else {
		MZ_TRY(mz_stage_verdict(p));
		MZ_TRY(mz_stage_turn(p));
	}
	if (MZ_HAS_HOP_FUNCTIONS && p->point == MZ_POINT_HOP)
		return mz_hop(p, MZ_ACT_SEND);
	return MZ_HAS_ENDPOINT_FUNCTIONS ? mz_resume_endpoint(p) : mz_drop(p, MZ_R_FUNCTION_DROP);
}

/* `kind`: 1 at hops. */
static __always_inline int mz_resume(mz_ctx_t *ctx, __u32 kind)
{
	struct mz_pkt p = { .ctx = ctx };

	if (mz_function_restore(&p, kind))
		mz_resume_stages(&p);
	return mz_finish(&p);
}

#endif
