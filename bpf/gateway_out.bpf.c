/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Gateway, way out: TCX or clsact ingress of the underlay interface, behind uplink_deliver. */
#include "bpf/target/tc.h"

#include "bpf/lib/gateway_out.h"

SEC("tc")
int mz_gateway_out_tc(mz_ctx_t *ctx)
{
	return mz_gateway_out(ctx);
}

/* Only programs under a GPL-compatible licence may call the helpers we use. */
char LICENSE[] SEC("license") = "Dual BSD/GPL";
