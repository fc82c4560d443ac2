/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The gateway's way out, built for XDP, for the packet tables: no host attaches it. A
 * gateway hands superpackets on whole, which XDP has none of. */
#include "bpf/target/xdp.h"

#include "bpf/lib/gateway_out.h"

SEC("xdp.frags")
int mz_gateway_out_xdp(mz_ctx_t *ctx)
{
	return mz_gateway_out(ctx);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
