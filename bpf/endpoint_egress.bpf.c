/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Endpoint egress: TCX or clsact ingress of the host end of an endpoint's veth or tap. */
#include "bpf/target/tc.h"

#include "bpf/lib/egress.h"

SEC("tc")
int mz_endpoint_egress(mz_ctx_t *ctx)
{
	return mz_egress(ctx);
}

/* Only programs under a GPL-compatible licence may call the helpers we use. */
char LICENSE[] SEC("license") = "Dual BSD/GPL";
