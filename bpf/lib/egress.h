/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* All an endpoint sends, in order. */
#ifndef MZ_LIB_EGRESS_H
#define MZ_LIB_EGRESS_H

#include "bpf/lib/asks.h"
#include "bpf/lib/eth.h"
#include "bpf/lib/flow.h"
#include "bpf/lib/function.h"
#include "bpf/lib/group.h"
#include "bpf/lib/inner.h"
#include "bpf/lib/local.h"
#include "bpf/lib/nat.h"
#include "bpf/lib/rewrite.h"
#include "bpf/lib/route.h"
#include "bpf/lib/shape.h"

static __always_inline int mz_egress_route(struct mz_pkt *p)
{
	/* A host that bounces for the network sends straight to the owner, whatever the flow knows;
	 * so does one that the endpoint has come to. */
	MZ_TRY(mz_route_endpoint(p, MZ_AT_SENDER));
	if (p->out_ifindex || p->to_host)
		return MZ_NEXT;
	MZ_TRY(mz_route_path(p));
	if (p->to_host)
		return MZ_NEXT;
	return mz_route_hops(p, MZ_AT_SENDER);
}

/* What asks the network itself leaves here; all else is checked and goes on. A request for
 * DHCP is from an address of its own making. */
static __always_inline int mz_egress_ip6(struct mz_pkt *p, const struct mz_port *port)
{
	__u32 total = 0;
	int why;

	mz_pull_ip6(p);
	why = mz_parse_ip6(p, &total, MZ_R_IP6_TRUNCATED, MZ_R_IP6_INVALID, MZ_R_IP6_EXTENSIONS);
	if (why)
		return mz_drop(p, (enum mz_reason)why);
	mz_note(p, MZ_ST_PARSE, MZ_OBJ_NONE, p->proto, total);
	if (p->proto == MZ_ICMP6) {
		if (mz_is_nd(p))
			return mz_to_answer(p, MZ_R_ND_REPLY);
		if (mz_pings_gateway6(p, port))
			return mz_to_answer(p, MZ_R_ECHO_REPLY);
	}
	p->asks_dhcp = (__u8)mz_is_dhcp6(p, port);
	if (p->asks_dhcp)
		return MZ_NEXT;
	MZ_TRY(mz_stage_to_group(p, port));
	return mz_stage_ip6(p, port, total);
}

static __always_inline int mz_egress_ip4(struct mz_pkt *p, const struct mz_port *port)
{
	__u32 total = 0;
	int why = mz_parse_ip4(p, &total, MZ_R_IP4_TRUNCATED, MZ_R_IP4_INVALID);

	if (why)
		return mz_drop(p, (enum mz_reason)why);
	mz_note(p, MZ_ST_PARSE, MZ_OBJ_NONE, p->proto, total);
	mz_pull_l4(p, 8); /* behind options, too */
	p->asks_dhcp = (__u8)mz_is_dhcp4(p, port);
	if (p->asks_dhcp)
		return MZ_NEXT;
	MZ_TRY(mz_stage_to_group(p, port));
	MZ_TRY(mz_stage_ip4(p, port, total));
	if (p->proto == IPPROTO_ICMP && mz_pings_gateway4(p, port))
		return mz_to_answer(p, MZ_R_ECHO_REPLY);
	return MZ_NEXT;
}

/* What goes to a peer VPC goes the ways of that one from here on. */
static __noinline void mz_stage_peer(struct mz_pkt *p)
{
	const struct mz_network *net = mz_network_of(p->vni, &p->dst);

	if (!net || !(net->flags & MZ_NET_F_PEER))
		return;
	mz_note(p, MZ_ST_NETWORKS, MZ_OBJ_VPC, net->peer, net->flags);
	p->vni = net->peer;
	p->to_host = 0; /* that one's tables say */
	p->label = 0; /* a label set's number is its VPC's own */
	p->opt_flags |= MZ_OPT_F_PEERED;
}

/* To a peer's endpoint on this host: only an address of a part is let in, as at another
 * host, where the receiver looks. */
static __always_inline int mz_stage_peers_source(struct mz_pkt *p, const struct mz_port *port)
{
	if (mz_unlikely(p->opt_flags & MZ_OPT_F_PEERED) && mz_source_vni(p) != port->vni)
		return mz_drop(p, MZ_R_PEER_SOURCE);
	return MZ_NEXT;
}

/* The second half, also of a packet that comes back from functions. */
static __always_inline int mz_egress_onward(struct mz_pkt *p, const struct mz_port *port)
{
	enum mz_act act;
	__u32 zero;

	if (mz_stage_flow(p, port->flags & MZ_EP_F_CHOICE, MZ_DIR_EGRESS, port->ifindex, MZ_FLOW_ONLY) != MZ_NEXT)
		return p->act == MZ_ACT_REFUSE ? mz_to_answer(p, (enum mz_reason)p->why) : MZ_END;
	if (mz_unlikely(port->flags & MZ_EP_F_PEERED))
		mz_stage_peer(p);
	zero = mz_zero(p); /* the ways here meet: as mz_merge_parsed */
	p->opt_flags ^= (__u8)zero;
	p->vpc ^= zero;
	p->to_host ^= zero;
	MZ_TRY(mz_egress_route(p));
	if (p->out_ifindex) {
		MZ_TRY(mz_stage_peers_source(p, port));
		MZ_TRY(mz_stage_functions(p, MZ_POINT_INGRESS));
		MZ_TRY(mz_receivers_flow(p));
		MZ_TRY(mz_stage_translate(p));
		MZ_TRY(mz_stage_shape(p, port->flags | p->deliver_flags));
		return mz_address_frame(p);
	}
	MZ_TRY(mz_stage_translate(p));
	MZ_TRY(mz_stage_host(p, &act));
	MZ_TRY(mz_stage_shape(p, port->flags));
	return mz_encap(p, port->mac, act);
}

static __always_inline int mz_egress_stages(struct mz_pkt *p)
{
	const struct mz_port *port = NULL;
	__be16 type = 0;

	MZ_TRY(mz_stage_port(p, &port));
	MZ_TRY(mz_stage_eth(p, port, &type));
	if (type == mz_htons(ETH_P_ARP))
		return mz_to_answer(p, MZ_R_ARP_REPLY);
	if (type == mz_htons(ETH_P_IPV6))
		MZ_TRY(mz_egress_ip6(p, port));
	else
		MZ_TRY(mz_egress_ip4(p, port));
	MZ_TRY(mz_stage_l4(p, MZ_R_L4_TRUNCATED));
	MZ_TRY(mz_stage_local(p, port));
	if (mz_unlikely(p->size > port->mtu))
		return mz_to_answer(p, MZ_R_TOO_BIG);
	mz_stage_trust(p, port);
	MZ_TRY(mz_stage_functions(p, MZ_POINT_EGRESS));
	return mz_egress_onward(p, port);
}

static __always_inline int mz_egress(mz_ctx_t *ctx)
{
	struct mz_pkt p = { .ctx = ctx, .dir = MZ_DIR_EGRESS };

	mz_open_head(&p, 0);
	mz_egress_stages(&p);
	return mz_finish(&p);
}

#endif
