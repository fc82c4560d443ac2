/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A device under test whose faults are known: passes transit-linerate's frames on, but for some. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "selftests/topo/linerate_dut.h"
#include "tools/linerate/linerate_abi.h"

struct linerate_dut dut;

/* Of another frame, or one of no trial: 0. */
static __always_inline int counts(struct xdp_md *ctx)
{
	struct mz_lr_stamp stamp;

	return !bpf_xdp_load_bytes(ctx, MZ_LR_HEADER, &stamp, sizeof(stamp)) &&
	       stamp.magic == __builtin_bswap16(MZ_LR_MAGIC) && stamp.trial;
}

static __always_inline int beyond_rate(void)
{
	__u64 ms = bpf_ktime_get_ns() / 1000000;

	if (ms != dut.ms) {
		dut.ms = ms;
		dut.in_ms = 0;
	}
	return ++dut.in_ms > dut.n;
}

static __always_inline void change_last(struct xdp_md *ctx)
{
	__u32 last = (__u32)bpf_xdp_get_buff_len(ctx) - 1;
	__u8 byte;

	if (!bpf_xdp_load_bytes(ctx, last, &byte, 1)) {
		byte ^= 1;
		bpf_xdp_store_bytes(ctx, last, &byte, 1);
	}
}

SEC("xdp.frags")
int pass_some(struct xdp_md *ctx)
{
	if (!counts(ctx))
		return (int)bpf_redirect(dut.out, 0);
	dut.seen++;
	if (dut.fault == DUT_POLICE ? !beyond_rate() : dut.seen % dut.n)
		return (int)bpf_redirect(dut.out, 0);
	dut.hit++;
	if (dut.fault == DUT_CHANGE)
		change_last(ctx);
	else if (dut.fault == DUT_CUT)
		bpf_xdp_adjust_tail(ctx, -1);
	else
		return XDP_DROP;
	return (int)bpf_redirect(dut.out, 0);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
