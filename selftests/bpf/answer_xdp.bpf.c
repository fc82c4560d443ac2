/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Endpoint answer built for XDP, for the packet tables alone. */
#include "bpf/target/xdp.h"

#include "bpf/lib/answer.h"

SEC("xdp.frags")
int mz_answer_xdp(mz_ctx_t *ctx)
{
	return mz_answer(ctx);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
