/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Keys and values of the data plane's tables. One definition for BPF, the
 * daemon, the native build and the tests. bpf/lib/maps.h says who writes and
 * who reads each table and what happens when it is full. */
#ifndef MZ_ABI_TABLES_H
#define MZ_ABI_TABLES_H

#include "bpf/abi/flows.h"
#include "bpf/abi/gateways.h"
#include "bpf/abi/groups.h"
#include "bpf/abi/homes.h"
#include "bpf/abi/policy.h"
#include "bpf/abi/qos.h"
#include "bpf/abi/types.h"
#include "bpf/abi/vips.h"

/* Raised when a layout below changes, or that of struct mz_pkt: pins stand under a directory of this name. */
#define MZ_ABI_VERSION "v12"

/* (VNI, address): every table of tenants' addresses has this key. */
struct mz_ep_key {
	__u32 vni;
	struct mz_addr ip;
};
MZ_ABI_ASSERT(sizeof(struct mz_ep_key) == 20);

/* An endpoint this host carries (ifindex set), or one it knows as bouncer. */
struct mz_endpoint {
	__u32 host;    /* host id of the owner */
	__u32 ifindex; /* local: the host end of its veth, or its tap; else 0 */
	__u32 vpc;     /* counter slot of its VPC */
	__u16 flags;   /* MZ_EP_F_* */
	__u8  mac[MZ_ETH_ALEN];
	__u32 policy;  /* local: the group it is judged by, 0 = none */
};
MZ_ABI_ASSERT(sizeof(struct mz_endpoint) == 24);

#define MZ_EP_F_PEER    0x1  /* behind a veth: deliver with bpf_redirect_peer */
#define MZ_EP_F_VIPS    0x2  /* of a port: its VPC has services */
#define MZ_EP_F_OUT     0x4  /* of a port: its VPC has a way out */
#define MZ_EP_F_EGRESS  0x8  /* functions run on what it sends */
#define MZ_EP_F_INGRESS 0x10 /* functions run on what it is to receive */
#define MZ_EP_F_PEERED  0x20 /* of a port: its VPC has peers */
#define MZ_EP_F_XDP     0x40 /* XDP delivers what it receives; else TC, which has superpackets */
#define MZ_EP_F_SHAPED  0x80 /* of a port, what it sends; of an endpoint, what it receives, is
			      * kept to rates */
#define MZ_EP_F_PACED   0x100 /* of a port: its interface's qdisc keeps packets until skb->tstamp */
#define MZ_EP_F_TRUST   0x200 /* of a port: its own DSCP says what class its packets are of */
#define MZ_EP_F_GROUPS  0x400 /* of a port: its network carries multicast or broadcast */

/* What the host believes of an interface: slot ifindex % MZ_PORTS. */
struct mz_port {
	__u32 ifindex; /* 0 = free slot */
	__u32 vni;
	struct mz_addr ip6; /* the only source addresses it may use, each 0 if it */
	__be32 ip4;         /* has none of that family; link-local only for ND */
	__u8  mac[MZ_ETH_ALEN];
	__u8  qos_class; /* MZ_LEVEL() */
	__u8  prefix6; /* bits of ip6 that are its network's */
	__u32 label;
	__u32 vpc; /* counter slot of its VPC */
	__u32 mtu; /* largest IP packet it may send, bytes */
	__u32 flags; /* MZ_EP_F_* of its endpoint, for answers */
	__be32 gateway4; /* its network's gateways, 0 = none: who answers pings, and */
	struct mz_addr gateway6; /* from whom ICMP errors come */
	__u32 max_flows; /* entries it may have in the flows table */
	__u32 policy; /* as in its endpoint */
	__u16 shaper[2];     /* by enum mz_dir: its own limits, 0 = none */
	__u16 vpc_shaper[2]; /* ... its VPC's on this host */
};
MZ_ABI_ASSERT(sizeof(struct mz_port) == 88);

#define MZ_PORTS 65536u /* a power of two */

struct mz_net_key {
	__u32  prefixlen; /* 32 (VNI) + 96 + IPv4 prefix, or 32 + IPv6 prefix */
	__be32 vni;       /* network order: LPM compares bits in memory order */
	struct mz_addr ip;
};
MZ_ABI_ASSERT(sizeof(struct mz_net_key) == 24);

/* A network whose bouncers this host knows: its own networks, and as divider
 * all of the VPC. Or a part of the outside, whose gateways it knows; or one of a
 * peer VPC, where the way goes on. */
