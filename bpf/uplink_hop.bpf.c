/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Uplink hop: XDP on the underlay interface of hosts with a hop role. */
#include "bpf/target/xdp.h"

#include "bpf/lib/ingress.h"

SEC("xdp.frags")
int mz_uplink_hop(mz_ctx_t *ctx)
{
	return mz_ingress(ctx);
}

/* Only programs under a GPL-compatible licence may call the helpers we use. */
char LICENSE[] SEC("license") = "Dual BSD/GPL";
