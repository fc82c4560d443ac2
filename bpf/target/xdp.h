/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* XDP target: raw frames before the kernel has made anything of them. */
#ifndef MZ_TARGET_XDP_H
#define MZ_TARGET_XDP_H

#include "bpf/target/bpf.h"

typedef struct xdp_md mz_ctx_t;

#include "bpf/lib/pkt.h"
#include "bpf/target/plain.h"

static __always_inline void mz_reload(struct mz_pkt *p)
{
	p->data = (__u8 *)(long)p->ctx->data;
	p->end = (__u8 *)(long)p->ctx->data_end;
}

/* A frame's first page is readable as it is. */
static __always_inline void mz_pull(struct mz_pkt *p, __u32 want)
{
	(void)p;
	(void)want;
}

/* p->len is what can be read: mz_measure() before more of it is claimed. */
static __always_inline void mz_open_head(struct mz_pkt *p, __u32 front)
{
	__u32 *meta = (void *)(long)p->ctx->data_meta;

	(void)front; /* all that is not in later pages can be read */
	mz_reload(p);
	p->len = p->ctx->data_end - p->ctx->data;
	p->trace = (__u8 *)(meta + 1) <= p->data && *meta == MZ_TRACE_MARK;
}

/* A frame of several pages is longer than what can be read; to ask costs a call. */
static __always_inline void mz_measure(struct mz_pkt *p, __u32 claimed)
{
	if (mz_unlikely(claimed > p->len))
		p->len = (__u32)bpf_xdp_get_buff_len(p->ctx);
}

static __always_inline void mz_open(struct mz_pkt *p)
{
	mz_open_head(p, 0);
	mz_measure(p, ~0u);
}

/* Bytes of the packet as it is now. */
static __always_inline __u32 mz_length(struct mz_pkt *p)
{
	return (__u32)bpf_xdp_get_buff_len(p->ctx);
}

#define MZ_HAS_ENDPOINT_FUNCTIONS 0 /* endpoints' are TC */
#define MZ_HAS_HOP_FUNCTIONS      1

#define MZ_HAS_QOS                0 /* nothing keeps an XDP frame, and no endpoint's begins here */
#define mz_set_priority(p, n)     ((void)(n))

#define MZ_IS_HOP                 1 /* most packets are only sent on */
#define MZ_DELIVERS_ALL           0 /* what endpoints do not want from XDP is TC's */

#define MZ_HAS_GROUPS             0 /* TC's: XDP cannot copy */
#define mz_jump_group(p, slot)

/* Does not come back, unless nobody is there. */
#define mz_jump(p, slot) bpf_tail_call((p)->ctx, &mz_function_xdp, slot)

/* 0, which the verifier takes for any number. */
static __always_inline __u32 mz_zero(struct mz_pkt *p)
{
	const volatile __u32 *queue = &p->ctx->rx_queue_index;

	return *queue ^ *queue;
}

static __always_inline __u32 mz_in_ifindex(struct mz_pkt *p)
{
	return p->ctx->ingress_ifindex;
}

static __always_inline __u32 mz_gso_size(struct mz_pkt *p)
{
	(void)p;
	return 0;
}

/* Opens `len` bytes; the Ethernet header is to be written anew. */
static __always_inline int mz_push_head(struct mz_pkt *p, __u32 len)
{
	if (bpf_xdp_adjust_head(p->ctx, -(int)len))
		return -1;
	mz_reload(p);
	return 0;
}

/* Opens the outer headers, of the family `v6` says. */
static __always_inline int mz_push_outer(struct mz_pkt *p, int v6)
{
	return mz_push_head(p, v6 ? MZ_OUTER_LEN6 : MZ_OUTER_LEN4);
}

#define MZ_CAN_REFIT 0 /* tails can be cut */

static __always_inline int mz_refit(struct mz_pkt *p, __u32 len)
{
	(void)p, (void)len;
	return -1;
}

/* Makes the packet `len` bytes long, at its end. */
static __always_inline int mz_resize(struct mz_pkt *p, __u32 len)
{
	if (bpf_xdp_adjust_tail(p->ctx, (int)len - (int)p->len))
		return -1;
	mz_reload(p);
	return 0;
}

static __always_inline int mz_pop_outer(struct mz_pkt *p, __u32 len)
{
	if (bpf_xdp_adjust_head(p->ctx, (int)len))
		return -1;
	mz_reload(p);
	return 0;
}

/* Another family's IP header in the place of the outer one, not filled in. */
static __always_inline int mz_shift_outer(struct mz_pkt *p, int v6)
{
	return v6 ? mz_push_head(p, 20) : mz_pop_outer(p, 20);
}

/* Bytes of the packet, copied; not 0 where it has not so many. */
static __always_inline int mz_ctx_load(mz_ctx_t *ctx, __u32 off, void *to, __u32 len)
{
	return (int)bpf_xdp_load_bytes(ctx, off, to, len);
}

static __always_inline int mz_ctx_store(mz_ctx_t *ctx, __u32 off, const void *from, __u32 len)
{
	return (int)bpf_xdp_store_bytes(ctx, off, (void *)from, len);
}

/* Copies bytes of the packet; not 0 where it has not so many. */
static __always_inline int mz_load(struct mz_pkt *p, __u32 off, void *to, __u32 len)
{
	return (int)bpf_xdp_load_bytes(p->ctx, off, to, len);
}

#define MZ_CAN_RESOLVE 0

static __always_inline int mz_fib(struct mz_pkt *p, struct bpf_fib_lookup *fib)
{
	return (int)bpf_fib_lookup(p->ctx, fib, sizeof(*fib), BPF_FIB_LOOKUP_OUTPUT);
}

static __always_inline int mz_send_out(struct mz_pkt *p, __u32 ifindex)
{
	if (ifindex == p->ctx->ingress_ifindex && !(mz_cfg.flags & MZ_CFG_F_NO_XDP_TX))
		return XDP_TX;
	return (int)bpf_redirect(ifindex, 0);
}

static __always_inline int mz_verdict(struct mz_pkt *p)
{
	switch (p->act) {
	case MZ_ACT_PASS:
	case MZ_ACT_DEFER:
		return XDP_PASS;
	case MZ_ACT_SEND:
		return mz_send_out(p, p->out_ifindex);
	case MZ_ACT_REENTER: /* gateways are TC's: here only what is decided counts */
	case MZ_ACT_DELIVER:
		return (int)bpf_redirect(p->out_ifindex, 0);
	case MZ_ACT_ANSWER:
		return mz_send_out(p, p->ctx->ingress_ifindex);
	default:
		return XDP_DROP;
	}
}

#endif
