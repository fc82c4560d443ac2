/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The tenant's IPv6 header (RFC 8200) and its extension headers, at an
 * endpoint and inside a tunnel. */
#ifndef MZ_LIB_IP6_H
#define MZ_LIB_IP6_H

#include "bpf/lib/ip4.h"

#define MZ_IP6_HOPOPTS  0
#define MZ_IP6_ROUTING  43
#define MZ_IP6_FRAGMENT 44
#define MZ_IP6_DSTOPTS  60

#define MZ_IP6_MAX_EXTS 6   /* extension headers walked */
#define MZ_IP6_MAX_EXT  256 /* their bytes in all; a packet of more is refused */

/* IPsec's AH and ESP count as what is carried: their ports are not looked at. */
static __always_inline int mz_ip6_is_ext(__u8 next)
{
	const __u64 exts = 1ULL << MZ_IP6_HOPOPTS | 1ULL << MZ_IP6_ROUTING | 1ULL << MZ_IP6_FRAGMENT |
			   1ULL << MZ_IP6_DSTOPTS;

	return next < 64 && (exts >> next & 1);
}

/* Walks the extension headers at `off`. Sets l4, proto, fragment.
 * Returns 0, or the reason it cannot be. */
static __always_inline int mz_walk_ip6(struct mz_pkt *p, __u32 off, __u8 next, __u32 total,
				       enum mz_reason cut, enum mz_reason deep)
{
	__u32 at = off, len;
	const __u8 *h;

	mz_pull(p, off + MZ_IP6_MAX_EXT + 8);
	for (int i = 0; i < MZ_IP6_MAX_EXTS && mz_ip6_is_ext(next); i++) {
		h = mz_at(p, at, 8);
		if (!h)
			return cut;
		len = next == MZ_IP6_FRAGMENT ? 8 : (h[1] + 1u) * 8;
		at += len;
		if (at > off + MZ_IP6_MAX_EXT)
			return deep;
		if (next == MZ_IP6_FRAGMENT) {
			p->fragment = 1;
			p->frag_id = *(const __u32 *)(h + 4);
			if ((h[2] << 8 | h[3]) & 0xfff8) { /* not the first: what follows is data */
				p->later = 1;
				next = h[0];
				break;
			}
		}
		next = h[0];
	}
	if (!p->fragment && mz_ip6_is_ext(next))
		return deep;
	p->proto = next;
	p->l4 += at - off;
	return p->l4 > total ? cut : 0;
}

/* Makes the header behind the Ethernet header at p->l2 readable, with 8 bytes behind it: of what, decides what it is. */
static __always_inline void mz_pull_ip6(struct mz_pkt *p)
{
	mz_pull(p, p->l2 + ETH_HLEN + (__u32)sizeof(struct mz_ip6) + 8);
}

/* Reads the IPv6 header behind the Ethernet header at p->l2.
 * Sets src, dst, l4, tos, proto, fragment; `total` is the packet's length by
 * its header, which can be read. Returns 0, or the reason it cannot be. */
static __always_inline int mz_parse_ip6(struct mz_pkt *p, __u32 *total, enum mz_reason cut,
					enum mz_reason bad, enum mz_reason deep)
{
	__u32 off = p->l2 + ETH_HLEN;
	const struct mz_ip6 *ip = mz_at(p, off, sizeof(*ip));
	__u32 first;
	__u8 next;

	if (!ip)
		return cut;
	first = mz_ntohl(ip->flow);
	if (first >> 28 != 6)
		return bad;
	*total = mz_ntohs(ip->payload) + (__u32)sizeof(*ip);
	if (off + *total > p->len)
		return cut;
	p->src = ip->src;
	p->dst = ip->dst;
	p->l4 = sizeof(*ip);
	p->ip_end = off + *total;
	p->tos = (__u8)(first >> 20);
	p->proto = next = ip->next;
	if (mz_unlikely(mz_ip6_is_ext(next)))
		return mz_walk_ip6(p, off + sizeof(*ip), next, *total, cut, deep);
	return 0;
}

/* What an endpoint sends: from its own address, to one receiver. */
static __always_inline int mz_stage_ip6(struct mz_pkt *p, const struct mz_port *port, __u32 total)
{
	if (mz_ip6_is_none(&port->ip6) || !mz_addr_eq(&p->src, &port->ip6)) {
		mz_note(p, MZ_ST_SPOOF, MZ_OBJ_PORT, port->ifindex, 0);
		return mz_drop(p, MZ_R_SRC_IP);
	}
	if (mz_ip6_is_group(&p->dst))
		return mz_drop(p, MZ_R_MULTICAST);
	/* A mapped address would be looked up as the IPv4 one. */
	if (mz_ip6_is_odd(&p->dst))
		return mz_drop(p, MZ_R_DST_IP);
	p->size = mz_wire_size(p, total);
	return MZ_NEXT;
}

/* What a tunnel carries: valid, from one sender, to one receiver. */
static __always_inline int mz_stage_inner_ip6(struct mz_pkt *p)
{
	__u32 total = 0;
	int why;

	mz_pull_ip6(p);
	why = mz_parse_ip6(p, &total, MZ_R_INNER_TRUNCATED, MZ_R_INNER_INVALID, MZ_R_INNER_INVALID);
	if (why)
		return mz_drop(p, (enum mz_reason)why);
	mz_note(p, MZ_ST_PARSE, MZ_OBJ_NONE, p->proto, total);
	if (mz_ip6_is_odd(&p->src))
		return mz_drop(p, MZ_R_INNER_SOURCE);
	if (p->group || mz_ip6_is_odd(&p->dst))
		return mz_drop(p, MZ_R_INNER_MULTICAST);
	return MZ_NEXT;
}

#endif
