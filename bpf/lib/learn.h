/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Direct paths: (VNI, source) came from that host, so packets to it may go
 * straight there. Learned from tenants' packets and from hints of known hosts,
 * aged by silence, taken back by the host an endpoint has left. */
#ifndef MZ_LIB_LEARN_H
#define MZ_LIB_LEARN_H

#include "bpf/lib/network.h"

static __always_inline int mz_path_fresh(const struct mz_path *path)
{
	/* Signed: another CPU may have seen a later packet. */
	return (__s32)(mz_now() - path->seen) < (__s32)mz_cfg.path_ttl;
}

static __always_inline int mz_origin_usable(struct mz_pkt *p)
{
	const struct mz_host *h;

	if (!p->origin || p->origin == mz_cfg.self_id || p->trace || (p->opt_flags & MZ_OPT_F_OUTSIDE))
		return 0;
	h = mz_lookup(mz_hosts, &p->origin);
	return h && (h->flags & MZ_HOST_F_KNOWN);
}

/* Tells the daemon to tell the origin something. A function of its own: room on the stack
 * is short. */
static __noinline __attribute__((unused)) int mz_tell_origin(struct mz_pkt *p, __u32 type)
{
	struct mz_event e = { .type = type, .vni = p->vni, .src = p->src, .dst = p->dst, .host = p->origin };

	mz_ring_output(mz_events, &e, sizeof(e));
	return 0;
}

/* Asks the daemon to tell the origin that we are here: it still bounces. */
static __always_inline void mz_ask_hint(struct mz_pkt *p, struct mz_path *path, __u32 now)
{
	if (!p->hops || now - path->bounced < mz_cfg.hint_interval)
		return;
	path->bounced = now;
	mz_tell_origin(p, MZ_EVENT_HINT);
}

static __noinline int mz_learn_new(const struct mz_pkt *p, const struct mz_ep_key *key, __u32 now)
{
	struct mz_path fresh = { .host = p->origin, .seen = now, .bounced = now };

	mz_insert(mz_paths, key, &fresh);
	return 0;
}

/* Learns from a packet that is about to be delivered, or from a hint, that its source
 * is one of `vni` at its origin; 0 where that teaches nothing. A path that stands is only
 * touched now and then, so a busy flow writes nothing. */
static __always_inline int mz_learn(struct mz_pkt *p, __u32 vni)
{
	struct mz_ep_key key = { .vni = vni, .ip = p->src };
	struct mz_path *path;
	__u32 now;

	if (!mz_origin_usable(p))
		return 0;
	now = mz_now();
	path = mz_lookup(mz_paths, &key);
	if (!path) {
		mz_learn_new(p, &key, now);
		return 1;
	}
	if (path->host != p->origin) {
		path->host = p->origin;
		path->seen = now;
	} else if (now - path->seen > mz_cfg.path_ttl / 8) {
		path->seen = now;
	}
	mz_ask_hint(p, path, now);
	return 1;
}

/* The host of a flow's other end, 0: the tables say. A flow keeps it for a turn or two, in which
 * neither way asks for the path. Without a branch, of which the verifier would walk both. */
static __always_inline __u32 mz_flow_host(const struct mz_flow *f, __u32 now)
{
	__u32 turns = (__u16)(MZ_TAUGHT(now) - f->taught);

	return mz_cfg.path_ttl ? f->host & (__u32)((__s32)(turns - 2) >> 31) : 0;
}

/* The path to a packet's sender, in its own VPC, for its flow `f`, if it has one, to keep;
 * ends what says to come from a peer that is none. */
static __always_inline int mz_stage_learn(struct mz_pkt *p, struct mz_flow *f)
{
	__u32 vni = p->vni;

	if (mz_unlikely(p->opt_flags & MZ_OPT_F_PEERED)) {
		vni = mz_source_vni(p);
		if (!vni)
			return mz_drop(p, MZ_R_PEER_SOURCE);
	}
	/* As the network sees it. What goes to a peer asks that one's networks first. */
	if (mz_learn(p, vni) && f && !(p->opt_flags & MZ_OPT_F_PEERED)) {
		f->host = p->origin;
		f->taught = MZ_TAUGHT(mz_now());
	}
	return MZ_NEXT;
}

/* The same as a function of its own, where few packets come. */
static __noinline int mz_learn_for(struct mz_pkt *p, struct mz_flow *f)
{
	return mz_stage_learn(p, f);
}

/* The same, unless the flow knows that host already. What bounced is learned from each time: its
 * sender may have to be told where we are. */
static __always_inline int mz_stage_learn_once(struct mz_pkt *p, struct mz_flow *f)
{
	if (f && p->origin && !p->hops && !(p->opt_flags & MZ_OPT_F_PEERED) && mz_flow_host(f, mz_now()) == p->origin)
		return MZ_NEXT;
	return mz_learn_for(p, f);
}

/* A host takes a path back: only the one that points to it. */
static __always_inline void mz_forget(struct mz_pkt *p)
{
	struct mz_ep_key key = { .vni = p->vni, .ip = p->src };
	const struct mz_path *path = mz_lookup(mz_paths, &key);

	if (path && path->host == p->sender && !p->trace)
		mz_remove(mz_paths, &key);
}

/* Tells the daemon that `p` came straight here for an endpoint that is not
 * here, so that it takes the path back at the origin. */
static __always_inline void mz_report_moved(struct mz_pkt *p)
{
	if (p->origin && !p->trace)
		mz_tell_origin(p, MZ_EVENT_MOVED);
}

#endif
