/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Neighbour discovery (RFC 4861, RFC 4862) is answered on the sender's host, as
 * ARP is: every address of the VPC is behind the one gateway MAC. */
#ifndef MZ_LIB_ND_H
#define MZ_LIB_ND_H

#include "bpf/lib/icmp.h"
#include "bpf/lib/ip6.h"

#define MZ_ND_OPT_SOURCE 1
#define MZ_ND_OPT_TARGET 2
#define MZ_ND_OPT_PREFIX 3
#define MZ_ND_OPT_MTU    5

#define MZ_ND_F_ROUTER    0x80000000u
#define MZ_ND_F_SOLICITED 0x40000000u
#define MZ_ND_F_OVERRIDE  0x20000000u

#define MZ_ND_MAX      128u  /* bytes of a message that are looked at; more is refused */
#define MZ_ND_LIFETIME 1800u  /* seconds, of the router; RFC 4861 6.2.1 AdvDefaultLifetime */
#define MZ_ND_PREFIX_VALID     86400u
#define MZ_ND_PREFIX_PREFERRED 14400u

struct mz_nd {
	struct mz_eth eth;
	struct mz_ip6 ip;
	__u8   type, code;
	__be16 check;
	__be32 word; /* flags, or what the type puts here */
} __attribute__((packed, aligned(2)));

struct mz_nd_lladdr { /* source or target link-layer address */
	__u8 type, len;
	__u8 mac[MZ_ETH_ALEN];
} __attribute__((packed, aligned(2)));

struct mz_nd_target { /* solicitation and advertisement */
	struct mz_nd h;
	struct mz_addr target;
	struct mz_nd_lladdr ll;
} __attribute__((packed, aligned(2)));

struct mz_nd_router {
	struct mz_nd h;
	__be32 reachable, retrans;
	struct mz_nd_lladdr ll;
	__u8   mtu_type, mtu_len;
	__be16 mtu_reserved;
	__be32 mtu;
	__u8   prefix_type, prefix_len, prefix_bits, prefix_flags;
	__be32 valid, preferred, reserved;
	struct mz_addr prefix;
} __attribute__((packed, aligned(2)));

#define MZ_ND_L4 (ETH_HLEN + (__u32)sizeof(struct mz_ip6))

/* What a message's checksum begins with: the pseudo-header of RFC 8200 8.1, but the
 * addresses. */
static __always_inline __u32 mz_nd_seed(__u32 len)
{
	return mz_htons((__u16)len) + (__u32)mz_htons(MZ_ICMP6);
}

/* Of a message in `b`, which has MZ_ND_MAX bytes with zeros behind its `len`. */
static __always_inline int mz_nd_sound(const struct mz_pkt *p, const __u8 *b, __u32 len)
{
	__u32 sum = mz_sum(&p->src, sizeof(p->src), mz_nd_seed(len));

	return !mz_fold(mz_sum(b, MZ_ND_MAX, mz_sum(&p->dst, sizeof(p->dst), sum)));
}

/* Walks the options from byte `at` of the message, which have to end where it
 * does: one of length 0 never gets there. The link-layer address of the
 * sender, if it gives one, is its own, and not given by who has no address yet. */
static __always_inline int mz_nd_options(struct mz_pkt *p, const struct mz_port *port, const __u8 *b,
					 __u32 at, __u32 len)
{
	for (__u32 i = 0; i < MZ_ND_MAX / 8 && at < len; i++) {
		const __u8 *o = b + (at & (MZ_ND_MAX - 8)); /* the mask is for the verifier */

		at += o[1] * 8u;
		if (at > len || (o[0] == MZ_ND_OPT_SOURCE && mz_ip6_is_none(&p->src)))
			return mz_drop(p, MZ_R_ND_INVALID);
		if (o[0] == MZ_ND_OPT_SOURCE && !mz_mac_eq(o + 2, port->mac))
			return mz_drop(p, MZ_R_ND_SPOOF);
	}
	return at == len ? MZ_NEXT : mz_drop(p, MZ_R_ND_INVALID);
}

