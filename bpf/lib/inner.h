/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The frame inside a tunnel packet, of either family, and its flow. */
#ifndef MZ_LIB_INNER_H
#define MZ_LIB_INNER_H

#include "bpf/lib/ip6.h"

static __always_inline int mz_stage_inner(struct mz_pkt *p)
{
	const struct mz_eth *eth = mz_at(p, p->l2, sizeof(*eth));

	if (!eth)
		return mz_drop(p, MZ_R_INNER_TRUNCATED);
	p->policy = 0; /* the outer source has done its part */
	p->v6 = mz_family(eth);
	p->group = eth->dst[0] & 1;
	if (eth->proto == mz_htons(ETH_P_IP))
		return mz_stage_inner_ip4(p);
	if (eth->proto == mz_htons(ETH_P_IPV6))
		return mz_stage_inner_ip6(p);
	return mz_drop(p, MZ_R_INNER_UNSUPPORTED);
}

static __always_inline __be16 mz_ether_type(const struct mz_pkt *p)
{
	return p->v6 ? mz_htons(ETH_P_IPV6) : mz_htons(ETH_P_IP);
}

/* Same packets of one inner flow, same number, on every target and host. */
static __always_inline __u32 mz_flow_hash(struct mz_pkt *p)
{
	__u32 src = mz_be32_value(p->src.w[3]), dst = mz_be32_value(p->dst.w[3]), h;

	if (p->v6) {
		src = mz_addr_hash(&p->src);
		dst = mz_addr_hash(&p->dst);
	}
	h = mz_mix32(src ^ p->proto);
	h = mz_mix32(h ^ dst);
	/* All fragments go one way, and the later ones may not know their ports. */
	return mz_mix32(h ^ (p->fragment ? 0 : mz_be32_value(p->ports)));
}

#endif
