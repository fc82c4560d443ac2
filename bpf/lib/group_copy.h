/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A packet to a group: copies for its members on this host, and one for the group's
 * bouncer; on the bouncer, one for each host that has members. What comes out of a
 * bouncer says so (MZ_OPT_F_COPY) and goes to no host again: there is no loop. */
#ifndef MZ_LIB_GROUP_COPY_H
#define MZ_LIB_GROUP_COPY_H

#include "bpf/lib/eth.h"
#include "bpf/lib/group.h"
#include "bpf/lib/inner.h"
#include "bpf/lib/l4.h"
#include "bpf/lib/policy.h"
#include "bpf/lib/rewrite.h"
#include "bpf/lib/route.h"
#include "bpf/lib/shape.h"

/* RFC 1112 6.4, RFC 2464 section 7; an address that is no group's is a broadcast one. */
static __always_inline void mz_group_mac(const struct mz_pkt *p, __u8 *mac)
{
	const __u8 *ip = (const __u8 *)&p->dst.w[3];
	__u32 first = mz_ntohl(p->dst.w[3]) >> 28;

	for (int i = 0; i < MZ_ETH_ALEN; i++)
		mac[i] = 0xff;
	if (p->v6) {
		mac[0] = mac[1] = 0x33;
		__builtin_memcpy(mac + 2, ip, 4);
	} else if (first == 0xe) {
		mac[0] = 0x01;
		mac[1] = 0x00;
		mac[2] = 0x5e;
		mac[3] = ip[1] & 0x7f;
		mac[4] = ip[2];
		mac[5] = ip[3];
	}
}

/* One more for the endpoint; 0 when it has sent as much as it may in this second. */
static __always_inline int mz_group_may_send(struct mz_pkt *p)
{
	__u32 slot = mz_in_ifindex(p) & (MZ_PORTS - 1), segment = mz_gso_size(p);

	return p->trace || mz_within(mz_lookup(mz_group_sent, &slot), segment ? p->len / segment + 1 : 1,
				     mz_cfg.group_packets);
}

/* ---- copies ------------------------------------------------------------------- */

/* These are verified by themselves: their rounds stand for every way that leads to
 * them. */
int mz_copy_to_members(mz_ctx_t *ctx, struct mz_group *g, struct mz_group_work *w, struct mz_talk *t);
int mz_copy_to_host(mz_ctx_t *ctx, __u32 id, __u32 v6);
int mz_copy_to_hosts(mz_ctx_t *ctx, struct mz_group *g, struct mz_group_work *w, __u32 except, __u32 v6);
int mz_count_hosts(struct mz_group *g, struct mz_group_work *w, __u32 except);

/* Whether the member that is judged by `policy` may not have its copy, which is counted
 * under the reason then. It begins no flow: each is judged. */
static __always_inline int mz_copy_denied(struct mz_group_work *w, struct mz_talk *t, __u32 policy)
{
	__u32 zero = 0, slot, why = w->asked;
	struct mz_judging *j = mz_lookup(mz_judging, &zero);
	struct mz_count *c;

	if (!j)
		return 1; /* cannot be */
	j->policy = policy;
	if (!why)
		why = (__u32)mz_judge(t, MZ_POLICY_RECEIVER);
	if (!why)
		return 0;
	w->denied++;
	slot = w->slot + why;
	c = mz_lookup(mz_counters, &slot);
	if (c && !t->trace) {
		c->packets++;
		c->bytes += w->len;
	}
	return 1;
}

/* The frame as it lies there, to every member of its VPC but one. Described packets
 * count whom it would reach. Returns 1 at the first member that has a policy, if that
 * cannot be asked yet. */
__noinline int mz_copy_to_members(mz_ctx_t *ctx, struct mz_group *g, struct mz_group_work *w, struct mz_talk *t)
{
	if (!g || !w || !t)
		return 0;
	for (__u32 i = 0; i < MZ_GROUP_ROWS; i++) {
		__u32 id = g->row[i].id;
		const struct mz_port *port;

		if (!id || id == w->except || i < w->at)
			continue;
		port = mz_port_of(id);
		if (port && port->policy && port->vni == t->flow.vni) {
			if (w->asked == MZ_NOT_ASKED) {
				w->at = i;
				return 1;
			}
			if (mz_copy_denied(w, t, port->policy))
				continue;
		}
		if (!port || port->vni != t->flow.vni || (!t->trace && mz_clone(ctx, id)))
			w->lost++;
		else
			w->made++;
	}
	return 0;
}

