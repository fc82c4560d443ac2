/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a path's stages cost, one after the other: the same path cut after its first stage, its
 * second, ..., each a program of its own; the next one's time less this one's is a stage's. */
#ifndef MZ_PERF_STAGES_H
#define MZ_PERF_STAGES_H

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

#endif
