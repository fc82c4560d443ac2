/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Group copy: what goes to a group comes here from endpoint_egress and uplink_deliver. On
 * no hook, but in mz_group_tc. */
#include "bpf/target/tc.h"

#include "bpf/lib/group_copy.h"

SEC("tc")
int mz_group_copy(mz_ctx_t *ctx)
{
	return mz_group_packet(ctx);
}

/* Only programs under a GPL-compatible licence may call the helpers we use. */
char LICENSE[] SEC("license") = "Dual BSD/GPL";
