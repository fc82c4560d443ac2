/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A gateway: tenants' packets to the outside, and what comes from there. It exchanges
 * addresses by tables (bpf/abi/gateways.h) and keeps nothing of any flow: when it dies
 * another one goes on with the next packet. */
#ifndef MZ_LIB_GATEWAY_H
#define MZ_LIB_GATEWAY_H

#include "bpf/lib/entry.h"
#include "bpf/lib/flow.h"
#include "bpf/lib/function.h"
#include "bpf/lib/inner.h"
#include "bpf/lib/nat.h"
#include "bpf/lib/refuse.h"
#include "bpf/lib/rewrite.h"
#include "bpf/lib/route.h"
#include "bpf/lib/sender.h"
#include "bpf/lib/services.h"
#include "bpf/lib/too_big.h"

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

/* Who complains: the gateway, by its outside address, or by the address that was
 * written to if it has none. */
static __always_inline void mz_complainer(struct mz_teller *by, __u32 mtu)
{
	__builtin_memset(by, 0, sizeof(*by));
	by->ifindex = mz_cfg.outside;
	by->gateway4 = mz_cfg.outside_ip4.w[3];
	by->gateway6 = mz_cfg.outside_ip6;
	by->mtu = mtu;
}

/* Type and code of the ICMP error about it (RFC 1812 4.3.3, 5.3.1, RFC 4443 3). */
static __always_inline __u32 mz_error_kind(const struct mz_pkt *p, __u32 why)
{
	if (why == MZ_R_OUTSIDE_TOO_BIG)
		return p->v6 ? MZ_ICMP6_TOO_BIG << 8 : MZ_ICMP4_UNREACHABLE << 8 | MZ_ICMP4_FRAG_NEEDED;
	if (why == MZ_R_TTL_EXCEEDED)
		return p->v6 ? MZ_ICMP6_EXCEEDED << 8 : MZ_ICMP4_EXCEEDED << 8;
	return p->v6 ? MZ_ICMP6_UNREACHABLE << 8 | MZ_ICMP6_PORT_UNREACHABLE :
		       MZ_ICMP4_UNREACHABLE << 8 | MZ_ICMP4_PORT_UNREACHABLE;
}

static __always_inline enum mz_reason mz_told(__u32 why)
{
	return why == MZ_R_OUTSIDE_TOO_BIG ? MZ_R_OUTSIDE_MTU_REPLY : why == MZ_R_TTL_EXCEEDED ? MZ_R_TTL_REPLY : (enum mz_reason)why;
}

