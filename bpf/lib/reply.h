/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From a service of the host to the endpoint that asked it, or that is probed; and from
 * the host itself to its endpoints. */
#ifndef MZ_LIB_REPLY_H
#define MZ_LIB_REPLY_H

#include "bpf/lib/refuse.h"
#include "bpf/lib/services.h"

/* The endpoint a client's address stands for, or NULL. */
static __always_inline const struct mz_port *mz_client(struct mz_pkt *p)
{
	__u32 slot = mz_ntohl(p->dst.w[3]);
	const struct mz_port *port;

	if (p->v6 ? p->dst.w[0] != mz_htonl(MZ_CLIENT6_HIGH) || (p->dst.w[1] | p->dst.w[2]) || slot >= MZ_PORTS
		  : (slot & ~(MZ_PORTS - 1)) != MZ_CLIENT4)
		return NULL;
	slot &= MZ_PORTS - 1;
	port = mz_lookup(mz_ports, &slot);
	return port && port->ifindex && (port->ifindex & (MZ_PORTS - 1)) == slot ? port : NULL;
}

/* BOOTP's flags behind op, htype, hlen, hops, xid and secs: the client cannot be
 * reached at its address yet (RFC 2131 4.1). */
static __always_inline int mz_wants_broadcast(struct mz_pkt *p)
{
	const __be16 *flags = mz_at(p, ETH_HLEN + p->l4 + 8 + 10, sizeof(*flags));

	return flags && (*flags & mz_htons(0x8000));
}

static __always_inline int mz_from_service4(struct mz_pkt *p, const struct mz_port *port)
{
	__be32 to = port->ip4;

	if (!to || !mz_is_service4(p->src.w[3]))
		return mz_drop(p, MZ_R_LOCAL_STRAY);
	if (p->proto == IPPROTO_UDP && p->ports == MZ_PORT_PAIR(MZ_DHCP4_SERVER_PORT, MZ_DHCP4_CLIENT_PORT) &&
	    mz_wants_broadcast(p)) {
		to = mz_htonl(0xffffffff);
		for (int i = 0; i < MZ_ETH_ALEN; i++)
			p->mac[i] = 0xff;
	}
	return mz_nat4(p, p->src.w[3], to);
}

static __always_inline int mz_from_service6(struct mz_pkt *p, const struct mz_port *port)
{
	__u32 slot = port->ifindex & (MZ_PORTS - 1);
	struct mz_addr from = p->src, to = port->ip6;
	const struct mz_addr *link;

	if (mz_ip6_is_none(&to) || !mz_is_service6(&from))
		return mz_drop(p, MZ_R_LOCAL_STRAY);
	if (p->proto == IPPROTO_UDP && p->ports == MZ_PORT_PAIR(MZ_DHCP6_SERVER_PORT, MZ_DHCP6_CLIENT_PORT)) {
		link = mz_lookup(mz_links6, &slot);
		if (!link)
			return mz_drop(p, MZ_R_LOCAL_STRAY);
		to = *link;
		from = mz_gateway_link_local();
	}
	return mz_nat6(p, &from, &to);
}

/* To a port that it may not reach: a process of the host is told at once. */
static __always_inline int mz_refuse_host(struct mz_pkt *p)
{
	const struct mz_eth *eth = mz_at(p, 0, sizeof(*eth));
	struct mz_teller by = { .gateway4 = p->dst.w[3], .gateway6 = p->dst };

	if (!eth)
		return mz_drop(p, MZ_R_HOST_PORT);
	mz_mac_copy(by.mac, eth->src);
	return mz_refuse(p, &by, MZ_R_HOST_PORT);
}

/* What may come from this service's address, or the prober's. */
static __always_inline int mz_may_reply(struct mz_pkt *p)
{
	return mz_is_prober(&p->src) ? p->proto == IPPROTO_TCP : mz_is_offered(p, mz_ntohl(p->ports) >> 16);
}

/* All the services' namespace sends: answers to clients, the prober's connections, and
 * nothing else. And what the host's own processes send. */
static __always_inline int mz_reply_stages(struct mz_pkt *p)
{
	const struct mz_eth *eth = mz_at(p, 0, sizeof(*eth));
	const struct mz_port *port;
	__u32 total = 0;
	int bad;

	if (!eth)
		return mz_drop(p, MZ_R_LOCAL_STRAY);
	p->v6 = mz_family(eth);
	if (eth->proto == mz_htons(ETH_P_IP))
		bad = mz_parse_ip4(p, &total, MZ_R_LOCAL_STRAY, MZ_R_LOCAL_STRAY);
	else if (eth->proto == mz_htons(ETH_P_IPV6))
		bad = mz_parse_ip6(p, &total, MZ_R_LOCAL_STRAY, MZ_R_LOCAL_STRAY, MZ_R_LOCAL_STRAY);
	else
		bad = 1;
	if (bad || p->fragment)
		return mz_drop(p, MZ_R_LOCAL_STRAY);
	MZ_TRY(mz_stage_l4(p, MZ_R_LOCAL_STRAY));
	port = mz_client(p);
	if (!port)
		return mz_drop(p, MZ_R_LOCAL_STRAY);
	if (mz_is_host(&p->src)) {
		if (p->proto != IPPROTO_TCP || !mz_is_host_port((__be16)(p->ports >> 16)))
			return mz_refuse_host(p);
	} else if (!mz_may_reply(p)) {
		return mz_drop(p, MZ_R_LOCAL_STRAY);
	}
	p->vni = port->vni;
	p->vpc = port->vpc;
	p->out_ifindex = port->ifindex;
	p->deliver_flags = (__u8)port->flags;
	p->why = MZ_R_LOCAL_REPLY;
	mz_mac_copy(p->mac, port->mac);
	if (p->v6)
		MZ_TRY(mz_from_service6(p, port));
	else
		MZ_TRY(mz_from_service4(p, port));
	return mz_address_frame(p);
}

static __always_inline int mz_reply(mz_ctx_t *ctx)
{
	struct mz_pkt p = { .ctx = ctx, .dir = MZ_DIR_INGRESS };

	mz_open(&p);
	mz_reply_stages(&p);
	return mz_finish(&p);
}

#endif
