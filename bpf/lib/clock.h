/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Clocks of limits: arithmetic alone (bpf/abi/qos.h has the units). */
#ifndef MZ_LIB_CLOCK_H
#define MZ_LIB_CLOCK_H

#include "bpf/abi/qos.h"

/* No packet moves a clock on by more: it would be taken for idle (MZ_CLOCK_MOST). */
#define MZ_COST_MOST (MZ_CLOCK_MOST / 2)

/* 1000 / sqrt(n + 1): RFC 8289 drops at intervals that shrink so. */
#define MZ_CODEL_STEPS 32u
static const __u16 mz_codel_step[MZ_CODEL_STEPS] MZ_CONSTANT = {
	1000, 707, 577, 500, 447, 408, 378, 354, 333, 316, 302, 289, 277, 267, 258, 250,
	243, 236, 229, 224, 218, 213, 209, 204, 200, 196, 192, 189, 186, 183, 180, 177,
};
#define MZ_CODEL_INTERVAL (100ull * 1000000ull << MZ_TICK_BITS) /* 100 ms, RFC 8289 4.2 */

static __always_inline __u64 mz_read_once(const __u64 *at)
{
	return *(const volatile __u64 *)at;
}

/* Ticks that `bytes` (below 2^23) take at `byte`, which is told in 2^-20 ns and below 2^41. */
static __always_inline __u64 mz_cost(__u32 bytes, __u64 byte)
{
	return (bytes * byte) >> (MZ_RATE_BITS - MZ_TICK_BITS);
}

/* How long a packet that came now would wait, ticks. */
static __always_inline __u64 mz_clock_ahead(const __u64 *clock, __u64 now)
{
	__u64 ahead = mz_read_once(clock) - now;

	return ahead > MZ_CLOCK_MOST ? 0 : ahead; /* negative ones are huge */
}

/* Moves the clock on by `cost` and returns how long the packet waits, ticks. Exact whatever
 * other CPUs do: the addition hands out one place in the queue to each. An idle clock goes on
 * from `burst` before now; who loses that race finds it done. */
static __always_inline __u64 mz_clock_take(__u64 *clock, __u64 cost, __u64 now, __u64 burst)
{
	__u64 was = mz_read_once(clock), ahead = was - now;

	if (cost > MZ_COST_MOST)
		cost = MZ_COST_MOST;
	if (ahead + burst > MZ_CLOCK_MOST + burst && /* behind by more than that */
	    mz_atomic_swap(clock, was, now - burst + cost) == was)
		return 0;
	ahead = mz_atomic_take(clock, cost) - now;
	return ahead > MZ_CLOCK_MOST ? 0 : ahead;
}

/* RFC 8289: whether a packet that finds a queue of `ahead` ticks, `target` wanted, is dropped. */
static __always_inline int mz_codel(struct mz_limit_clock *c, __u64 ahead, __u64 target, __u64 now)
{
	__u32 n;

	if (ahead <= target) {
		if (c->above) {
			c->above = 0;
			c->drops = 0;
		}
		return 0;
	}
	if (!c->above) {
		c->above = now | 1;
		c->next_drop = now + MZ_CODEL_INTERVAL;
		return 0;
	}
	if ((__s64)(now - c->next_drop) < 0)
		return 0;
	n = c->drops < MZ_CODEL_STEPS ? c->drops : MZ_CODEL_STEPS - 1;
	asm volatile("" : "+r"(n)); /* else the mask goes, and older verifiers forget the bound */
	c->drops = c->drops + 1;
	c->next_drop = now + MZ_CODEL_INTERVAL / 1000 * mz_codel_step[n & (MZ_CODEL_STEPS - 1)];
	return 1;
}

#endif
