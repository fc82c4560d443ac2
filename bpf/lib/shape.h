/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rates, by earliest departure time (bpf/abi/qos.h). A packet first looks at all of its
 * clocks and is dropped or marked by the queues it finds; only then it moves them on: what
 * is dropped costs nobody anything. */
#ifndef MZ_LIB_SHAPE_H
#define MZ_LIB_SHAPE_H

#include "bpf/lib/clock.h"
#include "bpf/lib/eth.h"
#include "bpf/lib/function.h"
#include "bpf/lib/inner.h"
#include "bpf/lib/rewrite.h"

#if MZ_HAS_QOS

/* A flow without packets in the queue passes the others, with no more than that at once. */
#define MZ_SPARSE_BYTES 3028u

#define MZ_SENDER_TIERS 3 /* of MZ_SHAPER_TIERS */

/* Bytes a packet is charged for at most, of what its sender says of segments: mz_cost(). */
#define MZ_WIRE_MOST 0x7fffffu

static __always_inline __u64 mz_later(__u64 a, __u64 b)
{
	return a > b ? a : b;
}

static __always_inline __u64 mz_sooner(__u64 a, __u64 b)
{
	return a < b ? a : b;
}

/* A flow that has no packet in the queue passes those that have: looked at where there is a
 * queue at all. */
static __noinline int mz_is_sparse(struct mz_shaping *s)
{
	__u32 slot = s->slot & (MZ_SPARSE_SLOTS - 1);
	__u64 *until = mz_lookup(mz_sparse, &slot);

	if (s->sparse == MZ_SPARSE_UNKNOWN)
		s->sparse = until && s->bytes <= MZ_SPARSE_BYTES && !mz_clock_ahead(until, s->now);
	return s->sparse;
}

static __always_inline void mz_is_queued(struct mz_shaping *s)
{
	__u32 slot = s->slot & (MZ_SPARSE_SLOTS - 1);
	__u64 *until = mz_lookup(mz_sparse, &slot);

	if (until)
		*until = s->now + s->waits;
}

/* What a queue of `ahead` ticks means for the packet. Where nothing keeps packets the queue
 * is a bucket of tokens. */
static __noinline int mz_judge_queue(struct mz_shaping *s, struct mz_limit_clock *c, const struct mz_limit *l,
				     __u64 ahead)
{
	if (ahead > l->mark)
		s->mark |= s->ect;
	if (ahead > (s->paced ? l->horizon : l->bucket))
		s->why = s->paced ? MZ_R_QOS_HORIZON : MZ_R_QOS_RATE;
	else if (s->paced && s->sparse != 1 && mz_codel(c, ahead, l->drop, s->now) && !s->ect)
		s->why = MZ_R_QOS_QUEUE;
	return 0;
}

/* The scratch of the packet at hand, for functions that are verified by themselves. */
static __always_inline struct mz_shaping *mz_shaping_now(void)
{
	__u32 zero = 0;

	return mz_lookup(mz_shapings, &zero);
}

/* Read anew wherever it is an index: before 6.12 what a comparison has shown of a number is lost
 * where that is kept on the stack. */
static __always_inline __u32 mz_class_of(const struct mz_shaping *s)
{
	return *(const volatile __u32 *)&s->class_;
}

/* How long a packet would wait for one limit. */
static __noinline __u64 mz_limit_look(struct mz_shaping *s, const struct mz_limit *l, const struct mz_limit_clock *c)
{
	__u64 ahead = 0;

	if (l->byte)
		ahead = mz_clock_ahead(&c->bytes, s->now);
	if (ahead && mz_is_sparse(s))
		ahead = mz_clock_ahead(&c->sparse, s->now);
	if (l->packet)
		ahead = mz_later(ahead, mz_clock_ahead(&c->packets, s->now));
	return ahead;
}

int mz_shaper_look(__u32 at);

/* One shaper's word on a packet that finds a queue, or several limits; with nothing
 * moved. */
