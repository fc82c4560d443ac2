/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Uplink deliver: TCX or clsact ingress of the underlay interface. */
#include "bpf/target/tc.h"

#include "bpf/lib/ingress.h"

SEC("tc")
int mz_uplink_deliver(mz_ctx_t *ctx)
{
	return mz_ingress(ctx);
}

/* Only programs under a GPL-compatible licence may call the helpers we use. */
char LICENSE[] SEC("license") = "Dual BSD/GPL";
