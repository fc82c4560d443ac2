/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Endpoint egress built for XDP. No host attaches it: an XDP program on an
 * endpoint's veth would cost its TCP dearly. It is here so that the packet
 * tables prove the stages on all targets. */
#include "bpf/target/xdp.h"

#include "bpf/lib/egress.h"

SEC("xdp.frags")
int mz_egress_xdp(mz_ctx_t *ctx)
{
	return mz_egress(ctx);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