/* 1 for IPv6. Who is not known goes with IPv4, to be lost once. */
static __always_inline int mz_host_family(const struct mz_host *h)
{
	return h && (h->flags & MZ_HOST_F_KNOWN) && !mz_is_ip4(&h->ip);
}

/* The tunnel packet as it lies there, of family `v6`, to another host: 0, or 1 if that
 * is of the other family, or less if it could not be sent; -2: the next hop is not known. */
__noinline int mz_copy_to_host(mz_ctx_t *ctx, __u32 id, __u32 v6)
{
	const struct mz_host *h = mz_lookup(mz_hosts, &id);
	struct iphdr ip;

	if (mz_host_family(h) != !!v6)
		return 1;
	if (!h || !(h->flags & MZ_HOST_F_KNOWN))
		return -1;
	if (!(h->flags & MZ_HOST_F_NEXTHOP))
		return -2;
	if (mz_ctx_store(ctx, 0, h->dmac, MZ_ETH_ALEN) || mz_ctx_store(ctx, MZ_ETH_ALEN, h->smac, MZ_ETH_ALEN))
		return -1;
	if (v6) {
		if (mz_ctx_store(ctx, MZ_OFF_IP + __builtin_offsetof(struct mz_ip6, dst), &h->ip, sizeof(h->ip)))
			return -1;
	} else {
		if (mz_ctx_load(ctx, MZ_OFF_IP, &ip, sizeof(ip)))
			return -1;
		ip.daddr = h->ip.w[3];
		ip.check = 0;
		ip.check = mz_ip4_checksum(&ip);
		if (mz_ctx_store(ctx, MZ_OFF_IP, &ip, sizeof(ip)))
			return -1;
	}
	return mz_clone(ctx, h->ifindex) ? -1 : 0;
}

__noinline int mz_copy_to_hosts(mz_ctx_t *ctx, struct mz_group *g, struct mz_group_work *w, __u32 except, __u32 v6)
{
	if (!g || !w)
		return 0;
	for (__u32 i = 0; i < MZ_GROUP_ROWS; i++) {
		__u32 id = g->row[i].id;
		int rc;

		if (!id || id == except)
			continue;
		rc = mz_copy_to_host(ctx, id, v6);
		if (rc == -2)
			mz_ask_neighbour(id, 0);
		if (!rc)
			w->made++;
		else if (rc < 0)
			w->lost++;
	}
	return 0;
}

#define MZ_ONE_IP6 0x10000 /* in a count of hosts; those of IPv4 are below */

/* How many hosts of each family are to get it, counted in `w`: what is not in a register
 * the verifier does not take for another state with each row. */
__noinline int mz_count_hosts(struct mz_group *g, struct mz_group_work *w, __u32 except)
{
	if (!g || !w)
		return 0;
	w->made = 0;
	for (__u32 i = 0; i < MZ_GROUP_ROWS; i++) {
		__u32 id = g->row[i].id;

		if (id && id != except)
			w->made += mz_host_family(mz_lookup(mz_hosts, &id)) ? MZ_ONE_IP6 : 1;
	}
	return (int)w->made;
}

/* ---- tunnels ------------------------------------------------------------------ */

/* What a packet to a group has otherwise: the group's MAC address inside, and, from a
 * bouncer, who sent it first. */
static __always_inline int mz_group_tunnel(struct mz_pkt *p)
{
	__u32 at = mz_is_ip4(&p->nh.ip) ? MZ_OFF_GENEVE4 : MZ_OFF_GENEVE6;
	struct mz_geneve *g = mz_at(p, at, sizeof(*g) + sizeof(struct mz_opt) + ETH_HLEN);
	struct mz_opt *o;

	if (!g)
		return mz_drop(p, MZ_R_NO_ROOM);
	o = (struct mz_opt *)(g + 1);
	if (p->dir == MZ_DIR_INGRESS) {
		o->class_origin = mz_htonl(mz_opt_word(p->qos_class, p->origin));
		o->hops_sender = mz_htonl(mz_opt_word((__u32)(p->hops + 1) << 4 | p->opt_flags, mz_cfg.self_id));
	}
	mz_group_mac(p, (__u8 *)(o + 1));
	return MZ_NEXT;
}

