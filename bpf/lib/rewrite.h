/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Header rewrites: the last thing that happens to a packet. */
#ifndef MZ_LIB_REWRITE_H
#define MZ_LIB_REWRITE_H

#include "bpf/lib/checksum.h"
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

/* fe80:: and the EUI-64 of the gateway's MAC (RFC 4291, appendix A). */
static __always_inline struct mz_addr mz_gateway_link_local(void)
{
	struct mz_addr a = { .w = MZ_GATEWAY_LINK_LOCAL };

	return a;
}

/* Ethernet towards the next hop: both addresses as they stand in the hosts table. */
static __always_inline void mz_fill_eth(struct mz_eth *eth, const struct mz_host *nh, __be16 type)
{
	const __u32 *from = (const __u32 *)nh->dmac;
	__u32 *to = (__u32 *)eth;

	MZ_ABI_ASSERT(offsetof(struct mz_host, smac) == offsetof(struct mz_host, dmac) + MZ_ETH_ALEN);
	to[0] = from[0];
	to[1] = from[1];
	to[2] = from[2];
	eth->proto = type;
}

/* What a length field of 16 bits says of so many bytes: 0 of a superpacket too large to say. The kernel
 * knows its length, and writes those of its segments. */
static __always_inline __u32 mz_length_field(__u32 bytes)
{
	return bytes & ((bytes >> 16) - 1) >> 16;
}

/* Word by word: what is written in pieces costs a store each, and is slow to read again at once,
 * which is why the sum is of the words and not of what stands there. */
static __always_inline void mz_fill_ip4(struct iphdr *ip, __u32 total, __u32 tos, __u32 ttl, __be32 dst)
{
	const __be16 life = mz_htons((__u16)(ttl << 8 | IPPROTO_UDP)), df = mz_htons(MZ_IP4_DF);
	const __be32 src = mz_cfg.self_ip4.w[3], first = mz_htonl(0x45u << 24 | tos << 16 | mz_length_field(total));

	*(__be32 *)ip = first;
	ip->id = 0; /* atomic datagram, RFC 6864 */
	ip->frag_off = df;
	*(__be16 *)&ip->ttl = life;
	ip->check = mz_fold((first & 0xffff) + (first >> 16) + df + life + (src & 0xffff) + (src >> 16) +
			    (dst & 0xffff) + (dst >> 16));
	ip->saddr = src;
	ip->daddr = dst;
}

/* The flow label carries the flow's entropy (RFC 6438), of which the UDP source
 * port has as much. */
static __always_inline void mz_fill_ip6(struct mz_ip6 *ip, __u32 payload, __u8 tos, __u8 hops,
					const struct mz_addr *dst, __u16 entropy)
{
	ip->flow = mz_htonl(6u << 28 | (__u32)tos << 20 | entropy);
	ip->payload = mz_htons((__u16)mz_length_field(payload));
	ip->next = IPPROTO_UDP;
	ip->hops = hops;
	ip->src = mz_cfg.self_ip6;
	ip->dst = *dst;
}

/* No checksum: RFC 8926 3.3 allows it over IPv4, and over IPv6 under RFC 6935
 * and 6936; the inner ones stand, and the sender's address is proved. */
static __always_inline void mz_fill_udp(struct udphdr *udp, __u32 len, __u32 hash)
{
	__be32 *w = (__be32 *)udp;

	w[0] = mz_htonl((MZ_UDP_PORT_MIN | (hash & 0x3fff)) << 16 | MZ_GENEVE_PORT);
	w[1] = mz_htonl(mz_length_field(len) << 16);
}

static __always_inline void mz_fill_geneve(struct mz_pkt *p, struct mz_geneve *g)
{
	struct mz_opt *o = (struct mz_opt *)(g + 1);

	g->ver_optlen = 1 + MZ_OPT_WORDS;
	g->flags = 0;
	g->proto = mz_htons(MZ_GENEVE_PROTO_ETH);
	g->vni = mz_htonl(p->vni << 8);
	o->h.opt_class = mz_htons(MZ_OPT_CLASS);
	o->h.type = MZ_OPT_TYPE;
	o->h.len = MZ_OPT_WORDS;
	o->label = mz_htonl(p->label);
	o->class_origin = mz_htonl(mz_opt_word(p->qos_class, mz_cfg.self_id));
	o->hops_sender = mz_htonl(mz_opt_word(p->opt_flags, mz_cfg.self_id));
}

