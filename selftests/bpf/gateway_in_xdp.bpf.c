/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The gateway's way in, built for XDP, for the packet tables: no host attaches it. A
 * gateway hands superpackets on whole, which XDP has none of. */
#include "bpf/target/xdp.h"

#include "bpf/lib/gateway_in.h"

SEC("xdp.frags")
int mz_gateway_in_xdp(mz_ctx_t *ctx)
{
	return mz_gateway_in(ctx);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
