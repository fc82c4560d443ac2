/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What linerate_dut and its program share. */
#ifndef MZ_SELFTESTS_LINERATE_DUT_H
#define MZ_SELFTESTS_LINERATE_DUT_H

#include <linux/types.h>

enum { DUT_DROP, DUT_POLICE, DUT_CHANGE, DUT_CUT };

struct linerate_dut {
	__u32 out; /* ifindex */
	__u32 fault;
	__u32 n;   /* each n-th; police: so many a millisecond pass */
	__u32 in_ms;
	__u64 ms;
	__u64 seen;
	__u64 hit;
};

#endif
