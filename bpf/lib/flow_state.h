/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a flow goes through: its states, how long each lasts, and the step by which a
 * packet opens it, moves it or ends it. */
#ifndef MZ_LIB_FLOW_STATE_H
#define MZ_LIB_FLOW_STATE_H

#include "bpf/lib/l4.h"

#define MZ_BOTH_DIRS (1u << MZ_DIR_EGRESS | 1u << MZ_DIR_INGRESS)

static __always_inline __u32 mz_flow_timeout(const struct mz_flow *f, __u32 proto)
{
	__u32 timer = MZ_TIMER_OTHER;

	if (proto == IPPROTO_TCP)
		timer = f->state == MZ_FLOW_RESET ? MZ_TIMER_TCP_RESET :
			f->state == MZ_FLOW_CLOSED ? MZ_TIMER_TCP_CLOSED :
			f->state == MZ_FLOW_CLOSING ? MZ_TIMER_TCP_CLOSING :
			f->state == MZ_FLOW_ESTABLISHED ? MZ_TIMER_TCP_ESTABLISHED : MZ_TIMER_TCP_OPENING;
	else if (proto == IPPROTO_UDP)
		timer = f->state == MZ_FLOW_OPENING ? MZ_TIMER_UDP_OPENING : MZ_TIMER_UDP_ESTABLISHED;
	else if (proto == IPPROTO_ICMP || proto == MZ_ICMP6)
		timer = MZ_TIMER_ICMP;
	else if (proto == IPPROTO_SCTP)
		timer = f->state > MZ_FLOW_ESTABLISHED ? MZ_TIMER_SCTP_CLOSING :
			f->state == MZ_FLOW_ESTABLISHED ? MZ_TIMER_SCTP_ESTABLISHED : MZ_TIMER_SCTP_OPENING;
	return mz_cfg.flow_timeout[timer];
}

/* A handshake waits for its answer, whatever else comes; without one the first
 * packet of the other side is the answer. */
static __always_inline __u8 mz_flow_quiet_dirs(const struct mz_flow *f)
{
	if (f->state == MZ_FLOW_OPENING && !(f->flags & MZ_FLOW_F_HANDSHAKE))
		return (__u8)(1u << f->opener);
	if (f->state == MZ_FLOW_ANSWERED)
		return (__u8)(1u << !f->opener);
	return MZ_BOTH_DIRS;
}

/* The flow at t->flow; NULL: none. */
static __always_inline struct mz_flow *mz_flow_at(const struct mz_talk *t)
{
	struct mz_flow_key *key = mz_own_key(&t->flow);

	return key ? mz_lookup(mz_flows, key) : NULL;
}

/* Once a state: a function of its own, for programs have only so many instructions. */
static __noinline void mz_flow_enter(struct mz_flow *f, __u32 proto, __u8 state)
{
	f->state = state;
	f->timeout = mz_flow_timeout(f, proto);
	f->quiet = mz_flow_quiet_dirs(f);
}

/* The state after a packet in direction `dir`; one that has ended stays so until
 * it is opened anew. Sequence numbers are not looked at: a forged RST, which only
 * the two ends could send, shortens a timer and ends nothing. */
static __always_inline __u8 mz_flow_next(struct mz_flow *f, __u8 event, __u8 dir)
{
	__u8 answer = dir != f->opener;

	if (f->state >= MZ_FLOW_CLOSED)
		return event == MZ_L4_ABORT ? MZ_FLOW_RESET : f->state;
	switch (event) {
	case MZ_L4_ABORT:
		return MZ_FLOW_RESET;
	case MZ_L4_CLOSE:
		f->flags |= (__u8)(1u << dir);
		return (f->flags & MZ_BOTH_DIRS) == MZ_BOTH_DIRS ? MZ_FLOW_CLOSED : MZ_FLOW_CLOSING;
	case MZ_L4_ACCEPT:
		if (f->state == MZ_FLOW_OPENING && answer)
			return MZ_FLOW_ANSWERED;
		break;
	case MZ_L4_OPEN: /* both at once (RFC 9293 3.5): the other SYN is the answer */
		if (f->state == MZ_FLOW_OPENING && answer)
			return MZ_FLOW_ANSWERED;
		return f->state;
	default: /* of a handshake none comes here before its answer: all are quiet */
		if (f->state == MZ_FLOW_OPENING && answer)
			return MZ_FLOW_ESTABLISHED;
	}
	return f->state == MZ_FLOW_ANSWERED && !answer ? MZ_FLOW_ESTABLISHED : f->state;
}

