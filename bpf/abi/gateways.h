/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Ways out of a VPC and into it. An endpoint has an outside address: for itself
 * (floating), or shared, and then a range of its ports (a port set, as in RFC 7596).
 * The endpoint's own host moves its ports into the range and remembers which; gateways
 * exchange addresses by tables alone and remember nothing, so that any of them serves
 * any packet. */
#ifndef MZ_ABI_GATEWAYS_H
#define MZ_ABI_GATEWAYS_H

#include "bpf/abi/types.h"

/* An endpoint; or, with port and protocol, one port of it that is forwarded. */
struct mz_inside_key {
	__u32 vni;
	struct mz_addr ip;
	__be16 port;
	__u16 proto;
};
MZ_ABI_ASSERT(sizeof(struct mz_inside_key) == 24);

struct mz_inside {
	struct mz_addr ip;  /* outside address */
	__u16 first, last;  /* its ports there; 0 and 65535: all, which stay as they are */
	__be16 port;        /* of a forwarded port: the outside one */
	__u16 flags;        /* MZ_INSIDE_F_* */
};
MZ_ABI_ASSERT(sizeof(struct mz_inside) == 24);

#define MZ_INSIDE_F_FORWARDS 0x1 /* some of its ports have rows of their own */

/* An outside address: which piece of its ports is whose, or with a protocol whose one
 * port is. */
struct mz_outside_key {
	struct mz_addr ip;
	__be16 port; /* protocol 0: number of the piece, port >> mz_pool.shift */
	__u16 proto;
};
MZ_ABI_ASSERT(sizeof(struct mz_outside_key) == 20);

struct mz_outside {
	__u32 vni;
	struct mz_addr ip;
	__be16 port; /* of a forwarded port: the endpoint's, or the service's */
	__u16 flags; /* MZ_OUTSIDE_F_* */
};
MZ_ABI_ASSERT(sizeof(struct mz_outside) == 24);

#define MZ_OUTSIDE_F_SERVICE 0x1 /* `ip` and `port` are a service's (bpf/abi/vips.h) */

struct mz_pool_key {
	__u32 prefixlen; /* of the address as IPv6 */
	struct mz_addr ip;
};
MZ_ABI_ASSERT(sizeof(struct mz_pool_key) == 20);

/* Outside addresses that gateways answer for. */
struct mz_pool {
	__u16 shift; /* a piece has 2^shift ports; 16: an address is one endpoint's */
	__u16 flags; /* MZ_POOL_F_* */
};
MZ_ABI_ASSERT(sizeof(struct mz_pool) == 4);

#define MZ_POOL_F_FORWARDS 0x1 /* some ports have rows of their own */

/* Which outside port an endpoint's port has, whatever it talks to (RFC 4787 REQ-1),
 * and the other way round. Both rows stand, or none. */
struct mz_mapping_key {
	__u32 vni;
	struct mz_addr ip;
	__be16 port; /* ICMP: the identifier */
	__u8 proto;
	__u8 outside; /* `port` is the outside one */
};
MZ_ABI_ASSERT(sizeof(struct mz_mapping_key) == 24);

struct mz_mapping {
	__be16 port; /* on the other side */
	__u16 idle;  /* walks of the daemon that found no flow of it; a new flow sets it 0 */
	__u32 seen;  /* its last new flow, jiffies */
};
MZ_ABI_ASSERT(sizeof(struct mz_mapping) == 8);

#endif
