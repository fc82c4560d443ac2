/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Services reply built for XDP, for the packet tables alone. */
#include "bpf/target/xdp.h"

#include "bpf/lib/reply.h"

SEC("xdp.frags")
int mz_reply_xdp(mz_ctx_t *ctx)
{
	return mz_reply(ctx);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
