/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Function reply built for XDP, for the packet tables alone. */
#include "bpf/target/xdp.h"

#include "bpf/lib/returned.h"

SEC("xdp.frags")
int mz_function_reply_xdp(mz_ctx_t *ctx)
{
	return mz_returned(ctx);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