__noinline int mz_shaper_look(__u32 at)
{
	const struct mz_shaper *r = mz_lookup(mz_shapers, &at);
	struct mz_clocks *all = mz_lookup(mz_clocks, &at);
	struct mz_shaping *s = mz_shaping_now();
	const struct mz_limit *l;
	struct mz_class_clocks *c;
	__u64 ahead;
	__u32 k;

	if (!r || !all || !s)
		return 0;
	k = mz_class_of(s);
	if (k >= MZ_CLASSES)
		return 0;
	l = &r->class_[k];
	c = &all->class_[k];
	if (r->flags & MZ_SHAPER_F_WHOLE) {
		ahead = mz_limit_look(s, &r->whole, &c->whole);
		if (ahead && l->floor)
			ahead = mz_sooner(ahead, mz_clock_ahead(&c->floor, s->now));
		if (ahead > r->whole.mark || c->whole.above)
			mz_judge_queue(s, &c->whole, &r->whole, ahead);
	}
	if (!s->why && (r->flags & MZ_SHAPER_F_CLASSES)) {
		ahead = mz_limit_look(s, l, &c->own);
		if (ahead > l->mark || c->own.above)
			mz_judge_queue(s, &c->own, l, ahead);
	}
	s->dropped_by = at; /* the last that looked, if any drops it */
	return 0;
}

/* A shaper of one rate, in bytes, without guarantees: most are. */
static __always_inline int mz_is_plain(const struct mz_shaper *r)
{
	return r->flags == MZ_SHAPER_F_WHOLE && r->whole.byte && !r->whole.packet;
}

static __always_inline void mz_look(struct mz_shaping *s, __u32 at)
{
	const struct mz_shaper *r = mz_lookup(mz_shapers, &at);
	struct mz_clocks *all = mz_lookup(mz_clocks, &at);
	__u32 k = mz_class_of(s);
	struct mz_limit_clock *c;

	if (!r || !all || k >= MZ_CLASSES || !r->flags)
		return;
	c = &all->class_[k].whole;
	if (!mz_is_plain(r) || c->above || mz_clock_ahead(&c->bytes, s->now))
		mz_shaper_look(at);
}

/* Moves the clocks of one limit on: how long the packet waits for it. */
static __noinline __u64 mz_limit_take(struct mz_shaping *s, const struct mz_limit *l, struct mz_limit_clock *c)
{
	__u64 ahead = 0, cost;

	if (l->byte) {
		cost = mz_cost(s->wire, l->byte);
		ahead = mz_clock_take(&c->bytes, cost, s->now, l->burst);
		if (ahead && s->sparse == 1) /* half the rate: who only begins flows starves nobody */
			ahead = mz_clock_take(&c->sparse, 2 * cost, s->now, l->burst);
	}
	if (l->packet)
		ahead = mz_later(ahead, mz_clock_take(&c->packets, s->segments * l->packet, s->now, l->burst));
	return ahead;
}

/* What is guaranteed bounds the wait: the clock of `byte` hands out its places, too. */
static __noinline __u64 mz_floor_take(struct mz_shaping *s, __u64 *clock, __u64 byte, __u64 ahead)
{
	if (mz_clock_ahead(clock, s->now) >= ahead)
		return ahead;
	return mz_clock_take(clock, mz_cost(s->wire, byte), s->now, 0);
}

static __always_inline struct mz_shaped *mz_shaped_of(const struct mz_shaping *s, __u32 at)
{
	struct mz_shaped_classes *all = mz_lookup(mz_shaped, &at);
	__u32 k = mz_class_of(s);

	return all && k < MZ_CLASSES ? &all->class_[k] : NULL;
}

/* The packet went by this shaper. */
static __always_inline void mz_shaper_count(struct mz_shaping *s, __u32 at)
{
	struct mz_shaped *n = mz_shaped_of(s, at);

	if (!n)
		return;
	n->packets += s->segments;
	n->bytes += s->wire;
	if (s->mark)
		n->marked += s->segments;
	n->delay += s->waits >> MZ_TICK_BITS;
}