/* To the bouncer that knows more. p->mac is the sender's. */
static __always_inline int mz_group_to_bouncer(struct mz_pkt *p)
{
	enum mz_act act;

	p->why = MZ_R_GROUP_SENT;
	MZ_TRY(mz_stage_host(p, &act));
	mz_encap(p, p->mac, act);
	if (p->act != MZ_ACT_DROP)
		mz_group_tunnel(p);
	return MZ_END;
}

/* To hosts of one family that have members; leaves the tunnel's headers on. */
static __always_inline int mz_group_to_family(struct mz_pkt *p, struct mz_group *g, struct mz_group_work *w,
					      __u32 except, __u32 v6)
{
	__u32 hash = mz_flow_hash(p);

	__builtin_memset(&p->nh, 0, sizeof(p->nh));
	p->nh.ip = v6 ? mz_cfg.self_ip6 : mz_cfg.self_ip4;
	mz_dress(p);
	if (v6)
		MZ_TRY(mz_tunnel6(p, p->mac, hash));
	else
		MZ_TRY(mz_tunnel4(p, p->mac, hash));
	MZ_TRY(mz_group_tunnel(p));
	return mz_copy_to_hosts(p->ctx, g, w, except, v6);
}

static __noinline int mz_group_to_hosts(struct mz_pkt *p, struct mz_group *g, struct mz_group_work *w, __u32 except)
{
	__u32 n = (__u32)mz_count_hosts(g, w, except), n4 = n % MZ_ONE_IP6, n6 = n / MZ_ONE_IP6;

	mz_note(p, MZ_ST_GROUP, MZ_OBJ_HOST, n4 + n6, 0);
	w->made = 0;
	if (p->trace) {
		w->made = n4 + n6;
		return MZ_NEXT;
	}
	p->opt_flags |= MZ_OPT_F_COPY;
	if (n4) {
		MZ_TRY(mz_group_to_family(p, g, w, except, 0));
		p->outer6 = 0;
		if (n6 && mz_pop_outer(p, MZ_OUTER_LEN4))
			return mz_drop(p, MZ_R_NO_ROOM);
	}
	if (n6)
		MZ_TRY(mz_group_to_family(p, g, w, except, 1));
	return MZ_NEXT;
}

/* ---- in order ----------------------------------------------------------------- */

/* May this endpoint send this? From its own address, of a network that carries it.
 * Returns the network. */
static __always_inline const struct mz_network *mz_group_checked(struct mz_pkt *p, const struct mz_port *port)
{
	const struct mz_network *net;

	if (p->v6 ? mz_ip6_is_none(&port->ip6) || !mz_addr_eq(&p->src, &port->ip6)
		  : !port->ip4 || p->src.w[3] != port->ip4) {
		mz_note(p, MZ_ST_SPOOF, MZ_OBJ_PORT, port->ifindex, 0);
		mz_drop(p, MZ_R_SRC_IP);
		return NULL;
	}
	net = mz_network_of(p->vni, &p->src);
	if (net)
		mz_note(p, MZ_ST_NETWORKS, MZ_OBJ_NETWORK, net->shard / MZ_BUCKETS, net->flags);
	p->size = mz_wire_size(p, p->ip_end - ETH_HLEN);
	if (p->size > port->mtu) { /* nobody is told: RFC 1122 3.2.2 */
		mz_drop(p, MZ_R_TOO_BIG);
		return NULL;
	}
	return net;
}

/* Does the network carry what goes to this address? Multicast, or broadcast. */
static __always_inline int mz_group_is_carried(const struct mz_pkt *p, const struct mz_network *net)
{
	__u32 dst = mz_ntohl(p->dst.w[3]);

	if (p->v6 ? mz_ip6_is_group(&p->dst) : dst >> 28 == 0xe)
		return net->flags & MZ_NET_F_MULTICAST;
	/* Of class E only the broadcast address is one. What else there is of broadcast
	 * addresses the daemon has written as groups. */
	return !p->v6 && p->group && (dst >> 28 != 0xf || dst == MZ_BROADCAST4) && (net->flags & MZ_NET_F_BROADCAST);
}

