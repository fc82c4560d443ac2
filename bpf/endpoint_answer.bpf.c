/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Endpoint answer: endpoint_egress, and what goes on after functions, leave answers to it. On no hook, but in mz_function_tc. */
#include "bpf/target/tc.h"

#include "bpf/lib/answer.h"

SEC("tc")
int mz_endpoint_answer(mz_ctx_t *ctx)
{
	return mz_answer(ctx);
}

/* Only programs under a GPL-compatible licence may call the helpers we use. */
char LICENSE[] SEC("license") = "Dual BSD/GPL";
