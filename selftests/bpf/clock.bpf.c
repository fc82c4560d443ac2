/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Returns the data plane's clock, so that a test can make a path of any age. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int mz_clock(struct __sk_buff *ctx)
{
	(void)ctx;
	return (int)bpf_jiffies64();
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
