/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Packets hosts send each other about the overlay itself: O bit set (RFC 8926
 * section 3.4), our option says which. Only known hosts get this far. */
#ifndef MZ_LIB_CONTROL_H
#define MZ_LIB_CONTROL_H

#include "bpf/lib/learn.h"
#include "bpf/lib/rewrite.h"

static __always_inline int mz_probe_back6(struct mz_pkt *p)
{
	struct mz_ip6 *ip = mz_at(p, MZ_OFF_IP, sizeof(*ip));

	if (!ip)
		return mz_drop(p, MZ_R_OUTER_TRUNCATED);
	ip->dst = p->outer_src;
	ip->src = mz_cfg.self_ip6;
	return mz_end(p, MZ_ACT_ANSWER, MZ_R_PROBE);
}

/* Sends a probe back as it came: proof that this host's data plane lives,
 * whatever its daemon does. Its port is never ours, or two hosts could play
 * one probe back and forth for ever. */
static __always_inline int mz_probe(struct mz_pkt *p)
{
	struct mz_eth *eth = mz_at(p, 0, MZ_OFF_GENEVE4);
	struct udphdr *udp = mz_at(p, p->geneve - (__u32)sizeof(*udp), sizeof(*udp));
	__u8 mac[MZ_ETH_ALEN] __attribute__((aligned(2)));
	__be16 port;

	if (!eth || !udp)
		return mz_drop(p, MZ_R_OUTER_TRUNCATED);
	port = udp->source;
	if (port == mz_htons(MZ_GENEVE_PORT))
		return mz_drop(p, MZ_R_GENEVE_CONTROL);
	udp->source = udp->dest;
	udp->dest = port;
	mz_mac_copy(mac, eth->dst);
	mz_set_macs(eth, eth->src, mac);
	/* Swapped like the ports: every checksum stands. */
	if (p->outer6)
		return mz_probe_back6(p);
	((struct iphdr *)(eth + 1))->daddr = p->outer_src.w[3];
	((struct iphdr *)(eth + 1))->saddr = mz_cfg.self_ip4.w[3];
	return mz_end(p, MZ_ACT_ANSWER, MZ_R_PROBE);
}

/* Ends every control packet but a hint and what is told of groups, whose inner packet is
 * read as any. */
static __always_inline int mz_stage_control(struct mz_pkt *p)
{
	if (!p->oam)
		return MZ_NEXT;
	if (p->opt_flags & MZ_OPT_F_PROBE)
		return mz_probe(p);
	if (p->opt_flags & (MZ_OPT_F_HINT | MZ_OPT_F_GROUP))
		return MZ_NEXT;
	return mz_drop(p, MZ_R_GENEVE_CONTROL);
}

/* A hint reads as a packet of the endpoint it is about: source and origin say
 * where that lives, origin 0 that it lives there no more. */
static __noinline int mz_take_hint(struct mz_pkt *p)
{
	if (p->origin)
		mz_learn(p, p->vni);
	else
		mz_forget(p);
	return mz_end(p, MZ_ACT_DROP, MZ_R_HINT);
}

static __always_inline int mz_stage_hint(struct mz_pkt *p)
{
	if (!p->oam)
		return MZ_NEXT;
	if (!(p->opt_flags & MZ_OPT_F_HINT))
		return mz_drop(p, MZ_R_GENEVE_CONTROL);
	return mz_take_hint(p);
}

#endif
