/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The outer headers: IPv4 or IPv6, UDP, Geneve (RFC 8926) and its options. */
#ifndef MZ_LIB_GENEVE_H
#define MZ_LIB_GENEVE_H

#include "bpf/lib/inner.h"

#define MZ_OFF_IP      ETH_HLEN
#define MZ_OFF_UDP4    (MZ_OFF_IP + 20u)
#define MZ_OFF_GENEVE4 (MZ_OFF_UDP4 + 8u)
#define MZ_OFF_UDP6    (MZ_OFF_IP + 40u)
#define MZ_OFF_GENEVE6 (MZ_OFF_UDP6 + 8u)

static __always_inline int mz_not_tunnel(struct mz_pkt *p)
{
	mz_measure(p, ~0u);
	return mz_end(p, MZ_ACT_PASS, MZ_R_NOT_TUNNEL);
}

/* A header with options: ours to refuse only if it is for the tunnel port. */
static __always_inline int mz_outer_options(struct mz_pkt *p, const struct iphdr *ip)
{
	__u32 ihl = (*(const __u8 *)ip & 0x0f) * 4u;
	const struct udphdr *udp = mz_at(p, MZ_OFF_IP + ihl, sizeof(*udp));

	if (ihl >= sizeof(*ip) && udp && udp->dest != mz_htons(MZ_GENEVE_PORT))
		return mz_not_tunnel(p);
	return mz_drop(p, MZ_R_OUTER_INVALID);
}

static __always_inline int mz_outer_ip4(struct mz_pkt *p)
{
	const struct iphdr *ip = mz_at(p, MZ_OFF_IP, 28);
	const struct udphdr *udp;

	if (!ip)
		return mz_not_tunnel(p);
	udp = (const struct udphdr *)(ip + 1);
	/* A later fragment has no ports; where it has bytes that look like ours
	 * it is left to the kernel, which drops it with its first one. */
	if (ip->daddr != mz_cfg.self_ip4.w[3] || ip->protocol != IPPROTO_UDP ||
	    (ip->frag_off & mz_htons(MZ_IP4_OFFSET)))
		return mz_not_tunnel(p);
	if (*(const __u8 *)ip != 0x45) /* with options; known hosts send none */
		return mz_outer_options(p, ip);
	if (udp->dest != mz_htons(MZ_GENEVE_PORT))
		return mz_not_tunnel(p);
	if (ip->frag_off & mz_htons(MZ_IP4_MF))
		return mz_drop(p, MZ_R_OUTER_FRAGMENT);
	if (ip->saddr == mz_cfg.self_ip4.w[3])
		return mz_drop(p, MZ_R_OWN_SOURCE);
	mz_measure(p, MZ_OFF_IP + mz_ntohs(ip->tot_len));
	p->outer_src = mz_addr4(ip->saddr);
	p->outer_tos = ip->tos;
	p->outer_ttl = ip->ttl;
	return MZ_NEXT;
}

/* Known hosts send no extension headers: a packet with some is no tunnel
 * packet, and a fragment is the kernel's to drop. */
static __always_inline int mz_outer_ip6(struct mz_pkt *p)
{
	const struct mz_ip6 *ip = mz_at(p, MZ_OFF_IP, 48);
	struct mz_addr self = mz_cfg.self_ip6;
	const struct udphdr *udp;

	if (!ip)
		return mz_not_tunnel(p);
	udp = (const struct udphdr *)(ip + 1);
	if (mz_ntohl(ip->flow) >> 28 != 6 || ip->next != IPPROTO_UDP ||
	    !mz_addr_eq(&ip->dst, &self) || udp->dest != mz_htons(MZ_GENEVE_PORT))
		return mz_not_tunnel(p);
	if (mz_addr_eq(&ip->src, &ip->dst))
		return mz_drop(p, MZ_R_OWN_SOURCE);
	mz_measure(p, MZ_OFF_UDP6 + mz_ntohs(ip->payload));
	p->outer_src = ip->src;
	p->outer_tos = (__u8)(mz_ntohl(ip->flow) >> 20);
	p->outer_ttl = ip->hops;
	return MZ_NEXT;
}