static __always_inline void mz_wire(struct mz_shaping *s, const struct mz_shaper *r)
{
	s->wire = s->bytes + s->segments * r->overhead;
	if (s->wire > MZ_WIRE_MOST)
		s->wire = MZ_WIRE_MOST;
}

/* Classes from `from` to before `to` are charged for the packet, too. */
static __noinline int mz_take_others(struct mz_shaping *s, const struct mz_limit *l, struct mz_clocks *all, __u32 from,
				     __u32 to)
{
	for (__u32 k = 0; k < MZ_CLASSES; k++)
		if (k >= from && k < to)
			mz_limit_take(s, l, &all->class_[k].whole);
	return 0;
}

int mz_shaper_take(__u32 at);

/* Moves the clocks of one shaper on that is not plain, or of a class that others wait for: how
 * long the packet waits for it, and for those outside it. */
__noinline int mz_shaper_take(__u32 at)
{
	const struct mz_shaper *r = mz_lookup(mz_shapers, &at);
	struct mz_clocks *all = mz_lookup(mz_clocks, &at);
	struct mz_shaping *s = mz_shaping_now();
	const struct mz_limit *l;
	struct mz_class_clocks *c;
	__u64 ahead = 0, sooner;
	__u32 k;

	if (!r || !all || !s)
		return 0;
	k = mz_class_of(s);
	if (k >= MZ_CLASSES)
		return 0;
	l = &r->class_[k];
	c = &all->class_[k];
	mz_wire(s, r);
	if (r->flags & MZ_SHAPER_F_WHOLE) {
		ahead = mz_limit_take(s, &r->whole, &c->whole);
		mz_take_others(s, &r->whole, all, k + 1, MZ_CLASSES); /* those behind it wait for it */
		if (ahead && l->floor) {
			sooner = mz_floor_take(s, &c->floor, l->floor, ahead);
			if (sooner < ahead) /* those before it wait for what it has in front of them */
				mz_take_others(s, &r->whole, all, 0, k);
			ahead = sooner;
		}
		if (s->waits && r->whole.floor)
			s->waits = mz_floor_take(s, &all->floor, r->whole.floor, s->waits);
	}
	if (r->flags & MZ_SHAPER_F_CLASSES)
		ahead = mz_later(ahead, mz_limit_take(s, l, &c->own));
	s->waits = mz_later(s->waits, ahead);
	mz_shaper_count(s, at);
	return 0;
}

static __always_inline void mz_take(struct mz_shaping *s, __u32 at)
{
	const struct mz_shaper *r = mz_lookup(mz_shapers, &at);
	struct mz_clocks *all = mz_lookup(mz_clocks, &at);
	struct mz_limit_clock *c;
	__u64 ahead;

	if (!r || !all || !r->flags)
		return;
	if (s->class_ != MZ_CLASS_BEST_EFFORT || !mz_is_plain(r) || r->class_[MZ_CLASS_BEST_EFFORT].floor || r->whole.floor ||
	    s->sparse == 1) {
		mz_shaper_take(at);
		return;
	}
	c = &all->class_[MZ_CLASS_BEST_EFFORT].whole;
	mz_wire(s, r);
	ahead = mz_clock_take(&c->bytes, mz_cost(s->wire, r->whole.byte), s->now, r->whole.burst);
	s->waits = mz_later(s->waits, ahead);
	mz_shaper_count(s, at);
}

static __noinline int mz_shaper_drop(struct mz_shaping *s)
{
	struct mz_shaped *n = mz_shaped_of(s, s->dropped_by);

	if (n)
		n->dropped += s->segments;
	return (int)s->why;
}

/* Moves the clocks of all on, unless one of them drops the packet: returns why, or 0. What most
 * packets need stands in one function, for a call costs a third of a clock read. */
