/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From a function in user space to the endpoint it names. */
#ifndef MZ_LIB_RETURNED_H
#define MZ_LIB_RETURNED_H

#include "bpf/abi/functions.h"
#include "bpf/lib/count.h"
#include "bpf/lib/rewrite.h"

static __always_inline int mz_returned_stages(struct mz_pkt *p)
{
	static const __u8 prefix[4] __attribute__((aligned(4))) = MZ_TAKEN_MAC;
	const struct mz_eth *eth = mz_at(p, 0, sizeof(*eth));
	const struct mz_port *port;
	__u32 slot;

	if (!eth || *(const __u16 *)eth->src != *(const __u16 *)prefix ||
	    *(const __u16 *)(eth->src + 2) != *(const __u16 *)(prefix + 2))
		return mz_drop(p, MZ_R_FUNCTION_STRAY);
	p->v6 = mz_family(eth);
	slot = mz_ntohs(*(const __be16 *)(eth->src + 4));
	port = mz_lookup(mz_ports, &slot);
	if (eth->proto != mz_ether_type(p) || !port || !port->ifindex)
		return mz_drop(p, MZ_R_FUNCTION_STRAY);
	p->vni = port->vni;
	p->vpc = port->vpc;
	p->out_ifindex = port->ifindex;
	p->deliver_flags = (__u8)port->flags;
	p->why = MZ_R_FUNCTION_REPLY;
	mz_mac_copy(p->mac, port->mac);
	return mz_address_frame(p);
}

/* All that comes from a function's interface. */
static __always_inline int mz_returned(mz_ctx_t *ctx)
{
	struct mz_pkt p = { .ctx = ctx, .dir = MZ_DIR_INGRESS };

	mz_open(&p);
	mz_returned_stages(&p);
	return mz_finish(&p);
}

#endif
