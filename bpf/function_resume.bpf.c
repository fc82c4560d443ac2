/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Function resume: TC packets come here from operators' functions. On no hook, but in
 * mz_function_tc. */
#include "bpf/target/tc.h"

#include "bpf/lib/resume.h"

SEC("tc")
int mz_function_resume(mz_ctx_t *ctx)
{
	return mz_resume(ctx, 0);
}

/* Only programs under a GPL-compatible licence may call the helpers we use. */
char LICENSE[] SEC("license") = "Dual BSD/GPL";