/* What both families share: Ethernet outside, Geneve, Ethernet inside. */
static __always_inline void mz_fill_frame(struct mz_pkt *p, const __u8 *mac, __u8 *at, __u32 geneve, __be16 type)
{
	struct mz_eth *eth = (struct mz_eth *)at;
	struct mz_eth *inner = (struct mz_eth *)(at + geneve + sizeof(struct mz_geneve) + sizeof(struct mz_opt));

	mz_fill_eth(eth, &p->nh, type);
	mz_fill_geneve(p, (struct mz_geneve *)(at + geneve));
	mz_set_macs(inner, mz_gateway(), mac);
	inner->proto = mz_ether_type(p);
}

int mz_set_tos(mz_ctx_t *ctx, __u32 off, __u32 v6, __u32 tos);

/* Another TOS or traffic class in the IP header at `off`. Verified by itself: few packets come
 * here, on each of their ways. */
__noinline int mz_set_tos(mz_ctx_t *ctx, __u32 off, __u32 v6, __u32 tos)
{
	__be16 at[6];

	tos &= 0xff;
	if (mz_ctx_load(ctx, off & MZ_OFF_MASK, at, sizeof(at)))
		return -1;
	if (v6) {
		at[0] = (at[0] & mz_htons(0xf00f)) | mz_htons((__u16)(tos << 4));
	} else {
		at[5] = mz_checksum_after(at[5], mz_ntohs(at[0]), (mz_ntohs(at[0]) & 0xff00u) | tos);
		at[0] = (at[0] & mz_htons(0xff00)) | mz_htons((__u16)tos);
	}
	return mz_ctx_store(ctx, off & MZ_OFF_MASK, at, sizeof(at));
}

/* What the packet's level is outside: DSCP and place in the uplink's queues. ECN goes outside
 * as it is (RFC 6040, normal mode), for both families. */
static __always_inline void mz_dress(struct mz_pkt *p)
{
	__u32 at = p->qos_class & ~MZ_LEVEL_TOLD, slot = at < MZ_LEVELS ? at : 0;
	const struct mz_level *level = mz_lookup(mz_levels, &slot);
	__u32 queue = 0;

	p->outer_tos = p->tos & MZ_ECN_MASK;
	if (!level)
		return;
	p->outer_tos |= (__u8)(level->outer << 2);
	if (level->flags & MZ_LEVEL_F_SPREAD)
		queue = mz_in_ifindex(p) & (MZ_LEVEL_QUEUES - 1);
	mz_set_priority(p, level->priority + queue);
	if (MZ_HAS_QOS && mz_unlikely(level->flags & MZ_LEVEL_F_INNER)) {
		mz_set_tos(p->ctx, p->l2 + ETH_HLEN, p->v6, (__u32)level->inner << 2 | (p->tos & MZ_ECN_MASK));
		mz_reload(p);
	}
}

static __always_inline int mz_tunnel4(struct mz_pkt *p, const __u8 *mac, __u32 hash)
{
	__u32 total = p->len - ETH_HLEN + MZ_OVERHEAD4;
	__u8 *at;

	if (mz_push_outer(p, 0))
		return mz_drop(p, MZ_R_NO_ROOM);
	at = mz_at(p, 0, MZ_OUTER_LEN4 + ETH_HLEN);
	if (!at)
		return mz_drop(p, MZ_R_NO_ROOM);
	mz_fill_ip4((struct iphdr *)(at + MZ_OFF_IP), total, p->outer_tos, 64, p->nh.ip.w[3]);
	mz_fill_udp((struct udphdr *)(at + MZ_OFF_UDP4), total - 20, hash);
	mz_fill_frame(p, mac, at, MZ_OFF_GENEVE4, mz_htons(ETH_P_IP));
	return MZ_NEXT;
}

