/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Other addresses and ports in a packet, and its checksums with them (RFC 1624). */
#ifndef MZ_LIB_NAT_H
#define MZ_LIB_NAT_H

#include "bpf/lib/checksum.h"
#include "bpf/lib/l4.h"

/* TCP's, UDP's and ICMP's checksum; those of SCTP (RFC 9260 6.8) and of ICMP over IPv4
 * cover no address, and what else there is is not known to have one. */
static __always_inline int mz_nat_l4(struct mz_pkt *p, __u32 diff, int pseudo)
{
	int icmp4 = p->proto == IPPROTO_ICMP && !p->v6, icmp6 = p->proto == MZ_ICMP6 && p->v6;
	__u32 check = p->proto == IPPROTO_TCP ? 16 : icmp4 || icmp6 ? 2 : 6;

	if (p->later || (icmp4 && pseudo))
		return MZ_NEXT;
	if (!icmp4 && !icmp6 && p->proto != IPPROTO_TCP && p->proto != IPPROTO_UDP)
		return MZ_NEXT;
	if (mz_l4_csum(p, p->l2 + ETH_HLEN + p->l4 + check, diff, pseudo, p->proto == IPPROTO_UDP && !p->v6))
		return mz_drop(p, MZ_R_NO_ROOM);
	return MZ_NEXT;
}

/* p->ports into the packet, or a query's identifier; later fragments have none. */
static __always_inline int mz_nat_ports(struct mz_pkt *p)
{
	int icmp = p->proto == (p->v6 ? MZ_ICMP6 : IPPROTO_ICMP);
	__be32 *ports, was, now = p->ports;

	if (p->later || !now)
		return MZ_NEXT;
	ports = mz_at(p, p->l2 + ETH_HLEN + p->l4 + (icmp ? 4 : 0), sizeof(*ports));
	if (!ports)
		return mz_drop(p, MZ_R_NO_ROOM);
	was = *ports;
	if (icmp) /* a sequence number follows */
		now = (was & ~0xffffu) | (now & 0xffff);
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
	__u64 diff;

	if (!ip)
		return mz_drop(p, MZ_R_NO_ROOM);
	diff = (__u64)mz_csum_diff_addr(&ip->src, src) + mz_csum_diff_addr(&ip->dst, dst);
	ip->src = *src;
	ip->dst = *dst;
	return mz_nat_l4(p, mz_carried(diff), 1);
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
