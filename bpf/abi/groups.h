/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Groups: who is to get what is sent to a multicast or broadcast address of a
 * network. A host knows its own members, and, as the group's bouncer, the hosts that
 * have some. Both are rows of an identity and when it was last heard of. */
#ifndef MZ_ABI_GROUPS_H
#define MZ_ABI_GROUPS_H

#include "bpf/abi/types.h"

struct mz_group_key {
	__u32 vni;
	__u32 network; /* first row of its shard table here: each host's own number */
	struct mz_addr group;
};
MZ_ABI_ASSERT(sizeof(struct mz_group_key) == 24);

/* Rows of a group, which bound the copies a packet can become on one host. */
#define MZ_GROUP_ROWS 128u

struct mz_group_row {
	__u32 id;   /* members: interface; hosts: host id; 0 = free */
	__u32 seen; /* jiffies */
};
MZ_ABI_ASSERT(sizeof(struct mz_group_row) == 8);

struct mz_group {
	struct mz_group_row row[MZ_GROUP_ROWS];
};
MZ_ABI_ASSERT(sizeof(struct mz_group) == 1024);

/* What became of one packet to a group, counted where the verifier need not know. */
struct mz_group_work {
	__u32 made;
	__u32 lost;
	/* Of members: their VPC stands in the flow beside it, as the group's rows do not say:
	 * one that is freed while they are read may already be another group's. */
	__u32 except; /* interface */
	__u32 at;     /* the row to begin with */
	__u32 asked;  /* 0, or why their policy cannot be asked, or MZ_NOT_ASKED */
	__u32 denied; /* copies that policy did not allow */
	__u32 slot;   /* of whom those are counted for */
	__u32 len;
};
MZ_ABI_ASSERT(sizeof(struct mz_group_work) == 32);

#define MZ_NOT_ASKED 0xffffffffu /* what it is asked for is not found out yet */

/* Groups an endpoint may be in. */
#define MZ_ENDPOINT_GROUPS 64u
/* Records of one IGMPv3 or MLDv2 report that are read. */
#define MZ_GROUP_RECORDS 128u

/* Slots of mz_group_tc. */
#define MZ_GROUP_COPY     0u /* copies */
#define MZ_GROUP_MEMBER   1u /* notes who is in a group */
#define MZ_GROUP_PROGRAMS 2u

/* IGMP (RFC 3376) and MLD (RFC 3810): the network asks, endpoints report. */
#define MZ_IGMP_QUERY     0x11
#define MZ_IGMP_REPORT_V1 0x12
#define MZ_IGMP_REPORT_V2 0x16
#define MZ_IGMP_LEAVE     0x17
#define MZ_IGMP_REPORT_V3 0x22
#define MZ_MLD_QUERY      130
#define MZ_MLD_REPORT_V1  131
#define MZ_MLD_DONE       132
#define MZ_MLD_REPORT_V2  143

/* Where broadcast stands among groups. */
#define MZ_BROADCAST4 0xffffffffu

#endif
