/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What an endpoint is told now and then: who its neighbours are, that the gateway lives,
 * that a packet is too big, or that nobody serves it. Apart from its way, so that neither
 * pays for the other's size. */
#ifndef MZ_LIB_ANSWER_H
#define MZ_LIB_ANSWER_H

#include "bpf/lib/arp.h"
#include "bpf/lib/echo.h"
#include "bpf/lib/eth.h"
#include "bpf/lib/function.h"
#include "bpf/lib/nd.h"
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

/* Its packet cannot go on. */
static __always_inline int mz_answer_bad(struct mz_pkt *p, const struct mz_port *port, __u32 why)
{
	struct mz_teller by;

	mz_teller_of(&by, port);
	if (why == MZ_R_TOO_BIG)
		return mz_too_big(p, &by);
	mz_refuse(p, &by, why);
	return p->why == MZ_R_NO_ROOM ? mz_answer_short(p, &by, why) : MZ_END;
}

static __always_inline int mz_answer_nd(struct mz_pkt *p, const struct mz_port *port)
{
	mz_stage_nd(p, port);
	if (p->act == MZ_ACT_ANSWER) /* here: the stack is short there */
		mz_note(p, MZ_ST_RESPOND, MZ_OBJ_PORT, port->ifindex, 0);
	return MZ_END;
}

/* p->why says what there is to tell; it stays a drop where that cannot be told. */
static __always_inline int mz_answer_stages(struct mz_pkt *p)
{
	const struct mz_port *port = mz_port_of(mz_in_ifindex(p));
	__u32 why = p->why;

	if (!port)
		return MZ_END;
	switch (why) {
	case MZ_R_ARP_REPLY:
		return mz_stage_arp(p, port);
	case MZ_R_ND_REPLY:
		return mz_answer_nd(p, port);
	case MZ_R_ECHO_REPLY:
		return mz_stage_echo(p, port);
	default:
		return mz_answer_bad(p, port, why);
	}
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
