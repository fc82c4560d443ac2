/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From an endpoint to a service of its host. */
#ifndef MZ_LIB_LOCAL_H
#define MZ_LIB_LOCAL_H

#include "bpf/lib/services.h"

/* Leaves for the services' interface, as client `slot`, or for the host's, which is in the
 * host's own namespace. */
static __always_inline int mz_local_leave(struct mz_pkt *p, int host)
{
	p->out_ifindex = host ? mz_cfg.host : mz_cfg.services;
	p->deliver_flags = host ? 0 : MZ_EP_F_PEER;
	p->why = MZ_R_LOCAL_SERVICE;
	mz_mac_copy(p->mac, mz_gateway());
	return mz_address_frame(p);
}

static __noinline int mz_to_service4(struct mz_pkt *p, const struct mz_port *port)
{
	__u32 slot = port->ifindex & (MZ_PORTS - 1);
	__be32 to = p->dst.w[3];

	if (p->fragment || !mz_may_ask(p))
		return mz_drop(p, MZ_R_LOCAL_PORT);
	if (!mz_is_service4(to)) /* it was broadcast */
		to = mz_htonl(MZ_DHCP4_SERVER);
	mz_note(p, MZ_ST_RESPOND, MZ_OBJ_PORT, port->ifindex, 0);
	MZ_TRY(mz_nat4(p, mz_htonl(MZ_CLIENT4 + slot), to));
	return mz_local_leave(p, mz_is_host(&p->dst));
}

static __noinline int mz_to_service6(struct mz_pkt *p, const struct mz_port *port)
{
	__u32 slot = port->ifindex & (MZ_PORTS - 1);
	struct mz_addr from = mz_words(MZ_CLIENT6_HIGH, slot), to = p->dst;

	if (p->fragment || !mz_may_ask(p))
		return mz_drop(p, MZ_R_LOCAL_PORT);
	if (!mz_is_service6(&to)) { /* to all DHCP servers, from the link-local address the answer goes to */
		to = mz_words(MZ_SERVICES6_HIGH, MZ_DHCP6_SERVER_LOW);
		if (!p->trace)
			mz_insert(mz_links6, &slot, &p->src);
	}
	mz_note(p, MZ_ST_RESPOND, MZ_OBJ_PORT, port->ifindex, 0);
	MZ_TRY(mz_nat6(p, &from, &to));
	return mz_local_leave(p, mz_is_host(&p->dst));
}

/* A request by a client that has no address yet, or has forgotten it (RFC 2131
 * 4.1: from 0.0.0.0 to the broadcast address). */
static __always_inline int mz_is_dhcp4(struct mz_pkt *p, const struct mz_port *port)
{
	const struct udphdr *udp;

	if (!mz_cfg.services || p->dst.w[3] != mz_htonl(0xffffffff) || p->proto != IPPROTO_UDP || p->fragment ||
	    !port->ip4 || (p->src.w[3] && p->src.w[3] != port->ip4))
		return 0;
	udp = mz_at(p, ETH_HLEN + p->l4, sizeof(*udp));
	return udp && udp->source == mz_htons(MZ_DHCP4_CLIENT_PORT) && udp->dest == mz_htons(MZ_DHCP4_SERVER_PORT);
}

/* RFC 8415 7.1: from a link-local address to ff02::1:2. */
static __always_inline int mz_is_dhcp6(struct mz_pkt *p, const struct mz_port *port)
{
	const struct udphdr *udp;

	if (!mz_cfg.services || p->dst.w[0] != mz_htonl(0xff020000) || (p->dst.w[1] | p->dst.w[2]) ||
	    p->dst.w[3] != mz_htonl(0x00010002) || p->proto != IPPROTO_UDP || p->fragment ||
	    mz_ip6_is_none(&port->ip6) || !mz_ip6_is_link_local(&p->src))
		return 0;
	udp = mz_at(p, ETH_HLEN + p->l4, sizeof(*udp));
	return udp && udp->source == mz_htons(MZ_DHCP6_CLIENT_PORT) && udp->dest == mz_htons(MZ_DHCP6_SERVER_PORT);
}

/* Everything to a service's address ends here. */
static __always_inline int mz_stage_local(struct mz_pkt *p, const struct mz_port *port)
{
	if (!mz_cfg.services && !mz_cfg.host)
		return MZ_NEXT;
	if (mz_unlikely(!p->v6 && (p->asks_dhcp || mz_is_service4(p->dst.w[3]))))
		return mz_to_service4(p, port);
	if (mz_unlikely(p->v6 && (p->asks_dhcp || mz_is_service6(&p->dst))))
		return mz_to_service6(p, port);
	return MZ_NEXT;
}

#endif
