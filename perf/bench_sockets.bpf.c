/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rows 10l and 11l: TCP between sockets of one host without a network (sockmap), for comparison
 * (decision 0026). perf/hosts.sh attaches it. IPv4, one tenant, nobody is asked. */
#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "Dual BSD/GPL";

struct bench_ends { /* as the socket has them */
	__u32 local, remote; /* network order */
	__u32 local_port, remote_port; /* host order */
};

struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 4096);
	__type(key, struct bench_ends);
	__type(value, __u32);
} bench_sockets SEC(".maps");

SEC("sockops")
int bench_established(struct bpf_sock_ops *ops)
{
	struct bench_ends key = { ops->local_ip4, ops->remote_ip4, ops->local_port, bpf_ntohl(ops->remote_port) };

	if (ops->family == 2 /* AF_INET */ &&
	    (ops->op == BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB || ops->op == BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB))
		bpf_sock_hash_update(ops, &bench_sockets, &key, BPF_ANY);
	return 1;
}

SEC("sk_msg")
int bench_send(struct sk_msg_md *msg)
{
	struct bench_ends other = { msg->remote_ip4, msg->local_ip4, bpf_ntohl(msg->remote_port), msg->local_port };

	bpf_msg_redirect_hash(msg, &bench_sockets, &other, BPF_F_INGRESS);
	return SK_PASS; /* where there is no other socket: on its way as ever */
}