static __always_inline int mz_tunnel6(struct mz_pkt *p, const __u8 *mac, __u32 hash)
{
	__u32 payload = p->len - ETH_HLEN + MZ_OVERHEAD6 - (__u32)sizeof(struct mz_ip6);
	__u8 *at;

	if (mz_push_outer(p, 1))
		return mz_drop(p, MZ_R_NO_ROOM);
	at = mz_at(p, 0, MZ_OUTER_LEN6 + ETH_HLEN);
	if (!at)
		return mz_drop(p, MZ_R_NO_ROOM);
	mz_fill_ip6((struct mz_ip6 *)(at + MZ_OFF_IP), payload, p->outer_tos, 64, &p->nh.ip,
		    (__u16)(MZ_UDP_PORT_MIN | (hash & 0x3fff)));
	mz_fill_udp((struct udphdr *)(at + MZ_OFF_UDP6), payload, hash);
	mz_fill_frame(p, mac, at, MZ_OFF_GENEVE6, mz_htons(ETH_P_IPV6));
	return MZ_NEXT;
}

static __always_inline int mz_leave(struct mz_pkt *p, enum mz_act act)
{
	p->out_ifindex = p->nh.ifindex;
	mz_note(p, MZ_ST_REWRITE, MZ_OBJ_HOST, p->to_host, p->hops);
	return mz_end(p, act, (enum mz_reason)p->why);
}

/* Puts a tenant's packet, whose sender has `mac`, into a tunnel packet to p->nh. */
static __always_inline int mz_encap(struct mz_pkt *p, const __u8 *mac, enum mz_act act)
{
	__u32 hash = mz_flow_hash(p);

	mz_dress(p);
	if (mz_is_ip4(&p->nh.ip))
		MZ_TRY(mz_tunnel4(p, mac, hash));
	else
		MZ_TRY(mz_tunnel6(p, mac, hash));
	return mz_leave(p, act);
}

/* One hop more in our option, if the packet has it. */
static __always_inline int mz_count_hop(struct mz_pkt *p)
{
	struct mz_opt *o;

	if (!p->opt)
		return MZ_NEXT;
	o = mz_at(p, p->opt, sizeof(*o));
	if (!o)
		return mz_drop(p, MZ_R_OUTER_TRUNCATED);
	o->hops_sender = mz_htonl(mz_opt_word((__u32)(p->hops + 1) << 4 | p->opt_flags, mz_cfg.self_id));
	return MZ_NEXT;
}

static __always_inline int mz_hop4(struct mz_pkt *p)
{
	struct mz_eth *eth = mz_at(p, 0, MZ_OFF_GENEVE4);
	struct iphdr *ip;
	struct udphdr *udp;

	if (!eth)
		return mz_drop(p, MZ_R_OUTER_TRUNCATED);
	ip = (struct iphdr *)(eth + 1);
	udp = (struct udphdr *)(ip + 1);
	mz_fill_eth(eth, &p->nh, mz_htons(ETH_P_IP));
	mz_fill_ip4(ip, udp->len ? mz_ntohs(udp->len) + 20u : 0, p->outer_tos, p->outer_ttl - 1, p->nh.ip.w[3]);
	udp->check = 0;
	return MZ_NEXT;
}

static __always_inline int mz_hop6(struct mz_pkt *p)
{
	struct mz_eth *eth = mz_at(p, 0, MZ_OFF_GENEVE6);
	struct mz_ip6 *ip;
	struct udphdr *udp;

	if (!eth)
		return mz_drop(p, MZ_R_OUTER_TRUNCATED);
	ip = (struct mz_ip6 *)(eth + 1);
	udp = (struct udphdr *)(ip + 1);
	mz_fill_eth(eth, &p->nh, mz_htons(ETH_P_IPV6));
	mz_fill_ip6(ip, mz_ntohs(udp->len), p->outer_tos, p->outer_ttl - 1, &p->nh.ip, mz_ntohs(udp->source));
	udp->check = 0;
	return MZ_NEXT;
}

/* From an underlay of one family to one of the other: all behind the IP header
 * stays as it is. */
