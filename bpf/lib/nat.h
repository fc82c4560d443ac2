/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Other addresses in a packet, and its checksums with them (RFC 1624). */
#ifndef MZ_LIB_NAT_H
#define MZ_LIB_NAT_H

#include "bpf/lib/checksum.h"
#include "bpf/lib/l4.h"

/* TCP and UDP in one piece: what services speak. */
static __always_inline int mz_nat_l4(struct mz_pkt *p, __u32 diff)
{
	__u32 check = p->proto == IPPROTO_TCP ? 16 : 6;

	if (mz_l4_csum(p, p->l2 + ETH_HLEN + p->l4 + check, diff, p->proto == IPPROTO_UDP && !p->v6))
		return mz_drop(p, MZ_R_NO_ROOM);
	return MZ_NEXT;
}

static __always_inline int mz_nat4(struct mz_pkt *p, __be32 src, __be32 dst)
{
	struct iphdr *ip = mz_at(p, p->l2 + ETH_HLEN, sizeof(*ip));
	__be32 now[2] = { src, dst };
	__u32 diff;

	if (!ip)
		return mz_drop(p, MZ_R_NO_ROOM);
	diff = mz_csum_diff(&ip->saddr, now, sizeof(now));
	ip->check = mz_fold((__u16)~ip->check + (diff & 0xffff) + (diff >> 16));
	ip->saddr = src;
	ip->daddr = dst;
	return mz_nat_l4(p, diff);
}

static __always_inline int mz_nat6(struct mz_pkt *p, const struct mz_addr *src, const struct mz_addr *dst)
{
	struct mz_ip6 *ip = mz_at(p, p->l2 + ETH_HLEN, sizeof(*ip));
	struct mz_addr now[2] = { *src, *dst };
	__u32 diff;

	if (!ip)
		return mz_drop(p, MZ_R_NO_ROOM);
	diff = mz_csum_diff(&ip->src, now, sizeof(now));
	ip->src = *src;
	ip->dst = *dst;
	return mz_nat_l4(p, diff);
}

#endif
