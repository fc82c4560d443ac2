/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The network's gateway answers echo requests (RFC 792, RFC 4443 4.2): what every
 * machine image pings first. */
#ifndef MZ_LIB_ECHO_H
#define MZ_LIB_ECHO_H

#include "bpf/lib/icmp.h"

#define MZ_ICMP4_ECHO       8
#define MZ_ICMP4_ECHO_REPLY 0
#define MZ_ICMP6_ECHO       128
#define MZ_ICMP6_ECHO_REPLY 129

/* A whole echo request without IP options or extension headers, to the gateway;
 * or NULL. `l4` is where a plain header ends. */
static __always_inline struct mz_icmp *mz_echo_request(struct mz_pkt *p, __u32 l4, __u8 type)
{
	struct mz_icmp *icmp = mz_at(p, ETH_HLEN + l4, sizeof(*icmp));

	return icmp && icmp->type == type && !icmp->code && !p->fragment && p->l4 == l4 ? icmp : NULL;
}

static __always_inline void mz_change_type(struct mz_icmp *icmp, __u8 type)
{
	icmp->check = mz_checksum_after(icmp->check, (__u32)icmp->type << 8, (__u32)type << 8);
	icmp->type = type;
}

static __always_inline int mz_echo_back(struct mz_pkt *p, const struct mz_port *port)
{
	struct mz_eth *eth = mz_at(p, 0, sizeof(*eth));

	if (!eth)
		return mz_drop(p, MZ_R_NO_ROOM);
	mz_set_macs(eth, port->mac, mz_gateway());
	mz_note(p, MZ_ST_RESPOND, MZ_OBJ_PORT, port->ifindex, 0);
	return mz_end(p, MZ_ACT_ANSWER, MZ_R_ECHO_REPLY);
}

static __noinline int mz_stage_echo4(struct mz_pkt *p, const struct mz_port *port)
{
	struct mz_icmp *icmp;
	struct iphdr *ip;

	if (p->proto != IPPROTO_ICMP || !port->gateway4 || p->dst.w[3] != port->gateway4)
		return MZ_NEXT;
	icmp = mz_echo_request(p, sizeof(*ip), MZ_ICMP4_ECHO);
	ip = mz_at(p, ETH_HLEN, sizeof(*ip));
	if (!icmp || !ip)
		return MZ_NEXT;
	mz_change_type(icmp, MZ_ICMP4_ECHO_REPLY);
	ip->daddr = ip->saddr;
	ip->saddr = p->dst.w[3];
	ip->ttl = 64;
	ip->check = 0;
	ip->check = mz_ip4_checksum(ip);
	return mz_echo_back(p, port);
}

/* Also from and to link-local addresses: they end here, on the link. */
static __noinline int mz_stage_echo6(struct mz_pkt *p, const struct mz_port *port)
{
	struct mz_addr link = mz_gateway_link_local();
	struct mz_icmp *icmp;
	struct mz_ip6 *ip;

	if (p->proto != MZ_ICMP6 || mz_ip6_is_none(&port->ip6) || mz_ip6_is_none(&p->dst) ||
	    (!mz_addr_eq(&p->src, &port->ip6) && !mz_ip6_is_link_local(&p->src)) ||
	    (!mz_addr_eq(&p->dst, &port->gateway6) && !mz_addr_eq(&p->dst, &link)))
		return MZ_NEXT;
	icmp = mz_echo_request(p, sizeof(*ip), MZ_ICMP6_ECHO);
	ip = mz_at(p, ETH_HLEN, sizeof(*ip));
	if (!icmp || !ip)
		return MZ_NEXT;
	mz_change_type(icmp, MZ_ICMP6_ECHO_REPLY);
	ip->dst = p->src; /* swapped: the pseudo-header's sum stays */
	ip->src = p->dst;
	ip->hops = 64;
	return mz_echo_back(p, port);
}

#endif