/* RFC 4861 6.1.1, 7.1.1: what has to be discarded; and who may ask. */
static __always_inline int mz_nd_check(struct mz_pkt *p, const struct mz_port *port, __u32 len)
{
	__u8 b[MZ_ND_MAX] __attribute__((aligned(8))) = { 0 };
	const struct mz_ip6 *ip = mz_at(p, ETH_HLEN, sizeof(*ip));
	__u32 fixed;

	if (!ip || ip->hops != 255 || len < 8 || len > MZ_ND_MAX || mz_load(p, MZ_ND_L4, b, mz_up_to_128(len)))
		return mz_drop(p, MZ_R_ND_INVALID);
	fixed = b[0] == MZ_ND_SOLICIT || b[0] == MZ_ND_ADVERT ? 24 : 8;
	if (b[1] || !mz_nd_sound(p, b, len))
		return mz_drop(p, MZ_R_ND_INVALID);
	if (!mz_ip6_is_none(&p->src) && !mz_ip6_is_link_local(&p->src) && !mz_addr_eq(&p->src, &port->ip6))
		return mz_drop(p, MZ_R_ND_SPOOF);
	return mz_nd_options(p, port, b, fixed, len);
}

/* The frame's answer begins: from `from` to who asked, or to all nodes where it
 * has no address yet. `len` bytes of ICMPv6. */
static __always_inline void mz_nd_head(struct mz_pkt *p, struct mz_nd *nd, const struct mz_port *port,
				       const struct mz_addr *from, __u32 len)
{
	struct mz_addr all = { .w = { mz_htonl(0xff020000), 0, 0, mz_htonl(1) } };
	int nameless = mz_ip6_is_none(&p->src);
	__u16 *mac = (__u16 *)nd->eth.dst;

	mz_set_macs(&nd->eth, port->mac, mz_gateway());
	if (nameless) { /* RFC 2464 section 7 */
		mac[0] = mz_htons(0x3333);
		mac[1] = 0;
		mac[2] = mz_htons(1);
	}
	nd->ip.flow = mz_htonl(6u << 28);
	nd->ip.payload = mz_htons((__u16)len);
	nd->ip.next = MZ_ICMP6;
	nd->ip.hops = 255;
	nd->ip.src = *from;
	nd->ip.dst = nameless ? all : p->src;
	nd->code = 0;
	nd->check = 0;
}

/* `size` bytes of frame, a constant. */
static __always_inline int mz_nd_finish(struct mz_pkt *p, __u32 size, enum mz_reason why)
{
	__u8 *at = mz_at(p, 0, size);
	struct mz_nd *nd = (struct mz_nd *)at;

	if (!at)
		return mz_drop(p, MZ_R_NO_ROOM);
	/* Addresses stand right in front of the message. */
	nd->check = mz_fold(mz_sum(&nd->ip.src, size - ETH_HLEN - 8, mz_nd_seed(size - MZ_ND_L4)));
	return mz_end(p, MZ_ACT_ANSWER, why);
}

/* A probe for the endpoint's own address (duplicate address detection) must stay
 * without answer, or the address looks taken; for another's it must not. Of
 * link-local addresses only the gateway's is known here. */
static __always_inline int mz_nd_solicit(struct mz_pkt *p, const struct mz_port *port)
{
	struct mz_addr asked, gateway = mz_gateway_link_local();
	struct mz_nd_target *t = mz_at(p, 0, sizeof(*t) - sizeof(t->ll));

	if (!t)
		return mz_drop(p, MZ_R_ND_INVALID);
	asked = t->target;
	if (mz_ip6_is_group(&asked))
		return mz_drop(p, MZ_R_ND_INVALID);
	if (mz_addr_eq(&asked, &port->ip6) ||
	    (mz_ip6_is_link_local(&asked) && !mz_addr_eq(&asked, &gateway)))
		return mz_drop(p, MZ_R_ND_IGNORED);
	if (mz_resize(p, sizeof(*t)))
		return mz_drop(p, MZ_R_NO_ROOM);
	t = mz_at(p, 0, sizeof(*t));
	if (!t)
		return mz_drop(p, MZ_R_NO_ROOM);
	mz_nd_head(p, &t->h, port, &asked, sizeof(*t) - MZ_ND_L4);
	t->h.type = MZ_ND_ADVERT;
	t->h.word = mz_htonl(MZ_ND_F_ROUTER | MZ_ND_F_OVERRIDE |
			     (mz_ip6_is_none(&p->src) ? 0 : MZ_ND_F_SOLICITED));
	t->target = asked;
	t->ll.type = MZ_ND_OPT_TARGET;
	t->ll.len = 1;
	mz_mac_copy(t->ll.mac, mz_gateway());
	return mz_nd_finish(p, sizeof(*t), MZ_R_ND_REPLY);
}

