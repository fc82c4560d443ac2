/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Flows of local endpoints: found by one look-up, moved through their states by
 * the few packets that open and close them. The plain packet of a settled flow
 * writes nothing but its counts. */
#ifndef MZ_LIB_FLOW_H
#define MZ_LIB_FLOW_H

#include "bpf/lib/l4.h"
#include "bpf/lib/vip.h"

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

static __always_inline void mz_flow_enter(struct mz_flow *f, __u32 proto, __u8 state)
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

#define MZ_FLOW_F_TRANSLATED (MZ_FLOW_F_NAT | MZ_FLOW_F_SELF)

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

/* Opens a flow. `before`: one that has ended, in whose place it comes and which the
 * quota counts already. Returns 0, or the reason it may not be. */
static __always_inline int mz_flow_open(const struct mz_flow_key *key, __u32 ifindex, __u32 len, __u8 event, __u8 dir,
					const struct mz_flow *before, __u32 now)
{
	__u32 slot = ifindex & (MZ_PORTS - 1);
	const struct mz_port *port = mz_lookup(mz_ports, &slot);
	__u32 *used = mz_lookup(mz_flow_use, &slot);
	__u8 state = MZ_FLOW_OPENING;
	int instead = before != NULL;
	struct mz_flow *f;
	long rc;

	/* Nothing to remember: what would answer is not known to have been asked. */
	if (!port || port->ifindex != ifindex || !used || event == MZ_L4_REPLY || event == MZ_L4_ABORT)
		return 0;
	if (!instead && *used >= port->max_flows) {
		mz_flow_stat(1, 0);
		return MZ_R_FLOW_QUOTA;
	}
	f = mz_flow_blank(ifindex, now);
	if (!f)
		return 0;
	f->opener = dir;
	if (event == MZ_L4_OPEN) {
		f->flags = MZ_FLOW_F_HANDSHAKE;
	} else if (event == MZ_L4_ACCEPT) { /* its SYN passed before we looked */
		f->opener = !dir;
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
	}
	mz_flow_enter(f, key->proto, state);
	mz_flow_count(f, dir, len);
	rc = instead ? mz_insert(mz_flows, key, f) : mz_insert_new(mz_flows, key, f);
	if (rc) {
		if (rc != -MZ_EEXIST) /* another CPU was faster */
			mz_flow_stat(0, 1);
	} else if (!instead) {
		mz_atomic_add(used, 1);
		mz_flow_stat(0, 0);
	}
	return 0;
}

#define MZ_FLOW_MISSED 0x100 /* or'ed to the direction: the caller found none */

int mz_flow_step(struct mz_flow_key *key, __u32 ifindex, __u32 len, __u32 event, __u32 dir);

/* A packet that opens, moves or ends a flow. A function of its own, verified once
 * for all who call it. Returns 0, or the reason the packet is dropped. */
__noinline int mz_flow_step(struct mz_flow_key *key, __u32 ifindex, __u32 len, __u32 event, __u32 dir)
{
	struct mz_flow *f = NULL;
	__u8 state;
	__u32 now;

	if (!key)
		return 0;
	now = mz_now();
	if (!(dir & MZ_FLOW_MISSED))
		f = mz_lookup(mz_flows, key);
	if (!f || mz_flow_is_other(f, ifindex, (__u8)event, now))
		return mz_flow_open(key, ifindex, len, (__u8)event, dir & 1, f, now);
	state = mz_flow_next(f, (__u8)event, dir & 1);
	if (state != f->state)
		mz_flow_enter(f, key->proto, state);
	f->seen = now;
	mz_flow_count(f, dir & 1, len);
	return 0;
}

static __always_inline void mz_flow_key_of(struct mz_flow_key *k, const struct mz_pkt *p, enum mz_dir dir)
{
	int out = dir == MZ_DIR_EGRESS;

	k->vni = p->vni;
	k->proto = p->proto;
	k->local = out ? p->src : p->dst;
	k->remote = out ? p->dst : p->src;
	k->local_port = (__be16)(out ? p->ports : p->ports >> 16);
	k->remote_port = (__be16)(out ? p->ports >> 16 : p->ports);
}

/* ---- flows to services: translated both ways by the client's host ----------- */

/* The flow that an answer's key leads to: t->flow becomes its key. One that has gone
 * meanwhile is opened anew by this answer. */
