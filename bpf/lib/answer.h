/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What an endpoint is told now and then: that a packet is too big, or that nobody
 * serves it. Apart from its way, so that neither pays for the other's size. */
#ifndef MZ_LIB_ANSWER_H
#define MZ_LIB_ANSWER_H

#include "bpf/lib/eth.h"
#include "bpf/lib/function.h"
#include "bpf/lib/refuse.h"
#include "bpf/lib/too_big.h"

/* That nobody serves it, of a packet whose tail cannot be cut. (What is too big was found so
 * before any function saw it.) */
static __noinline int mz_answer_short(struct mz_pkt *p, const struct mz_teller *by, __u32 why)
{
	__u32 kind = p->v6 ? MZ_ICMP6_UNREACHABLE << 8 | MZ_ICMP6_PORT_UNREACHABLE :
			     MZ_ICMP4_UNREACHABLE << 8 | MZ_ICMP4_PORT_UNREACHABLE;

	return mz_icmp_short(p, by, kind, 0, (enum mz_reason)why);
}

/* p->why says what there is to tell; it stays a drop where that cannot be told. */
static __always_inline int mz_answer_stages(struct mz_pkt *p)
{
	const struct mz_port *port = mz_port_of(mz_in_ifindex(p));
	struct mz_teller by;
	__u32 why = p->why;

	if (!port)
		return MZ_END;
	mz_teller_of(&by, port);
	if (why == MZ_R_TOO_BIG)
		return mz_too_big(p, &by);
	mz_refuse(p, &by, why);
	return p->why == MZ_R_NO_ROOM ? mz_answer_short(p, &by, why) : MZ_END;
}

/* Packets of mz_to_answer(). */
static __always_inline int mz_answer(mz_ctx_t *ctx)
{
	struct mz_pkt p = { .ctx = ctx };

	if (mz_function_restore(&p, 0))
		mz_answer_stages(&p);
	return mz_finish(&p);
}

#endif
