/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* ICMP errors to an endpoint about what it sent: RFC 792, RFC 1191, RFC 1812 4.3.2
 * and RFC 4443. They come from an address that any reverse path check finds on its
 * link. */
#ifndef MZ_LIB_ICMP_H
#define MZ_LIB_ICMP_H

#include "bpf/lib/checksum.h"
#include "bpf/lib/maps.h"
#include "bpf/lib/rewrite.h"

#define MZ_ICMP4_UNREACHABLE 3
#define MZ_ICMP4_FRAG_NEEDED 4 /* code */
#define MZ_ICMP4_EXCEEDED    11
#define MZ_ICMP6_TOO_BIG     2
#define MZ_ICMP6_EXCEEDED    3

#define MZ_ICMP4_ECHO       8
#define MZ_ICMP4_ECHO_REPLY 0
#define MZ_ICMP6_ECHO       128
#define MZ_ICMP6_ECHO_REPLY 129

#define MZ_ND_ROUTER_SOLICIT  133
#define MZ_ND_ROUTER_ADVERT   134
#define MZ_ND_SOLICIT         135
#define MZ_ND_ADVERT          136
#define MZ_ND_REDIRECT        137

/* What is quoted of a packet: all that RFC 1812 and RFC 4443 let an error carry, or
 * of a short one what RFC 792 wants at least. */
#define MZ_QUOTE4     548u  /* 576 - 28 */
#define MZ_QUOTE4_MIN 28u
#define MZ_QUOTE6     1232u /* 1280 - 48 */
#define MZ_QUOTE6_MIN 48u

struct mz_icmp {
	__u8   type, code;
	__be16 check;
	__be32 word; /* what the type puts here */
};

/* Who tells the sender, and whom. The MTU is the largest IP packet that passes. */
struct mz_teller {
	__u32 ifindex; /* the sender's */
	__u32 mtu;
	__be32 gateway4; /* from whom errors come, 0 = none */
	struct mz_addr gateway6;
	__u8 mac[MZ_ETH_ALEN]; /* the sender's */
	__u16 pad;
};

static __always_inline void mz_teller_of(struct mz_teller *by, const struct mz_port *port)
{
	by->ifindex = port->ifindex;
	by->mtu = port->mtu;
	by->gateway4 = port->gateway4;
	by->gateway6 = port->gateway6;
	mz_mac_copy(by->mac, port->mac);
}

/* Where an error comes from: the gateway; where there is none, from whom the
 * packet was meant for, who is the nearest thing to a next hop there is. */
static __always_inline __be32 mz_error_source4(const struct mz_pkt *p, const struct mz_teller *by)
{
	return by->gateway4 ? by->gateway4 : p->dst.w[3];
}

static __always_inline struct mz_addr mz_error_source6(const struct mz_pkt *p, const struct mz_teller *by)
{
	return mz_ip6_is_none(&by->gateway6) ? p->dst : by->gateway6;
}

/* No error about an error, or about a later fragment (RFC 1122 3.2.2, RFC 4443 2.4). */
static __always_inline int mz_may_complain(struct mz_pkt *p)
{
	const __u8 *type;

	if (p->proto == (p->v6 ? MZ_ICMP6 : IPPROTO_ICMP)) {
		type = mz_at(p, p->l2 + ETH_HLEN + p->l4, 1);
		if (!type || (p->v6 ? *type < 128 : *type == 3 || *type == 4 || *type == 5 || *type == 11 || *type == 12))
			return 0;
	}
	return !p->later;
}

/* Writes all that stands before the quote. `quote` is a constant. */
static __always_inline int mz_icmp4_fill(struct mz_pkt *p, const struct mz_teller *by, __u32 quote, __u8 type,
					 __u8 code, __u32 word, enum mz_reason why)
{
	struct mz_eth *eth;
	struct mz_icmp *icmp;
	struct iphdr *ip;

	eth = mz_at(p, 0, ETH_HLEN + 28 + quote);
	if (!eth)
		return mz_drop(p, MZ_R_NO_ROOM);
	ip = (struct iphdr *)(eth + 1);
	icmp = (struct mz_icmp *)(ip + 1);
	mz_set_macs(eth, by->mac, mz_gateway());
	eth->proto = mz_htons(ETH_P_IP);
	mz_fill_ip4(ip, 28 + quote, 0xc0 /* internetwork control, RFC 1812 4.3.2.5 */, 64, 0);
	ip->frag_off = 0;
	ip->protocol = IPPROTO_ICMP;
	ip->saddr = mz_error_source4(p, by);
	ip->daddr = p->src.w[3];
	ip->check = 0;
	ip->check = mz_ip4_checksum(ip);
	icmp->type = type;
	icmp->code = code;
	icmp->word = mz_htonl(word);
	icmp->check = 0;
	icmp->check = mz_fold(mz_sum(icmp, 8 + quote, 0));
	mz_note(p, MZ_ST_RESPOND, MZ_OBJ_PORT, by->ifindex, word);
	return mz_end(p, MZ_ACT_ANSWER, why);
}

