/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Packets hosts send each other about the overlay itself: O bit set (RFC 8926
 * section 3.4), our option says which. Only known hosts get this far. */
#ifndef MZ_LIB_CONTROL_H
#define MZ_LIB_CONTROL_H

#include "bpf/lib/learn.h"
#include "bpf/lib/rewrite.h"

/* Sends a probe back as it came: proof that this host's data plane lives,
 * whatever its daemon does. Its port is never ours, or two hosts could play
 * one probe back and forth for ever. */
static __always_inline int mz_probe(struct mz_pkt *p)
{
	struct mz_eth *eth = mz_at(p, 0, MZ_OFF_GENEVE);
	__u8 mac[MZ_ETH_ALEN] __attribute__((aligned(2)));
	struct iphdr *ip;
	struct udphdr *udp;
	__be16 port;

	if (!eth)
		return mz_drop(p, MZ_R_OUTER_TRUNCATED);
	ip = (struct iphdr *)(eth + 1);
	udp = (struct udphdr *)(ip + 1);
	port = udp->source;
	if (port == mz_htons(MZ_GENEVE_PORT))
		return mz_drop(p, MZ_R_GENEVE_CONTROL);
	mz_mac_copy(mac, eth->dst);
	mz_set_macs(eth, eth->src, mac);
	ip->daddr = ip->saddr;
	ip->saddr = mz_cfg.self_ip4.w[3]; /* swapped: the checksum stands */
	udp->source = udp->dest;
	udp->dest = port;
	return mz_end(p, MZ_ACT_ANSWER, MZ_R_PROBE);
}

/* A hint reads as a packet of the endpoint it is about: source and origin say
 * where that lives, origin 0 that it lives there no more. */
static __always_inline int mz_hint(struct mz_pkt *p)
{
	MZ_TRY(mz_stage_inner_ip4(p));
	if (p->origin)
		mz_learn(p);
	else
		mz_forget(p);
	return mz_end(p, MZ_ACT_DROP, MZ_R_HINT);
}

static __always_inline int mz_stage_control(struct mz_pkt *p)
{
	if (!p->oam)
		return MZ_NEXT;
	if (p->opt_flags & MZ_OPT_F_PROBE)
		return mz_probe(p);
	if (p->opt_flags & MZ_OPT_F_HINT)
		return mz_hint(p);
	return mz_drop(p, MZ_R_GENEVE_CONTROL);
}

#endif
