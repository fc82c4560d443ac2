/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Header rewrites: the last thing that happens to a packet. */
#ifndef MZ_LIB_REWRITE_H
#define MZ_LIB_REWRITE_H

#include "bpf/lib/geneve.h"

static __always_inline void mz_set_macs(struct mz_eth *eth, const __u8 *dst, const __u8 *src)
{
	mz_mac_copy(eth->dst, dst);
	mz_mac_copy(eth->src, src);
}

/* The MAC the tenants' side sees as its network. */
static __always_inline const __u8 *mz_gateway(void)
{
	static const __u8 mac[8] __attribute__((aligned(8))) = MZ_GATEWAY_MAC;

	return mac;
}

static __always_inline void mz_fill_ip4(struct iphdr *ip, __u32 total, __u8 tos, __be32 dst)
{
	*(__u8 *)ip = 0x45;
	ip->tos = tos;
	ip->tot_len = mz_htons((__u16)total);
	ip->id = 0; /* atomic datagram, RFC 6864 */
	ip->frag_off = mz_htons(MZ_IP4_DF);
	ip->ttl = 64;
	ip->protocol = IPPROTO_UDP;
	ip->check = 0;
	ip->saddr = mz_cfg.self_ip4.w[3];
	ip->daddr = dst;
	ip->check = mz_ip4_checksum(ip);
}

static __always_inline void mz_fill_udp(struct udphdr *udp, __u32 len, __u32 hash)
{
	udp->source = mz_htons((__u16)(MZ_UDP_PORT_MIN | (hash & 0x3fff)));
	udp->dest = mz_htons(MZ_GENEVE_PORT);
	udp->len = mz_htons((__u16)len);
	udp->check = 0; /* RFC 8926 3.3: allowed over IPv4, the inner ones stand */
}

static __always_inline void mz_fill_geneve(struct mz_pkt *p, struct mz_geneve *g, struct mz_opt *o)
{
	g->ver_optlen = 1 + MZ_OPT_WORDS;
	g->flags = 0;
	g->proto = mz_htons(MZ_GENEVE_PROTO_ETH);
	g->vni = mz_htonl(p->vni << 8);
	o->h.opt_class = mz_htons(MZ_OPT_CLASS);
	o->h.type = MZ_OPT_TYPE;
	o->h.len = MZ_OPT_WORDS;
	o->label = mz_htonl(p->label);
	o->class_origin = mz_htonl(mz_opt_word(p->qos_class, mz_cfg.self_id));
	o->hops_sender = mz_htonl(mz_opt_word(0, mz_cfg.self_id));
}

/* Puts the endpoint's packet into a tunnel packet to p->nh. */
static __always_inline int mz_encap(struct mz_pkt *p, const struct mz_port *port, enum mz_act act)
{
	__u32 hash = mz_flow_hash(p);
	__u32 total = p->len + MZ_OUTER_LEN4 - ETH_HLEN;
	struct mz_eth *eth, *inner;
	__u8 *at;

	if (mz_push_outer(p))
		return mz_drop(p, MZ_R_NO_ROOM);
	at = mz_at(p, 0, MZ_OUTER_LEN4 + ETH_HLEN);
	if (!at)
		return mz_drop(p, MZ_R_NO_ROOM);
	eth = (struct mz_eth *)at;
	mz_set_macs(eth, p->nh.dmac, p->nh.smac);
	eth->proto = mz_htons(ETH_P_IP);
	/* ECN goes outside as it is (RFC 6040, normal mode); DSCP stays 0. */
	mz_fill_ip4((struct iphdr *)(at + MZ_OFF_IP), total, p->tos & MZ_ECN_MASK, p->nh.ip.w[3]);
	mz_fill_udp((struct udphdr *)(at + MZ_OFF_UDP), total - 20, hash);
	mz_fill_geneve(p, (struct mz_geneve *)(at + MZ_OFF_GENEVE), (struct mz_opt *)(at + MZ_OFF_OPTS));
	inner = (struct mz_eth *)(at + MZ_OUTER_LEN4);
	mz_set_macs(inner, mz_gateway(), port->mac);
	inner->proto = mz_htons(ETH_P_IP);
	p->out_ifindex = p->nh.ifindex;
	mz_note(p, MZ_ST_REWRITE, MZ_OBJ_HOST, p->to_host, total);
	return mz_end(p, act, (enum mz_reason)p->why);
}