static __always_inline __u32 mz_shape_by_all(struct mz_shaping *s)
{
	__u64 sent = 0;

	s->ns = mz_now_ns();
	s->now = s->ns << MZ_TICK_BITS;
	for (__u32 i = 0; i < MZ_SHAPER_TIERS && !s->why; i++)
		if (s->shaper[i])
			mz_look(s, s->shaper[i]);
	if (s->why)
		return mz_shaper_drop(s);
	for (__u32 i = 0; i < MZ_SHAPER_TIERS; i++) {
		if (i == MZ_SENDER_TIERS) { /* what the receiver is guaranteed is nothing to the sender */
			sent = s->waits;
			s->waits = 0;
		}
		if (s->shaper[i])
			mz_take(s, s->shaper[i]);
	}
	s->waits = mz_later(s->waits, sent);
	if (s->waits)
		mz_is_queued(s);
	return 0;
}

/* Bytes of the frame as the wire sees it, with the headers of each segment, and how many.
 * `l4`: offset of the transport header. */
static __always_inline void mz_shape_size(mz_ctx_t *ctx, struct mz_shaping *s, __u32 l2, __u32 l4, int tcp)
{
	__u32 offset = 0x50; /* of TCP it says */

	s->segments = mz_ctx_segments(ctx);
	s->bytes = ctx->len - l2;
	if (s->segments == 1)
		return;
	if (tcp)
		mz_ctx_load(ctx, l4 + 12, &offset, 1);
	s->bytes += (s->segments - 1) * (l4 - l2 + (tcp ? (offset & 0xf0) >> 2 : 8));
}

/* The endpoint of a port that has limits, or NULL. */
static __always_inline const struct mz_port *mz_shaped_port(__u32 ifindex)
{
	const struct mz_port *port = mz_port_of(ifindex);

	return port && (port->flags & MZ_EP_F_SHAPED) ? port : NULL;
}

/* Who limits the packet: its sender's side, its receiver's. Whether its way has something
 * that keeps packets: the receiver's interface, if it is here, else the uplink. */
static __always_inline void mz_shapers_of(struct mz_shaping *s, __u32 in, __u32 out)
{
	const struct mz_port *from = in ? mz_shaped_port(in) : NULL, *to = out ? mz_port_of(out) : NULL;
	const struct mz_level *level;
	__u32 slot = 0;

	s->shaper[0] = in ? 0 : MZ_SHAPER_UPLINK_IN;
	if (from) {
		s->shaper[1] = from->vpc_shaper[MZ_DIR_EGRESS];
		s->shaper[2] = from->shaper[MZ_DIR_EGRESS];
	}
	if (out && !to) /* it goes at this moment */
		return;
	if (to) {
		s->shaper[3] = to->vpc_shaper[MZ_DIR_INGRESS];
		s->shaper[4] = to->shaper[MZ_DIR_INGRESS];
		s->paced = (to->flags & MZ_EP_F_PACED) != 0;
		return;
	}
	s->shaper[0] = MZ_SHAPER_UPLINK_OUT;
	level = mz_lookup(mz_levels, &slot);
	s->paced = level && (level->flags & MZ_LEVEL_F_PACED);
}

/* What mz_shape() is told of the packet, besides where its headers are: its level, from
 * bit 8 on its TOS, from 16 on its protocol, and */
#define MZ_SHAPE_V6   0x01000000
#define MZ_SHAPE_HERE 0x02000000 /* an endpoint of this host sends it */
/* ... and what it returns besides a reason to drop it. */
#define MZ_SHAPE_MARKED 0x1000
#define MZ_SHAPE_PACED  0x2000 /* something keeps it: it is to go by there */

int mz_shape(mz_ctx_t *ctx, __u32 what, __u32 headers, __u32 flow, __u32 out);

/* Shapes the packet. `headers`: offsets of its Ethernet header and, from bit 16 on, of its
 * transport header; `flow`: the same of all its packets; `out`: the interface of the endpoint
 * it goes to, 0: of another host. A function that is verified by itself, once for all ways to
 * it. */
