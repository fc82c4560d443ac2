/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The tenant's IPv4 header, at an endpoint and inside a tunnel. */
#ifndef MZ_LIB_IP4_H
#define MZ_LIB_IP4_H

#include "bpf/lib/count.h"

#define MZ_IP4_MF           0x2000
#define MZ_IP4_OFFSET       0x1fff
#define MZ_IP4_MF_OR_OFFSET 0x3fff
#define MZ_IP4_DF           0x4000
#define MZ_ECN_MASK         0x03
#define MZ_ECN_ECT1         0x01 /* a bit of CE, too */
#define MZ_ECN_CE           0x03

/* Makes `bytes` behind the IP header readable, if they are there. */
static __always_inline void mz_pull_l4(struct mz_pkt *p, __u32 bytes)
{
	mz_pull(p, p->l2 + ETH_HLEN + p->l4 + bytes);
}

/* Reads the IPv4 header behind the Ethernet header at p->l2.
 * Sets src, dst, l4, tos, proto, fragment; `total` is the packet's length by
 * its header, 0 for a superpacket too large to say.
 * Returns 0, or the reason it cannot be: `cut` or `bad`. */
static __always_inline int mz_parse_ip4(struct mz_pkt *p, __u32 *total, enum mz_reason cut,
					enum mz_reason bad)
{
	__u32 off = p->l2 + ETH_HLEN;
	const struct iphdr *ip = mz_at(p, off, sizeof(*ip));
	__u32 ihl;

	if (!ip)
		return cut;
	ihl = (*(const __u8 *)ip & 0x0f) * 4u;
	if ((*(const __u8 *)ip >> 4) != 4 || ihl < sizeof(*ip))
		return bad;
	*total = mz_ntohs(ip->tot_len);
	if (off + ihl > p->len || off + *total > p->len)
		return cut;
	if (*total < ihl && !(*total == 0 && mz_gso_size(p)))
		return bad;
	p->src = mz_addr4(ip->saddr);
	p->dst = mz_addr4(ip->daddr);
	p->l4 = ihl;
	p->ip_end = *total ? off + *total : p->len;
	p->tos = ip->tos;
	p->proto = ip->protocol;
	p->fragment = (ip->frag_off & mz_htons(MZ_IP4_MF_OR_OFFSET)) != 0;
	p->later = (ip->frag_off & mz_htons(MZ_IP4_OFFSET)) != 0;
	p->df = (ip->frag_off & mz_htons(MZ_IP4_DF)) != 0;
	p->frag_id = ip->id;
	/* Would lie over the flags of the first (RFC 3128). */
	if (mz_unlikely((ip->frag_off & mz_htons(MZ_IP4_OFFSET)) == mz_htons(1) && p->proto == IPPROTO_TCP))
		return bad;
	return 0;
}

/* Bytes of the largest IP packet the wire will see: of a superpacket, a segment. */
static __always_inline __u32 mz_wire_size(struct mz_pkt *p, __u32 total)
{
	__u32 segment = mz_gso_size(p);

	return segment ? segment + p->l4 + (p->proto == IPPROTO_TCP ? 20 : 8) : total;
}

/* What an endpoint sends: from its own address, to one receiver. */
static __always_inline int mz_stage_ip4(struct mz_pkt *p, const struct mz_port *port, __u32 total)
{
	if (p->group)
		return mz_drop(p, MZ_R_MULTICAST);
	if (!port->ip4 || p->src.w[3] != port->ip4) {
		mz_note(p, MZ_ST_SPOOF, MZ_OBJ_PORT, port->ifindex, 0);
		return mz_drop(p, MZ_R_SRC_IP);
	}
	if (mz_ip4_is_group(p->dst.w[3]))
		return mz_drop(p, MZ_R_MULTICAST);
	p->size = mz_wire_size(p, total);
	return MZ_NEXT;
}

/* What a tunnel carries: valid, from one sender, to one receiver. */
static __always_inline int mz_stage_inner_ip4(struct mz_pkt *p)
{
	__u32 total = 0;
	int why = mz_parse_ip4(p, &total, MZ_R_INNER_TRUNCATED, MZ_R_INNER_INVALID);

	if (why)
		return mz_drop(p, (enum mz_reason)why);
	mz_note(p, MZ_ST_PARSE, MZ_OBJ_NONE, p->proto, total);
	if (mz_ip4_is_odd(p->src.w[3]))
		return mz_drop(p, MZ_R_INNER_SOURCE);
	if (p->group || mz_ip4_is_group(p->dst.w[3]))
		return mz_drop(p, MZ_R_INNER_MULTICAST);
	return MZ_NEXT;
}

#endif
