/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What nobody serves is refused at once: TCP by RST (RFC 9293 3.10.7.1), all else by
 * port unreachable (RFC 792, RFC 4443 3.1). */
#ifndef MZ_LIB_REFUSE_H
#define MZ_LIB_REFUSE_H

#include "bpf/lib/l4.h"
#include "bpf/lib/too_big.h"

#define MZ_ICMP4_PORT_UNREACHABLE 3 /* code */
#define MZ_ICMP6_UNREACHABLE      1
#define MZ_ICMP6_PORT_UNREACHABLE 4 /* code */

/* <linux/tcp.h> has bit-fields that depend on byte order. */
struct mz_tcp {
	__be16 source, dest;
	__be32 seq, ack;
	__u8   offset; /* of the data: words in the upper 4 bits */
	__u8   flags;
	__be16 window, check, urgent;
};
MZ_ABI_ASSERT(sizeof(struct mz_tcp) == 20);

#define MZ_TCP_FIN 0x01
#define MZ_TCP_SYN 0x02
#define MZ_TCP_RST 0x04

/* The RST a closed port answers with, made of the header it answers. */
static __always_inline void mz_fill_rst(struct mz_tcp *tcp, const struct mz_tcp *to, __u32 segment)
{
	int ack = to->flags & MZ_TCP_ACK;

	tcp->source = to->dest;
	tcp->dest = to->source;
	tcp->seq = ack ? to->ack : 0;
	tcp->ack = ack ? 0 : mz_htonl(mz_ntohl(to->seq) + segment);
	tcp->offset = 5 << 4;
	tcp->flags = MZ_TCP_RST | (ack ? 0 : MZ_TCP_ACK);
	tcp->window = 0;
	tcp->check = 0;
	tcp->urgent = 0;
}

static __always_inline int mz_rst4(struct mz_pkt *p, const struct mz_teller *by, const struct mz_tcp *to,
				   __u32 segment)
{
	struct mz_tcp *tcp;
	struct mz_eth *eth;
	struct iphdr *ip;

	if (mz_resize(p, ETH_HLEN + 40) && mz_refit(p, ETH_HLEN + 40))
		return -1;
	eth = mz_at(p, 0, ETH_HLEN + 40);
	if (!eth)
		return -1;
	ip = (struct iphdr *)(eth + 1);
	tcp = (struct mz_tcp *)(ip + 1);
	mz_set_macs(eth, by->mac, mz_gateway());
	mz_fill_ip4(ip, 40, 0, 64, p->src.w[3]);
	ip->protocol = IPPROTO_TCP;
	ip->saddr = p->dst.w[3];
	ip->check = 0;
	ip->check = mz_ip4_checksum(ip);
	mz_fill_rst(tcp, to, segment);
	tcp->check = mz_fold(mz_sum(&ip->saddr, 28, mz_htons(20) + (__u32)mz_htons(IPPROTO_TCP)));
	return 0;
}

static __always_inline int mz_rst6(struct mz_pkt *p, const struct mz_teller *by, const struct mz_tcp *to,
				   __u32 segment)
{
	struct mz_tcp *tcp;
	struct mz_eth *eth;
	struct mz_ip6 *ip;

	if (mz_resize(p, ETH_HLEN + 60) && mz_refit(p, ETH_HLEN + 60))
		return -1;
	eth = mz_at(p, 0, ETH_HLEN + 60);
	if (!eth)
		return -1;
	ip = (struct mz_ip6 *)(eth + 1);
	tcp = (struct mz_tcp *)(ip + 1);
	mz_set_macs(eth, by->mac, mz_gateway());
	ip->flow = mz_htonl(6u << 28);
	ip->payload = mz_htons(20);
	ip->next = IPPROTO_TCP;
	ip->hops = 64;
	ip->src = p->dst;
	ip->dst = p->src;
	mz_fill_rst(tcp, to, segment);
	tcp->check = mz_fold(mz_sum(&ip->src, 52, mz_htons(20) + (__u32)mz_htons(IPPROTO_TCP)));
	return 0;
}

/* Not to a RST, a fragment, or behind options, which is for ICMP. */
static __always_inline int mz_may_reset(const struct mz_pkt *p)
{
	return p->proto == IPPROTO_TCP && !p->fragment && p->l4 == (p->v6 ? sizeof(struct mz_ip6) : sizeof(struct iphdr));
}

static __noinline int mz_reset(struct mz_pkt *p, const struct mz_teller *by, __u32 why)
{
	const struct mz_tcp *at;
	struct mz_tcp to;
	__u32 segment;

	at = mz_at(p, ETH_HLEN + p->l4, sizeof(*at));
	if (!at)
		return mz_drop(p, MZ_R_NO_ROOM);
	to = *at;
	segment = p->ip_end - ETH_HLEN - p->l4 - (to.offset >> 4) * 4u + !!(to.flags & MZ_TCP_SYN) +
		  !!(to.flags & MZ_TCP_FIN);
	if (p->v6 ? mz_rst6(p, by, &to, segment) : mz_rst4(p, by, &to, segment))
		return mz_drop(p, MZ_R_NO_ROOM);
	mz_note(p, MZ_ST_RESPOND, MZ_OBJ_PORT, by->ifindex, 0);
	return mz_end(p, MZ_ACT_ANSWER, (enum mz_reason)why);
}

static __noinline int mz_unreachable(struct mz_pkt *p, const struct mz_teller *by, __u32 why)
{
	if (!mz_may_complain(p))
		return mz_drop(p, (enum mz_reason)why);
	if (p->v6)
		return mz_icmp6_quote(p, by, MZ_QUOTE6_MIN, MZ_ICMP6_UNREACHABLE, MZ_ICMP6_PORT_UNREACHABLE, 0,
				      (enum mz_reason)why);
	return mz_unreachable4(p, by, MZ_ICMP4_PORT_UNREACHABLE, 0, why);
}

/* Back to the endpoint the packet came from. */
static __always_inline int mz_refuse(struct mz_pkt *p, const struct mz_teller *by, __u32 why)
{
	if (why == MZ_R_FLOW_CLASH || p->event == MZ_L4_ABORT)
		return mz_drop(p, (enum mz_reason)why);
	return mz_may_reset(p) ? mz_reset(p, by, why) : mz_unreachable(p, by, why);
}

#endif
