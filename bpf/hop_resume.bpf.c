/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Hop resume: XDP packets come here from operators' functions. On no hook, but in
 * mz_function_xdp. */
#include "bpf/target/xdp.h"

#include "bpf/lib/resume.h"

SEC("xdp.frags")
int mz_hop_resume(mz_ctx_t *ctx)
{
	return mz_resume(ctx, 1);
}

/* Only programs under a GPL-compatible licence may call the helpers we use. */
char LICENSE[] SEC("license") = "Dual BSD/GPL";
