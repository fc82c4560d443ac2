/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A gateway: tenants' packets to the outside (gateway_out.h), and what comes from there
 * (gateway_in.h). Here is what both have: whose outside address it is. It exchanges
 * addresses by tables (bpf/abi/gateways.h) and keeps nothing of any flow: when it dies
 * another one goes on with the next packet. */
#ifndef MZ_LIB_GATEWAY_H
#define MZ_LIB_GATEWAY_H

#include "bpf/lib/entry.h"
#include "bpf/lib/flow.h"
#include "bpf/lib/related.h"
#include "bpf/lib/route.h"

/* Not a gateway's: the kernel, or the next program, has it. The program before has
 * counted it, or nobody does. */
static __always_inline int mz_not_ours(struct mz_pkt *p)
{
	return mz_end(p, MZ_ACT_DEFER, MZ_R_NOT_TUNNEL);
}

static __always_inline int mz_served(struct mz_pkt *p)
{
	const struct mz_network *net = mz_network_of(p->vni, &p->dst);

	if (!net || !(net->flags & MZ_NET_F_SERVED))
		return 0;
	p->vpc = net->vpc;
	return 1;
}

/* One router more on the way (RFC 1812 5.3.1, RFC 8200 3). */
static __always_inline int mz_stage_ttl(struct mz_pkt *p)
{
	__u32 off = p->l2 + ETH_HLEN;
	struct mz_ip6 *ip6;
	struct iphdr *ip;

	if (p->v6) {
		ip6 = mz_at(p, off, sizeof(*ip6));
		if (!ip6 || ip6->hops <= 1)
			return mz_drop(p, MZ_R_TTL_EXCEEDED);
		ip6->hops--;
		return MZ_NEXT;
	}
	ip = mz_at(p, off, sizeof(*ip));
	if (!ip || ip->ttl <= 1)
		return mz_drop(p, MZ_R_TTL_EXCEEDED);
	ip->ttl--;
	ip->check = mz_checksum_after(ip->check, 0x100, 0);
	return MZ_NEXT;
}

/* What the error `p` quotes, or NULL. */
static __always_inline struct mz_quote *mz_quote_of(struct mz_pkt *p)
{
	__u32 zero = 0;
	struct mz_quote *q = mz_lookup(mz_quoted, &zero);

	if (!q)
		return NULL;
	q->icmp = p->l2 + ETH_HLEN + p->l4;
	q->v6 = p->v6;
	return mz_read_quote(p->ctx, q) ? NULL : q;
}

static __always_inline int mz_requote(struct mz_pkt *p)
{
	int rc = mz_write_quote(p->ctx);

	mz_reload(p);
	return rc ? mz_drop(p, MZ_R_NO_ROOM) : MZ_NEXT;
}

/* Where the endpoint's packet comes from, outside. */
static __always_inline int mz_outside_of(struct mz_pkt *p, struct mz_inside_key *key, __be16 port,
					 struct mz_addr *ip, __be16 *forwarded)
{
	const struct mz_inside *all = mz_lookup(mz_insides, key), *one;

	*forwarded = 0;
	if (!all)
		return mz_drop(p, MZ_R_NAT_NONE);
	*ip = all->ip;
	if ((all->flags & MZ_INSIDE_F_FORWARDS) && port) {
		key->port = port;
		key->proto = p->proto;
		one = mz_lookup(mz_insides, key);
		if (one) {
			*ip = one->ip;
			*forwarded = one->port;
			return MZ_NEXT;
		}
	}
	if (all->last - all->first == 0xffff || p->later)
		return MZ_NEXT;
	if (!port)
		return mz_drop(p, MZ_R_NAT_PROTOCOL);
	if (mz_ntohs(port) < all->first || mz_ntohs(port) > all->last)
		return mz_drop(p, MZ_R_NAT_SOURCE);
	return MZ_NEXT;
}

/* An error that the endpoint answers with: what it quotes came to it by the gateway. */
static __always_inline int mz_error_out(struct mz_pkt *p)
{
	struct mz_inside_key key = { .vni = p->vni, .ip = p->src };
	struct mz_quote *q = mz_quote_of(p);
	__u8 proto = p->proto;
	__be16 forwarded = 0;

	if (!q || !mz_addr_eq(&q->dst, &p->src))
		return mz_drop(p, MZ_R_NAT_SOURCE);
	p->proto = (__u8)q->proto; /* whose ports are looked at */
	MZ_TRY(mz_outside_of(p, &key, (__be16)(q->ports >> 16), &p->src, &forwarded));
	p->proto = proto;
	q->dst = p->src;
	if (forwarded)
		q->ports = (q->ports & 0xffff) | (__u32)forwarded << 16;
	p->translated = 1;
	return mz_requote(p);
}

