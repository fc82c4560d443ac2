/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One packet on its way through the stages. Needs a target (bpf/target/) to
 * be included before it.
 *
 * A stage reads one header or takes one decision. It returns MZ_NEXT, or ends
 * the packet with an action and a reason. Parsers touch no tables, decisions
 * touch no bytes, rewrites come last and reload the pointers. */
#ifndef MZ_LIB_PKT_H
#define MZ_LIB_PKT_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>

#include "bpf/abi/hash.h"
#include "bpf/abi/reasons.h"
#include "bpf/abi/tables.h"
#include "bpf/abi/wire.h"

/* <linux/if_ether.h> packs its header, which makes compilers read it byte by
 * byte; every packet here is at least 2-aligned. */
struct mz_eth {
	__u8   dst[MZ_ETH_ALEN];
	__u8   src[MZ_ETH_ALEN];
	__be16 proto;
};
MZ_ABI_ASSERT(sizeof(struct mz_eth) == ETH_HLEN);

/* 1 for IPv6, 0 for IPv4, read anew: to the verifier it can be both, so that it
 * walks the stages behind once for both families. */
static __always_inline __u8 mz_family(const struct mz_eth *eth)
{
	/* 08 00 or 86 dd */
	return (*(const volatile __u8 *)&eth->proto >> 7) & 1;
}

/* What is linear of each packet anyway, and pulled at first: Ethernet, and IPv4 with UDP's header, or ARP.
 * What is longer is pulled by the stage that reads it. */
#define MZ_HEAD 42u

#define MZ_EEXIST 17 /* <errno.h> is not for BPF */

#define MZ_NEXT 0
#define MZ_END  1

/* Leaves the pipeline when a stage has ended the packet. */
#define MZ_TRY(stage)                   \
	do {                            \
		if ((stage) != MZ_NEXT) \
			return MZ_END;  \
	} while (0)

enum mz_act {
	MZ_ACT_DROP,
	MZ_ACT_PASS,    /* to the kernel, or the next program on the hook */
	MZ_ACT_DEFER,   /* the same, but the next program of ours counts it */
	MZ_ACT_SEND,    /* out of p->out_ifindex */
	MZ_ACT_RESOLVE, /* the same, MAC addresses by the kernel */
	MZ_ACT_DELIVER, /* to the endpoint behind p->out_ifindex */
	MZ_ACT_ANSWER,  /* back out of the interface it came from */
	MZ_ACT_REENTER, /* in again by p->out_ifindex, as if it had come there */
	MZ_ACT_REFUSE,  /* dropped, unless its sender can be told */
	MZ_ACT_GONE,    /* another program ended it: native, where jumps come back */
};

/* A packet's flow, for functions that are verified by themselves: they can be given
 * numbers only, and a packet has pointers. */
struct mz_talk {
	struct mz_flow_key flow;
	struct mz_addr to; /* with `nat`: as in struct mz_flow */
	__be16 to_port, from_port;
	__u8 nat;    /* MZ_FLOW_F_NAT, _SELF; 0 = not translated */
	__u8 opens;  /* the flow is new: its entries are to be written; from bit 1 on its service's level */
	__u8 trace;
	__u8 event;
};

struct mz_pkt {
	mz_ctx_t *ctx;
	__u8 *data; /* first byte; reload with mz_reload() after a resize */
	__u8 *end;
	__u32 len;  /* whole packet, bytes */

	/* Tenant's side: the packet itself at egress, the inner one at ingress. */
	__u32 l2; /* offset of the Ethernet header */
	__u32 vpc; /* counter slot, 0 until known */
	union { /* where it goes, as tables' key: stored and read once */
		struct mz_ep_key to;
		struct {
			__u32 vni;
			struct mz_addr dst;
		};
	};
	struct mz_addr src;
	__u32 size; /* at egress: the largest IP packet the wire will see of it */
	__u32 l4; /* bytes of IP header, with IPv6 extension headers */
	__u32 ip_end; /* offset of the end of the IP packet */
	__be32 ports; /* source and destination, as they stand; 0 = none */
	__be32 frag_id;
	__u8 event; /* MZ_L4_* */
	__u8 icmp_error;
	__u8 asks_dhcp; /* a broadcast that a service of the host answers */
	__u8 group;     /* to a group's MAC address, or everybody's */
	__u8 untracked; /* its flow cannot be known */
	__u8 v6;
	__u8 tos; /* or traffic class */
	__u8 proto;
	__u8 fragment; /* any fragment: its ports are not looked at */
	__u8 later;    /* not the first fragment */
	__u8 df;       /* IPv4: must not be fragmented */
	__u8 chain;    /* of functions; here and below where there is room: the stack is short */

