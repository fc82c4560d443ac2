/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Tables of functions: what daemon and data plane agree on. Operators' programs
 * need bpf/abi/function.h alone. */
#ifndef MZ_ABI_FUNCTIONS_H
#define MZ_ABI_FUNCTIONS_H

#include "bpf/abi/function.h"
#include "bpf/abi/types.h"

MZ_ABI_ASSERT(sizeof(struct mz_function_packet) == 72);
MZ_ABI_ASSERT(MZ_FUNCTION_POINT_COUNT == 4);

/* Functions of a kind a host can have. Those for endpoints have slots 0..7 of
 * mz_function_tc, those for hops of mz_function_xdp; in the other tables below hops'
 * are MZ_FUNCTIONS..15. */
#define MZ_FUNCTIONS 8u
#define MZ_FUNCTION_SLOTS (2 * MZ_FUNCTIONS)
MZ_ABI_ASSERT(MZ_FUNCTION_RESUME == MZ_FUNCTIONS);

/* ... and behind it, for the data plane alone: the program of answers. */
#define MZ_FUNCTION_ANSWER (MZ_FUNCTION_RESUME + 1)
MZ_ABI_ASSERT(MZ_FUNCTION_PROGRAMS == MZ_FUNCTION_ANSWER + 1);

/* Which chain runs at each point, 0 = none. Bytes, so that a change of one is seen
 * whole whatever the machine copies with. */
struct mz_function_chains {
	__u8 chain[MZ_FUNCTION_POINT_COUNT];
};
MZ_ABI_ASSERT(sizeof(struct mz_function_chains) == 4);

/* Slots (+ 1) in the order they run, up to the first 0. Never written while a
 * packet can come by: a new order is a new chain. A packet between two endpoints of
 * one host meets three chains, and each function is two jumps of the 33 that the
 * kernel allows: five a chain. */
#define MZ_FUNCTION_CHAIN_LEN 5u

struct mz_function_chain {
	__u8 slot[8];
};
MZ_ABI_ASSERT(sizeof(struct mz_function_chain) == 8);
MZ_ABI_ASSERT(MZ_FUNCTION_CHAIN_LEN < 8);

#define MZ_FUNCTION_CHAINS 256u

struct mz_function_slot {
	__u32 interface; /* where what it takes goes; 0 = none */
};
MZ_ABI_ASSERT(sizeof(struct mz_function_slot) == 4);

struct mz_function_count {
	__u64 packets;
	__u64 dropped;
	__u64 taken;
};
MZ_ABI_ASSERT(sizeof(struct mz_function_count) == 24);

#endif
