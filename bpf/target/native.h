/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Native target: the stages as ordinary functions over a buffer and in-memory
 * tables. Its verdict is the decision itself. */
#ifndef MZ_TARGET_NATIVE_H
#define MZ_TARGET_NATIVE_H

#include <linux/bpf.h>

#include "bpf/abi/tables.h"
#include "bpf/target/native_api.h"
#include "bpf/target/native_maps.h"

#define mz_htons(x) __builtin_bswap16(x)
#define mz_ntohs(x) __builtin_bswap16(x)
#define mz_htonl(x) __builtin_bswap32(x)
#define mz_ntohl(x) __builtin_bswap32(x)
MZ_ABI_ASSERT(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif
#define __noinline __attribute__((noinline))

#define MZ_MAP_RDONLY 0
#define MZ_MAP_SPARSE 0
#define MZ_MAP_MMAPABLE 0
#define MZ_MAP(map, mkind, ktype, vtype, entries, mflags)                                  \
	static struct mz_native_map map = { .name = #map, .kind = MZ_NATIVE_##mkind,       \
					    .key_size = sizeof(ktype),                     \
					    .value_size = sizeof(vtype),                   \
					    .max_entries = (entries) }
#define MZ_PROGRAMS(map, entries) /* functions */
#define MZ_CONSTANT
#define MZ_RING(map, bytes) static const uint32_t map __attribute__((unused)) = (bytes)

#define mz_lookup(map, key)        mz_native_lookup(&map, key)
#define mz_insert(map, key, value) mz_native_update(&map, key, value)
#define mz_insert_new(map, key, value) \
	(mz_native_lookup(&map, key) ? -MZ_EEXIST : mz_native_update(&map, key, value))
#define mz_remove(map, key)        mz_native_delete(&map, key)
#define mz_atomic_add(at, n)       (*(at) += (n))
#define mz_atomic_take(at, n)        __sync_fetch_and_add(at, n)
#define mz_atomic_swap(at, from, to) __sync_val_compare_and_swap(at, from, to)
#define mz_ring_output(ring, record, size) \
	do {                                       \
		(void)(ring);                                       \
		__builtin_memcpy(&mz_native_last_event, record, size); \
		mz_native_events++;                                 \
	} while (0)

static union mz_any_event mz_native_last_event;
static uint32_t mz_native_events;
static uint32_t mz_native_clock;
static struct mz_cfg mz_cfg;

static inline __u32 mz_now(void)
{
	return mz_native_clock;
}

static uint64_t mz_native_ns;

static inline __u64 mz_now_ns(void)
{
	return mz_native_ns;
}

static inline __u32 mz_csum(const uint8_t *at, __u32 len, __u32 sum)
{
	__u64 s = sum;

	for (__u32 i = 0; i < len; i += 2)
		s += (__u32)(at[i] | at[i + 1] << 8);
	while (s >> 32)
		s = (s & 0xffffffff) + (s >> 32);
	return (__u32)s;
}

#define mz_unlikely(x) __builtin_expect(!!(x), 0)

typedef struct mz_native_packet mz_ctx_t;

#include "bpf/lib/pkt.h"
#include "bpf/target/plain.h"

static inline void mz_reload(struct mz_pkt *p)
{
	p->data = p->ctx->data;
	p->end = p->ctx->data + p->ctx->len;
}

static inline void mz_pull(struct mz_pkt *p, __u32 want)
{
	(void)p;
	(void)want;
}

static inline void mz_open(struct mz_pkt *p)
{
	mz_reload(p);
	p->len = p->ctx->len;
	p->trace = p->ctx->trace;
}

/* The whole length costs nothing here. */
#define mz_open_head(p, front) mz_open(p)
#define mz_measure(p, bytes)   ((void)(bytes))

/* Bytes of the packet as it is now. */
static inline __u32 mz_length(struct mz_pkt *p)
{
	return p->ctx->len;
}

#define MZ_HAS_ENDPOINT_FUNCTIONS 1
#define MZ_HAS_HOP_FUNCTIONS      1

static mz_native_function mz_native_functions[MZ_FUNCTIONS];
static int mz_native_jump(mz_ctx_t *ctx, __u32 slot, int hop);

/* A call, in truth: what is left of this program then does nothing. */
#define MZ_JUMPS_COME_BACK 1
static int mz_native_gone; /* the verdict of the program that ended the packet */
#define mz_jump(p, slot)                                                                       \
	do {                                                                                   \
		if ((slot) >= MZ_FUNCTION_RESUME || mz_native_functions[slot]) {               \
			mz_native_gone = mz_native_jump((p)->ctx, slot, (p)->point == MZ_POINT_HOP); \
			return mz_end(p, MZ_ACT_GONE, MZ_R_NONE);                              \
		}                                                                              \
	} while (0)

#define MZ_IS_HOP 1
#define MZ_DELIVERS_ALL 1

#define MZ_HAS_GROUPS 1

static int mz_native_jump_group(mz_ctx_t *ctx, __u32 slot);
#define mz_jump_group(p, slot)                                       \
	do {                                                         \
		mz_native_gone = mz_native_jump_group((p)->ctx, slot); \
		return mz_end(p, MZ_ACT_GONE, MZ_R_NONE);            \
	} while (0)

/* A copy of the packet as it is, for the caller. */
static struct mz_native_copy mz_native_copies[MZ_NATIVE_COPIES];
static uint32_t mz_native_copied;

static inline int mz_clone(mz_ctx_t *ctx, __u32 ifindex)
{
	struct mz_native_copy *c = &mz_native_copies[mz_native_copied % MZ_NATIVE_COPIES];

	if (ifindex >= MZ_NATIVE_NO_DEVICE)
		return -1;
	c->ifindex = ifindex;
	c->len = ctx->len < sizeof(c->frame) ? ctx->len : (uint32_t)sizeof(c->frame);
	__builtin_memcpy(c->frame, ctx->data, c->len);
	mz_native_copied++;
	return 0;
}

static inline __u32 mz_zero(struct mz_pkt *p)
{
	(void)p;
	return 0;
}

#define MZ_CAN_REFIT 0

static inline int mz_refit(struct mz_pkt *p, __u32 len)
{
	(void)p, (void)len;
	return -1;
}

static inline __u32 mz_in_ifindex(struct mz_pkt *p)
{
	return p->ctx->ifindex;
}

static inline __u32 mz_gso_size(struct mz_pkt *p)
{
	return p->ctx->gso_size;
}

static inline __u32 mz_ctx_segments(mz_ctx_t *ctx)
{
	return ctx->gso_size ? (ctx->len + ctx->gso_size - 1) / ctx->gso_size : 1;
}

static inline __u32 mz_ctx_ifindex(mz_ctx_t *ctx)
{
	return ctx->ifindex;
}

#define MZ_HAS_QOS 1

static inline void mz_ctx_departure(mz_ctx_t *ctx, __u64 ns)
{
	ctx->departure = ns;
}

static inline void mz_set_priority(struct mz_pkt *p, __u32 priority)
{
	p->ctx->priority = priority;
}

/* Opens `len` bytes; the Ethernet header is to be written anew. */
static inline int mz_push_head(struct mz_pkt *p, __u32 len)
{
	if (p->ctx->headroom < len)
		return -1;
	p->ctx->headroom -= len;
	p->ctx->data -= len;
	p->ctx->len += len;
	mz_reload(p);
	return 0;
}

/* Opens the outer headers, of the family `v6` says. */
static inline int mz_push_outer(struct mz_pkt *p, int v6)
{
	return mz_push_head(p, v6 ? MZ_OUTER_LEN6 : MZ_OUTER_LEN4);
}

static inline int mz_resize(struct mz_pkt *p, __u32 len)
{
	if (len > p->ctx->len + p->ctx->tailroom)
		return -1;
	p->ctx->tailroom = p->ctx->len + p->ctx->tailroom - len;
	p->ctx->len = len;
	mz_reload(p);
	return 0;
}

static inline int mz_pop_outer(struct mz_pkt *p, __u32 len)
{
	if (len > p->ctx->len || p->ctx->fixed_head)
		return -1;
	p->ctx->headroom += len;
	p->ctx->data += len;
	p->ctx->len -= len;
	mz_reload(p);
	return 0;
}

/* Another family's IP header in the place of the outer one, not filled in. */
static inline int mz_shift_outer(struct mz_pkt *p, int v6)
{
	return v6 ? mz_push_head(p, 20) : mz_pop_outer(p, 20);
}

static inline int mz_load(struct mz_pkt *p, __u32 off, void *to, __u32 len)
{
	if (off + len > p->ctx->len)
		return -1;
	__builtin_memcpy(to, p->ctx->data + off, len);
	return 0;
}

static inline int mz_ctx_load(mz_ctx_t *ctx, __u32 off, void *to, __u32 len)
{
	if (off + len > ctx->len)
		return -1;
	__builtin_memcpy(to, ctx->data + off, len);
	return 0;
}

static inline int mz_ctx_store(mz_ctx_t *ctx, __u32 off, const void *from, __u32 len)
{
	if (off + len > ctx->len)
		return -1;
	__builtin_memcpy(ctx->data + off, from, len);
	return 0;
}

#define MZ_CAN_RESOLVE 0

/* No kernel: the FIB is what the caller says. */
static inline int mz_fib(struct mz_pkt *p, struct bpf_fib_lookup *fib)
{
	if (p->ctx->fib) {
		*fib = *p->ctx->fib;
		return p->ctx->fib_rc;
	}
	fib->ifindex = 0;
	return BPF_FIB_LKUP_RET_NOT_FWDED;
}

static inline int mz_verdict(struct mz_pkt *p)
{
	if (p->act == MZ_ACT_GONE)
		return mz_native_gone;
	p->ctx->out_ifindex = p->out_ifindex;
	p->ctx->reason = p->why;
	return p->act;
}

#endif
