/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Flows of local endpoints: found by one look-up, moved through their states
 * (flow_state.h) by the few packets that open and close them. The plain packet of a
 * settled flow writes nothing but its counts. */
#ifndef MZ_LIB_FLOW_H
#define MZ_LIB_FLOW_H

#include "bpf/lib/flow_state.h"
#include "bpf/lib/l4.h"
#include "bpf/lib/learn.h"
#include "bpf/lib/network.h"
#include "bpf/lib/policy.h"
#include "bpf/lib/related.h"
#include "bpf/lib/snat.h"
#include "bpf/lib/vip.h"

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

/* How mz_flow_enter_answers() is to do it. */
enum mz_answers_how {
	MZ_ANSWERS_FIRST,   /* unless they would be taken for another flow's */
	MZ_ANSWERS_AGAIN,   /* another backend has been chosen, which the flow is told */
	MZ_ANSWERS_REFUSED, /* none could be: the flow goes, too */
};

int mz_flow_enter_answers(struct mz_talk *t, __u32 ifindex, __u32 how);

/* The entry by which the backend's answers find the flow: their own key. Returns 1, and enters nothing, if at
 * first they would be taken for another flow's. */
__noinline int mz_flow_enter_answers(struct mz_talk *t, __u32 ifindex, __u32 how)
{
	__u32 slot = ifindex & (MZ_PORTS - 1);
	struct mz_flow_key key = {};
	struct mz_flow *r;
	__u32 *used;

	if (!t || t->trace)
		return 0;
	key = t->flow;
	used = mz_lookup(mz_flow_use, &slot);
	if (how == MZ_ANSWERS_REFUSED) {
		if (!mz_remove(mz_flows, &key) && used)
			mz_atomic_add(used, -1);
		return 0;
	}
	if (how == MZ_ANSWERS_AGAIN) {
		r = mz_lookup(mz_flows, &key);
		if (r)
			mz_flow_serve(r, t);
	}
	r = mz_flow_blank(ifindex, mz_now());
	if (!r)
		return 0;
	mz_answers_key(&key, t);
	if (t->nat & MZ_FLOW_F_SELF) {
		r->to = t->flow.local;
		r->to_port = t->flow.local_port;
		r->from_port = t->flow.remote_port;
		r->opener = MZ_DIR_INGRESS;
		r->flags = (__u8)(t->event == MZ_L4_OPEN ? t->nat | MZ_FLOW_F_HANDSHAKE : t->nat);
		mz_flow_enter(r, t->flow.proto, MZ_FLOW_OPENING);
	} else {
		r->to = t->flow.remote;
		r->to_port = t->flow.remote_port;
		r->flags = MZ_FLOW_F_REVERSE;
	}
	if (!mz_insert_new(mz_flows, &key, r)) {
		if (used)
			mz_atomic_add(used, 1);
		return 0;
	}
	if (how == MZ_ANSWERS_FIRST && mz_clashes(t, ifindex))
		return 1;
	mz_insert(mz_flows, &key, r); /* in the place of one that ended */
	return 0;
}

/* The port by which the outside knows a flow; an ICMP identifier stands in both. */
static __always_inline void mz_flow_translate_source(struct mz_pkt *p, enum mz_dir dir)
{
	const struct mz_talk *t = &p->talk;
	int query = p->proto == IPPROTO_ICMP || p->proto == MZ_ICMP6;

	if (dir == MZ_DIR_EGRESS)
		p->ports = (p->ports & ~0xffffu) | t->from_port;
	else
		p->ports = (p->ports & 0xffff) | (__u32)t->flow.local_port << 16;
	if (query && dir == MZ_DIR_EGRESS)
		p->ports = t->from_port | (__u32)t->from_port << 16;
	else if (query)
		p->ports = t->flow.local_port | (__u32)t->flow.local_port << 16;
}

