/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What an endpoint asks of its network itself, besides ARP: neighbour discovery, and
 * pings of the gateway. How it is answered stands in nd.h and echo.h, in another program
 * (bpf/lib/answer.h). */
#ifndef MZ_LIB_ASKS_H
#define MZ_LIB_ASKS_H

#include "bpf/lib/icmp.h"

/* The ICMP header behind a plain IP header of `l4` bytes; or NULL. */
static __always_inline const struct mz_icmp *mz_plain_icmp(struct mz_pkt *p, __u32 l4)
{
	const struct mz_icmp *icmp = mz_at(p, ETH_HLEN + l4, sizeof(*icmp));

	return p->l4 == l4 ? icmp : NULL;
}

/* Of a packet of ICMPv6. */
static __always_inline int mz_is_nd(struct mz_pkt *p)
{
	const struct mz_icmp *icmp = mz_plain_icmp(p, sizeof(struct mz_ip6));

	return icmp && icmp->type >= MZ_ND_ROUTER_SOLICIT && icmp->type <= MZ_ND_REDIRECT;
}

/* A whole echo request without IP options or extension headers. */
static __always_inline int mz_is_ping(struct mz_pkt *p, __u32 l4, __u8 type)
{
	const struct mz_icmp *icmp = mz_plain_icmp(p, l4);

	return icmp && icmp->type == type && !icmp->code && !p->fragment;
}

/* Of a packet of ICMP. */
static __noinline int mz_pings_gateway4(struct mz_pkt *p, const struct mz_port *port)
{
	return port->gateway4 && p->dst.w[3] == port->gateway4 && mz_is_ping(p, sizeof(struct iphdr), MZ_ICMP4_ECHO);
}

/* Of a packet of ICMPv6. Also from and to link-local addresses: they end here, on the
 * link. */
static __noinline int mz_pings_gateway6(struct mz_pkt *p, const struct mz_port *port)
{
	struct mz_addr link = mz_gateway_link_local();

	if (mz_ip6_is_none(&port->ip6) || mz_ip6_is_none(&p->dst) ||
	    (!mz_addr_eq(&p->src, &port->ip6) && !mz_ip6_is_link_local(&p->src)) ||
	    (!mz_addr_eq(&p->dst, &port->gateway6) && !mz_addr_eq(&p->dst, &link)))
		return 0;
	return mz_is_ping(p, sizeof(struct mz_ip6), MZ_ICMP6_ECHO);
}

#endif
