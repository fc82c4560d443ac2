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

static __always_inline struct mz_addr mz_gateway_link_local(void)
{
	/* fe80:: and the EUI-64 of the gateway's MAC (RFC 4291, appendix A) */
	struct mz_addr a = { .w = { mz_htonl(0xfe800000), 0, mz_htonl(0x004d5aff), mz_htonl(0xfe000001) } };

	return a;
}

/* A whole echo request without IP options or extension headers. */
static __always_inline struct mz_icmp *mz_echo_request(struct mz_pkt *p)
{
	__u32 l4 = p->v6 ? sizeof(struct mz_ip6) : sizeof(struct iphdr);
	struct mz_icmp *icmp;

	if (p->proto != (p->v6 ? MZ_ICMP6 : IPPROTO_ICMP) || p->fragment || p->l4 != l4)
		return NULL;
	icmp = mz_at(p, ETH_HLEN + l4, sizeof(*icmp));
	if (!icmp || icmp->type != (p->v6 ? MZ_ICMP6_ECHO : MZ_ICMP4_ECHO) || icmp->code)
		return NULL;
	return icmp;
}

/* Another type, and the checksum with it (RFC 1624, equation 3). */
static __always_inline void mz_change_type(struct mz_icmp *icmp, __u8 type)
{
	__u32 sum = (__u16)~icmp->check + (__u16)~mz_htons((__u16)(icmp->type << 8)) +
		    (__u32)mz_htons((__u16)(type << 8));

	icmp->type = type;
	icmp->check = mz_fold(sum);
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

static __always_inline int mz_stage_echo4(struct mz_pkt *p, const struct mz_port *port)
{
	struct mz_icmp *icmp;
	struct iphdr *ip;

	if (p->proto != IPPROTO_ICMP || !port->gateway4 || p->dst.w[3] != port->gateway4)
		return MZ_NEXT;
	icmp = mz_echo_request(p);
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
static __always_inline int mz_stage_echo6(struct mz_pkt *p, const struct mz_port *port)
{
	struct mz_addr link = mz_gateway_link_local();
	struct mz_icmp *icmp;
	struct mz_ip6 *ip;

	if (p->proto != MZ_ICMP6 || mz_ip6_is_none(&port->ip6) || mz_ip6_is_none(&p->dst) ||
	    (!mz_addr_eq(&p->src, &port->ip6) && !mz_ip6_is_link_local(&p->src)) ||
	    (!mz_addr_eq(&p->dst, &port->gateway6) && !mz_addr_eq(&p->dst, &link)))
		return MZ_NEXT;
	icmp = mz_echo_request(p);
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
