/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The smallest function there is: what goes to one TCP port is dropped.
 *
 *	clang-19 -O2 -g -target bpf -mcpu=v3 -isystem /usr/include/$(gcc -print-multiarch) -c no_telnet.bpf.c
 *	transit function load no_telnet.bpf.o --at egress --vpc blue --set port=23 */
#include <mizar/function.h>

const volatile __u16 port = 23;

MZ_ENDPOINT_FUNCTION(no_telnet)(struct __sk_buff *skb, const struct mz_function_packet *p)
{
	(void)skb;
	return p->proto == 6 && p->dst_port == bpf_htons(port) ? MZ_FUNCTION_DROP : MZ_FUNCTION_NEXT;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
