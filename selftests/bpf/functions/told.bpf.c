/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A function that returns what it was told to, and keeps what it saw; all but a lie. */
#include "bpf/abi/function.h"

const volatile int verdict = 0;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct mz_function_packet);
	__uint(max_entries, 1);
} seen SEC(".maps");

static int look(const struct mz_function_packet *p)
{
	__u32 zero = 0;

	bpf_map_update_elem(&seen, &zero, p, BPF_ANY);
	return verdict;
}

MZ_ENDPOINT_FUNCTION(told)(struct __sk_buff *skb, const struct mz_function_packet *p)
{
	__be32 dst[4] = {};

	bpf_skb_pull_data(skb, 64); /* as functions do that look at bytes */
	bpf_skb_load_bytes(skb, p->frame + (p->v6 ? 38 : 30), p->v6 ? dst : dst + 3, p->v6 ? 16 : 4);
	if (dst[3] != p->dst[3])
		return 99; /* what it is told is not what stands there */
	return look(p);
}

MZ_HOP_FUNCTION(told_at_hop)(struct xdp_md *xdp, const struct mz_function_packet *p)
{
	(void)xdp;
	return look(p);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
