/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Hands endpoints' DNS queries to a program in user space (transit-function-dns),
 * whatever server they are for.
 *
 *	transit function load take_dns.bpf.o --at egress --vpc blue --interface fn0 */
#include <mizar/function.h>

const volatile __u16 port = 53;

MZ_ENDPOINT_FUNCTION(take_dns)(struct __sk_buff *skb, const struct mz_function_packet *p)
{
	(void)skb;
	return p->proto == 17 && !p->fragment && p->dst_port == bpf_htons(port) ? MZ_FUNCTION_TAKE : MZ_FUNCTION_NEXT;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