static __always_inline void mz_flow_count(struct mz_flow *f, __u8 dir, __u32 len)
{
	f->packets[dir & 1]++;
	f->bytes[dir & 1] += len;
}

/* The level that a packet goes by, which has `was` (MZ_LEVEL() and MZ_LEVEL_TOLD, as pkt.h has
 * it): what is said here of its conversation before what the other end's host says, and both
 * before what its endpoint has. Sent on as told only if it is said here, or two hosts would
 * remind each other for ever of what nobody says any more. */
static __always_inline __u8 mz_flow_level(struct mz_flow *f, __u32 was, __u32 dir)
{
	__u8 heard = (__u8)(was & MZ_LEVEL_TOLD ? was & ~MZ_LEVEL_TOLD : 0);

	if (dir == MZ_DIR_EGRESS)
		return (__u8)(f->level ? f->level | MZ_LEVEL_TOLD : f->heard ? f->heard : was);
	if (f->heard != heard)
		f->heard = heard;
	return (__u8)(f->level ? f->level : was & ~MZ_LEVEL_TOLD);
}

static __always_inline int mz_flow_ended(const struct mz_flow *f, __u32 now)
{
	/* Signed: another CPU may have seen a later packet. */
	return (__s32)(now - f->seen) > (__s32)f->timeout;
}

/* The same address and ports, but not the same conversation. */
static __always_inline int mz_flow_is_other(const struct mz_flow *f, __u32 ifindex, __u8 event, __u32 now)
{
	return f->ifindex != ifindex || mz_flow_ended(f, now) || (event == MZ_L4_OPEN && f->state >= MZ_FLOW_CLOSED) ||
	       (f->flags & MZ_FLOW_F_REVERSE);
}

static __always_inline void mz_flow_stat(int refused, int failed)
{
	__u32 zero = 0;
	struct mz_flow_stats *s = mz_lookup(mz_flow_stats, &zero);

	if (!s)
		return;
	s->opened += !refused && !failed;
	s->refused += (__u64)refused;
	s->failed += (__u64)failed;
}

#define MZ_FLOW_F_TRANSLATED (MZ_FLOW_F_NAT | MZ_FLOW_F_SELF | MZ_FLOW_F_SOURCE)

static __always_inline struct mz_flow *mz_flow_blank(__u32 ifindex, __u32 now)
{
	__u32 zero = 0;
	struct mz_flow *f = mz_lookup(mz_new_flow, &zero);

	if (!f)
		return NULL; /* cannot be */
	__builtin_memset(f, 0, sizeof(*f));
	f->seen = now;
	f->opened = now;
	f->ifindex = ifindex;
	return f;
}

/* Where a flow goes that has been chosen for. */
static __noinline void mz_flow_serve(struct mz_flow *f, const struct mz_talk *t)
{
	f->to = t->to;
	f->to_port = t->to_port;
	f->from_port = t->from_port;
	f->flags = (__u8)((f->flags & ~MZ_FLOW_F_TRANSLATED) | t->nat);
	f->level = t->opens >> 1;
}

/* Opens the flow at t->flow, as `j` says it was judged. `before`: one that has ended, in
 * whose place it comes and which the quota counts already. Returns the level that the packet,
 * which has `was`, goes by, from bit 16 on, or the reason it may not be. */