/* Is it a tunnel packet for this host? All else belongs to the kernel. */
static __always_inline int mz_stage_outer(struct mz_pkt *p)
{
	const struct mz_eth *eth = mz_at(p, 0, sizeof(*eth));

	if (!eth)
		return mz_not_tunnel(p);
	p->outer6 = mz_family(eth);
	p->geneve = MZ_OFF_GENEVE4 + p->outer6 * (MZ_OFF_GENEVE6 - MZ_OFF_GENEVE4);
	if (eth->proto == mz_htons(ETH_P_IP))
		return mz_outer_ip4(p);
	if (eth->proto == mz_htons(ETH_P_IPV6))
		return mz_outer_ip6(p);
	return mz_not_tunnel(p);
}

/* Reads our option, `words` long behind its header. */
static __always_inline int mz_read_option(struct mz_pkt *p, __u32 off)
{
	const struct mz_opt *o = mz_at(p, off, sizeof(*o));
	__u32 v;

	if (!o || (o->h.len & MZ_OPT_LEN_MASK) != MZ_OPT_WORDS || p->opt)
		return mz_drop(p, MZ_R_OPTION_INVALID);
	p->opt = off;
	p->label = mz_ntohl(o->label);
	v = mz_ntohl(o->class_origin);
	p->qos_class = (__u8)(v >> 24);
	p->origin = v & MZ_HOST_ID_MAX;
	v = mz_ntohl(o->hops_sender);
	p->hops = (__u8)(v >> 28);
	p->opt_flags = (__u8)((v >> 24) & 0xf);
	p->sender = v & MZ_HOST_ID_MAX;
	return MZ_NEXT;
}

#define MZ_MAX_OPTS 16 /* options walked; a packet of more is refused */

/* Walks the options between `off` and `end`. Unknown ones are skipped unless
 * critical (RFC 8926 section 3.5). */
static __always_inline int mz_walk_options(struct mz_pkt *p, __u32 off, __u32 end)
{
	const struct mz_geneve_opt *h;

	for (int i = 0; i < MZ_MAX_OPTS && off < end; i++) {
		h = mz_at(p, off, sizeof(*h));
		if (!h)
			return mz_drop(p, MZ_R_OUTER_TRUNCATED);
		if (h->opt_class == mz_htons(MZ_OPT_CLASS) && h->type == MZ_OPT_TYPE)
			MZ_TRY(mz_read_option(p, off));
		else if (h->type & MZ_OPT_CRITICAL)
			return mz_drop(p, MZ_R_GENEVE_CRITICAL);
		off += sizeof(*h) + (h->len & MZ_OPT_LEN_MASK) * 4u;
	}
	return off == end ? MZ_NEXT : mz_drop(p, MZ_R_GENEVE_LENGTH);
}

/* The Geneve header and its options. Sets vni, l2 and what our option says. */
static __always_inline int mz_stage_geneve(struct mz_pkt *p)
{
	const struct mz_geneve *g = mz_at(p, p->geneve, sizeof(*g));
	__u32 start = p->geneve + (__u32)sizeof(*g), opts;

	if (!g)
		return mz_drop(p, MZ_R_OUTER_TRUNCATED);
	if (g->ver_optlen & MZ_GENEVE_VER_MASK)
		return mz_drop(p, MZ_R_GENEVE_VERSION);
	opts = (g->ver_optlen & MZ_GENEVE_OPTLEN_MASK) * 4u;
	if (start + opts > p->len)
		return mz_drop(p, MZ_R_GENEVE_LENGTH);
	p->vni = mz_ntohl(g->vni) >> 8;
	p->oam = (g->flags & MZ_GENEVE_F_OAM) != 0;
	p->l2 = start + opts;
	if (g->proto != mz_htons(MZ_GENEVE_PROTO_ETH))
		return mz_drop(p, MZ_R_GENEVE_PROTOCOL);
	if (mz_unlikely(opts > sizeof(struct mz_opt) || p->outer6))
		mz_pull(p, p->l2 + MZ_HEAD);
	MZ_TRY(mz_walk_options(p, start, p->l2));
	mz_note(p, MZ_ST_TUNNEL, MZ_OBJ_NONE, p->vni, p->hops);
	return MZ_NEXT;
}

#endif
