/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What travels between hosts: Geneve (RFC 8926) and our one option. */
#ifndef MZ_ABI_WIRE_H
#define MZ_ABI_WIRE_H

#include "bpf/abi/types.h"

#define MZ_GENEVE_PORT      6081
#define MZ_GENEVE_PROTO_ETH 0x6558 /* Trans Ether Bridging */

/* First word: version and option length (4-byte words), then O and C bits. */
#define MZ_GENEVE_VER_MASK    0xc0
#define MZ_GENEVE_OPTLEN_MASK 0x3f
#define MZ_GENEVE_F_OAM       0x80 /* O: a control packet, never tenant data */
#define MZ_GENEVE_F_CRITICAL  0x40 /* C: some option has its critical bit set */

struct mz_geneve {
	__u8   ver_optlen;
	__u8   flags;
	__be16 proto;
	__be32 vni; /* VNI in the upper 24 bits, the low 8 are reserved */
};
MZ_ABI_ASSERT(sizeof(struct mz_geneve) == 8);

#define MZ_VNI_MAX 0xffffffu

/* Header of any Geneve option. */
struct mz_geneve_opt {
	__be16 opt_class;
	__u8   type; /* 0x80 set: critical */
	__u8   len;  /* low 5 bits: 4-byte words after this header */
};
MZ_ABI_ASSERT(sizeof(struct mz_geneve_opt) == 4);

#define MZ_OPT_CRITICAL 0x80
#define MZ_OPT_LEN_MASK 0x1f
#define MZ_OPT_CLASS    0xff4d /* experimental range, RFC 8926 section 7 */
#define MZ_OPT_TYPE     0x01   /* not critical: others may skip it */
#define MZ_OPT_WORDS    3

/* Our option, in every packet we send. Host ids are region-wide, 1..2^24-1;
 * 0 means none. The hop count and flags share a word with the sender, the
 * class with the origin, so that the option block is 16 bytes. */
struct mz_opt {
	struct mz_geneve_opt h;
	__be32 label;        /* label set of the source endpoint, 0 = none */
	__be32 class_origin; /* 8 bits QoS level (bpf/abi/qos.h), 24 bits host of the source */
	__be32 hops_sender;  /* 4 bits hops, 4 bits flags, 24 bits outer sender */
};
MZ_ABI_ASSERT(sizeof(struct mz_opt) == 16);
MZ_ABI_ASSERT(offsetof(struct mz_opt, hops_sender) == 12);

#define MZ_HOST_ID_MAX 0xffffffu

/* Flags of hops_sender. These go with the O bit and are never tenant data. */
#define MZ_OPT_F_HINT  0x1 /* learn (VNI, inner source) -> origin; origin 0: forget */
#define MZ_OPT_F_PROBE 0x2 /* a hop sends it back as it came */
#define MZ_OPT_F_GROUP 0x4 /* the sender has members of the group that is the inner
			    * destination, in the inner source's network; origin 0: none */

/* Flags of tenants' packets, which have no O bit. */
#define MZ_OPT_F_PEERED  0x1 /* the inner source is of a VPC that is the VNI's peer */
#define MZ_OPT_F_COPY    0x2 /* of a packet to a group, by its bouncer: for members there, for
			      * no other host */
#define MZ_OPT_F_OUTSIDE 0x4 /* the inner source lies outside: no path is learned of it */
#define MZ_OPT_F_MAPPED  0x8 /* the inner destination port is one of the endpoint's
			      * outside ports, to be translated back */

/* A packet that was forwarded this often is in a loop. The longest honest way
 * is divider, bouncer, the host an endpoint has left, bouncer. */
#define MZ_MAX_HOPS 5

static inline __u32 mz_opt_word(__u32 high8, __u32 low24)
{
	return (high8 << 24) | (low24 & 0xffffffu);
}

/* Bytes in front of the inner Ethernet frame: outer Ethernet, IP, UDP,
 * Geneve, option. What an endpoint's IP packet grows by on the underlay is
 * this less the outer Ethernet plus the inner one. */
#define MZ_OUTER_LEN4   (14u + 20u + 8u + 8u + 16u)
#define MZ_OUTER_LEN6   (14u + 40u + 8u + 8u + 16u)
#define MZ_OVERHEAD4    (20u + 8u + 8u + 16u + 14u)
#define MZ_OVERHEAD6    (40u + 8u + 8u + 16u + 14u)
#define MZ_UDP_PORT_MIN 0xc000 /* outer source ports: 49152-65535 carry entropy */

/* The MAC address every endpoint sees as its network: gateway and neighbours
 * alike, because the overlay routes between endpoints (locally administered). */
#define MZ_GATEWAY_MAC { 0x02, 0x4d, 0x5a, 0x00, 0x00, 0x01 }
/* Its link-local address, words for mz_addr: fe80::4d:5aff:fe00:1. */
#define MZ_GATEWAY_LINK_LOCAL { mz_htonl(0xfe800000), 0, mz_htonl(0x004d5aff), mz_htonl(0xfe000001) }

#endif
