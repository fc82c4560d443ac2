/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The network's gateway answers echo requests (RFC 792, RFC 4443 4.2): what every
 * machine image pings first. */
#ifndef MZ_LIB_ECHO_H
#define MZ_LIB_ECHO_H

#include "bpf/lib/icmp.h"

static __always_inline void mz_change_type(struct mz_icmp *icmp, __u8 type)
{
	icmp->check = mz_checksum_after(icmp->check, (__u32)icmp->type << 8, (__u32)type << 8);
	icmp->type = type;
}

static __always_inline int mz_echo4(struct mz_pkt *p)
{
	struct iphdr *ip = mz_at(p, ETH_HLEN, sizeof(*ip) + sizeof(struct mz_icmp));

	if (!ip)
		return mz_drop(p, MZ_R_NO_ROOM);
	mz_change_type((struct mz_icmp *)(ip + 1), MZ_ICMP4_ECHO_REPLY);
	ip->daddr = ip->saddr;
	ip->saddr = p->dst.w[3];
	ip->ttl = 64;
	ip->check = 0;
	ip->check = mz_ip4_checksum(ip);
	return MZ_NEXT;
}

static __always_inline int mz_echo6(struct mz_pkt *p)
{
	struct mz_ip6 *ip = mz_at(p, ETH_HLEN, sizeof(*ip) + sizeof(struct mz_icmp));

	if (!ip)
		return mz_drop(p, MZ_R_NO_ROOM);
	mz_change_type((struct mz_icmp *)(ip + 1), MZ_ICMP6_ECHO_REPLY);
	ip->dst = p->src; /* swapped: the pseudo-header's sum stays */
	ip->src = p->dst;
	ip->hops = 64;
	return MZ_NEXT;
}

/* Turns what mz_pings_gateway4() or 6() has found into its answer. */
static __noinline int mz_stage_echo(struct mz_pkt *p, const struct mz_port *port)
{
	struct mz_eth *eth;

	MZ_TRY(p->v6 ? mz_echo6(p) : mz_echo4(p));
	eth = mz_at(p, 0, sizeof(*eth));
	if (!eth)
		return mz_drop(p, MZ_R_NO_ROOM);
	mz_set_macs(eth, port->mac, mz_gateway());
	mz_note(p, MZ_ST_RESPOND, MZ_OBJ_PORT, port->ifindex, 0);
	return mz_end(p, MZ_ACT_ANSWER, MZ_R_ECHO_REPLY);
}

#endif
