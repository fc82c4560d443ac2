/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* TC target: sk_buffs, with GSO superpackets and checksum offload intact. */
#ifndef MZ_TARGET_TC_H
#define MZ_TARGET_TC_H

#include <linux/pkt_cls.h>

#include "bpf/target/bpf.h"

/* Since Linux 6.3; Debian 12's headers are older. */
#define MZ_ADJ_ROOM_DECAP_L3_IPV4 (1ULL << 7)
#define MZ_ADJ_ROOM_DECAP_L3_IPV6 (1ULL << 8)

typedef struct __sk_buff mz_ctx_t;

#include "bpf/lib/pkt.h"

/* Headers that programs read which write answers, made linear once. */
#define MZ_TC_PULL 128u

static __always_inline void mz_reload(struct mz_pkt *p)
{
	__u8 *data = (__u8 *)(long)p->ctx->data, *end = (__u8 *)(long)p->ctx->data_end;

	/* Pointers from here on: where two of them meet, the compiler would else
	 * carry on the 32-bit fields, and the verifier lose them. */
	asm volatile("" : "+r"(data), "+r"(end));
	p->data = data;
	p->end = end;
}

/* Makes the first `want` bytes readable, or all there are. */
static __always_inline void mz_pull(struct mz_pkt *p, __u32 want)
{
	if (want > p->ctx->len)
		want = p->ctx->len;
	mz_reload(p);
	if (mz_unlikely(p->data + want > p->end)) {
		bpf_skb_pull_data(p->ctx, want);
		mz_reload(p);
	}
}

/* Behind `front` bytes of a tunnel's headers. TCP's payload stands in pages: one byte too many copies all headers
 * and moves the rest in its pages. */
static __always_inline void mz_open_head(struct mz_pkt *p, __u32 front)
{
	mz_pull(p, front + MZ_HEAD);
	p->len = p->ctx->len;
	p->trace = p->ctx->mark == MZ_TRACE_MARK;
}

static __always_inline void mz_open(struct mz_pkt *p)
{
	mz_open_head(p, MZ_TC_PULL - MZ_HEAD);
}

/* The whole length costs nothing here. */
#define mz_measure(p, bytes) ((void)(bytes))

/* Bytes of the packet as it is now. */
static __always_inline __u32 mz_length(struct mz_pkt *p)
{
	return p->ctx->len;
}

#define MZ_HAS_ENDPOINT_FUNCTIONS 1
#define MZ_HAS_HOP_FUNCTIONS      0 /* a hop is XDP */

#define MZ_IS_HOP                 0 /* what comes from the underlay is for endpoints */
#define MZ_DELIVERS_ALL           1

#define MZ_HAS_GROUPS             1 /* packets can be copied */

/* A copy of the packet as it is, out of an interface. Pointers are to be reloaded. */
static __always_inline int mz_clone(mz_ctx_t *ctx, __u32 ifindex)
{
	return (int)bpf_clone_redirect(ctx, ifindex, 0);
}

#define mz_jump_group(p, slot) bpf_tail_call((p)->ctx, &mz_group_tc, slot)

/* Does not come back, unless nobody is there. */
#define mz_jump(p, slot) bpf_tail_call((p)->ctx, &mz_function_tc, slot)

/* 0, which the verifier takes for any number. */
static __always_inline __u32 mz_zero(struct mz_pkt *p)
{
	const volatile __u32 *len = &p->ctx->len;

	return *len ^ *len;
}

static __always_inline __u32 mz_in_ifindex(struct mz_pkt *p)
{
	return p->ctx->ifindex;
}

/* Payload bytes of each segment of a superpacket, 0 for a plain packet. */
static __always_inline __u32 mz_gso_size(struct mz_pkt *p)
{
	return p->ctx->gso_size;
}

/* ... and how many they are: 1 for a plain packet. Who made the superpacket may not say. */
static __always_inline __u32 mz_ctx_segments(mz_ctx_t *ctx)
{
	__u32 n = ctx->gso_segs, size = ctx->gso_size;

	if (n || !size)
		return n ? n : 1;
	return ctx->len / size + 1;
}

static __always_inline __u32 mz_ctx_ifindex(mz_ctx_t *ctx)
{
	return ctx->ifindex;
}

#define MZ_HAS_QOS 1

