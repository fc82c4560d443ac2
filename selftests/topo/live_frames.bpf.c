/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Frames out of an interface, run with BPF_F_TEST_XDP_LIVE_FRAMES. Pages come back as who
 * received them left them: headers are written anew. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#define HEADERS 48

struct {
	unsigned int out; /* ifindex */
	unsigned int pad;
	unsigned long long headers[HEADERS / 8];
} live_frame;

SEC("xdp")
int send_frame(struct xdp_md *ctx)
{
	unsigned long long *at = (void *)(long)ctx->data;

	if ((char *)at + HEADERS > (char *)(long)ctx->data_end)
		return XDP_ABORTED;
	for (int i = 0; i < HEADERS / 8; i++)
		at[i] = live_frame.headers[i];
	return (int)bpf_redirect(live_frame.out, 0);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
