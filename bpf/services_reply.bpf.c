/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Services reply: TCX or clsact ingress of the host end of the services' veth. */
#include "bpf/target/tc.h"

#include "bpf/lib/reply.h"

SEC("tc")
int mz_services_reply(mz_ctx_t *ctx)
{
	return mz_reply(ctx);
}

/* Only programs under a GPL-compatible licence may call the helpers we use. */
char LICENSE[] SEC("license") = "Dual BSD/GPL";
