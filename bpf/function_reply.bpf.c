/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Function reply: TCX or clsact ingress of a function's interface. */
#include "bpf/target/tc.h"

#include "bpf/lib/returned.h"

SEC("tc")
int mz_function_reply(mz_ctx_t *ctx)
{
	return mz_returned(ctx);
}

/* Only programs under a GPL-compatible licence may call the helpers we use. */
char LICENSE[] SEC("license") = "Dual BSD/GPL";
