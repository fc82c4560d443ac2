/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Path MTU discovery: who sends more than the way carries is told how much that is. */
#ifndef MZ_LIB_TOO_BIG_H
#define MZ_LIB_TOO_BIG_H

#include "bpf/lib/icmp.h"

/* With the shortest quote there is. */
static __noinline int mz_error4(struct mz_pkt *p, const struct mz_teller *by, __u32 kind, __u32 word, __u32 why)
{
	return mz_icmp4_quote(p, by, MZ_QUOTE4_MIN, (__u8)(kind >> 8), (__u8)kind, word, (enum mz_reason)why);
}

static __always_inline int mz_unreachable4(struct mz_pkt *p, const struct mz_teller *by, __u8 code, __u32 word, __u32 why)
{
	return mz_error4(p, by, MZ_ICMP4_UNREACHABLE << 8 | code, word, why);
}

/* The packet is larger than the endpoint's MTU. IPv4 without DF would have to go in
 * fragments, which is the endpoint's work, not ours. */
static __always_inline int mz_too_big(struct mz_pkt *p, const struct mz_teller *by)
{
	if (!mz_may_complain(p) || !(p->v6 || p->df))
		return mz_drop(p, MZ_R_TOO_BIG);
	if (p->v6) {
		if (p->len < ETH_HLEN + MZ_QUOTE6)
			return mz_drop(p, MZ_R_TOO_BIG);
		return mz_icmp6_quote(p, by, MZ_QUOTE6, MZ_ICMP6_TOO_BIG, 0, by->mtu, MZ_R_TOO_BIG_REPLY);
	}
	if (p->len >= ETH_HLEN + MZ_QUOTE4)
		return mz_icmp4_quote(p, by, MZ_QUOTE4, MZ_ICMP4_UNREACHABLE, MZ_ICMP4_FRAG_NEEDED, by->mtu,
				      MZ_R_TOO_BIG_REPLY);
	return mz_unreachable4(p, by, MZ_ICMP4_FRAG_NEEDED, by->mtu, MZ_R_TOO_BIG_REPLY);
}

#endif
