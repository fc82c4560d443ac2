/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Fixed-width types and the layout assertion, shared by BPF, C and C++. */
#ifndef MZ_ABI_TYPES_H
#define MZ_ABI_TYPES_H

#include <linux/types.h>
#include <stddef.h>

#ifdef __cplusplus
#define MZ_ABI_ASSERT(cond) static_assert(cond, #cond)
#else
#define MZ_ABI_ASSERT(cond) _Static_assert(cond, #cond)
#endif

/* An IPv6 address, or IPv4 as ::ffff:a.b.c.d (RFC 4291 2.5.5.2), so that one
 * key serves both families. Words in network order. */
struct mz_addr {
	__be32 w[4];
};
MZ_ABI_ASSERT(sizeof(struct mz_addr) == 16);

#define MZ_ETH_ALEN 6

/* Prefix bits in front of an IPv4 address that is written as IPv6. */
#define MZ_V4_PREFIX 96

#endif