static __always_inline int mz_leave_as(struct mz_pkt *p)
{
	struct mz_inside_key key = { .vni = p->vni, .ip = p->src };
	__be16 forwarded = 0;

	if (p->icmp_error)
		return mz_error_out(p);
	MZ_TRY(mz_outside_of(p, &key, (__be16)p->ports, &p->src, &forwarded));
	if (forwarded)
		p->ports = (p->ports & ~0xffffu) | forwarded;
	p->translated = 1;
	return MZ_NEXT;
}

static __always_inline const struct mz_pool *mz_pool_of(const struct mz_addr *ip)
{
	struct mz_pool_key key;

	key.prefixlen = 128;
	key.ip = *ip;
	return mz_lookup(mz_pools, &key);
}

/* To a service: to the backend that the flow from `far` has, or gets. */
static __always_inline int mz_enter_service(struct mz_pkt *p, const struct mz_outside *o, const struct mz_addr *far,
					    __be16 far_port, struct mz_addr *ip, __be16 *forwarded)
{
	struct mz_talk *t = &p->talk;
	const struct mz_vpc *vpc;
	int why;

	t->flow.vni = o->vni;
	t->flow.local = o->ip;
	t->flow.local_port = o->port;
	t->flow.remote = *far;
	t->flow.remote_port = far_port;
	t->flow.proto = p->proto;
	t->event = p->icmp_error ? MZ_L4_PLAIN : p->event;
	t->trace = p->trace;
	why = mz_entry(t);
	if (why) {
		vpc = mz_lookup(mz_vpcs, &t->flow.vni);
		p->vpc = vpc ? vpc->vpc : 0;
		return mz_end(p, MZ_ACT_REFUSE, (enum mz_reason)why);
	}
	p->vni = o->vni;
	*ip = t->to;
	*forwarded = t->to_port;
	return MZ_NEXT;
}

/* Whose the outside port is that `far` talks to. Sets vni, *ip, and by *forwarded the
 * endpoint's port. */
static __always_inline int mz_inside_of(struct mz_pkt *p, const struct mz_pool *pool, __be16 port,
					const struct mz_addr *far, __be16 far_port, struct mz_addr *ip, __be16 *forwarded)
{
	struct mz_outside_key key = { .ip = *ip };
	const struct mz_outside *o = NULL;

	*forwarded = 0;
	if ((pool->flags & MZ_POOL_F_FORWARDS) && port) {
		key.port = port;
		key.proto = p->proto;
		o = mz_lookup(mz_outsides, &key);
		if (o && (o->flags & MZ_OUTSIDE_F_SERVICE))
			return mz_enter_service(p, o, far, far_port, ip, forwarded);
		if (o)
			*forwarded = o->port;
		key.proto = 0;
	}
	if (!o && (port || pool->shift >= 16)) {
		key.port = mz_htons((__u16)(mz_ntohs(port) >> (pool->shift & 31)));
		o = mz_lookup(mz_outsides, &key);
		if (o && pool->shift < 16)
			p->opt_flags |= MZ_OPT_F_MAPPED;
	}
	if (!o)
		return mz_drop(p, MZ_R_NAT_UNKNOWN);
	p->vni = o->vni;
	*ip = o->ip;
	return MZ_NEXT;
}

/* An error about what an endpoint sent: the quote's source is the packet's receiver. */
static __always_inline int mz_error_in(struct mz_pkt *p, const struct mz_pool *pool)
{
	__u8 proto = p->proto;
	__be16 forwarded = 0;
	struct mz_quote *q = mz_quote_of(p);
	int rc;

	if (!q || !mz_addr_eq(&q->src, &p->dst))
		return mz_drop(p, MZ_R_NAT_UNKNOWN);
	p->proto = (__u8)q->proto;
	rc = mz_inside_of(p, pool, (__be16)q->ports, &q->dst, (__be16)(q->ports >> 16), &p->dst, &forwarded);
	p->proto = proto;
	MZ_TRY(rc);
	q->src = p->dst;
	if (forwarded)
		q->ports = (q->ports & ~0xffffu) | forwarded;
	p->translated = 1;
	return mz_requote(p);
}

static __always_inline int mz_enter_as(struct mz_pkt *p, const struct mz_pool *pool)
{
	__be16 forwarded = 0;

	if (p->icmp_error)
		return mz_error_in(p, pool);
	MZ_TRY(mz_inside_of(p, pool, (__be16)(p->ports >> 16), &p->src, (__be16)p->ports, &p->dst, &forwarded));
	if (forwarded)
		p->ports = (p->ports & 0xffff) | (__u32)forwarded << 16;
	p->translated = 1;
	return MZ_NEXT;
}

/* By the endpoints table, which a gateway has as bouncers have it, or its bouncers. */
static __always_inline int mz_route_inside(struct mz_pkt *p)
{
	MZ_TRY(mz_route_endpoint(p, MZ_AT_GATEWAY));
	if (p->out_ifindex || p->to_host)
		return MZ_NEXT;
	MZ_TRY(mz_route_hops(p, MZ_AT_GATEWAY));
	p->why = MZ_R_FROM_OUTSIDE;
	return MZ_NEXT;
}

#endif
