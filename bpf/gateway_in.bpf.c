/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Gateway, way in: TCX or clsact ingress of the outside interface. */
#include "bpf/target/tc.h"

#include "bpf/lib/gateway_in.h"

SEC("tc")
int mz_gateway_in_tc(mz_ctx_t *ctx)
{
	return mz_gateway_in(ctx);
}

/* Only programs under a GPL-compatible licence may call the helpers we use. */
char LICENSE[] SEC("license") = "Dual BSD/GPL";