static __always_inline struct mz_flow *mz_flow_behind(struct mz_talk *t, const struct mz_flow *reverse)
{
	struct mz_flow *f;

	t->to = t->flow.remote;
	t->to_port = t->flow.remote_port;
	t->flow.remote = reverse->to;
	t->flow.remote_port = reverse->to_port;
	f = mz_lookup(mz_flows, &t->flow);
	if (f && ((f->flags & MZ_FLOW_F_TRANSLATED) != MZ_FLOW_F_NAT || !mz_addr_eq(&f->to, &t->to) ||
		  f->to_port != t->to_port)) {
		/* It goes to another backend by now: this one's answers are not its. */
		t->flow.remote = t->to;
		t->flow.remote_port = t->to_port;
		return NULL;
	}
	t->opens = !f;
	t->nat = MZ_FLOW_F_NAT;
	return f;
}

/* A flow to a service has just been opened at t->flow: notes where it goes. */
static __always_inline void mz_flow_serve(const struct mz_talk *t)
{
	struct mz_flow *f = mz_lookup(mz_flows, &t->flow);

	if (!f)
		return;
	f->to = t->to;
	f->to_port = t->to_port;
	f->from_port = t->from_port;
	f->flags = (__u8)((f->flags & ~MZ_FLOW_F_TRANSLATED) | t->nat);
}

int mz_flow_enter_answers(struct mz_talk *t, __u32 ifindex);

/* The entry by which the backend's answers find the flow: their own key. But a client
 * that is its own backend would not take a packet from itself: it comes from the
 * service's address, and what it answers goes there, as a flow of its own. */
__noinline int mz_flow_enter_answers(struct mz_talk *t, __u32 ifindex)
{
	__u32 slot = ifindex & (MZ_PORTS - 1);
	struct mz_flow_key key = {};
	struct mz_flow *r;
	__u32 *used;

	if (!t)
		return 0;
	r = mz_flow_blank(ifindex, mz_now());
	if (!r)
		return 0;
	key = t->flow;
	if (t->nat & MZ_FLOW_F_SELF) {
		r->to = t->flow.local;
		r->to_port = t->flow.local_port;
		r->from_port = t->flow.remote_port;
		r->opener = MZ_DIR_INGRESS;
		r->flags = t->event == MZ_L4_OPEN ? MZ_FLOW_F_TRANSLATED | MZ_FLOW_F_HANDSHAKE : MZ_FLOW_F_TRANSLATED;
		mz_flow_enter(r, t->flow.proto, MZ_FLOW_OPENING);
		key.local_port = t->to_port;
		key.remote_port = t->flow.local_port;
	} else {
		r->to = t->flow.remote;
		r->to_port = t->flow.remote_port;
		r->flags = MZ_FLOW_F_REVERSE;
		key.remote = t->to;
		key.remote_port = t->to_port;
	}
	used = mz_lookup(mz_flow_use, &slot);
	if (mz_insert_new(mz_flows, &key, r))
		mz_insert(mz_flows, &key, r); /* in the place of one that ended */
	else if (used)
		mz_atomic_add(used, 1);
	return 0;
}

/* From what the endpoint sees to what the network sees, and back. */
static __noinline int mz_flow_translate(struct mz_pkt *p, __u32 dir)
{
	const struct mz_talk *t = &p->talk;

	if (dir == MZ_DIR_EGRESS) {
		if (t->nat & MZ_FLOW_F_SELF) {
			p->src = p->dst;
			p->ports = (p->ports & ~0xffffu) | t->from_port;
		}
		p->dst = t->to;
		p->ports = (p->ports & 0xffff) | (__u32)t->to_port << 16;
	} else if (!(t->nat & MZ_FLOW_F_SELF)) {
		p->src = t->flow.remote;
		p->ports = (p->ports & ~0xffffu) | t->flow.remote_port;
	} else {
		return MZ_NEXT;
	}
	p->translated = 1;
	return MZ_NEXT;
}

static __always_inline void mz_talk_of(struct mz_talk *t, const struct mz_flow *f)
{
	t->to = f->to;
	t->to_port = f->to_port;
	t->from_port = f->from_port;
	t->nat = f->flags & MZ_FLOW_F_TRANSLATED;
}