static __always_inline __u32 mz_prefix_mask(__u32 bits)
{
	return bits >= 32 ? ~0u : bits ? ~0u << (32 - bits) : 0;
}

/* The first `bits` of an address. */
static __always_inline struct mz_addr mz_prefix_of(const struct mz_addr *a, __u32 bits)
{
	struct mz_addr out;

	for (__u32 i = 0; i < 4; i++)
		out.w[i] = a->w[i] & mz_htonl(mz_prefix_mask(bits > 32 * i ? bits - 32 * i : 0));
	return out;
}

/* Would an endpoint that makes its own address (RFC 4862 5.5.3) make the one it
 * has here? Only then is it told that it may. */
static __always_inline int mz_is_eui64(const struct mz_port *port)
{
	__u32 high = (__u32)(port->mac[0] ^ 2) << 24 | (__u32)port->mac[1] << 16 | (__u32)port->mac[2] << 8 | 0xff;
	__u32 low = 0xfeu << 24 | (__u32)port->mac[3] << 16 | (__u32)port->mac[4] << 8 | port->mac[5];

	return port->prefix6 == 64 && port->ip6.w[2] == mz_htonl(high) && port->ip6.w[3] == mz_htonl(low);
}

/* Router, MTU and the network's prefix. */
static __always_inline int mz_nd_router(struct mz_pkt *p, const struct mz_port *port)
{
	struct mz_addr gateway = mz_gateway_link_local();
	struct mz_nd_router *r;

	if (mz_resize(p, sizeof(*r)))
		return mz_drop(p, MZ_R_NO_ROOM);
	r = mz_at(p, 0, sizeof(*r));
	if (!r)
		return mz_drop(p, MZ_R_NO_ROOM);
	mz_nd_head(p, &r->h, port, &gateway, sizeof(*r) - MZ_ND_L4);
	r->h.type = MZ_ND_ROUTER_ADVERT;
	/* Hop limit; DHCPv6 has addresses and the rest (M and O), where it is served; lifetime. */
	r->h.word = mz_htonl(64u << 24 | (mz_cfg.services ? 0xc0u << 16 : 0) | MZ_ND_LIFETIME);
	r->reachable = 0;
	r->retrans = 0;
	r->ll.type = MZ_ND_OPT_SOURCE;
	r->ll.len = 1;
	mz_mac_copy(r->ll.mac, mz_gateway());
	r->mtu_type = MZ_ND_OPT_MTU;
	r->mtu_len = 1;
	r->mtu_reserved = 0;
	r->mtu = mz_htonl(port->mtu);
	r->prefix_type = MZ_ND_OPT_PREFIX;
	r->prefix_len = 4;
	r->prefix_bits = port->prefix6;
	r->prefix_flags = mz_is_eui64(port) ? 0xc0 : 0x80; /* on link; may make an address of it */
	r->valid = mz_htonl(MZ_ND_PREFIX_VALID);
	r->preferred = mz_htonl(MZ_ND_PREFIX_PREFERRED);
	r->reserved = 0;
	r->prefix = mz_prefix_of(&port->ip6, port->prefix6);
	return mz_nd_finish(p, sizeof(*r), MZ_R_RA_REPLY);
}

/* All that happens to an endpoint's neighbour discovery. Only routers advertise
 * and redirect, and an endpoint is none. */
static __noinline int mz_stage_nd(struct mz_pkt *p, const struct mz_port *port)
{
	const struct mz_nd *nd;
	__u8 type;

	mz_pull(p, p->ip_end);
	nd = mz_at(p, 0, sizeof(*nd));
	if (!nd)
		return mz_drop(p, MZ_R_ND_INVALID);
	type = nd->type;
	if (type == MZ_ND_ROUTER_ADVERT || type == MZ_ND_REDIRECT)
		return mz_drop(p, MZ_R_ND_SPOOF);
	MZ_TRY(mz_nd_check(p, port, p->ip_end - MZ_ND_L4));
	if (type == MZ_ND_ADVERT || mz_ip6_is_none(&port->ip6))
		return mz_drop(p, MZ_R_ND_IGNORED);
	if (type == MZ_ND_SOLICIT)
		return mz_nd_solicit(p, port);
	return mz_nd_router(p, port);
}

#endif
