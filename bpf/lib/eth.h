/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The endpoint's Ethernet header: who sends, and what is inside. */
#ifndef MZ_LIB_ETH_H
#define MZ_LIB_ETH_H

#include "bpf/lib/count.h"

/* The endpoint behind an interface, or NULL: its slot may be another's. */
static __always_inline const struct mz_port *mz_port_of(__u32 ifindex)
{
	__u32 slot = ifindex & (MZ_PORTS - 1);
	const struct mz_port *port = mz_lookup(mz_ports, &slot);

	return port && port->ifindex == ifindex ? port : NULL;
}

/* Finds the endpoint by the interface its packet came from. */
static __always_inline int mz_stage_port(struct mz_pkt *p, const struct mz_port **port)
{
	__u32 ifindex = mz_in_ifindex(p);
	const struct mz_port *found = mz_port_of(ifindex);

	if (!found) {
		mz_note(p, MZ_ST_PORT, MZ_OBJ_MISS, ifindex, 0);
		return mz_drop(p, MZ_R_NO_PORT);
	}
	*port = found;
	p->vni = found->vni;
	p->vpc = found->vpc;
	p->label = found->label;
	p->policy = found->policy;
	p->qos_class = found->qos_class;
	p->deliver_flags = (__u8)found->flags;
	mz_note(p, MZ_ST_PORT, MZ_OBJ_PORT, ifindex, found->vni);
	return MZ_NEXT;
}

/* Reads the frame's Ethernet header; only the endpoint's own MAC may send. */
static __always_inline int mz_stage_eth(struct mz_pkt *p, const struct mz_port *port, __be16 *type)
{
	const struct mz_eth *eth = mz_at(p, p->l2, sizeof(*eth));

	if (!eth)
		return mz_drop(p, MZ_R_L3_UNSUPPORTED);
	if (!mz_mac_eq(eth->src, port->mac)) {
		mz_note(p, MZ_ST_SPOOF, MZ_OBJ_PORT, port->ifindex, 0);
		return mz_drop(p, MZ_R_SRC_MAC);
	}
	*type = eth->proto;
	p->v6 = mz_family(eth);
	if (*type != mz_htons(ETH_P_IP) && *type != mz_htons(ETH_P_IPV6) && *type != mz_htons(ETH_P_ARP))
		return mz_drop(p, MZ_R_L3_UNSUPPORTED);
	p->group = eth->dst[0] & 1;
	return MZ_NEXT;
}

#endif