/* Finds out what members' policy is asked for: who sends, to which port of the group. */
static __noinline void mz_group_asks(struct mz_pkt *p, struct mz_group_work *w)
{
	__u32 zero = 0;
	struct mz_judging *j = mz_lookup(mz_judging, &zero);
	struct mz_flow_key *k = &p->talk.flow;

	mz_reload(p);
	w->asked = 0;
	if (mz_stage_l4(p, MZ_R_L4_TRUNCATED))
		w->asked = p->why;
	else if (p->untracked)
		w->asked = MZ_R_POLICY_FRAGMENT;
	k->proto = p->proto;
	k->local = p->dst;
	k->remote = p->src;
	k->local_port = (__be16)(p->ports >> 16);
	k->remote_port = (__be16)p->ports;
	w->slot = (p->vpc * MZ_DIRS + p->dir) * MZ_REASON_SLOTS;
	w->len = p->len;
	if (j)
		j->from = p->label;
}

/* To the members here. Returns how many policy does not let have it. */
static __always_inline __u32 mz_group_deliver(struct mz_pkt *p, struct mz_group_work *w, struct mz_group *g,
					      __u32 except)
{
	struct mz_eth *eth = mz_at(p, 0, sizeof(*eth));

	w->except = except;
	w->at = 0;
	w->asked = MZ_NOT_ASKED;
	w->denied = 0;
	if (!eth)
		return 0;
	mz_group_mac(p, eth->dst);
	mz_mac_copy(eth->src, mz_gateway());
	eth->proto = mz_ether_type(p);
	p->talk.flow.vni = p->vni;
	p->talk.trace = p->trace;
	if (g && mz_copy_to_members(p->ctx, g, w, &p->talk)) {
		mz_group_asks(p, w);
		mz_copy_to_members(p->ctx, g, w, &p->talk);
	}
	mz_reload(p);
	mz_note(p, MZ_ST_GROUP, MZ_OBJ_PORT, w->made, w->denied);
	return w->denied;
}

/* Copies that could not be made, under a reason of their own. */
static __noinline void mz_group_lost(struct mz_pkt *p, __u32 n)
{
	__u32 slot = (p->vpc * MZ_DIRS + p->dir) * MZ_REASON_SLOTS + MZ_R_GROUP_LOST;
	struct mz_count *c = mz_lookup(mz_counters, &slot);

	if (!c || p->trace)
		return;
	c->packets += n;
	c->bytes += (__u64)n * p->len;
}

/* Nobody here, and it came from a bouncer that thinks otherwise: it is told. */
static __noinline int mz_group_nobody(struct mz_pkt *p)
{
	struct mz_event e = { .type = MZ_EVENT_NO_MEMBER, .vni = p->vni, .src = p->src, .dst = p->dst,
			      .host = p->sender };

	if (p->dir == MZ_DIR_INGRESS && (p->opt_flags & MZ_OPT_F_COPY) && !p->trace)
		mz_ring_output(mz_events, &e, sizeof(e));
	return mz_drop(p, MZ_R_GROUP_NOBODY);
}

/* The way of the frame, which begins at byte 0. From an endpoint it goes to members here
 * but that one, from a host to hosts but that one. */
