/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a path's stages cost, one after the other: the same path cut after its first stage, its
 * second, ..., each a program of its own; the next one's time less this one's is a stage's. */
#ifndef MZ_PERF_STAGES_H
#define MZ_PERF_STAGES_H

#include "bpf/lib/ingress.h"

/* After a stage: the cut. */
#define CUT(n)                          \
	do {                            \
		if (upto == (n))        \
			return MZ_NEXT; \
	} while (0)

/* Keeps what stages have found out, or those whose findings nobody uses would go, too. */
static __always_inline void mz_found(struct mz_pkt *p)
{
	asm volatile("" : : "r"(p) : "memory");
}

/* What a hop and a host do alike with what the underlay sends, up to cut 6. */
static __always_inline int ingress_stages(struct mz_pkt *p, int upto)
{
	CUT(1);
	MZ_TRY(mz_stage_outer(p));
	CUT(2);
	MZ_TRY(mz_stage_geneve(p));
	CUT(3);
	MZ_TRY(mz_stage_sender(p));
	CUT(4);
	MZ_TRY(mz_stage_control(p));
	MZ_TRY(mz_stage_inner(p));
	CUT(5);
	MZ_TRY(mz_stage_hint(p));
	return mz_route_endpoint(p, MZ_AT_UNDERLAY);
}

#endif
