// SPDX-License-Identifier: Apache-2.0
// Shapers in rows: clocks set to times of the rows' choosing. TC's own clock runs meanwhile, so
// queues are seconds long, where no pause of a test is, and what depends on now is told by when
// the packet was sent.
#pragma once

#include "selftests/bpf/row.h"

#define MS          1000000ull
#define TICKS(ns)   ((uint64_t)(ns) << MZ_TICK_BITS)
#define FRAME       (14 + 20 + 8 + 10) // of INNER()
#define OF_ENDPOINT 5u
#define OF_VPC      6u
#define OF_RECEIVER 7u
#define OF_OTHERS   8u

// What a byte takes: 10 ms, so that a frame takes longer than a run.
#define BYTE        (10 * MS << MZ_RATE_BITS)
#define COST(bytes) ((bytes) * 10 * MS) // ns

#define BEST_EFFORT MZ_LEVEL(MZ_CLASS_BEST_EFFORT, 1)
#define PREMIUM     MZ_LEVEL(MZ_CLASS_PREMIUM, 0)

// ---- the world ----------------------------------------------------------------

// A byte in 10 ms, no mark or drop before 20 s.
struct mz_limit limit(void);
void put_shaper(uint32_t slot, struct mz_shaper s);
// Until when all flows have packets waiting, from now on; 0: none has any. The table is too
// large for every row's reset.
void all_wait(uint64_t ns);
void begin(uint32_t world);
void put_level(uint32_t level, struct mz_level row);
// The endpoint is of `level`, its packets are kept to OF_ENDPOINT and, if `more`, to the VPC's
// and the uplink's; the uplink keeps packets until their time if `paced`.
void shape_a(uint32_t level, int paced, uint32_t more);
// A world whose EP_A is of best effort and whose uplink keeps packets; false where no program
// keeps rates.
bool begin_paced(void);

// ---- clocks -------------------------------------------------------------------

struct mz_clocks clocks(uint32_t slot);
// All clocks of a class's whole, `ns` from now: that time.
uint64_t set_whole(uint32_t slot, enum mz_class k, uint64_t ns);
// That `ticks` is what a clock shows that went on by `cost` ns from when the last packet was sent.
void went_on(uint64_t ticks, uint64_t cost);

// ---- running ------------------------------------------------------------------

extern struct run last;
extern uint64_t last_from, last_to; // it was sent between these, ns of T's clock

// A sends f, which counts as `why`; `gso_size`: of a superpacket, else 0.
void send_(const char *name, struct frame f, enum mz_reason why, uint32_t gso_size);
#define SEND(name, ...) send_(name, INNER(A_TO(EP_R), ##__VA_ARGS__), MZ_R_DIRECT, 0)