static __always_inline int mz_group_onward(struct mz_pkt *p, __u32 network, __u32 from)
{
	__u32 member = p->dir == MZ_DIR_EGRESS ? from : 0, host = p->dir == MZ_DIR_EGRESS ? 0 : from;
	struct mz_group_key key = { .vni = p->vni, .network = network, .group = p->dst };
	struct mz_group *members = mz_lookup(mz_groups, &key), *hosts = NULL;
	__u32 zero = 0, here, denied, hop = 0;
	int failed = 0;
	struct mz_group_work *w = mz_lookup(mz_group_work, &zero);

	/* Where an endpoint is, every broadcast address of its network is a group. */
	if (!w || (!members && p->dir == MZ_DIR_EGRESS && !p->v6 && !mz_ip4_is_group(p->dst.w[3])))
		return mz_drop(p, MZ_R_MULTICAST);
	w->made = 0;
	w->lost = 0;
	denied = mz_group_deliver(p, w, members, member);
	here = w->made;
	if (p->dir == MZ_DIR_EGRESS)
		hop = mz_pick_hop(p, network);
	if (hop && hop != mz_cfg.self_id) {
		if (w->lost)
			mz_group_lost(p, w->lost);
		p->to_host = hop;
		return mz_group_to_bouncer(p);
	}
	if (!(p->opt_flags & MZ_OPT_F_COPY))
		hosts = mz_lookup(mz_group_hosts, &key);
	w->made = 0;
	if (hosts)
		failed = mz_group_to_hosts(p, hosts, w, host);
	if (w->lost)
		mz_group_lost(p, w->lost);
	if (failed)
		return MZ_END;
	if (!here && !w->made)
		return denied ? mz_drop(p, MZ_R_GROUP_DENIED) : mz_group_nobody(p);
	return mz_end(p, MZ_ACT_DROP, w->made ? MZ_R_GROUP_COPIED : MZ_R_GROUP_DELIVERED);
}

static __always_inline int mz_group_is_report(struct mz_pkt *p)
{
	const __u8 *type;

	if (p->oam)
		return 1;
	if (!p->v6)
		return p->proto == IPPROTO_IGMP;
	if (p->proto != MZ_ICMP6 || p->later)
		return 0;
	type = mz_at(p, p->l2 + ETH_HLEN + p->l4, 1);
	return type && ((*type >= MZ_MLD_QUERY && *type <= MZ_MLD_DONE) || *type == MZ_MLD_REPORT_V2);
}

static __always_inline int mz_group_egress(struct mz_pkt *p, __u32 *network, __u32 *from)
{
	const struct mz_port *port = mz_port_of(mz_in_ifindex(p));
	const struct mz_network *net;

	if (!port)
		return mz_drop(p, MZ_R_NO_PORT);
	mz_drop(p, MZ_R_MULTICAST);
	net = mz_group_checked(p, port);
	if (!net || !mz_group_is_carried(p, net))
		return MZ_END;
	if (!mz_group_may_send(p))
		return mz_drop(p, MZ_R_GROUP_RATE);
	MZ_TRY(mz_stage_shape(p, port->flags)); /* once, however many copies there will be */
	mz_mac_copy(p->mac, port->mac); /* the sender's, for tunnels */
	*network = net->shard;
	*from = port->ifindex;
	return MZ_NEXT;
}

static __always_inline int mz_group_ingress(struct mz_pkt *p, __u32 *network, __u32 *from)
{
	const struct mz_network *net = mz_network_of(p->vni, &p->src);
	const struct mz_eth *eth = mz_at(p, p->l2, sizeof(*eth));

	mz_drop(p, MZ_R_INNER_MULTICAST);
	if (!net || !eth || !mz_group_is_carried(p, net))
		return MZ_END;
	mz_mac_copy(p->mac, eth->src);
	*network = net->shard;
	*from = p->origin ? p->origin : p->sender;
	return mz_bare(p);
}

static __always_inline int mz_group_stages(struct mz_pkt *p)
{
	__u32 network = 0, from = 0, whole = p->len;

	if (mz_group_is_report(p)) {
		mz_drop(p, p->dir == MZ_DIR_EGRESS ? MZ_R_MULTICAST : MZ_R_INNER_MULTICAST);
		mz_jump_group(p, MZ_GROUP_MEMBER); /* what is saved still holds */
		return MZ_END;
	}
	if (p->dir == MZ_DIR_EGRESS)
		MZ_TRY(mz_group_egress(p, &network, &from));
	else
		MZ_TRY(mz_group_ingress(p, &network, &from));
	p->len = mz_length(p); /* of which the tunnel's headers tell */
	network ^= mz_zero(p); /* the ways here meet: as mz_merge_parsed */
	from ^= mz_zero(p);
	mz_group_onward(p, network, from);
	p->len = whole;
	return MZ_END;
}

/* Packets of mz_stage_to_group() and mz_stage_inner_group(). */
static __always_inline int mz_group_packet(mz_ctx_t *ctx)
{
	struct mz_pkt p = { .ctx = ctx };

	if (mz_function_restore(&p, 0))
		mz_group_stages(&p);
	return mz_finish(&p);
}

#endif
