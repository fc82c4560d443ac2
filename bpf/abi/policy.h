/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Policy: who may begin a flow with whom. Compiled by the daemon, judged by the data
 * plane at the receiver's host, where both label sets are known: the sender's from the
 * packet, the receiver's from the group it is in (decision 0018). */
#ifndef MZ_ABI_POLICY_H
#define MZ_ABI_POLICY_H

#include "bpf/abi/types.h"

/* What an endpoint is judged by: three lists of rules. A group never changes what it
 * says to packets that are under way: another content is another group. 0 = its VPC has
 * no policy. */
#define MZ_POLICY_MAX (1u << 28)

enum mz_policy_kind {
	MZ_POLICY_IN,  /* flows to it, by its own ingress rules */
	MZ_POLICY_TO,  /* the same flows, by the egress rules of whoever sends */
	MZ_POLICY_OUT, /* flows it begins that leave the VPC, by its egress rules */
	MZ_POLICY_KINDS
};

/* A list's name in the tables below. */
#define MZ_POLICY_LIST(policy, kind) ((policy) << 2 | (kind))

/* How many rules a flow may meet: each but the last passes it on to the next tier. */
#define MZ_POLICY_TIERS 3

/* Rules of a list, in order: the first that matches decides. A bit each. */
#define MZ_POLICY_RULES 4096u
#define MZ_POLICY_WORDS (MZ_POLICY_RULES / 64)

/* Vectors (0 = no rule) of what a list has no row for, and how long it is. */
struct mz_policy_list {
	__u32 label; /* of a label set without a row */
	__u32 block; /* of an address that no row covers */
	__u32 port;  /* of a protocol and port that no row covers */
	__u32 rules; /* 0: the list allows everything */
};
MZ_ABI_ASSERT(sizeof(struct mz_policy_list) == 16);

struct mz_policy {
	struct mz_policy_list list[MZ_POLICY_KINDS];
};
MZ_ABI_ASSERT(sizeof(struct mz_policy) == 48);

/* (list, label set of who begins the flow) -> vector. */
struct mz_policy_label_key {
	__u32 list;
	__u32 label;
};
MZ_ABI_ASSERT(sizeof(struct mz_policy_label_key) == 8);

/* In the place of a list: its rows, whose vectors mean nothing, are the label sets of the
 * VPC that this host's groups were compiled with. Who has another is let in by nobody who
 * is judged: a rule may name it that is not here yet. No list has bit 31: numbers of
 * groups are below 2^28. */
#define MZ_POLICY_KNOWN(vni) (1u << 31 | (vni))

/* What a sender's host writes that has no number for its endpoint's label set. Never in
 * the table. */
#define MZ_LABEL_UNKNOWN 0xffffffffu

/* (list, block) -> vector: of the other end (IN, OUT), or of the endpoint's own
 * address (TO). LPM compares bits in memory order. */
struct mz_policy_block_key {
	__u32  prefixlen; /* 32 + 96 + IPv4 prefix, or 32 + IPv6 prefix */
	__be32 list;
	struct mz_addr ip;
};
MZ_ABI_ASSERT(sizeof(struct mz_policy_block_key) == 24);

/* (list, protocol, destination port) -> vector. */
struct mz_policy_port_key {
	__u32  prefixlen; /* 32 + 16 (protocol) + bits of the port */
	__be32 list;
	__be16 proto;
	__be16 port; /* 0 of protocols without */
};
MZ_ABI_ASSERT(sizeof(struct mz_policy_port_key) == 12);

/* A set of a list's rules. */
struct mz_policy_vector {
	__u64 words; /* bit w: word w is not 0 */
	__u64 word[MZ_POLICY_WORDS];
};
MZ_ABI_ASSERT(sizeof(struct mz_policy_vector) == 520);

struct mz_policy_rule_key {
	__u32 list;
	__u32 rule; /* its place in the list */
};
MZ_ABI_ASSERT(sizeof(struct mz_policy_rule_key) == 8);

enum mz_policy_verdict { MZ_POLICY_ALLOW, MZ_POLICY_DENY, MZ_POLICY_PASS };

struct mz_policy_rule {
	__u64 hits;    /* flows it decided */
	__u8  verdict; /* enum mz_policy_verdict */
	__u8  level;   /* of the flows it allows: MZ_LEVEL(); 0 = not said */
	__u16 pad;
	__u32 next;    /* PASS: the first rule of the next tier */
};
MZ_ABI_ASSERT(sizeof(struct mz_policy_rule) == 16);

/* In a flow: judged by nothing yet. */
#define MZ_POLICY_UNJUDGED 0xffffffffu

#endif
