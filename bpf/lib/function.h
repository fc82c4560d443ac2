/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Operators' functions (bpf/abi/function.h). A packet whose endpoint or VPC has
 * none passes one branch. One that meets functions jumps to each and comes back in
 * a program of its own, bpf/lib/resume.h; what is known of it waits meanwhile. */
#ifndef MZ_LIB_FUNCTION_H
#define MZ_LIB_FUNCTION_H

#include "bpf/abi/functions.h"
#include "bpf/lib/count.h"
#include "bpf/lib/l4.h"
#include "bpf/lib/network.h"
#include "bpf/lib/rewrite.h"

/* All of struct mz_pkt but its pointers. It stands in a pinned table, by which one version's programs would
 * hand a packet to the next one's: another size or order of struct mz_pkt wants another MZ_ABI_VERSION. */
struct mz_function_state {
	__u64 saved[(sizeof(struct mz_pkt) - 24) / 8];
};
MZ_ABI_ASSERT(sizeof(struct mz_function_state) == sizeof(struct mz_pkt) - 24);
MZ_ABI_ASSERT(sizeof(struct mz_function_state) == 216);
MZ_ABI_ASSERT(__builtin_offsetof(struct mz_pkt, len) == 24);

/* The packet that is at a function: of TC, and of XDP. Writer and reader: that
 * packet, on its own CPU; programs of one hook do not interrupt each other. */
MZ_MAP(mz_function_states, PERCPU_ARRAY, __u32, struct mz_function_state, 2, 0);

static __always_inline __u32 mz_function_kind(const struct mz_pkt *p)
{
	return p->point == MZ_POINT_HOP;
}

#define MZ_CHAIN_NEW 0xffu /* p->chain_at: at its begin */

/* What is known of the packet, for the program it goes on in. */
static __noinline int mz_function_save(struct mz_pkt *p)
{
	__u32 kind = mz_function_kind(p);
	struct mz_function_state *state = mz_lookup(mz_function_states, &kind);

	if (state)
		__builtin_memcpy(state->saved, &p->len, sizeof(state->saved));
	return state != NULL;
}

/* The same in the program it goes on in: 0 if there is nothing. */
static __always_inline int mz_function_restore(struct mz_pkt *p, __u32 kind)
{
	const struct mz_function_state *state = mz_lookup(mz_function_states, &kind);

	if (!state)
		return 0; /* cannot be */
	__builtin_memcpy(&p->len, state->saved, sizeof(state->saved));
	mz_reload(p);
	return 1;
}

/* Ends this program's part of the packet's way: a jump that succeeds does not come
 * back. Always to the same program, which looks for the chain: what stands here is
 * verified with everything that leads here. */
static __always_inline int mz_to_functions(struct mz_pkt *p, enum mz_function_point point)
{
	p->point = (__u8)point;
	p->chain_at = MZ_CHAIN_NEW;
	if (mz_function_save(p))
		mz_jump(p, MZ_FUNCTION_RESUME);
	return mz_drop(p, MZ_R_FUNCTION_DROP); /* nobody is there */
}

/* What is answered, a program of its own does (bpf/lib/answer.h), which finds in what is
 * saved why. Where nobody is there the packet is dropped. */
static __always_inline int mz_to_answer(struct mz_pkt *p, enum mz_reason why)
{
	mz_drop(p, why);
	if (mz_function_save(p))
		mz_jump(p, MZ_FUNCTION_ANSWER);
	return MZ_END;
}

/* Some bits of a field as a value of its own: were the field in a jump, the verifier
 * would know it on both ways, and walk all that follows twice. */
static __always_inline int mz_function_bits(__u32 field, __u32 bits)
{
	field &= bits;
	asm volatile("" : "+r"(field));
	return field != 0;
}

static __always_inline int mz_has_functions(const struct mz_pkt *p, __u32 flag)
{
	return MZ_HAS_ENDPOINT_FUNCTIONS && mz_unlikely(mz_function_bits(p->deliver_flags, flag));
}

/* The functions of the endpoint that p->deliver_flags are of, if it has any. */
static __always_inline int mz_stage_functions(struct mz_pkt *p, enum mz_function_point point)
{
	__u8 flag = point == MZ_POINT_EGRESS ? MZ_EP_F_EGRESS : MZ_EP_F_INGRESS;

	if (mz_has_functions(p, flag))
		return mz_to_functions(p, point);
	return MZ_NEXT;
}

/* XDP leaves what meets them to TC. */
static __always_inline int mz_defers_functions(const struct mz_pkt *p)
{
	return !MZ_HAS_ENDPOINT_FUNCTIONS && mz_function_bits(p->deliver_flags, MZ_EP_F_INGRESS);
}

/* Functions for what an endpoint receives run where its frame is bare. */
static __noinline int mz_function_bare(struct mz_pkt *p)
{
	MZ_TRY(mz_bare(p));
	return mz_stage_l4(p, MZ_R_INNER_TRUNCATED);
}

/* ... and before its flow. */
static __always_inline int mz_stage_arriving(struct mz_pkt *p)
{
	if (!mz_has_functions(p, MZ_EP_F_INGRESS))
		return MZ_NEXT;
	/* Another VPC's packets are nothing to this one's functions. */
	if (mz_unlikely(p->opt_flags & MZ_OPT_F_PEERED) && !mz_source_vni(p))
		return mz_drop(p, MZ_R_PEER_SOURCE);
	MZ_TRY(mz_function_bare(p));
	return mz_to_functions(p, MZ_POINT_INGRESS);
}

/* The functions of the VPC at a hop. */
static __always_inline int mz_stage_hop_functions(struct mz_pkt *p)
{
	const struct mz_function_chains *c = NULL;

	if (!MZ_HAS_HOP_FUNCTIONS)
		return MZ_NEXT;
	if (mz_cfg.flags & MZ_CFG_F_HOP_FUNCTIONS)
		c = mz_lookup(mz_function_vpcs, &p->vpc);
	if (mz_unlikely(c && c->chain[MZ_POINT_HOP]))
		return mz_to_functions(p, MZ_POINT_HOP);
	mz_reload(p); /* the ways that lead here meet */
	return MZ_NEXT;
}

#endif
