/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Group member: IGMP, MLD and what hosts tell of groups come here from group_copy. On no
 * hook, but in mz_group_tc. */
#include "bpf/target/tc.h"

#include "bpf/lib/group_member.h"

SEC("tc")
int mz_group_member_tc(mz_ctx_t *ctx)
{
	return mz_group_member(ctx);
}

/* Only programs under a GPL-compatible licence may call the helpers we use. */
char LICENSE[] SEC("license") = "Dual BSD/GPL";
