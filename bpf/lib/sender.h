/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Tunnel packets are taken from known hosts only. */
#ifndef MZ_LIB_SENDER_H
#define MZ_LIB_SENDER_H

#include "bpf/lib/count.h"

/* The outer source must be the address of a known host. Our option names the
 * host, which turns the search into one array slot; the address proves it.
 * Foreign stacks are looked up by address. Sets p->sender. */
static __always_inline int mz_stage_sender(struct mz_pkt *p)
{
	const struct mz_host *h;
	const __u32 *id;

	if (!p->sender) {
		id = mz_lookup(mz_host_ids, &p->outer_src);
		if (!id) {
			mz_note(p, MZ_ST_SENDER, MZ_OBJ_MISS, 0, mz_ntohl(p->outer_src.w[3]));
			return mz_drop(p, MZ_R_UNKNOWN_SENDER);
		}
		p->sender = *id;
	}
	h = mz_lookup(mz_hosts, &p->sender);
	if (!h || !(h->flags & MZ_HOST_F_KNOWN) || !mz_addr_eq(&h->ip, &p->outer_src)) {
		mz_note(p, MZ_ST_SENDER, MZ_OBJ_MISS, p->sender, mz_ntohl(p->outer_src.w[3]));
		return mz_drop(p, MZ_R_UNKNOWN_SENDER);
	}
	mz_note(p, MZ_ST_SENDER, MZ_OBJ_HOST, p->sender, p->origin);
	return MZ_NEXT;
}

#endif
