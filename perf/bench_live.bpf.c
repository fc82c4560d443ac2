/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Row 8: generator (run with BPF_F_TEST_XDP_LIVE_FRAMES), sink, empty hop. */
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>

#include "bpf/target/xdp.h"

#include "bpf/lib/rewrite.h"
#include "perf/bench_abi.h"

struct mz_bench bench = { .seed = 1 };

/* Pages come back as the last round left them: every header is written anew. */
SEC("xdp")
int generate(struct xdp_md *ctx)
{
	__u64 *w = (void *)(long)ctx->data;
	__u32 x = bench.seed;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	bench.seed = x;
	if ((__u8 *)w + MZ_OUTER_LEN4 + ETH_HLEN + 20 > (__u8 *)(long)ctx->data_end)
		return XDP_ABORTED;
	for (int i = 0; i < 9; i++)
		w[i] = bench.frame[i];
	*(__be32 *)((__u8 *)w + MZ_OUTER_LEN4 + ETH_HLEN + 16) = mz_htonl(bench.dst_base + (x & bench.dst_mask));
	return (int)bpf_redirect(bench.out, 0);
}

/* Tunnel packets end here; ARP and the hosts' own probes go on. */
SEC("xdp")
int sink(struct xdp_md *ctx)
{
	const struct mz_eth *eth = (void *)(long)ctx->data;
	const struct iphdr *ip = (void *)(eth + 1);
	const struct udphdr *udp = (void *)(ip + 1);
	const struct mz_geneve *g = (void *)(udp + 1);

	if ((void *)(g + 1) > (void *)(long)ctx->data_end || eth->proto != mz_htons(ETH_P_IP) ||
	    ip->protocol != IPPROTO_UDP || udp->dest != mz_htons(MZ_GENEVE_PORT) ||
	    (g->flags & MZ_GENEVE_F_OAM))
		return XDP_PASS;
	bench.received++;
	return XDP_DROP;
}

SEC("xdp")
int empty_hop(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_TX;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
