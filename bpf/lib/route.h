/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where a tenant's packet goes next. Touches no bytes. */
#ifndef MZ_LIB_ROUTE_H
#define MZ_LIB_ROUTE_H

#include "bpf/lib/home.h"
#include "bpf/lib/learn.h"
#include "bpf/lib/network.h"

/* Who asks for the way: a constant wherever it stands. */
enum mz_asker { MZ_AT_SENDER, MZ_AT_GATEWAY, MZ_AT_UNDERLAY };

static __always_inline int mz_is_down(__u32 host)
{
	const struct mz_host *h = mz_lookup(mz_hosts, &host);

	return h && (h->flags & MZ_HOST_F_DOWN);
}

/* The hop that serves the destination's bucket: the primary, or its backup
 * while the primary does not answer and that does. */
static __always_inline __u32 mz_pick_hop(struct mz_pkt *p, __u32 shard)
{
	__u32 bucket = mz_bucket(&p->dst);
	__u32 row = shard + bucket;
	const struct mz_shard *s = mz_lookup(mz_shards, &row);
	__u32 primary, backup;

	if (!s)
		return 0;
	primary = s->primary;
	backup = s->backup;
	mz_note(p, MZ_ST_SHARD, MZ_OBJ_BUCKET, bucket, primary);
	if (backup && mz_is_down(primary) && !mz_is_down(backup)) {
		mz_note(p, MZ_ST_SHARD, MZ_OBJ_HOST, backup, primary);
		return backup;
	}
	return primary;
}

/* Sends to the hop of `shard`. A hop that would send to itself is the last to
 * ask: the address does not exist (`unknown`). */
static __always_inline int mz_to_hop(struct mz_pkt *p, __u32 shard, enum mz_reason why,
				     enum mz_reason unknown)
{
	__u32 hop = mz_pick_hop(p, shard);

	if (!hop)
		return mz_drop(p, MZ_R_NO_HOP);
	if (hop == mz_cfg.self_id)
		return mz_drop(p, unknown);
	p->to_host = hop;
	p->why = (__u16)why;
	return MZ_NEXT;
}

/* To the host that has the endpoint. Counts stay the sender's at its own host, whose VPC ever
 * the packet goes to. */
static __always_inline int mz_to_owner(struct mz_pkt *p, __u32 host, __u32 vpc, enum mz_asker asker)
{
	mz_note(p, MZ_ST_ENDPOINTS, MZ_OBJ_HOST, host, 0);
	if (asker != MZ_AT_SENDER)
		p->vpc = vpc;
	p->to_host = host;
	p->why = asker == MZ_AT_SENDER	? MZ_R_DIRECT :
		 asker == MZ_AT_GATEWAY ? MZ_R_FROM_OUTSIDE :
					  MZ_R_BOUNCED;
	return MZ_NEXT;
}

static __always_inline int mz_no_owner(struct mz_pkt *p)
{
	mz_note(p, MZ_ST_ENDPOINTS, MZ_OBJ_MISS, 0, 0);
	return MZ_NEXT;
}

/* The destination, where the endpoints table or its line knows it: local (p->out_ifindex set), or
 * on another host (p->to_host set). Else neither. */
static __always_inline int mz_route_endpoint(struct mz_pkt *p, enum mz_asker asker)
{
	const int by_line = asker == MZ_AT_SENDER || (MZ_IS_HOP && asker == MZ_AT_UNDERLAY);
	__u32 home = by_line ? mz_home_of(p) : MZ_HOME_ASK;
	const struct mz_endpoint *ep;

	if (asker == MZ_AT_SENDER)
		home |= p->to_host & mz_same(home, MZ_HOME_NONE); /* which its flow may know */
	if (home == MZ_HOME_NONE)
		return mz_no_owner(p);
	if (home != MZ_HOME_ASK && (home & MZ_HOST_ID_MAX) != mz_cfg.self_id)
		return mz_to_owner(p, home & MZ_HOST_ID_MAX, home >> 24, asker);
	ep = mz_lookup(mz_endpoints, &p->to);
	if (!ep)
		return asker == MZ_AT_SENDER && p->to_host ? mz_to_owner(p, p->to_host, 0, asker) : mz_no_owner(p);
	if (!ep->ifindex && ep->host != mz_cfg.self_id)
		return mz_to_owner(p, ep->host, ep->vpc, asker);
	if (asker != MZ_AT_SENDER)
		p->vpc = ep->vpc;
	if (!ep->ifindex) {
		mz_note(p, MZ_ST_ENDPOINTS, MZ_OBJ_HOST, ep->host, 0);
		return mz_drop(p, MZ_R_NO_ENDPOINT); /* ours, but not connected yet */
	}
	mz_note(p, MZ_ST_ENDPOINTS, MZ_OBJ_PORT, ep->ifindex, ep->host);
	p->out_ifindex = ep->ifindex;
	p->deliver_flags = (__u8)ep->flags;
	p->policy = ep->policy;
	mz_mac_copy(p->mac, ep->mac);
	p->why = asker == MZ_AT_SENDER ? MZ_R_LOCAL : MZ_R_DELIVERED;
	return MZ_NEXT;
}

/* A learned direct path, if there is a fresh one. */
static __always_inline int mz_route_path(struct mz_pkt *p)
{
	const struct mz_path *path = mz_lookup(mz_paths, &p->to);

	if (!path || !mz_path_fresh(path)) {
		mz_note(p, MZ_ST_PATHS, MZ_OBJ_MISS, 0, path != NULL);
		return MZ_NEXT;
	}
	mz_note(p, MZ_ST_PATHS, MZ_OBJ_HOST, path->host, mz_now() - path->seen);
	p->to_host = path->host;
	p->why = MZ_R_DIRECT;
	return MZ_NEXT;
}