static __always_inline __u32 mz_flow_open(const struct mz_talk *t, const struct mz_judging *j, __u32 ifindex,
					__u32 len, __u8 event, __u8 dir, const struct mz_flow *before, __u32 now,
					__u32 was)
{
	__u32 slot = ifindex & (MZ_PORTS - 1);
	const struct mz_port *port = mz_lookup(mz_ports, &slot);
	__u32 *used = mz_lookup(mz_flow_use, &slot);
	__u8 state = MZ_FLOW_OPENING;
	int instead = before != NULL;
	struct mz_flow_key *own;
	struct mz_flow *f;
	__u32 level = was << 16;
	int rc;

	/* Nothing to remember: what would answer is not known to have been asked. */
	if (!port || port->ifindex != ifindex || !used || event == MZ_L4_REPLY || event == MZ_L4_ABORT)
		return level;
	if (!instead && *used >= port->max_flows) {
		mz_flow_stat(1, 0);
		return MZ_R_FLOW_QUOTA;
	}
	f = mz_flow_blank(ifindex, now);
	if (!f)
		return level;
	f->opener = dir;
	f->level = j->level;
	f->policy = j->policy;
	f->label = j->from;
	if (event == MZ_L4_OPEN) {
		f->flags = MZ_FLOW_F_HANDSHAKE;
	} else if (event == MZ_L4_ACCEPT) { /* its SYN passed before we looked */
		f->opener = !dir;
		f->policy = j->policy ? MZ_POLICY_UNJUDGED : 0;
		state = MZ_FLOW_ANSWERED;
	} else if (event == MZ_L4_CLOSE) {
		f->flags = (__u8)(1u << dir);
		state = MZ_FLOW_CLOSING;
	}
	/* A backend may speak first after a long silence. */
	if (before && before->ifindex == ifindex && (before->flags & MZ_FLOW_F_NAT)) {
		f->flags |= before->flags & MZ_FLOW_F_TRANSLATED;
		f->to = before->to;
		f->to_port = before->to_port;
		f->from_port = before->from_port;
		f->level = before->level;
	}
	level = (__u32)mz_flow_level(f, was, dir) << 16;
	if (t->opens)
		mz_flow_serve(f, t);
	mz_flow_enter(f, t->flow.proto, state);
	mz_flow_count(f, dir, len);
	own = mz_own_key(&t->flow);
	if (!own)
		return level;
	rc = instead ? mz_insert(mz_flows, own, f) : mz_insert_new(mz_flows, own, f);
	if (rc) {
		if (rc != -MZ_EEXIST) /* another CPU was faster */
			mz_flow_stat(0, 1);
	} else if (!instead) {
		mz_atomic_add(used, 1);
		mz_flow_stat(0, 0);
	}
	return level;
}

/* Or'ed to the direction: the caller found none; from bit 16 on, what level the packet has. */
#define MZ_FLOW_MISSED 0x100

__u32 mz_flow_step(struct mz_talk *t, __u32 ifindex, __u32 len, __u32 event, __u32 dir);

/* A packet that opens, moves or ends the flow at t->flow, or is the first of it that was
 * judged anew (mz_flow_asks() was asked). A function of its own, verified once for all
 * who call it. Returns what mz_flow_open() does. */
__noinline __u32 mz_flow_step(struct mz_talk *t, __u32 ifindex, __u32 len, __u32 event, __u32 dir)
{
	struct mz_flow *f = NULL;
	__u32 zero = 0, now;
	const struct mz_judging *j = mz_lookup(mz_judging, &zero);
	__u8 state;

	if (!t || !j)
		return 0;
	now = mz_now();
	if (!(dir & MZ_FLOW_MISSED))
		f = mz_flow_at(t);
	if (t->trace) {
		mz_note_slow(MZ_ST_FLOWS, f ? MZ_OBJ_FLOW : MZ_OBJ_MISS, f ? f->state : 0, dir & 1);
		return dir & ~0xffffu;
	}
	if (!f || mz_flow_is_other(f, ifindex, (__u8)event, now))
		return mz_flow_open(t, j, ifindex, len, (__u8)event, dir & 1, f, now, dir >> 16);
	state = mz_flow_next(f, (__u8)event, dir & 1);
	if (state != f->state)
		mz_flow_enter(f, t->flow.proto, state);
	f->policy = j->policy;
	if (dir & MZ_DIR_INGRESS)
		f->label = j->from;
	if (!(f->flags & MZ_FLOW_F_NAT)) /* that has its service's */
		f->level = j->level;
	f->seen = now;
	mz_flow_count(f, dir & 1, len);
	return (__u32)mz_flow_level(f, dir >> 16, dir & 1) << 16;
}

#endif
