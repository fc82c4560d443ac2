/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Other addresses and ports in a packet, and its checksums with them (RFC 1624). */
#ifndef MZ_LIB_NAT_H
#define MZ_LIB_NAT_H

#include "bpf/lib/checksum.h"
#include "bpf/lib/l4.h"

/* TCP's and UDP's checksum; that of SCTP (RFC 9260 6.8) covers no address. */
static __always_inline int mz_nat_l4(struct mz_pkt *p, __u32 diff, int pseudo)
{
	__u32 check = p->proto == IPPROTO_TCP ? 16 : 6;

	if (p->later || p->proto == IPPROTO_SCTP)
		return MZ_NEXT;
	if (mz_l4_csum(p, p->l2 + ETH_HLEN + p->l4 + check, diff, pseudo, p->proto == IPPROTO_UDP && !p->v6))
		return mz_drop(p, MZ_R_NO_ROOM);
	return MZ_NEXT;
}

/* p->ports into the packet; later fragments have none. */
static __always_inline int mz_nat_ports(struct mz_pkt *p)
{
	__be32 *ports, was, now = p->ports;

	if (p->later)
		return MZ_NEXT;
	ports = mz_at(p, p->l2 + ETH_HLEN + p->l4, sizeof(*ports));
	if (!ports)
		return mz_drop(p, MZ_R_NO_ROOM);
	was = *ports;
	if (was == now)
		return MZ_NEXT;
	*ports = now;
	return mz_nat_l4(p, mz_csum_diff(&was, &now, sizeof(now)), 0);
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
	return mz_nat_l4(p, diff, 1);
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
	return mz_nat_l4(p, diff, 1);
}

/* What a flow's translation decided: p->src, p->dst and p->ports. */
static __noinline int mz_translate_slow(struct mz_pkt *p)
{
	if (p->v6)
		MZ_TRY(mz_nat6(p, &p->src, &p->dst));
	else
		MZ_TRY(mz_nat4(p, p->src.w[3], p->dst.w[3]));
	return mz_nat_ports(p);
}

static __always_inline int mz_stage_translate(struct mz_pkt *p)
{
	return mz_unlikely(p->translated) ? mz_translate_slow(p) : MZ_NEXT;
}

#endif
