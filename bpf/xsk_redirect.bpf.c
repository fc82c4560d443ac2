/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* XDP of the inner end of a function's interface: every frame to the AF_XDP socket of
 * its queue. Without one it goes on to the kernel. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
	__uint(max_entries, 1);
} mz_sockets SEC(".maps");

SEC("xdp")
int mz_xsk_redirect(struct xdp_md *ctx)
{
	return (int)bpf_redirect_map(&mz_sockets, ctx->rx_queue_index, XDP_PASS);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
