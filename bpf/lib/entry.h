/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which backend serves what comes to a service from outside. All gateways would choose
 * alike (one Maglev table, one hash); each remembers what it chose, so that a backend that
 * comes or drains moves no flow that stands. Forgetting costs only those flows whose row
 * has changed since. */
#ifndef MZ_LIB_ENTRY_H
#define MZ_LIB_ENTRY_H

#include "bpf/abi/hash.h"
#include "bpf/lib/l4.h"
#include "bpf/lib/vip.h"

/* Silence after which a flow's entry is nobody's: as long as flows of its kind live. */
static __always_inline __u32 mz_entry_timeout(__u32 proto)
{
	return mz_cfg.flow_timeout[proto == IPPROTO_TCP	  ? MZ_TIMER_TCP_ESTABLISHED :
				   proto == IPPROTO_UDP	  ? MZ_TIMER_UDP_ESTABLISHED :
				   proto == IPPROTO_SCTP  ? MZ_TIMER_SCTP_ESTABLISHED :
							    MZ_TIMER_OTHER];
}

/* The backend that a flow has, as long as it is one, draining or not. */
static __always_inline const struct mz_backend *mz_entry_kept(const struct mz_talk *t, __u32 now, __u32 *id)
{
	struct mz_flow_key *key = mz_own_key(&t->flow);
	struct mz_sticky *e = key ? mz_lookup(mz_entries, key) : NULL;
	const struct mz_backend *b;

	if (!e || (__s32)(now - e->seen) > (__s32)mz_entry_timeout(t->flow.proto))
		return NULL;
	*id = e->backend;
	b = mz_lookup(mz_backends, id);
	if (b && !t->trace && e->seen != now)
		e->seen = now;
	return b;
}

static __always_inline const struct mz_backend *mz_entry_choose(const struct mz_talk *t, const struct mz_vip *vip, __u32 now,
								__u32 *id)
{
	struct mz_sticky_key client = { .vip = vip->id, .client = t->flow.remote };
	struct mz_sticky keep = { .seen = now };
	const struct mz_backend *b = NULL;
	struct mz_flow_key *key;

	if (vip->sticky)
		b = mz_backend_kept(&client, vip->sticky, id);
	if (!b) /* one that stays is to stay whichever gateway its flows come by */
		b = mz_backend_at(vip, vip->sticky ? mz_addr_hash(&t->flow.remote) : mz_talk_hash(&t->flow), id);
	if (!b || t->trace)
		return b;
	keep.backend = *id;
	key = mz_own_key(&t->flow);
	if (key)
		mz_insert(mz_entries, key, &keep);
	if (vip->sticky)
		mz_insert(mz_stickies, &client, &keep);
	return b;
}

int mz_entry(struct mz_talk *t);

/* For a packet, or what an ICMP error quotes, of the flow t->flow as the service has it:
 * local is its address and port, remote the client's. t->event MZ_L4_OPEN: a new one of
 * TCP or SCTP. Sets t->to and t->to_port. Returns 0, or why it is refused. */
__noinline int mz_entry(struct mz_talk *t)
{
	struct mz_vip_key key = {};
	const struct mz_backend *b;
	const struct mz_vip *vip;
	__u32 now, id = 0;

	if (!t)
		return 0;
	now = mz_now();
	b = t->event == MZ_L4_OPEN ? NULL : mz_entry_kept(t, now, &id);
	if (!b) {
		key.vni = t->flow.vni;
		key.ip = t->flow.local;
		key.port = t->flow.local_port;
		key.proto = (__u16)t->flow.proto;
		vip = mz_lookup(mz_vips, &key);
		if (!vip)
			return MZ_R_SERVICE_PORT;
		b = vip->size ? mz_entry_choose(t, vip, now, &id) : NULL;
		if (!b)
			return MZ_R_SERVICE_EMPTY;
	}
	t->to = b->ip;
	t->to_port = b->port;
	if (t->trace)
		mz_note_slow(MZ_ST_SERVICE, MZ_OBJ_BACKEND, id, mz_ntohl(b->ip.w[3]));
	return 0;
}

#endif