static __always_inline int mz_error_about(struct mz_pkt *p, const struct mz_teller *by, __u32 why)
{
	__u32 kind = mz_error_kind(p, why);

	if (!mz_may_complain(p) || p->len < ETH_HLEN + (p->v6 ? MZ_QUOTE6_MIN : MZ_QUOTE4_MIN))
		return mz_drop(p, (enum mz_reason)why);
	if (p->v6)
		return mz_icmp6_quote(p, by, MZ_QUOTE6_MIN, (__u8)(kind >> 8), (__u8)kind, 0, mz_told(why));
	return mz_error4(p, by, kind, 0, mz_told(why));
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

static __always_inline int mz_requote(struct mz_pkt *p, const struct mz_quote *q)
{
	int rc = mz_write_quote(p->ctx, q);

	mz_reload(p);
	return rc ? mz_drop(p, MZ_R_NO_ROOM) : MZ_NEXT;
}

/* ---- whose outside address, and which ---------------------------------------- */

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
	return mz_requote(p, q);
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
	return mz_requote(p, q);
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

/* ---- on the way out --------------------------------------------------------- */

/* With the shortest quote, where no tail can be cut: the kernel does not do that to a
 * packet that it knows for a tunnel's (skb->encapsulation), as it does if the sender's
 * host is one of the same kernel. */
static __noinline int mz_tell_short(struct mz_pkt *p, __u32 why)
{
	__u32 zero = 0, kind = mz_error_kind(p, why), word = why == MZ_R_OUTSIDE_TOO_BIG ? p->size : 0;
	__u8 *quote = mz_lookup(mz_new_flow, &zero); /* a place for 48 bytes: the stack has none */
	struct mz_teller by;

	if (!MZ_CAN_REFIT || !quote)
		return mz_drop(p, MZ_R_NO_ROOM);
	mz_complainer(&by, 0);
	if (p->v6) {
		if (mz_load(p, ETH_HLEN, quote, MZ_QUOTE6_MIN) || mz_refit(p, ETH_HLEN + 48 + MZ_QUOTE6_MIN) ||
		    mz_ctx_store(p->ctx, ETH_HLEN + 48, quote, MZ_QUOTE6_MIN))
			return mz_drop(p, MZ_R_NO_ROOM);
		mz_reload(p);
		return mz_icmp6_fill(p, &by, MZ_QUOTE6_MIN, (__u8)(kind >> 8), (__u8)kind, word, MZ_R_TTL_REPLY);
	}
	if (mz_load(p, ETH_HLEN, quote, MZ_QUOTE4_MIN) || mz_refit(p, ETH_HLEN + 28 + MZ_QUOTE4_MIN) ||
	    mz_ctx_store(p->ctx, ETH_HLEN + 28, quote, MZ_QUOTE4_MIN))
		return mz_drop(p, MZ_R_NO_ROOM);
	mz_reload(p);
	return mz_icmp4_fill(p, &by, MZ_QUOTE4_MIN, (__u8)(kind >> 8), (__u8)kind, word, MZ_R_TTL_REPLY);
}

/* The endpoint is told as a router outside would tell it: the error comes in where
 * theirs do, and is translated as theirs are. Of what is too big p->size is how big it
 * may be. */
static __noinline int mz_tell_inside(struct mz_pkt *p, __u32 why)
{
	__u32 zero = 0;
	struct mz_teller *by = mz_lookup(mz_new_flow, &zero); /* the stack is short */

	if (!by)
		return mz_drop(p, (enum mz_reason)why);
	mz_complainer(by, p->size);
	p->len = mz_length(p); /* without the tunnel's headers */
	p->out_ifindex = mz_cfg.outside;
	if (why == MZ_R_OUTSIDE_TOO_BIG)
		return mz_too_big(p, by);
	/* Also where a RST is usual: it would come in from an address of the pools. */
	return mz_error_about(p, by, why);
}

static __always_inline int mz_refuse_inside(struct mz_pkt *p, __u32 why)
{
	mz_tell_inside(p, why);
	if (p->act != MZ_ACT_ANSWER && p->why == MZ_R_NO_ROOM)
		mz_tell_short(p, why);
	if (p->act == MZ_ACT_ANSWER)
		return mz_end(p, MZ_ACT_REENTER, mz_told(why));
	return mz_drop(p, (enum mz_reason)why);
}

/* To a service that nobody serves. */
static __always_inline int mz_refuse_hairpin(struct mz_pkt *p)
{
	__u32 why = p->why;

	MZ_TRY(mz_bare(p));
	MZ_TRY(mz_stage_translate(p));
	return mz_refuse_inside(p, why);
}

/* Taking the tunnel's headers off reads the ports anew: they have to stand there. */
static __always_inline int mz_hairpin_functions(struct mz_pkt *p)
{
	if (!mz_has_functions(p, MZ_EP_F_INGRESS))
		return MZ_NEXT;
	MZ_TRY(mz_stage_translate(p));
	return mz_stage_arriving(p);
}

/* To an outside address of ours (RFC 4787 REQ-9): straight to its endpoint, as if it had
 * come from outside, with the sender's outside address. */
static __always_inline int mz_stage_hairpin(struct mz_pkt *p, const struct mz_pool *pool)
{
	enum mz_act act = MZ_ACT_SEND;
	struct mz_geneve *g;
	struct mz_opt *o;

	p->opt_flags = MZ_OPT_F_OUTSIDE;
	if (mz_enter_as(p, pool) == MZ_END)
		return p->act == MZ_ACT_REFUSE ? mz_refuse_hairpin(p) : MZ_END;
	MZ_TRY(mz_route_inside(p));
	MZ_TRY(mz_stage_ttl(p));
	if (p->out_ifindex) {
		MZ_TRY(mz_hairpin_functions(p));
		MZ_TRY(mz_stage_flow(p, p->opt_flags & MZ_OPT_F_MAPPED, MZ_DIR_INGRESS, p->out_ifindex));
		MZ_TRY(mz_stage_translate(p));
		return mz_decap(p);
	}
	MZ_TRY(mz_stage_translate(p));
	g = mz_at(p, p->geneve, sizeof(*g));
	o = mz_at(p, p->opt, sizeof(*o));
	if (!g || !o || !p->opt) /* a foreign stack's: the receiver could not be told */
		return mz_drop(p, MZ_R_OPTION_INVALID);
	g->vni = mz_htonl(p->vni << 8);
	o->label = 0;
	MZ_TRY(mz_stage_host(p, &act));
	return mz_hop(p, act);
}

/* By the kernel's routes: static ones, or what a routing daemon learned. Only by the
 * outside interface: a tenant's packet never leaves for the underlay. Of one that is too
 * big p->size is then how big it may be. */
static __noinline int mz_outside_route(struct mz_pkt *p, enum mz_act *act)
{
	struct bpf_fib_lookup fib;
	int rc;

	if (p->size > mz_cfg.outside_mtu) { /* with forwarding off the FIB does not look */
		p->size = mz_cfg.outside_mtu;
		return mz_drop(p, MZ_R_OUTSIDE_TOO_BIG);
	}
	__builtin_memset(&fib, 0, sizeof(fib));
	fib.ifindex = mz_cfg.outside;
	fib.tot_len = (__u16)p->size;
	if (p->v6) {
		fib.family = 10 /* AF_INET6 */;
		*(struct mz_addr *)fib.ipv6_src = p->src;
		*(struct mz_addr *)fib.ipv6_dst = p->dst;
	} else {
		fib.family = 2 /* AF_INET */;
		fib.ipv4_src = p->src.w[3];
		fib.ipv4_dst = p->dst.w[3];
	}
	rc = mz_fib(p, &fib);
	mz_note(p, MZ_ST_NEXTHOP, MZ_OBJ_PORT, mz_cfg.outside, (__u32)rc);
	p->nh.ifindex = mz_cfg.outside;
	*act = MZ_ACT_SEND;
	if (rc == BPF_FIB_LKUP_RET_SUCCESS && fib.ifindex == mz_cfg.outside) {
		mz_mac_copy(p->nh.dmac, fib.dmac);
		mz_mac_copy(p->nh.smac, fib.smac);
		return MZ_NEXT;
	}
	if (rc == BPF_FIB_LKUP_RET_FRAG_NEEDED) {
		p->size = fib.mtu_result;
		return mz_drop(p, MZ_R_OUTSIDE_TOO_BIG);
	}
	/* With forwarding off there, as is best, the FIB says no more than that: the
	 * kernel's neighbour code asks for the route itself. */
	if (MZ_CAN_RESOLVE && (rc == BPF_FIB_LKUP_RET_FWD_DISABLED ||
			       (rc == BPF_FIB_LKUP_RET_NO_NEIGH && fib.ifindex == mz_cfg.outside))) {
		*act = MZ_ACT_RESOLVE;
		return MZ_NEXT;
	}
	return mz_drop(p, MZ_R_OUTSIDE_ROUTE);
}

static __always_inline int mz_gateway_out_stages(struct mz_pkt *p)
{
	enum mz_act act = MZ_ACT_SEND;
	const struct mz_pool *pool;
	struct mz_eth *eth;

	/* What is dropped here was dropped by the program before. */
	if (mz_stage_outer(p) || mz_stage_geneve(p) || mz_stage_sender(p) || p->oam || mz_stage_inner(p))
		return mz_not_ours(p);
	if (!mz_served(p))
		return mz_not_ours(p);
	MZ_TRY(mz_stage_l4(p, MZ_R_INNER_TRUNCATED));
	MZ_TRY(mz_leave_as(p));
	pool = mz_pool_of(&p->dst);
	if (mz_unlikely(pool != NULL))
		return mz_stage_hairpin(p, pool);
	MZ_TRY(mz_bare(p));
	p->size = mz_wire_size(p, p->ip_end - ETH_HLEN);
	MZ_TRY(mz_stage_translate(p));
	p->out_ifindex = mz_cfg.outside;
	if (mz_stage_ttl(p) == MZ_END || mz_outside_route(p, &act) == MZ_END)
		return p->why == MZ_R_OUTSIDE_ROUTE ? MZ_END : mz_refuse_inside(p, p->why);
	eth = mz_at(p, 0, sizeof(*eth));
	if (!eth)
		return mz_drop(p, MZ_R_NO_ROOM);
	mz_set_macs(eth, p->nh.dmac, p->nh.smac);
	eth->proto = mz_ether_type(p);
	return mz_end(p, act, MZ_R_TO_OUTSIDE);
}

/* Behind the ingress program of the underlay: what that leaves to a gateway. */
static __always_inline int mz_gateway_out(mz_ctx_t *ctx)
{
	struct mz_pkt p = { .ctx = ctx, .dir = MZ_DIR_EGRESS };

	mz_open(&p);
	mz_gateway_out_stages(&p);
	return mz_finish(&p);
}

/* ---- on the way in ---------------------------------------------------------- */

/* Who tells, in a frame back to the router that the packet came by; and our MAC. The
 * stack is short. */
struct mz_back {
	struct mz_teller by;
	__u8 self[MZ_ETH_ALEN] __attribute__((aligned(4)));
};
MZ_ABI_ASSERT(sizeof(struct mz_back) <= sizeof(struct mz_flow));

static __always_inline struct mz_back *mz_back_of(struct mz_pkt *p)
{
	const struct mz_eth *eth = mz_at(p, 0, sizeof(*eth));
	__u32 zero = 0;
	struct mz_back *b = mz_lookup(mz_new_flow, &zero);

	if (!eth || !b)
		return NULL;
	mz_complainer(&b->by, mz_cfg.inner_mtu);
	mz_mac_copy(b->by.mac, eth->src);
	mz_mac_copy(b->self, eth->dst);
	return b;
}

static __always_inline int mz_told_outside(struct mz_pkt *p, const struct mz_back *b, __u32 why)
{
	struct mz_eth *eth;

	if (p->act != MZ_ACT_ANSWER)
		return mz_drop(p, (enum mz_reason)why);
	eth = mz_at(p, 0, sizeof(*eth));
	if (!eth)
		return mz_drop(p, MZ_R_NO_ROOM);
	mz_mac_copy(eth->src, b->self);
	return MZ_END;
}

static __noinline int mz_error_outside(struct mz_pkt *p, __u32 why)
{
	const struct mz_back *b = mz_back_of(p);

	if (!b)
		return mz_drop(p, (enum mz_reason)why);
	if (why == MZ_R_OUTSIDE_TOO_BIG)
		mz_too_big(p, &b->by);
	else
		mz_error_about(p, &b->by, why);
	return mz_told_outside(p, b, why);
}

static __noinline int mz_reset_outside(struct mz_pkt *p, __u32 why)
{
	const struct mz_back *b = mz_back_of(p);

	if (!b || p->event == MZ_L4_ABORT)
		return mz_drop(p, (enum mz_reason)why);
	mz_reset(p, &b->by, why);
	return mz_told_outside(p, b, why);
}

/* The sender outside is told why its packet goes no further. */
static __always_inline int mz_tell_outside(struct mz_pkt *p)
{
	__u32 why = p->why;

	if (why != MZ_R_OUTSIDE_TOO_BIG && why != MZ_R_TTL_EXCEEDED && mz_may_reset(p))
		return mz_reset_outside(p, why);
	return mz_error_outside(p, why);
}

/* A source that no host outside has: also of the link (RFC 3927 2.7), where a host's
 * services are. */
static __always_inline int mz_is_nobodys(const struct mz_pkt *p)
{
	if (p->v6)
		return mz_ip6_is_odd(&p->src) || mz_is_service6(&p->src);
	return mz_ip4_is_odd(p->src.w[3]) || mz_ntohl(p->src.w[3]) >> 16 == 0xa9fe;
}

/* Reads the IP header; what is for none of the pools stays as it is. */
static __always_inline int mz_stage_pool(struct mz_pkt *p, const struct mz_pool **pool, __u32 *total)
{
	struct mz_eth *eth = mz_at(p, 0, sizeof(*eth));
	int why;

	if (!eth)
		return mz_not_ours(p);
	p->v6 = mz_family(eth);
	if (eth->proto == mz_htons(ETH_P_IP))
		why = mz_parse_ip4(p, total, MZ_R_IP4_TRUNCATED, MZ_R_IP4_INVALID);
	else if (eth->proto == mz_htons(ETH_P_IPV6))
		why = mz_parse_ip6(p, total, MZ_R_IP6_TRUNCATED, MZ_R_IP6_INVALID, MZ_R_IP6_EXTENSIONS);
	else
		return mz_not_ours(p);
	if (why)
		return mz_not_ours(p);
	*pool = mz_pool_of(&p->dst);
	if (!*pool)
		return mz_not_ours(p);
	/* Of the pools only gateways make sources, and those packets go by tunnel. */
	if (mz_is_nobodys(p) || mz_pool_of(&p->src))
		return mz_drop(p, MZ_R_OUTSIDE_SOURCE);
	return MZ_NEXT;
}

/* Nor does the VPC's own come from outside: an endpoint takes such an address for a
 * neighbour's. */
static __always_inline int mz_stage_outside_source(struct mz_pkt *p)
{
	const struct mz_network *net = mz_network_of(p->vni, &p->src);

	if (net && !(net->flags & MZ_NET_F_OUTSIDE))
		return mz_drop(p, MZ_R_OUTSIDE_SOURCE);
	return MZ_NEXT;
}

static __always_inline __u32 mz_ttl_left(struct mz_pkt *p)
{
	/* After 8 bytes in the one, after 7 in the other. */
	const __u8 *ttl = mz_at(p, p->l2 + ETH_HLEN + (p->v6 ? 7 : 8), 1);

	return ttl ? *ttl : 0;
}

static __always_inline int mz_gateway_in_stages(struct mz_pkt *p)
{
	const struct mz_pool *pool = NULL;
	enum mz_act act;
	__u32 total = 0;

	MZ_TRY(mz_stage_pool(p, &pool, &total));
	MZ_TRY(mz_stage_l4(p, MZ_R_L4_TRUNCATED));
	p->size = mz_wire_size(p, total);
	if (mz_unlikely(p->size > mz_cfg.inner_mtu))
		return mz_end(p, MZ_ACT_REFUSE, MZ_R_OUTSIDE_TOO_BIG);
	if (mz_unlikely(mz_ttl_left(p) <= 1))
		return mz_end(p, MZ_ACT_REFUSE, MZ_R_TTL_EXCEEDED);
	p->opt_flags = MZ_OPT_F_OUTSIDE;
	MZ_TRY(mz_enter_as(p, pool));
	MZ_TRY(mz_stage_outside_source(p));
	MZ_TRY(mz_route_inside(p));
	MZ_TRY(mz_stage_ttl(p));
	if (p->out_ifindex) {
		MZ_TRY(mz_stage_functions(p, MZ_POINT_INGRESS));
		MZ_TRY(mz_stage_flow(p, p->opt_flags & MZ_OPT_F_MAPPED, MZ_DIR_INGRESS, p->out_ifindex));
		MZ_TRY(mz_stage_translate(p));
		return mz_address_frame(p);
	}
	MZ_TRY(mz_stage_translate(p));
	MZ_TRY(mz_stage_host(p, &act));
	return mz_encap(p, mz_gateway(), act);
}

/* Ingress of the outside interface. */
static __always_inline int mz_gateway_in(mz_ctx_t *ctx)
{
	struct mz_pkt p = { .ctx = ctx, .dir = MZ_DIR_INGRESS };

	mz_open(&p);
	mz_gateway_in_stages(&p);
	if (mz_unlikely(p.act == MZ_ACT_REFUSE))
		mz_tell_outside(&p);
	return mz_finish(&p);
}

#endif
