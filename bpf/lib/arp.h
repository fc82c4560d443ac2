/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* ARP (RFC 826, RFC 5227) is answered on the sender's host: every address of
 * the VPC is behind the one gateway MAC, so no request ever leaves. */
#ifndef MZ_LIB_ARP_H
#define MZ_LIB_ARP_H

#include "bpf/lib/rewrite.h"

/* <linux/if_arp.h> drags in the C library, which BPF has not. */
struct mz_arp4 {
	__be16 hrd, pro;
	__u8   hln, pln;
	__be16 op;
	__u8   sha[MZ_ETH_ALEN];
	__be32 spa;
	__u8   tha[MZ_ETH_ALEN];
	__be32 tpa;
} __attribute__((packed, aligned(2)));

#define MZ_ARP_REQUEST 1
#define MZ_ARP_REPLY   2

static __always_inline int mz_arp_valid(const struct mz_arp4 *a)
{
	return a->hrd == mz_htons(1 /* Ethernet */) && a->pro == mz_htons(ETH_P_IP) &&
	       a->hln == MZ_ETH_ALEN && a->pln == 4;
}

/* Turns the request into its answer, in place. */
static __always_inline void mz_arp_answer(struct mz_eth *eth, struct mz_arp4 *a)
{
	__be32 asked = a->tpa;

	mz_set_macs(eth, eth->src, mz_gateway());
	a->op = mz_htons(MZ_ARP_REPLY);
	mz_mac_copy(a->tha, a->sha);
	a->tpa = a->spa;
	mz_mac_copy(a->sha, mz_gateway());
	a->spa = asked;
}

/* All that happens to an ARP packet of an endpoint. A probe (sender 0.0.0.0)
 * for its own address must stay without answer, or the address looks taken. */
static __noinline int mz_stage_arp(struct mz_pkt *p, const struct mz_port *port)
{
	struct mz_eth *eth = mz_at(p, p->l2, sizeof(*eth) + sizeof(struct mz_arp4));
	struct mz_arp4 *a;

	if (!eth)
		return mz_drop(p, MZ_R_ARP_INVALID);
	a = (struct mz_arp4 *)(eth + 1);
	if (!mz_arp_valid(a))
		return mz_drop(p, MZ_R_ARP_INVALID);
	if (!mz_mac_eq(a->sha, port->mac) || (a->spa && a->spa != port->ip4)) {
		mz_note(p, MZ_ST_SPOOF, MZ_OBJ_PORT, port->ifindex, 0);
		return mz_drop(p, MZ_R_ARP_SPOOF);
	}
	if (a->op != mz_htons(MZ_ARP_REQUEST) || a->tpa == port->ip4 || a->tpa == a->spa)
		return mz_drop(p, MZ_R_ARP_IGNORED);
	mz_arp_answer(eth, a);
	mz_note(p, MZ_ST_RESPOND, MZ_OBJ_PORT, port->ifindex, 0);
	return mz_end(p, MZ_ACT_ANSWER, MZ_R_ARP_REPLY);
}

#endif