/* By the network's bouncers, or, for a network this host does not know, by
 * the VPC's dividers. Sets p->to_host, or ends the packet. */
static __always_inline int mz_route_hops(struct mz_pkt *p, enum mz_asker asker)
{
	int underlay = asker == MZ_AT_UNDERLAY;
	const struct mz_network *net = mz_network_of(p->vni, &p->dst);
	const struct mz_vpc *vpc;
	enum mz_reason why = MZ_R_TO_BOUNCER;

	if (net) {
		if (asker != MZ_AT_SENDER)
			p->vpc = net->vpc;
		mz_note(p, MZ_ST_NETWORKS, MZ_OBJ_NETWORK, net->shard / MZ_BUCKETS, net->flags);
		if (mz_unlikely(net->flags & MZ_NET_F_PEER))
			return mz_drop(p, MZ_R_NO_NETWORK); /* its sender knew of no peer */
		if (mz_unlikely(net->flags & MZ_NET_F_OUTSIDE)) {
			if (underlay && (net->flags & MZ_NET_F_SERVED))
				return mz_end(p, MZ_ACT_DEFER, MZ_R_TO_OUTSIDE);
			why = MZ_R_TO_GATEWAY;
		} else if (mz_unlikely(net->flags & MZ_NET_F_ELSEWHERE)) {
			why = underlay ? MZ_R_REDIRECTED : MZ_R_TO_DIVIDER;
		} else if (underlay) {
			why = net->flags & MZ_NET_F_DIVIDER ? MZ_R_DIVIDED : MZ_R_REDIRECTED;
		}
		return mz_to_hop(p, net->shard, why, MZ_R_NO_ENDPOINT);
	}
	mz_note(p, MZ_ST_NETWORKS, MZ_OBJ_MISS, 0, 0);
	vpc = mz_lookup(mz_vpcs, &p->vni);
	if (!vpc) {
		mz_note(p, MZ_ST_VPCS, MZ_OBJ_MISS, p->vni, 0);
		return mz_drop(p, MZ_R_UNKNOWN_VNI);
	}
	if (asker != MZ_AT_SENDER)
		p->vpc = vpc->vpc;
	mz_note(p, MZ_ST_VPCS, MZ_OBJ_VPC, p->vni, 0);
	return mz_to_hop(p, vpc->shard, underlay ? MZ_R_REDIRECTED : MZ_R_TO_DIVIDER,
			 MZ_R_NO_NETWORK);
}

/* The daemon finds out the next hop towards a host. */
static __noinline void mz_ask_neighbour(__u32 host, __u32 trace)
{
	struct mz_event e = { .type = MZ_EVENT_NEIGH, .host = host };

	if (!trace)
		mz_ring_output(mz_events, &e, sizeof(e));
}

/* The way towards p->to_host: its address, and the interface and MACs the
 * daemon keeps fresh in the hosts table. Where it has none, the kernel's FIB
 * answers, and, on TC, the kernel's neighbour code also waits for ARP. */
static __noinline int mz_resolve_fib(struct mz_pkt *p, enum mz_act *act)
{
	struct bpf_fib_lookup fib;
	int rc;

	__builtin_memset(&fib, 0, sizeof(fib));
	fib.ifindex = mz_cfg.uplink;
	if (mz_is_ip4(&p->nh.ip)) {
		fib.family = 2 /* AF_INET */;
		fib.ipv4_src = mz_cfg.self_ip4.w[3];
		fib.ipv4_dst = p->nh.ip.w[3];
	} else {
		fib.family = 10 /* AF_INET6 */;
		*(struct mz_addr *)fib.ipv6_src = mz_cfg.self_ip6;
		*(struct mz_addr *)fib.ipv6_dst = p->nh.ip;
	}
	rc = mz_fib(p, &fib);
	mz_note(p, MZ_ST_NEXTHOP, MZ_OBJ_HOST, p->to_host, (__u32)rc);
	p->nh.ifindex = fib.ifindex ? fib.ifindex : mz_cfg.uplink;
	if (rc == BPF_FIB_LKUP_RET_SUCCESS) {
		mz_mac_copy(p->nh.dmac, fib.dmac);
		mz_mac_copy(p->nh.smac, fib.smac);
		return MZ_NEXT;
	}
	if (MZ_CAN_RESOLVE && (rc == BPF_FIB_LKUP_RET_NO_NEIGH || rc == BPF_FIB_LKUP_RET_FWD_DISABLED)) {
		*act = MZ_ACT_RESOLVE;
		return MZ_NEXT;
	}
	return mz_drop(p, MZ_R_NO_NEIGHBOUR);
}

/* Copies the host's entry into p->nh and says how to leave. */
static __always_inline int mz_stage_host(struct mz_pkt *p, enum mz_act *act)
{
	const struct mz_host *h;

	p->why ^= (__u16)mz_zero(p); /* the ways to a host meet: as mz_merge_parsed */
	h = mz_lookup(mz_hosts, &p->to_host);
	*act = MZ_ACT_SEND;
	if (!h || !(h->flags & MZ_HOST_F_KNOWN)) {
		mz_note(p, MZ_ST_HOST, MZ_OBJ_MISS, p->to_host, 0);
		return mz_drop(p, MZ_R_NO_HOST);
	}
	p->nh = *h;
	mz_note(p, MZ_ST_HOST, MZ_OBJ_HOST, p->to_host, mz_ntohl(h->ip.w[3]));
	if (h->flags & MZ_HOST_F_NEXTHOP)
		return MZ_NEXT;
	mz_ask_neighbour(p->to_host, p->trace); /* from here: the stack has no room for both */
	return mz_resolve_fib(p, act);
}

#endif
