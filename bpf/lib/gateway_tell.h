/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a gateway tells senders whose packet goes no further: errors of its own. */
#ifndef MZ_LIB_GATEWAY_TELL_H
#define MZ_LIB_GATEWAY_TELL_H

#include "bpf/lib/refuse.h"
#include "bpf/lib/too_big.h"

/* Who complains: the gateway, by its outside address, or by the address that was
 * written to if it has none. */
static __always_inline void mz_complainer(struct mz_teller *by, __u32 mtu)
{
	__builtin_memset(by, 0, sizeof(*by));
	by->ifindex = mz_cfg.outside;
	by->gateway4 = mz_cfg.outside_ip4.w[3];
	by->gateway6 = mz_cfg.outside_ip6;
	by->mtu = mtu;
}

/* Type and code of the ICMP error about it (RFC 1812 4.3.3, 5.3.1, RFC 4443 3). */
static __always_inline __u32 mz_error_kind(const struct mz_pkt *p, __u32 why)
{
	if (why == MZ_R_OUTSIDE_TOO_BIG)
		return p->v6 ? MZ_ICMP6_TOO_BIG << 8 : MZ_ICMP4_UNREACHABLE << 8 | MZ_ICMP4_FRAG_NEEDED;
	if (why == MZ_R_TTL_EXCEEDED)
		return p->v6 ? MZ_ICMP6_EXCEEDED << 8 : MZ_ICMP4_EXCEEDED << 8;
	return p->v6 ? MZ_ICMP6_UNREACHABLE << 8 | MZ_ICMP6_PORT_UNREACHABLE :
		       MZ_ICMP4_UNREACHABLE << 8 | MZ_ICMP4_PORT_UNREACHABLE;
}

static __always_inline enum mz_reason mz_told(__u32 why)
{
	return why == MZ_R_OUTSIDE_TOO_BIG ? MZ_R_OUTSIDE_MTU_REPLY : why == MZ_R_TTL_EXCEEDED ? MZ_R_TTL_REPLY : (enum mz_reason)why;
}

static __always_inline int mz_error_about(struct mz_pkt *p, const struct mz_teller *by, __u32 why)
{
	__u32 kind = mz_error_kind(p, why);

	if (!mz_may_complain(p) || p->len < ETH_HLEN + (p->v6 ? MZ_QUOTE6_MIN : MZ_QUOTE4_MIN))
		return mz_drop(p, (enum mz_reason)why);
	if (p->v6)
		return mz_icmp6_quote(p, by, MZ_QUOTE6_MIN, (__u8)(kind >> 8), (__u8)kind, 0, mz_told(why));
	return mz_error4(p, by, kind, 0, mz_told(why));
}

#endif
