/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Balanced services: a virtual address (VIP) and port of a VPC, and the backends
 * that serve it. The client's own host picks one and translates both ways. */
#ifndef MZ_ABI_VIPS_H
#define MZ_ABI_VIPS_H

#include "bpf/abi/types.h"

/* Every VIP has a row with port and protocol 0 besides: it says that what no other
 * row offers is refused at once. */
struct mz_vip_key {
	__u32 vni;
	struct mz_addr ip;
	__be16 port;
	__u16 proto; /* IPPROTO_TCP, _UDP, _SCTP */
};
MZ_ABI_ASSERT(sizeof(struct mz_vip_key) == 24);

/* Its Maglev table (D. Eisenbud et al., NSDI 2016): `size` rows of backend ids,
 * from `first` on. Another one is written elsewhere, and then this changed. */
struct mz_vip {
	__u32 first;
	__u32 size;   /* a prime; 0: nobody serves it */
	__u32 sticky; /* jiffies a client stays with its backend; 0: each flow for itself */
	__u32 id;     /* unique on the host, for mz_sticky_key */
	__u8  level;  /* of flows to it and their answers: MZ_LEVEL(); 0 = not said */
	__u8  pad[3];
};
MZ_ABI_ASSERT(sizeof(struct mz_vip) == 20);

struct mz_backend {
	__u32 vni;
	struct mz_addr ip;
	__be16 port;
	__u16 flags; /* MZ_BACKEND_F_* */
};
MZ_ABI_ASSERT(sizeof(struct mz_backend) == 24);

#define MZ_BACKEND_F_DRAIN 0x1 /* gets no new flows, sticky or not */

/* A client that stays with its backend. */
struct mz_sticky_key {
	__u32 vip; /* mz_vip.id */
	struct mz_addr client;
};
MZ_ABI_ASSERT(sizeof(struct mz_sticky_key) == 20);

struct mz_sticky {
	__u32 backend; /* id */
	__u32 seen;    /* its last new flow, jiffies */
};
MZ_ABI_ASSERT(sizeof(struct mz_sticky) == 8);

#endif
