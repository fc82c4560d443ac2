/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rows 8 and 13v: sink and empty hops; tools/linerate has the generator. */
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>

#include "bpf/target/xdp.h"

#include "bpf/lib/rewrite.h"

volatile __u64 received = 0;

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
	received++;
	return XDP_DROP;
}

/* A hop's way out where nobody promises that the other end of a veth is woken by XDP_TX. */
SEC("xdp")
int empty_redirect(struct xdp_md *ctx)
{
	return (int)bpf_redirect(ctx->ingress_ifindex, 0);
}

const volatile __u32 out = 0;

/* Delivery that is nothing but that. */
SEC("xdp")
int empty_deliver(struct xdp_md *ctx)
{
	(void)ctx;
	return (int)bpf_redirect(out, 0);
}

SEC("xdp")
int empty_tx(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_TX;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