static __always_inline int mz_icmp6_fill(struct mz_pkt *p, const struct mz_teller *by, __u32 quote, __u8 type,
					 __u8 code, __u32 word, enum mz_reason why)
{
	struct mz_eth *eth;
	struct mz_icmp *icmp;
	struct mz_ip6 *ip;

	eth = mz_at(p, 0, ETH_HLEN + 48 + quote);
	if (!eth)
		return mz_drop(p, MZ_R_NO_ROOM);
	ip = (struct mz_ip6 *)(eth + 1);
	icmp = (struct mz_icmp *)(ip + 1);
	mz_set_macs(eth, by->mac, mz_gateway());
	eth->proto = mz_htons(ETH_P_IPV6);
	ip->flow = mz_htonl(6u << 28);
	ip->payload = mz_htons((__u16)(8 + quote));
	ip->next = MZ_ICMP6;
	ip->hops = 64;
	ip->src = mz_error_source6(p, by);
	ip->dst = p->src;
	icmp->type = type;
	icmp->code = code;
	icmp->word = mz_htonl(word);
	icmp->check = 0;
	icmp->check = mz_fold(mz_sum(&ip->src, 32 + 8 + quote,
				     mz_htons((__u16)(8 + quote)) + (__u32)mz_htons(MZ_ICMP6)));
	mz_note(p, MZ_ST_RESPOND, MZ_OBJ_PORT, by->ifindex, word);
	return mz_end(p, MZ_ACT_ANSWER, why);
}

/* The same with the shortest quote, where no tail can be cut: the kernel does not do that
 * to a packet that it knows for a tunnel's (skb->encapsulation), as it does one that a
 * function has put headers on and taken them off (a mirror), or one from a host of the same
 * kernel. `kind`: type and code. */
static __always_inline int mz_icmp_short(struct mz_pkt *p, const struct mz_teller *by, __u32 kind, __u32 word,
					 enum mz_reason why)
{
	__u32 zero = 0;
	__u8 *quote = mz_lookup(mz_new_flow, &zero); /* a place for 48 bytes: the stack has none */

	if (!MZ_CAN_REFIT || !quote)
		return mz_drop(p, MZ_R_NO_ROOM);
	if (p->v6) {
		if (mz_load(p, ETH_HLEN, quote, MZ_QUOTE6_MIN) || mz_refit(p, ETH_HLEN + 48 + MZ_QUOTE6_MIN) ||
		    mz_ctx_store(p->ctx, ETH_HLEN + 48, quote, MZ_QUOTE6_MIN))
			return mz_drop(p, MZ_R_NO_ROOM);
		mz_reload(p);
		return mz_icmp6_fill(p, by, MZ_QUOTE6_MIN, (__u8)(kind >> 8), (__u8)kind, word, why);
	}
	if (mz_load(p, ETH_HLEN, quote, MZ_QUOTE4_MIN) || mz_refit(p, ETH_HLEN + 28 + MZ_QUOTE4_MIN) ||
	    mz_ctx_store(p->ctx, ETH_HLEN + 28, quote, MZ_QUOTE4_MIN))
		return mz_drop(p, MZ_R_NO_ROOM);
	mz_reload(p);
	return mz_icmp4_fill(p, by, MZ_QUOTE4_MIN, (__u8)(kind >> 8), (__u8)kind, word, why);
}

/* Makes the packet the error about itself. */
static __always_inline int mz_icmp4_quote(struct mz_pkt *p, const struct mz_teller *by, __u32 quote, __u8 type,
					  __u8 code, __u32 word, enum mz_reason why)
{
	if (mz_resize(p, ETH_HLEN + quote) || mz_push_head(p, 28))
		return mz_drop(p, MZ_R_NO_ROOM);
	return mz_icmp4_fill(p, by, quote, type, code, word, why);
}

static __always_inline int mz_icmp6_quote(struct mz_pkt *p, const struct mz_teller *by, __u32 quote, __u8 type,
					  __u8 code, __u32 word, enum mz_reason why)
{
	if (mz_resize(p, ETH_HLEN + quote) || mz_push_head(p, 48))
		return mz_drop(p, MZ_R_NO_ROOM);
	return mz_icmp6_fill(p, by, quote, type, code, word, why);
}

#endif
