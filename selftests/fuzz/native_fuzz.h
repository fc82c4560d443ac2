// SPDX-License-Identifier: Apache-2.0
// What fuzzers of the native pipeline share.
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "bpf/abi/reasons.h"
#include "bpf/abi/tables.h"
#include "bpf/target/native_api.h"

// VPC slots that a fuzzer's world has counters for.
#define FUZZ_VPCS 5u

// The sum of all packets' counters, which it sets back; the last slot that had any.
static inline uint64_t counted(uint32_t *vpc)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < FUZZ_VPCS * MZ_DIRS * MZ_REASON_SLOTS; i++) {
		struct mz_count *c = mz_native_lookup(mz_native_table("mz_counters"), &i);

		sum += c->packets;
		if (c->packets)
			*vpc = i / (MZ_DIRS * MZ_REASON_SLOTS);
		c->packets = 0;
	}
	return sum;
}

// What has to hold for any input.
#define MUST(cond)                                                              \
	do {                                                                    \
		if (!(cond)) {                                                  \
			fprintf(stderr, "%s: does not hold: %s\n", __FILE__, #cond); \
			abort();                                                \
		}                                                               \
	} while (0)