/* When the packet may leave, ns of CLOCK_MONOTONIC: fq keeps it until then. */
static __always_inline void mz_ctx_departure(mz_ctx_t *ctx, __u64 ns)
{
	bpf_skb_set_tstamp(ctx, ns, BPF_SKB_TSTAMP_DELIVERY_MONO);
}

static __always_inline void mz_set_priority(struct mz_pkt *p, __u32 priority)
{
	p->ctx->priority = priority;
}

/* What came out of a tunnel, or had a mirror's headers on and off, has the kernel's word that there
 * is a tunnel, with the same frame inside: it cannot be said twice (-EALREADY). The kernel has to
 * know the outer family all the same, and learns it by a header that is translated. A superpacket's
 * would be lost. */
static __noinline __attribute__((unused)) int mz_push_again(mz_ctx_t *ctx, __s32 len, int v6, int inner6)
{
	if (!v6 == !inner6)
		return (int)bpf_skb_adjust_room(ctx, len, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO);
	if (ctx->gso_size || bpf_skb_adjust_room(ctx, v6 ? len - 20 : len + 20, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO))
		return -1;
	return (int)bpf_skb_change_proto(ctx, v6 ? mz_htons(ETH_P_IPV6) : mz_htons(ETH_P_IP), 0);
}

/* Opens the outer headers in front of the whole frame, of the family `v6` says.
 * The L2 length handed to the kernel is the inner Ethernet header alone; FIXED_GSO
 * keeps the segment size that the sender chose. */
static __always_inline int mz_push_outer(struct mz_pkt *p, int v6)
{
	__u64 flags = BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_ENCAP_L4_UDP | BPF_F_ADJ_ROOM_ENCAP_L2_ETH |
		      BPF_F_ADJ_ROOM_ENCAP_L2(ETH_HLEN) |
		      (v6 ? BPF_F_ADJ_ROOM_ENCAP_L3_IPV6 : BPF_F_ADJ_ROOM_ENCAP_L3_IPV4);

	if (bpf_skb_adjust_room(p->ctx, v6 ? MZ_OUTER_LEN6 : MZ_OUTER_LEN4, BPF_ADJ_ROOM_MAC, flags) &&
	    mz_push_again(p->ctx, v6 ? MZ_OUTER_LEN6 : MZ_OUTER_LEN4, v6, p->v6))
		return -1;
	mz_reload(p);
	return 0;
}

/* Of another family than the inner packet: the kernel would keep the outer one's unless
 * told. Before Linux 6.3 it cannot be told: the outer header becomes one of the inner
 * packet's family, then all of it goes. */
static __noinline __attribute__((unused)) int mz_pop_other(mz_ctx_t *ctx, __s32 len, int v6)
{
	__u64 flags = v6 ? MZ_ADJ_ROOM_DECAP_L3_IPV6 : MZ_ADJ_ROOM_DECAP_L3_IPV4;

	if (!bpf_skb_adjust_room(ctx, -len, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO | flags))
		return 0;
	if (bpf_skb_change_proto(ctx, v6 ? mz_htons(ETH_P_IPV6) : mz_htons(ETH_P_IP), 0))
		return -1;
	return (int)bpf_skb_adjust_room(ctx, v6 ? -len - 20 : 20 - len, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO);
}

/* Removes `len` bytes of headers. */
static __always_inline int mz_pop_outer(struct mz_pkt *p, __u32 len)
{
	if (p->v6 != p->outer6 ? mz_pop_other(p->ctx, (__s32)len, p->v6) :
				 bpf_skb_adjust_room(p->ctx, -(__s32)len, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO))
		return -1;
	mz_reload(p);
	return 0;
}

/* Opens `len` bytes between the Ethernet and the IP header. */
static __always_inline int mz_push_head(struct mz_pkt *p, __u32 len)
{
	if (bpf_skb_adjust_room(p->ctx, (__s32)len, BPF_ADJ_ROOM_MAC, 0))
		return -1;
	mz_pull(p, p->ctx->len);
	return 0;
}

/* Makes the packet `len` bytes long behind its Ethernet header, whose content is lost.
 * Where the tail cannot be cut, but not of superpackets. */
#define MZ_CAN_REFIT 1

