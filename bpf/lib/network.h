/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which network an address of a VPC belongs to, or which part of the outside. */
#ifndef MZ_LIB_NETWORK_H
#define MZ_LIB_NETWORK_H

#include "bpf/lib/count.h"

static __always_inline const struct mz_network *mz_network_of(__u32 vni, const struct mz_addr *ip)
{
	struct mz_net_key key;

	key.prefixlen = 32 + 128;
	key.vni = mz_htonl(vni);
	key.ip = *ip;
	return mz_lookup(mz_networks, &key);
}

/* Which VPC a source that is its peer's belongs to, 0 = there is no such peer. */
static __noinline __u32 mz_source_vni(struct mz_pkt *p)
{
	const struct mz_network *net = mz_network_of(p->vni, &p->src);

	return net && (net->flags & MZ_NET_F_PEER) ? net->peer : 0;
}

#endif
