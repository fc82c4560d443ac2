/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sends frames out of an interface: to be run with BPF_F_TEST_XDP_LIVE_FRAMES. */
#include <linux/bpf.h>
#include <linux/ip.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "tools/linerate/linerate_abi.h"

const volatile struct mz_lr_frame frame = {};
struct mz_lr_sender sender = { .seed = 1 };

/* Xorshift (Marsaglia): keys that no cache can foresee. */
static __always_inline __u32 next_random(void)
{
	__u32 x = sender.seed;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	sender.seed = x;
	return x;
}

/* The template's destination is the base; the checksum changes with it (RFC 1624, equation 3). */
static __always_inline void set_destination(struct iphdr *ip)
{
	__u32 base = frame.dst_base, dst = base + (next_random() & frame.dst_mask);
	__u32 sum = (__u16)~bpf_ntohs(ip->check) + (__u16)~(base >> 16) + (__u16)~base + (dst >> 16) + (dst & 0xffff);

	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	ip->check = bpf_htons((__u16)~sum);
	ip->daddr = bpf_htonl(dst);
}

static __always_inline void set_stamp(struct mz_lr_stamp *stamp)
{
	__u32 seq = (__u32)sender.seq++;

	stamp->magic = bpf_htons(MZ_LR_MAGIC);
	stamp->trial = bpf_htons((__u16)sender.trial);
	stamp->stream = bpf_htons((__u16)frame.stream);
	stamp->seq = bpf_htonl(seq);
	stamp->ns = !sender.timed || (seq & sender.time_mask) ? 0 : bpf_ktime_get_ns();
}

static __always_inline int is_due(void)
{
	if (sender.seq >= sender.frames)
		return 0;
	if (!sender.granted)
		sender.granted = mz_lr_due(&sender.pace, bpf_ktime_get_ns(), sender.seq);
	if (!sender.granted)
		return 0;
	sender.granted--;
	return 1;
}

/* Runs until told to stop; a frame that is not due goes back to its pool. Without stamps
 * every run sends. */
SEC("xdp")
int generate(struct xdp_md *ctx)
{
	__u8 *end = (void *)(long)ctx->data_end, *at = (void *)(long)ctx->data;
	__u64 *w = (__u64 *)at;

	if (frame.stamp_at && !is_due())
		return XDP_DROP;
	if ((__u8 *)(w + frame.words) > end)
		return XDP_ABORTED;
	for (__u32 i = 0; i < frame.words && i < MZ_LR_WORDS; i++)
		w[i] = frame.headers[i];
	if (frame.inner_at) {
		if (at + frame.inner_at + sizeof(struct iphdr) > end)
			return XDP_ABORTED;
		set_destination((struct iphdr *)(at + frame.inner_at));
	}
	if (frame.stamp_at) {
		if (at + frame.stamp_at + sizeof(struct mz_lr_stamp) > end)
			return XDP_ABORTED;
		set_stamp((struct mz_lr_stamp *)(at + frame.stamp_at));
	}
	return (int)bpf_redirect(frame.out, 0);
}

struct net_device {
	int ifindex;
} __attribute__((preserve_access_index));

/* Live frames come from the namespace's loopback, always 1, and no forwarding that runs on top
 * of the sender's thread does. */
SEC("raw_tp/xdp_devmap_xmit")
int count_refused(struct bpf_raw_tracepoint_args *ctx)
{
	struct net_device *from = (void *)ctx->args[0], *to = (void *)ctx->args[1];

	if ((__u32)bpf_get_current_pid_tgid() != sender.thread || (__u32)BPF_CORE_READ(to, ifindex) != frame.out ||
	    BPF_CORE_READ(from, ifindex) != 1)
		return 0;
	sender.refused += (__u32)ctx->args[3];
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
