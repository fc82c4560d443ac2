/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Returns the data plane's clock (jiffies), run by BPF_PROG_TEST_RUN: the daemon
 * learns its rate from it, tests make paths of any age. Never attached. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int mz_clock(struct __sk_buff *ctx)
{
	(void)ctx;
	return (int)bpf_jiffies64();
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