	/* Tunnel's side. */
	union { /* the first is done with when the tunnel is */
		struct mz_addr outer_src;
		__u32 policy; /* of the endpoint that sends, then of that which receives; 0 = none */
	};
	__u32 geneve; /* offset of the Geneve header */
	__u32 opt;    /* offset of our option, 0 = none */
	__u32 label;  /* label set of the source endpoint */
	__u32 origin; /* host of the source endpoint, 0 = unknown */
	__u32 sender; /* host that sent the outer packet */
	__u8 qos_class; /* MZ_LEVEL(), with MZ_LEVEL_TOLD if it is its conversation's */
	__u8 hops;
	__u8 opt_flags;
	__u8 outer6;
	__u8 outer_tos;
	__u8 outer_ttl;
	__u8 oam;
	__u8 point; /* of functions: MZ_POINT_* */

	/* Decision. */
	__u8 act;
	__u8 dir;
	__u8 deliver_flags; /* MZ_EP_F_* of the endpoint delivered to */
	__u8 trace;
	__u16 why;
	__u8 translated; /* src, dst and ports are not yet what stands in the packet */
	__u32 to_host;     /* host id to send to */
	__u32 out_ifindex;
	__u8 mac[MZ_ETH_ALEN] __attribute__((aligned(2))); /* delivered to */
	__u8 chain_at; /* how far in the chain */
	union { /* not needed at once, and a program's stack is 512 bytes */
		struct mz_talk talk; /* of the endpoint that sends or receives */
		struct mz_host nh;       /* the host sent to, copied from its table */
	};
};

/* `size` bytes at `off`, or NULL. The mask tells the verifier that an offset
 * from parsed lengths stays small; real offsets are below it. */
#define MZ_OFF_MASK 0x3ffu

static __always_inline void *mz_at(struct mz_pkt *p, __u32 off, __u32 size)
{
	__u8 *at = p->data + (off & MZ_OFF_MASK);

	return at + size <= p->end ? at : NULL;
}

static __always_inline int mz_end(struct mz_pkt *p, enum mz_act act, enum mz_reason why)
{
	p->act = (__u8)act;
	p->why = (__u16)why;
	return MZ_END;
}

static __always_inline int mz_drop(struct mz_pkt *p, enum mz_reason why)
{
	return mz_end(p, MZ_ACT_DROP, why);
}

static __always_inline struct mz_addr mz_addr4(__be32 v)
{
	struct mz_addr a = { .w = { 0, 0, mz_htonl(0xffff), v } };

	return a;
}

static __always_inline int mz_is_ip4(const struct mz_addr *a)
{
	return !(a->w[0] | a->w[1]) && a->w[2] == mz_htonl(0xffff);
}

/* <linux/ipv6.h> has bit-fields that depend on byte order. */
struct mz_ip6 {
	__be32 flow; /* version 4 bits, traffic class 8, flow label 20 */
	__be16 payload;
	__u8   next;
	__u8   hops;
	struct mz_addr src, dst;
} __attribute__((packed, aligned(2)));
MZ_ABI_ASSERT(sizeof(struct mz_ip6) == 40);

#define MZ_ICMP6 58 /* IPPROTO_ICMPV6, which the kernel's headers for BPF lack */

static __always_inline int mz_addr_eq(const struct mz_addr *a, const struct mz_addr *b)
{
	return a->w[3] == b->w[3] && a->w[2] == b->w[2] && a->w[1] == b->w[1] && a->w[0] == b->w[0];
}

/* MAC addresses in halves: 2-aligned everywhere, three loads instead of six. */
static __always_inline int mz_mac_eq(const void *a, const void *b)
{
	const __u16 *x = a, *y = b;

	return !((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]));
}

static __always_inline void mz_mac_copy(void *to, const void *from)
{
	const __u16 *f = from;
	__u16 *t = to;

	t[0] = f[0];
	t[1] = f[1];
	t[2] = f[2];
}

/* Addresses that are never one endpoint's: 0/8, 127/8, multicast, broadcast. */
static __always_inline int mz_ip4_is_group(__be32 be)
{
	return mz_ntohl(be) >= 0xe0000000u;
}

static __always_inline int mz_ip4_is_odd(__be32 be)
{
	__u32 first = mz_ntohl(be) >> 24;

	return first == 0 || first == 127 || first >= 224;
}

static __always_inline int mz_ip6_is_none(const struct mz_addr *a)
{
	return !(a->w[0] | a->w[1] | a->w[2] | a->w[3]);
}

static __always_inline int mz_ip6_is_group(const struct mz_addr *a)
{
	return mz_ntohl(a->w[0]) >> 24 == 0xff;
}

static __always_inline int mz_ip6_is_link_local(const struct mz_addr *a)
{
	return mz_ntohl(a->w[0]) >> 22 == 0xfe80 >> 6;
}

/* Addresses that are never one endpoint's: ::, ::1, IPv4-mapped (they would
 * pass for the other family in every table), link-local, multicast. */
static __always_inline int mz_ip6_is_odd(const struct mz_addr *a)
{
	int low = !(a->w[0] | a->w[1]);

	return (low && (!a->w[2] || a->w[2] == mz_htonl(0xffff))) || mz_ip6_is_group(a) ||
	       mz_ip6_is_link_local(a);
}

#endif