static __always_inline int mz_refit(struct mz_pkt *p, __u32 len)
{
	__s32 more = (__s32)len - (__s32)p->len;

	if (p->ctx->gso_size || (more && bpf_skb_adjust_room(p->ctx, more, BPF_ADJ_ROOM_MAC, 0)))
		return -1;
	p->len = len;
	mz_pull(p, len);
	return 0;
}

/* Another family's IP header in the place of the outer one, not filled in. The
 * kernel would take a superpacket's inner protocol for the outer one. */
static __always_inline int mz_shift_outer(struct mz_pkt *p, int v6)
{
	__be16 proto = v6 ? mz_htons(ETH_P_IPV6) : mz_htons(ETH_P_IP);

	if (p->ctx->gso_size || bpf_skb_change_proto(p->ctx, proto, 0))
		return -1;
	mz_pull(p, MZ_TC_PULL);
	return 0;
}

/* Makes the packet `len` bytes long, at its end. p->len stays: it is what came. */
static __always_inline int mz_resize(struct mz_pkt *p, __u32 len)
{
	if (bpf_skb_change_tail(p->ctx, len, 0))
		return -1;
	mz_pull(p, len);
	return 0;
}

/* Changes the checksum at `off` by a difference; `pseudo`: in what its
 * pseudo-header covers, which is all that stands there where a card finishes it;
 * `zero_means_none`: of UDP over IPv4. */
static __always_inline int mz_ctx_l4_csum(mz_ctx_t *ctx, __u32 off, __u32 diff, int pseudo, int zero_means_none)
{
	__u64 flags = (pseudo ? BPF_F_PSEUDO_HDR : 0) | (zero_means_none ? BPF_F_MARK_MANGLED_0 : 0);

	return (int)bpf_l4_csum_replace(ctx, off, 0, diff, flags);
}

static __always_inline int mz_l4_csum(struct mz_pkt *p, __u32 off, __u32 diff, int pseudo, int zero_means_none)
{
	if (mz_ctx_l4_csum(p->ctx, off, diff, pseudo, zero_means_none))
		return -1;
	mz_reload(p);
	return 0;
}

/* Bytes of the packet, copied; not 0 where it has not so many. */
static __always_inline int mz_ctx_load(mz_ctx_t *ctx, __u32 off, void *to, __u32 len)
{
	return (int)bpf_skb_load_bytes(ctx, off, to, len);
}

static __always_inline int mz_ctx_store(mz_ctx_t *ctx, __u32 off, const void *from, __u32 len)
{
	return (int)bpf_skb_store_bytes(ctx, off, from, len, 0);
}

/* Copies bytes of the packet; not 0 where it has not so many. */
static __always_inline int mz_load(struct mz_pkt *p, __u32 off, void *to, __u32 len)
{
	return (int)bpf_skb_load_bytes(p->ctx, off, to, len);
}

#define MZ_CAN_RESOLVE 1 /* bpf_redirect_neigh */

static __always_inline int mz_fib(struct mz_pkt *p, struct bpf_fib_lookup *fib)
{
	return (int)bpf_fib_lookup(p->ctx, fib, sizeof(*fib), BPF_FIB_LOOKUP_OUTPUT);
}

static __always_inline int mz_verdict(struct mz_pkt *p)
{
	switch (p->act) {
	case MZ_ACT_PASS:
	case MZ_ACT_DEFER:
		return TC_ACT_UNSPEC;
	case MZ_ACT_SEND:
		return (int)bpf_redirect(p->out_ifindex, 0);
	case MZ_ACT_RESOLVE:
		return (int)bpf_redirect_neigh(p->out_ifindex, NULL, 0, 0);
	case MZ_ACT_DELIVER:
		if (p->deliver_flags & MZ_EP_F_PEER)
			return (int)bpf_redirect_peer(p->out_ifindex, 0);
		return (int)bpf_redirect(p->out_ifindex, 0);
	case MZ_ACT_REENTER:
		return (int)bpf_redirect(p->out_ifindex, BPF_F_INGRESS);
	case MZ_ACT_ANSWER:
		/* Straight into the endpoint: its veth may have come up this instant,
		 * and has no queue before the kernel's link watch has run. */
		if (p->deliver_flags & MZ_EP_F_PEER)
			return (int)bpf_redirect_peer(p->ctx->ifindex, 0);
		return (int)bpf_redirect(p->ctx->ifindex, 0);
	default:
		return TC_ACT_SHOT;
	}
}

#endif
