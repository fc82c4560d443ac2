/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which backend serves a new flow to a service. Touches no bytes: what is decided is
 * written by mz_stage_translate(). */
#ifndef MZ_LIB_VIP_H
#define MZ_LIB_VIP_H

#include "bpf/lib/count.h"

/* Rows of its table that a flow may try, one after the other, until it finds a
 * backend with which it has no other flow from the same port. */
#define MZ_VIP_TRIES 4

static __always_inline const struct mz_backend *mz_backend_at(const struct mz_vip *vip, __u32 hash, __u32 *id)
{
	__u32 row = vip->first + hash % (vip->size ? vip->size : 1);
	const __u32 *at = mz_lookup(mz_vip_rows, &row);

	if (!at)
		return NULL;
	*id = *at;
	return mz_lookup(mz_backends, at);
}

/* The backend a client has, if it is still one. */
static __always_inline const struct mz_backend *mz_backend_kept(const struct mz_sticky_key *key, __u32 timeout,
								__u32 *id)
{
	struct mz_sticky *s = mz_lookup(mz_stickies, key);
	const struct mz_backend *b;
	__u32 now = mz_now();

	if (!s || now - s->seen > timeout)
		return NULL;
	b = mz_lookup(mz_backends, &s->backend);
	if (!b || b->flags & MZ_BACKEND_F_DRAIN)
		return NULL;
	*id = s->backend;
	return b;
}

/* The key of what t's backend answers. But a client that is its own backend would not take a packet from
 * itself: it comes from the service's address, and what it answers goes there, as a flow of its own. */
static __noinline void mz_answers_key(struct mz_flow_key *key, const struct mz_talk *t)
{
	if (mz_addr_eq(&t->to, &t->flow.local)) {
		key->local_port = t->to_port;
		key->remote_port = t->flow.local_port;
	} else {
		key->remote = t->to;
		key->remote_port = t->to_port;
	}
}

/* Has the endpoint a flow already that looks like this one behind its translation? */
static __noinline int mz_clashes(const struct mz_talk *t, __u32 ifindex)
{
	struct mz_flow_key *key = mz_own_key(&t->flow);
	const struct mz_flow *f;

	if (!key)
		return 0;
	mz_answers_key(key, t);
	f = mz_lookup(mz_flows, key);
	if (!f || f->ifindex != ifindex || (f->flags & MZ_FLOW_F_SELF))
		return 0;
	if (f->flags & MZ_FLOW_F_REVERSE) {
		key->remote = f->to;
		key->remote_port = f->to_port;
		if (mz_addr_eq(&key->remote, &t->flow.remote) && key->remote_port == t->flow.remote_port)
			return 0; /* this flow's own */
		f = mz_lookup(mz_flows, key);
		if (!f || !(f->flags & MZ_FLOW_F_NAT) || !mz_addr_eq(&f->to, &t->to))
			return 0;
	}
	/* One that both sides have closed, or one has reset, may be opened anew. */
	return f->state < MZ_FLOW_CLOSED && (__s32)(mz_now() - f->seen) <= (__s32)f->timeout;
}

/* A function of its own: it is tried in several places. `careful`: whether to look if it clashes. */
static __noinline int mz_pick(struct mz_talk *t, const struct mz_backend *b, __u32 ifindex, __u32 careful)
{
	t->to = b->ip;
	t->to_port = b->port;
	if (careful && mz_clashes(t, ifindex))
		return 0;
	t->from_port = t->flow.local_port;
	t->nat = (__u8)(mz_addr_eq(&b->ip, &t->flow.local) ? MZ_FLOW_F_NAT | MZ_FLOW_F_SELF : MZ_FLOW_F_NAT);
	t->opens = 1;
	return 1;
}

/* Any number that is the same for all packets of a flow, and on every host. */
static __always_inline __u32 mz_talk_hash(const struct mz_flow_key *k)
{
	__u32 h = mz_mix32(mz_addr_hash(&k->local) ^ k->proto);

	h = mz_mix32(h ^ mz_addr_hash(&k->remote));
	return mz_mix32(h ^ mz_be32_value((__u32)k->local_port | (__u32)k->remote_port << 16));
}

/* By its table; a clash tries the next rows. 0: none. */
static __always_inline __u32 mz_pick_balanced(struct mz_talk *t, const struct mz_vip *vip, __u32 ifindex, __u32 careful, int *why)
{
	__u32 hash = mz_talk_hash(&t->flow), id = 0;
	const struct mz_backend *b;

	*why = MZ_R_SERVICE_EMPTY;
	for (__u32 i = 0; i < MZ_VIP_TRIES; i++) {
		b = mz_backend_at(vip, hash + i, &id);
		if (!b)
			return 0;
		if (mz_pick(t, b, ifindex, careful))
			return id;
		*why = MZ_R_FLOW_CLASH;
	}
	return 0;
}

int mz_vip_choose(struct mz_talk *t, __u32 ifindex, __u32 careful);

/* For a packet that opens the flow t->flow of the local endpoint behind `ifindex`.
 * Sets the rest of `t` where it goes to a service. Returns 0, or why it is refused.
 * Not `careful`: the first choice, which may clash, as entering its answers then shows. */
__noinline int mz_vip_choose(struct mz_talk *t, __u32 ifindex, __u32 careful)
{
	union { /* not needed at once: the stack is short */
		struct mz_vip_key vip;
		struct mz_sticky_key client;
	} key = {};
	struct mz_sticky keep = {};
	const struct mz_backend *b;
	const struct mz_vip *vip;
	__u32 id = 0, picked = 0;
	int why = 0;

	if (!t)
		return 0;
	key.vip.vni = t->flow.vni;
	key.vip.ip = t->flow.remote;
	key.vip.port = t->flow.remote_port;
	key.vip.proto = (__u16)t->flow.proto;
	vip = mz_lookup(mz_vips, &key.vip);
	if (!vip) {
		key.vip.port = 0;
		key.vip.proto = 0;
		return mz_lookup(mz_vips, &key.vip) ? MZ_R_SERVICE_PORT : 0;
	}
	if (t->trace)
		mz_note_slow(MZ_ST_SERVICE, MZ_OBJ_VIP, vip->id, vip->size);
	if (!vip->size)
		return MZ_R_SERVICE_EMPTY;
	key.client.vip = vip->id;
	key.client.client = t->flow.local;
	b = vip->sticky ? mz_backend_kept(&key.client, vip->sticky, &id) : NULL;
	careful |= t->trace; /* enters nothing */
	if (!b || !mz_pick(t, b, ifindex, careful)) {
		picked = mz_pick_balanced(t, vip, ifindex, careful, &why);
		if (!picked)
			return why;
		if (!b) /* else this one flow goes elsewhere, and the client stays */
			id = picked;
	}
	t->opens = (__u8)(t->opens | vip->level << 1);
	if (t->trace)
		mz_note_slow(MZ_ST_SERVICE, MZ_OBJ_BACKEND, picked ? picked : id, mz_ntohl(t->to.w[3]));
	if (vip->sticky && !t->trace) {
		keep.backend = id;
		keep.seen = mz_now();
		mz_insert(mz_stickies, &key.client, &keep);
	}
	return 0;
}

#endif