/* From what the endpoint sees to what the network sees, and back. */
static __noinline int mz_flow_translate(struct mz_pkt *p, __u32 dir)
{
	const struct mz_talk *t = &p->talk;

	if (t->nat & MZ_FLOW_F_SOURCE) {
		mz_note(p, MZ_ST_NAT, MZ_OBJ_PORT, mz_ntohs(t->from_port), 0);
		mz_flow_translate_source(p, (enum mz_dir)dir);
	} else if (dir == MZ_DIR_EGRESS) {
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

/* What asks for a choice when an endpoint begins a flow. */
#define MZ_EP_F_CHOICE (MZ_EP_F_VIPS | MZ_EP_F_OUT | MZ_EP_F_PEERED)

/* MZ_NET_F_* of where the other end is. */
static __noinline __u32 mz_remote_flags(const struct mz_talk *t)
{
	const struct mz_network *net = mz_network_of(t->flow.vni, &t->flow.remote);

	return net ? net->flags : 0;
}

/* Where a new flow of an endpoint goes, if not where it says, and whether it may. */
static __always_inline int mz_choose(struct mz_pkt *p, __u32 nat, __u32 ifindex)
{
	struct mz_talk *t = &p->talk;
	int why = 0;

	t->trace = p->trace;
	t->event = p->event;
	if (nat & MZ_EP_F_VIPS)
		why = mz_vip_choose(t, ifindex, 0);
	if (why)
		return mz_end(p, MZ_ACT_REFUSE, (enum mz_reason)why);
	if ((nat & MZ_EP_F_PEERED) && !t->opens && (mz_remote_flags(t) & MZ_NET_F_ANSWERS)) /* which alone may go there */
		return mz_drop(p, MZ_R_PEER_ANSWERS);
	if ((nat & MZ_EP_F_OUT) && !t->opens)
		why = mz_snat_choose(t);
	return why ? mz_drop(p, (enum mz_reason)why) : MZ_NEXT;
}

/* Its first choice clashes, which is found out when policy has let it in and its entry is written: another one,
 * or it is taken back. */
static __always_inline int mz_choose_again(struct mz_pkt *p, __u32 ifindex)
{
	int why = mz_vip_choose(&p->talk, ifindex, 1);

	mz_flow_enter_answers(&p->talk, ifindex, why ? MZ_ANSWERS_REFUSED : MZ_ANSWERS_AGAIN);
	return why ? mz_end(p, MZ_ACT_REFUSE, (enum mz_reason)why) : MZ_NEXT;
}

/* Whether the flow was allowed by the policy that stands, for the label set that the
 * other end has; where flows are kept, by any, or while there was none. */
static __always_inline int mz_flow_judged(const struct mz_flow *f, __u32 policy, __u32 label, __u32 dir)
{
	__u32 other = f->policy ^ policy;

	if (mz_cfg.flags & MZ_CFG_F_KEEP_FLOWS)
		return f->policy != MZ_POLICY_UNJUDGED;
	if (dir == MZ_DIR_INGRESS)
		other |= f->label ^ label;
	return !other; /* one branch: each is a way more to walk */
}

__u32 mz_flow_asks(const struct mz_talk *t, __u32 ifindex, __u32 how, __u32 policy, __u32 label);

/* The lists of `policy` (bits) that are to allow the flow at t->flow, of which this is a
 * packet; 0 if they have. Who began it says which: a flow to another endpoint asks the
 * receiver's host. An endpoint may always talk to itself. `label`: the packet's. */
__noinline __u32 mz_flow_asks(const struct mz_talk *t, __u32 ifindex, __u32 how, __u32 policy, __u32 label)
{
	__u32 zero = 0, opener = how & 1;
	struct mz_judging *j = mz_lookup(mz_judging, &zero);
	const struct mz_flow *f = NULL;

	if (!t || !j)
		return 0;
	j->policy = policy;
	j->level = 0;
	j->from = opener == MZ_DIR_INGRESS ? label : 0;
	if (!policy)
		return 0;
	if (!(how & MZ_FLOW_MISSED))
		f = mz_flow_at(t);
	if (f && !mz_flow_is_other(f, ifindex, t->event, mz_now())) {
		if (opener == MZ_DIR_EGRESS)
			j->from = f->label; /* the other end's: not in this packet */
		if (mz_flow_judged(f, policy, j->from, opener)) {
			j->policy = f->policy; /* what allowed it is what is remembered */
			j->from = f->label;
			j->level = f->level;
			return 0;
		}
		opener = f->opener;
	}
	if (opener == MZ_DIR_EGRESS)
		return mz_remote_flags(t) & (MZ_NET_F_OUTSIDE | MZ_NET_F_PEER) ? 1u << MZ_POLICY_OUT : 0;
	return t->nat & MZ_FLOW_F_SELF ? 0 : MZ_POLICY_RECEIVER;
}

/* Whether the packet came out of a tunnel, and teaches its sender's path. */
enum mz_flow_learns { MZ_FLOW_ONLY, MZ_FLOW_LEARNS };

static __always_inline int mz_track(struct mz_pkt *p, __u32 nat, enum mz_dir dir, __u32 ifindex,
				    enum mz_flow_learns learns)
{
	struct mz_talk *t = &p->talk;
	struct mz_flow *f;
	int why = 0;
	__u32 now;

	mz_flow_key_of(&t->flow, p, dir);
	t->nat = 0;
	t->opens = 0;
	f = mz_unlikely(dir == MZ_DIR_INGRESS && nat) ? mz_snat_back(t) : mz_lookup(mz_flows, &t->flow);
	if (mz_unlikely(f && dir == MZ_DIR_INGRESS && (f->flags & MZ_FLOW_F_REVERSE) && f->ifindex == ifindex))
		f = mz_flow_behind(t, f);
	if (learns)
		MZ_TRY(mz_stage_learn_once(p, f));
	now = mz_now();
	if (mz_unlikely(dir == MZ_DIR_INGRESS && nat)) {
		if (!f || mz_flow_is_other(f, ifindex, p->event, now))
			return mz_drop(p, MZ_R_NAT_UNSOLICITED);
	} else if (mz_unlikely(dir == MZ_DIR_EGRESS && nat) && (!f || mz_flow_is_other(f, ifindex, p->event, now))) {
		MZ_TRY(mz_choose(p, nat, ifindex));
	}
	if (mz_unlikely(f && (f->flags & (MZ_FLOW_F_NAT | MZ_FLOW_F_SOURCE)) && !t->opens))
		mz_talk_of(t, f);
	if (f && !p->trace && p->event <= MZ_L4_REPLY && (f->quiet >> dir & 1) && f->ifindex == ifindex &&
	    mz_flow_judged(f, p->policy, p->label, dir) && !mz_flow_ended(f, now)) {
		if (f->seen != now)
			f->seen = now;
		mz_flow_count(f, (__u8)dir, p->len);
		p->qos_class = mz_flow_level(f, p->qos_class, dir);
		if (dir == MZ_DIR_EGRESS)
			p->to_host = mz_flow_host(f, now);
	} else {
		__u32 how = f ? dir : dir | MZ_FLOW_MISSED, went = 0;

		t->trace = p->trace;
		t->event = p->event;
		why = mz_judge(t, mz_flow_asks(t, ifindex, how, p->policy, p->label));
		if (!why)
			went = mz_flow_step(t, ifindex, p->len, p->event, how | (__u32)p->qos_class << 16);
		why |= (int)(went & 0xffff);
		if (why)
			return mz_drop(p, (enum mz_reason)why);
		p->qos_class = (__u8)(went >> 16);
		if (mz_unlikely(t->opens)) {
			if (t->opens > 1)
				p->qos_class = (__u8)(t->opens >> 1 | MZ_LEVEL_TOLD);
			if (dir == MZ_DIR_EGRESS && (t->nat & MZ_FLOW_F_NAT) && mz_unlikely(mz_flow_enter_answers(t, ifindex, MZ_ANSWERS_FIRST)))
				MZ_TRY(mz_choose_again(p, ifindex));
		}
	}
	return mz_unlikely(t->nat) ? mz_flow_translate(p, dir) : MZ_NEXT;
}

/* What the flow's translation means for what an error quotes: at ingress a packet we
 * sent, at egress one the endpoint got. `to`: the error's other end, which may be the
 * same. Returns 0 where nothing is to be written. */
static __always_inline int mz_relate_quote(struct mz_quote *q, struct mz_addr *to, const struct mz_flow *f, int out)
{
	struct mz_addr *end = out ? &q->src : &q->dst;

	if (out && (f->flags & MZ_FLOW_F_SOURCE)) {
		q->ports = (q->ports & 0xffff) | (__u32)f->from_port << 16;
		return 1;
	}
	if (out ? (f->flags & MZ_FLOW_F_TRANSLATED) != MZ_FLOW_F_NAT : !(f->flags & MZ_FLOW_F_REVERSE))
		return 0;
	/* Between a service's address and its backend. */
	if (mz_addr_eq(to, end))
		*to = f->to;
	*end = f->to;
	q->ports = out ? (q->ports & ~0xffffu) | f->to_port : (q->ports & 0xffff) | (__u32)f->to_port << 16;
	return 1;
}

/* How mz_related() is to take the error. */
#define MZ_REL_OUT    0x1 /* sent by the endpoint, else to it */
#define MZ_REL_MAPPED 0x2 /* to one of its outside ports */
#define MZ_REL_V6     0x4

/* ... and what it returns besides reasons: it belongs to no flow, and policy is to say
 * whether it may come, as the flow that is left at t->flow. */
#define MZ_REL_ASK 0x1000
/* ... or its quote, as mz_quoted has it, is to be written: not from in there, frames of
 * the stack add up. */
#define MZ_REL_WRITE 0x2000

int mz_related(mz_ctx_t *ctx, struct mz_talk *t, __u32 icmp, __u32 how, __u32 ifindex);

/* An ICMP error belongs to the flow whose packet it quotes, whoever sends it, if
 * that packet went the other way: else it is no flow of this interface. It opens
 * none and keeps none alive. `icmp`: offset of its header; t->flow.vni and t->trace are
 * set, and t->to is its other end, before and after. Returns 0, or why it is dropped. */
__noinline int mz_related(mz_ctx_t *ctx, struct mz_talk *t, __u32 icmp, __u32 how, __u32 ifindex)
{
	int out = how & MZ_REL_OUT, mapped = how & MZ_REL_MAPPED;
	__u32 zero = 0;
	struct mz_quote *q = mz_lookup(mz_quoted, &zero);
	struct mz_flow *f = NULL;

	if (!t || !q)
		return 0;
	q->icmp = icmp & MZ_OFF_MASK;
	q->v6 = how & MZ_REL_V6;
	if (mz_read_quote(ctx, q))
		return MZ_R_ICMP_INVALID;
	t->flow.proto = q->proto;
	t->flow.local = out ? q->dst : q->src;
	t->flow.remote = out ? q->src : q->dst;
	t->flow.local_port = (__be16)(out ? q->ports >> 16 : q->ports);
	t->flow.remote_port = (__be16)(out ? q->ports : q->ports >> 16);
	f = mapped ? mz_snat_back(t) : mz_flow_at(t);
	if (t->trace)
		mz_note_slow(MZ_ST_FLOWS, f ? MZ_OBJ_FLOW : MZ_OBJ_MISS, f ? f->state : 0, !out);
	if (!f || f->ifindex != ifindex) {
		if (mapped || out)
			return mapped ? MZ_R_NAT_UNSOLICITED : 0;
		t->flow.remote = t->to;
		t->flow.local_port = t->flow.remote_port = 0;
		t->flow.proto = q->v6 ? MZ_ICMP6 : IPPROTO_ICMP;
		return MZ_REL_ASK;
	}
	if (!t->trace && f->errors < 255)
		f->errors++;
	if (mapped)
		q->ports = (q->ports & ~0xffffu) | t->flow.local_port;
	else if (!mz_relate_quote(q, &t->to, f, out))
		return 0;
	return MZ_REL_WRITE;
}

static __always_inline int mz_relate(struct mz_pkt *p, __u32 nat, enum mz_dir dir, __u32 ifindex)
{
	__u32 how = (dir == MZ_DIR_EGRESS ? MZ_REL_OUT : 0) | (p->v6 ? MZ_REL_V6 : 0);
	struct mz_addr *end = dir == MZ_DIR_EGRESS ? &p->dst : &p->src;
	int why;

	if (dir == MZ_DIR_INGRESS && nat)
		how |= MZ_REL_MAPPED;
	p->talk.flow.vni = p->vni;
	p->talk.to = *end;
	p->talk.trace = p->trace;
	why = mz_related(p->ctx, &p->talk, p->l2 + ETH_HLEN + p->l4, how, ifindex);
	if (why == MZ_REL_WRITE)
		why = mz_write_quote(p->ctx) ? MZ_R_NO_ROOM : 0;
	mz_reload(p);
	if (dir == MZ_DIR_INGRESS && mz_unlikely(why == MZ_REL_ASK))
		why = mz_judge(&p->talk, mz_flow_asks(&p->talk, ifindex, dir | MZ_FLOW_MISSED, p->policy, p->label));
	if (why)
		return mz_drop(p, (enum mz_reason)why);
	p->translated = !mz_addr_eq(end, &p->talk.to);
	*end = p->talk.to;
	return MZ_NEXT;
}

/* The flow of the local endpoint behind `ifindex`: the packet's sender at
 * MZ_DIR_EGRESS, its receiver at MZ_DIR_INGRESS. `nat`: at egress MZ_EP_F_* of its port,
 * which say what its VPC has; at ingress whether the packet comes to one of the
 * endpoint's outside ports (MZ_OPT_F_MAPPED). At egress p->to_host is set if the flow
 * knows where it goes. */
static __always_inline int mz_stage_flow(struct mz_pkt *p, __u32 nat, enum mz_dir dir, __u32 ifindex,
					 enum mz_flow_learns learns)
{
	int tracked = !(mz_cfg.flags & MZ_CFG_F_NO_FLOWS) && !p->untracked;

	if (learns && mz_unlikely(!tracked || p->icmp_error))
		MZ_TRY(mz_learn_for(p, NULL));
	if (!tracked)
		return MZ_NEXT;
	if (mz_unlikely(p->icmp_error))
		return mz_relate(p, nat, dir, ifindex);
	return mz_track(p, nat, dir, ifindex, learns);
}

/* The same of the endpoint that the packet is delivered to. A function of its own: room
 * for spills is short. */
static __noinline __attribute__((unused)) int mz_receivers_flow(struct mz_pkt *p)
{
	/* When ports were looked for nobody knew whose it would be. */
	if (mz_unlikely(p->untracked))
		return p->policy ? mz_drop(p, MZ_R_POLICY_FRAGMENT) : MZ_NEXT;
	return mz_stage_flow(p, p->opt_flags & MZ_OPT_F_MAPPED, MZ_DIR_INGRESS, p->out_ifindex, MZ_FLOW_ONLY);
}

#endif