struct mz_network {
	__u32 shard; /* first of MZ_BUCKETS rows in the shards table */
	__u32 vpc;   /* counter slot of its VPC */
	__u32 flags; /* MZ_NET_F_* */
	__u32 peer;  /* PEER: the other VPC's VNI; it has no shard */
};
MZ_ABI_ASSERT(sizeof(struct mz_network) == 16);

#define MZ_NET_F_DIVIDER 0x1 /* this host divides the VPC: others send by intent */
#define MZ_NET_F_OUTSIDE 0x2 /* the shard names gateways */
#define MZ_NET_F_SERVED  0x4 /* OUTSIDE, and this host is one of them */
#define MZ_NET_F_ELSEWHERE 0x8 /* the shard names the dividers of its VPC */
#define MZ_NET_F_PEER    0x10 /* an address of another VPC, whose networks say more */
#define MZ_NET_F_ANSWERS 0x20 /* PEER: only flows that were begun there go there */
#define MZ_NET_F_MULTICAST 0x40 /* what goes to its groups is copied to their members */
#define MZ_NET_F_BROADCAST 0x80 /* the same of its broadcast addresses */

struct mz_vpc {
	__u32 shard; /* the dividers: first of MZ_BUCKETS rows */
	__u32 vpc;   /* counter slot */
};
MZ_ABI_ASSERT(sizeof(struct mz_vpc) == 8);

/* Who serves one bucket. Host ids; 0 = nobody. */
struct mz_shard {
	__u32 primary;
	__u32 backup;
};
MZ_ABI_ASSERT(sizeof(struct mz_shard) == 8);

/* One underlay host, slot = host id. An absent host has flags 0. */
struct mz_host {
	struct mz_addr ip;
	__u32 flags;   /* MZ_HOST_F_* */
	__u32 ifindex; /* next hop: interface; valid with MZ_HOST_F_NEXTHOP */
	__u8  dmac[MZ_ETH_ALEN];
	__u8  smac[MZ_ETH_ALEN];
};
MZ_ABI_ASSERT(sizeof(struct mz_host) == 36);

#define MZ_HOST_F_KNOWN   0x1 /* may send us tunnel packets */
#define MZ_HOST_F_DOWN    0x2 /* does not answer probes: use its backup */
#define MZ_HOST_F_NEXTHOP 0x4 /* ifindex, dmac and smac are fresh */

/* A learned direct path. Times are jiffies, low 32 bits. */
struct mz_path {
	__u32 host;    /* host id of the endpoint's owner */
	__u32 seen;    /* last packet from there */
	__u32 bounced; /* last time a hint was asked for, or the path was made */
};
MZ_ABI_ASSERT(sizeof(struct mz_path) == 12);

/* Packets and bytes that ended under one reason. Slot:
 * ((vpc * MZ_DIRS) + dir) * MZ_REASON_SLOTS + reason. VPC slot 0 is "none". */
struct mz_count {
	__u64 packets;
	__u64 bytes;
};
MZ_ABI_ASSERT(sizeof(struct mz_count) == 16);

enum mz_dir {
	MZ_DIR_EGRESS,  /* an endpoint sent it */
	MZ_DIR_INGRESS, /* the underlay sent it */
	MZ_DIRS
};

/* What an endpoint was answered in the second that began at `since`. */
struct mz_answers {
	__u32 since; /* jiffies */
	__u32 count;
};
MZ_ABI_ASSERT(sizeof(struct mz_answers) == 8);

/* What the data plane tells the daemon, through a ring buffer. */
struct mz_event {
	__u32 type; /* MZ_EVENT_* */
	__u32 vni;
	struct mz_addr src; /* inner */
	struct mz_addr dst; /* inner */
	__u32 host;         /* hint, moved, no member: whom to tell; neighbour: whom to resolve */
	__u32 pad;
};
MZ_ABI_ASSERT(sizeof(struct mz_event) == 48);

#define MZ_EVENT_HINT  1 /* bounced traffic for a local endpoint keeps coming */
#define MZ_EVENT_MOVED 2 /* a direct packet came for an endpoint that is not here */
#define MZ_EVENT_NEIGH 3 /* the next hop towards a host is not resolved */
#define MZ_EVENT_GROUP 4 /* a local endpoint joined or left a group */
#define MZ_EVENT_NO_MEMBER 5 /* a copy came from a bouncer for a group without members here */
#define MZ_EVENT_DENIED 6 /* a struct mz_denial */

