/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Multicast and broadcast (bpf/abi/groups.h): which packets are to a group. What is
 * done with them stands in programs of their own (group_copy.h, group_member.h): a
 * packet to one receiver passes two branches. */
#ifndef MZ_LIB_GROUP_H
#define MZ_LIB_GROUP_H

#include "bpf/lib/function.h"
#include "bpf/lib/network.h"

static __always_inline int mz_is_to_group(const struct mz_pkt *p)
{
	return p->group || (p->v6 ? mz_ip6_is_group(&p->dst) : mz_ip4_is_group(p->dst.w[3]));
}

/* What an endpoint of a network with groups sends to one leaves its usual way here. */
static __always_inline int mz_stage_to_group(struct mz_pkt *p, const struct mz_port *port)
{
	if (!MZ_HAS_GROUPS || !mz_unlikely(mz_function_bits(port->flags, MZ_EP_F_GROUPS)) || !mz_is_to_group(p))
		return MZ_NEXT;
	mz_drop(p, MZ_R_MULTICAST);
	if (mz_function_save(p))
		mz_jump_group(p, MZ_GROUP_COPY);
	return MZ_END;
}

/* Has the network of a packet's source groups? */
static __noinline int mz_group_carried(struct mz_pkt *p)
{
	const struct mz_network *net = mz_network_of(p->vni, &p->src);

	if (!net || !(net->flags & (MZ_NET_F_MULTICAST | MZ_NET_F_BROADCAST)))
		return 0;
	mz_note(p, MZ_ST_NETWORKS, MZ_OBJ_NETWORK, net->shard / MZ_BUCKETS, net->flags);
	p->vpc = net->vpc;
	return 1;
}

/* Behind mz_stage_inner(), which has ended the packet: one to a group goes on if its
 * network has groups, by TC, which can copy. */
static __always_inline int mz_stage_inner_group(struct mz_pkt *p)
{
	if (p->why != MZ_R_INNER_MULTICAST || !mz_group_carried(p))
		return MZ_END;
	if (!MZ_HAS_GROUPS)
		return mz_end(p, MZ_ACT_DEFER, MZ_R_INNER_MULTICAST);
	if (mz_function_save(p))
		mz_jump_group(p, MZ_GROUP_COPY);
	return MZ_END;
}

#endif
