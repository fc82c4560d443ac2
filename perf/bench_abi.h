/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the micro benchmarks' programs and their driver share. */
#ifndef MZ_PERF_BENCH_ABI_H
#define MZ_PERF_BENCH_ABI_H

#include "bpf/abi/types.h"

#define MZ_BENCH_WORDS 10
#define MZ_BENCH_ROWS  16381 /* of a service's table */

/* Policy: rule i of each group lets in label set i + 1 from block i mod MZ_BENCH_BLOCKS to
 * port 2000 + i mod MZ_BENCH_PORTS; label sets behind those of rules are let in by none. */
#define MZ_BENCH_BLOCKS 64u
#define MZ_BENCH_PORTS  16u

/* Template and keys of the next packet: dst = base + (random & mask). */
struct mz_bench {
	__u64 frame[MZ_BENCH_WORDS]; /* the first bytes of the frame */
	__u32 dst_base, dst_mask;    /* inner destination, host order */
	__u32 src_base, src_mask;    /* inner source, host order */
	__u32 port_mask;             /* inner ports: 1000 + (random & mask), 2000; 0: as they stand */
	__u32 host_base, host_mask;  /* host ids, for look-ups timed alone */
	__u32 group_mask, rule_mask; /* of policy: groups and rules of each, less one; powers of two */
	__u32 denied;                /* label sets that no rule lets in */
	__u32 seed;
	__u32 vni_mask;              /* VPCs less one, from the template's on; a power of two */
	__u64 sink;
	__u64 wrong; /* verdicts that are not as they should be */
};

#endif