static __always_inline int mz_change_family(struct mz_pkt *p)
{
	if (mz_shift_outer(p, !p->outer6))
		return mz_drop(p, MZ_R_NO_ROOM);
	if (p->opt)
		p->opt = p->outer6 ? p->opt - 20 : p->opt + 20;
	p->outer6 ^= 1;
	return MZ_NEXT;
}

/* Sends a tunnel packet on to p->nh: new outer IP header, one hop more. The
 * inner packet is not touched. */
static __always_inline int mz_hop(struct mz_pkt *p, enum mz_act act)
{
	/* The outer TTL bounds foreign packets, which carry no hop count. */
	if (p->outer_ttl <= 1 || p->hops >= MZ_MAX_HOPS)
		return mz_drop(p, MZ_R_HOP_LIMIT);
	if (mz_is_ip4(&p->nh.ip) == p->outer6)
		MZ_TRY(mz_change_family(p));
	if (p->outer6)
		MZ_TRY(mz_hop6(p));
	else
		MZ_TRY(mz_hop4(p));
	MZ_TRY(mz_count_hop(p));
	return mz_leave(p, act);
}

/* The frame as the endpoint sees it: from its gateway, to itself. */
static __always_inline int mz_address_frame(struct mz_pkt *p)
{
	struct mz_eth *eth = mz_at(p, 0, sizeof(*eth));

	if (!eth)
		return mz_drop(p, MZ_R_NO_ROOM);
	mz_set_macs(eth, p->mac, mz_gateway());
	eth->proto = mz_ether_type(p);
	mz_note(p, MZ_ST_REWRITE, MZ_OBJ_PORT, p->out_ifindex, 0);
	return mz_end(p, MZ_ACT_DELIVER, (enum mz_reason)p->why);
}

static __always_inline int mz_mark_ip4(struct mz_pkt *p)
{
	struct iphdr *ip = mz_at(p, p->l2 + ETH_HLEN, sizeof(*ip));

	if (!ip)
		return mz_drop(p, MZ_R_INNER_TRUNCATED);
	ip->check = mz_checksum_after(ip->check, 0x4500u | ip->tos, 0x4500u | p->tos);
	ip->tos = p->tos;
	return MZ_NEXT;
}

static __always_inline int mz_mark_ip6(struct mz_pkt *p)
{
	struct mz_ip6 *ip = mz_at(p, p->l2 + ETH_HLEN, sizeof(*ip));

	if (!ip)
		return mz_drop(p, MZ_R_INNER_TRUNCATED);
	ip->flow = (ip->flow & ~mz_htonl(0xffu << 20)) | mz_htonl((__u32)p->tos << 20);
	return MZ_NEXT;
}

/* What the underlay marked reaches the endpoint (RFC 6040 4.2): CE, and ECT(1) over
 * ECT(0). Where something changes it becomes what stands outside. */
static __always_inline int mz_stage_ecn(struct mz_pkt *p)
{
	__u8 out = p->outer_tos & MZ_ECN_MASK, in = p->tos & MZ_ECN_MASK;

	if (!(out & MZ_ECN_ECT1) || in == out || in == MZ_ECN_CE)
		return MZ_NEXT;
	if (!in)
		return out == MZ_ECN_CE ? mz_drop(p, MZ_R_ECN_LOST) : MZ_NEXT;
	p->tos ^= in ^ out;
	return p->v6 ? mz_mark_ip6(p) : mz_mark_ip4(p);
}

/* Takes the inner packet out, at p->l2 = 0 from then on. */
static __always_inline int mz_bare(struct mz_pkt *p)
{
	MZ_TRY(mz_stage_ecn(p));
	if (mz_pop_outer(p, p->l2))
		return mz_drop(p, MZ_R_NO_ROOM);
	p->ip_end -= p->l2;
	p->l2 = 0;
	return MZ_NEXT;
}

/* ... and hands it to its endpoint. */
static __always_inline int mz_decap(struct mz_pkt *p)
{
	MZ_TRY(mz_bare(p));
	return mz_address_frame(p);
}

#endif