/* Policy denied a flow. MZ_DENIALS of them a second and CPU are told. */
struct mz_denial {
	__u32 type; /* MZ_EVENT_DENIED */
	__u32 list; /* MZ_POLICY_LIST(): of which endpoint, and whether it was to begin the flow */
	struct mz_flow_key flow;
	__u32 rule;  /* MZ_POLICY_RULES: no rule fits */
	__u32 label; /* of who begins it */
	__u32 pad;
};
MZ_ABI_ASSERT(sizeof(struct mz_denial) == 64);

#define MZ_DENIALS 64u

/* Any of them: `event.type` says which. */
union mz_any_event {
	struct mz_event event;
	struct mz_denial denial;
};

/* Where a CPU judges, and what it told: the programs' stack is short. */
struct mz_judging {
	struct mz_flow_key flow;
	struct mz_policy_label_key label;
	struct mz_policy_block_key block;
	struct mz_policy_port_key port;
	struct mz_policy_rule_key rule;
	__u32 policy;    /* the endpoint's */
	__u32 from;      /* label set of who begins the flow */
	__u32 vector[3]; /* by label set, block and port */
	__u8  verdict;   /* enum mz_policy_verdict */
	__u8  level;     /* the first rule's that has one (MZ_LEVEL()); 0 = none */
	__u16 pad;
	struct mz_answers told;
	struct mz_denial denial;
};
MZ_ABI_ASSERT(sizeof(struct mz_judging) == 192);

#define MZ_HOST_PORTS 8u

/* Set before a program is loaded; a change is a new load and an atomic
 * replacement. */
struct mz_cfg {
	struct mz_addr self_ip4;  /* our tunnel addresses; 0 = not in that family */
	struct mz_addr self_ip6;
	__u32 self_id;            /* our host id */
	__u32 uplink;             /* ifindex of the underlay interface */
	__u32 path_ttl;           /* jiffies after which a silent path is not used */
	__u32 hint_interval;      /* jiffies between two hints for one address */
	__u32 flags;              /* MZ_CFG_F_* */
	__u32 services;           /* ifindex of the services' veth, host end; 0 = none */
	__u32 second;             /* jiffies in a second */
	__u32 answers;            /* answers an endpoint gets a second; 0 = any number */
	__u32 outside;            /* ifindex of a gateway's way out; 0 = none */
	__u32 inner_mtu;          /* largest IP packet a tunnel carries on this underlay */
	__u32 outside_mtu;        /* ... the way out */
	__u32 group_packets;      /* packets to groups an endpoint may send a second; 0 = any number */
	struct mz_addr outside_ip4; /* our addresses there; 0 = none of that family */
	struct mz_addr outside_ip6;
	__u32 host;               /* ifindex of the host's own veth, far end; 0 = none */
	__u32 home_shift;         /* of mz_homes: 64 less its size in bits; 0 = not used */
	__be16 host_ports[MZ_HOST_PORTS]; /* TCP ports of endpoints that the host may reach; 0 = no port */
	__u32 flow_timeout[MZ_FLOW_TIMER_COUNT]; /* jiffies, by enum mz_flow_timer */
};
MZ_ABI_ASSERT(sizeof(struct mz_cfg) == 136 + 4 * MZ_FLOW_TIMER_COUNT);

#define MZ_CFG_F_NO_XDP_TX   0x1 /* redirect where XDP_TX would do: a veth wakes its
				  * peer after XDP_TX only if that has a program too */
#define MZ_CFG_F_NO_FLOWS    0x2 /* flows are not tracked */
#define MZ_CFG_F_HOP_FUNCTIONS 0x4 /* some VPC has functions at hops */
#define MZ_CFG_F_KEEP_FLOWS  0x8 /* what was allowed once stays so when policy or labels change */

/* One note of a traced packet: which stage decided what, and by which object. */
struct mz_note {
	__u32 stage;  /* MZ_ST_* */
	__u32 object; /* MZ_OBJ_* */
	__u32 id;     /* host id, ifindex, bucket, slot: by object */
	__u32 value;  /* stage's own: hops, prefix, ... */
};
MZ_ABI_ASSERT(sizeof(struct mz_note) == 16);

#define MZ_NOTES 32u

struct mz_trace {
	__u32 used;   /* notes written */
	__u32 reason; /* MZ_R_* at the end */
	struct mz_note note[MZ_NOTES];
};
MZ_ABI_ASSERT(sizeof(struct mz_trace) == 520);

/* skb->mark, or the XDP metadata word, of a packet that is only described:
 * it is decided and rewritten as any other, but counts nothing and teaches
 * nothing. Marks do not survive the way out of an endpoint's namespace, and
 * no driver writes metadata of its own here. */
#define MZ_TRACE_MARK 0x4d5a7472u

#endif