/* Sends a tunnel packet on to p->nh: new outer addresses, one hop more. The
 * inner packet is not touched. */
static __always_inline int mz_hop(struct mz_pkt *p, enum mz_act act)
{
	struct mz_eth *eth = mz_at(p, 0, MZ_OFF_OPTS);
	struct iphdr *ip;
	struct udphdr *udp;
	struct mz_opt *o;

	if (!eth)
		return mz_drop(p, MZ_R_OUTER_TRUNCATED);
	ip = (struct iphdr *)(eth + 1);
	udp = (struct udphdr *)(ip + 1);
	/* The outer TTL bounds foreign packets, which carry no hop count. */
	if (ip->ttl <= 1 || p->hops >= MZ_MAX_HOPS)
		return mz_drop(p, MZ_R_HOP_LIMIT);
	mz_set_macs(eth, p->nh.dmac, p->nh.smac);
	ip->ttl--;
	ip->saddr = mz_cfg.self_ip4.w[3];
	ip->daddr = p->nh.ip.w[3];
	ip->check = 0;
	ip->check = mz_ip4_checksum(ip);
	udp->check = 0;
	if (p->opt) {
		o = mz_at(p, p->opt, sizeof(*o));
		if (!o)
			return mz_drop(p, MZ_R_OUTER_TRUNCATED);
		o->hops_sender = mz_htonl(mz_opt_word((__u32)(p->hops + 1) << 4 | p->opt_flags,
						      mz_cfg.self_id));
	}
	p->out_ifindex = p->nh.ifindex;
	mz_note(p, MZ_ST_REWRITE, MZ_OBJ_HOST, p->to_host, p->hops + 1u);
	return mz_end(p, act, (enum mz_reason)p->why);
}

/* The frame as the endpoint sees it: from its gateway, to itself. */
static __always_inline int mz_address_frame(struct mz_pkt *p)
{
	struct mz_eth *eth = mz_at(p, 0, sizeof(*eth));

	if (!eth)
		return mz_drop(p, MZ_R_NO_ROOM);
	mz_set_macs(eth, p->mac, mz_gateway());
	eth->proto = mz_htons(ETH_P_IP);
	mz_note(p, MZ_ST_REWRITE, MZ_OBJ_PORT, p->out_ifindex, 0);
	return mz_end(p, MZ_ACT_DELIVER, (enum mz_reason)p->why);
}

/* Congestion marked on the underlay reaches the endpoint (RFC 6040 4.2). */
static __always_inline int mz_stage_ecn(struct mz_pkt *p)
{
	struct iphdr *ip;
	__u32 sum;

	if ((p->outer_tos & MZ_ECN_MASK) != MZ_ECN_CE || (p->tos & MZ_ECN_MASK) == MZ_ECN_CE)
		return MZ_NEXT;
	if (!(p->tos & MZ_ECN_MASK))
		return mz_drop(p, MZ_R_ECN_LOST);
	ip = mz_at(p, p->l2 + ETH_HLEN, sizeof(*ip));
	if (!ip)
		return mz_drop(p, MZ_R_INNER_TRUNCATED);
	/* RFC 1624, equation 3; the TOS is the low byte of the first word. */
	sum = (__u16)~ip->check + (__u16)~mz_htons(0x4500 | p->tos) +
	      (__u32)mz_htons((__u16)(0x4500 | p->tos | MZ_ECN_CE));
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	p->tos |= MZ_ECN_CE;
	ip->tos = p->tos;
	ip->check = (__u16)~sum;
	return MZ_NEXT;
}

/* Takes the inner packet out and hands it to its endpoint. */
static __always_inline int mz_decap(struct mz_pkt *p)
{
	MZ_TRY(mz_stage_ecn(p));
	if (mz_pop_outer(p, p->l2))
		return mz_drop(p, MZ_R_NO_ROOM);
	return mz_address_frame(p);
}

#endif