static __always_inline int mz_track(struct mz_pkt *p, int balanced, enum mz_dir dir, __u32 ifindex)
{
	struct mz_talk *t = &p->talk;
	struct mz_flow *f;
	int why = 0;
	__u32 now;

	mz_flow_key_of(&t->flow, p, dir);
	f = mz_lookup(mz_flows, &t->flow);
	t->nat = 0;
	t->opens = 0;
	if (mz_unlikely(f && dir == MZ_DIR_INGRESS && (f->flags & MZ_FLOW_F_REVERSE) && f->ifindex == ifindex))
		f = mz_flow_behind(t, f);
	now = mz_now();
	if (mz_unlikely(dir == MZ_DIR_EGRESS && balanced) && (!f || mz_flow_is_other(f, ifindex, p->event, now))) {
		t->trace = p->trace;
		t->event = p->event;
		why = mz_vip_choose(t, ifindex);
		if (why)
			return mz_end(p, MZ_ACT_REFUSE, (enum mz_reason)why);
	}
	if (mz_unlikely(f && (f->flags & MZ_FLOW_F_NAT) && !t->opens))
		mz_talk_of(t, f);
	if (mz_unlikely(p->trace)) {
		mz_note(p, MZ_ST_FLOWS, f ? MZ_OBJ_FLOW : MZ_OBJ_MISS, f ? f->state : 0, dir);
	} else if (f && p->event <= MZ_L4_REPLY && (f->quiet >> dir & 1) && f->ifindex == ifindex &&
		   !mz_flow_ended(f, now)) {
		if (f->seen != now)
			f->seen = now;
		mz_flow_count(f, (__u8)dir, p->len);
	} else {
		why = mz_flow_step(&t->flow, ifindex, p->len, p->event, f ? dir : dir | MZ_FLOW_MISSED);
		if (why)
			return mz_drop(p, (enum mz_reason)why);
		if (mz_unlikely(t->opens)) {
			mz_flow_serve(t);
			if (dir == MZ_DIR_EGRESS)
				mz_flow_enter_answers(t, ifindex);
		}
	}
	return mz_unlikely(t->nat) ? mz_flow_translate(p, dir) : MZ_NEXT;
}

/* The packet an ICMP error quotes, as its sender sent it: ports as they stand, or
 * the identifier of a query. 0 where it cannot be told. */
static __always_inline int mz_read_quote(struct mz_pkt *p, struct mz_addr *src, struct mz_addr *dst, __u32 *proto,
					 __u32 *ports)
{
	__u32 at = p->l2 + ETH_HLEN + p->l4 + 8, l4 = sizeof(struct mz_ip6);
	const struct mz_ip6 *ip6;
	const struct iphdr *ip4;
	const __u16 *h;

	mz_pull(p, at + 60 + 8);
	if (p->v6) {
		ip6 = mz_at(p, at, sizeof(*ip6));
		if (!ip6)
			return 0;
		*src = ip6->src;
		*dst = ip6->dst;
		*proto = ip6->next;
	} else {
		ip4 = mz_at(p, at, sizeof(*ip4));
		if (!ip4 || (ip4->frag_off & mz_htons(MZ_IP4_OFFSET)))
			return 0;
		*src = mz_addr4(ip4->saddr);
		*dst = mz_addr4(ip4->daddr);
		*proto = ip4->protocol;
		l4 = (*(const __u8 *)ip4 & 0x0f) * 4u;
	}
	h = mz_at(p, at + l4, 8);
	if (!h)
		return 0;
	if (*proto == IPPROTO_ICMP || *proto == MZ_ICMP6)
		*ports = h[2] | (__u32)h[2] << 16;
	else if (*proto == IPPROTO_TCP || *proto == IPPROTO_UDP || *proto == IPPROTO_SCTP)
		*ports = h[0] | (__u32)h[1] << 16;
	return 1;
}

/* An ICMP error belongs to the flow whose packet it quotes, whoever sends it, if
 * that packet went the other way: else it is no flow of this interface. It opens
 * none and keeps none alive. */
static __noinline int mz_relate(struct mz_pkt *p, enum mz_dir dir, __u32 ifindex)
{
	int out = dir == MZ_DIR_EGRESS;
	struct mz_addr src = {}, dst = {};
	struct mz_flow_key key = { .vni = p->vni };
	struct mz_flow *f = NULL;
	__u32 ports = 0;

	if (mz_read_quote(p, &src, &dst, &key.proto, &ports)) {
		key.local = out ? dst : src;
		key.remote = out ? src : dst;
		key.local_port = (__be16)(out ? ports >> 16 : ports);
		key.remote_port = (__be16)(out ? ports : ports >> 16);
		f = mz_lookup(mz_flows, &key);
	}
	mz_note(p, MZ_ST_FLOWS, f ? MZ_OBJ_FLOW : MZ_OBJ_MISS, f ? f->state : 0, dir);
	if (f && f->ifindex == ifindex && !p->trace)
		f->errors++;
	return MZ_NEXT;
}

/* The flow of the local endpoint behind `ifindex`: the packet's sender at
 * MZ_DIR_EGRESS, its receiver at MZ_DIR_INGRESS. `balanced`: its VPC has services. */
static __always_inline int mz_stage_flow(struct mz_pkt *p, int balanced, enum mz_dir dir, __u32 ifindex)
{
	if ((mz_cfg.flags & MZ_CFG_F_NO_FLOWS) || p->untracked)
		return MZ_NEXT;
	if (mz_unlikely(p->icmp_error))
		return mz_relate(p, dir, ifindex);
	return mz_track(p, balanced, dir, ifindex);
}

#endif