__noinline int mz_shape(mz_ctx_t *ctx, __u32 what, __u32 headers, __u32 flow, __u32 out)
{
	__u32 level = (what & 0xff & ~MZ_LEVEL_TOLD) - 1, why, l2 = headers & MZ_OFF_MASK;
	struct mz_shaping *s = mz_shaping_now();

	if (!s)
		return 0;
	__builtin_memset(s, 0, sizeof(*s));
	mz_shapers_of(s, what & MZ_SHAPE_HERE ? mz_ctx_ifindex(ctx) : 0, out);
	s->class_ = level < MZ_LEVELS - 1 ? level / MZ_PRIORITIES : MZ_CLASS_BEST_EFFORT;
	s->slot = mz_mix32(flow ^ s->shaper[2] ^ s->shaper[4] << 16);
	s->ect = (what >> 8 & MZ_ECN_MASK) != 0;
	s->sparse = MZ_SPARSE_UNKNOWN;
	mz_shape_size(ctx, s, l2, headers >> 16 & MZ_OFF_MASK, (what >> 16 & 0xff) == IPPROTO_TCP);
	why = mz_shape_by_all(s);
	if (why)
		return (int)why;
	if (s->mark) /* as a router would (RFC 3168) */
		mz_set_tos(ctx, l2 + ETH_HLEN, what & MZ_SHAPE_V6, (what >> 8 & 0xff) | MZ_ECN_CE);
	if (s->paced && s->waits)
		mz_ctx_departure(ctx, s->ns + (s->waits >> MZ_TICK_BITS));
	return s->mark * MZ_SHAPE_MARKED | s->paced * MZ_SHAPE_PACED;
}

static __always_inline int mz_shape_packet(struct mz_pkt *p)
{
	__u32 what, rc;

	MZ_ABI_ASSERT(MZ_DIR_EGRESS == 0 && MZ_DIR_INGRESS == 1);
	what = p->qos_class | (__u32)p->tos << 8 | (__u32)p->proto << 16 | p->v6 * MZ_SHAPE_V6 |
	       (p->dir ^ 1u) * MZ_SHAPE_HERE;
	rc = (__u32)mz_shape(p->ctx, what, p->l2 | (p->l2 + ETH_HLEN + p->l4) << 16,
			     p->src.w[3] ^ p->dst.w[3] ^ p->ports, p->out_ifindex);
	mz_reload(p);
	/* Without branches: the ways here meet for the verifier. */
	p->tos |= (rc / MZ_SHAPE_MARKED & 1) * MZ_ECN_CE;
	p->deliver_flags &= ~((rc / MZ_SHAPE_PACED & 1) * MZ_EP_F_PEER); /* which goes past its qdisc */
	return rc & 0xfff;
}

/* Rates of what is about to leave: to the endpoint behind p->out_ifindex, or to another host.
 * `flags`: MZ_EP_F_* of both its ends that are here. */
static __always_inline int mz_stage_shape(struct mz_pkt *p, __u32 flags)
{
	int why;

	if (p->trace || !mz_function_bits(flags, MZ_EP_F_SHAPED))
		return MZ_NEXT;
	why = mz_shape_packet(p);
	return why ? mz_drop(p, (enum mz_reason)why) : MZ_NEXT;
}

#else

static __always_inline int mz_stage_shape(struct mz_pkt *p, __u32 flags)
{
	(void)p, (void)flags;
	return MZ_NEXT;
}

#endif

/* XDP leaves what is kept to rates to TC. */
static __always_inline int mz_defers_shaping(const struct mz_pkt *p)
{
	return !MZ_HAS_QOS && mz_function_bits(p->deliver_flags, MZ_EP_F_SHAPED);
}

/* Where the endpoint's own DSCP is taken for what it says (RFC 8325). */
static __always_inline void mz_stage_trust(struct mz_pkt *p, const struct mz_port *port)
{
	__u32 slot = MZ_LEVEL_OF_DSCP + (p->tos >> 2);
	const struct mz_level *row;

	if (!MZ_HAS_QOS || !mz_function_bits(port->flags, MZ_EP_F_TRUST))
		return;
	row = mz_lookup(mz_levels, &slot);
	if (row && row->level)
		p->qos_class = row->level;
}

#endif
