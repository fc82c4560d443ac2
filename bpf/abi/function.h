/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Functions: operators' own programs at named points of a packet's way. All there
 * is to know to write one stands here; bpf/functions/ has worked ones.
 *
 *	#include <mizar/function.h>
 *
 *	MZ_ENDPOINT_FUNCTION(no_telnet)(struct __sk_buff *skb, const struct mz_function_packet *p)
 *	{
 *		return p->dst_port == bpf_htons(23) ? MZ_FUNCTION_DROP : MZ_FUNCTION_NEXT;
 *	}
 *
 *	char LICENSE[] SEC("license") = "Dual BSD/GPL";
 *
 *	clang-19 -O2 -g -target bpf -mcpu=v3 -isystem /usr/include/$(gcc -print-multiarch) -c no_telnet.bpf.c
 *	transit function load no_telnet.bpf.o --at egress --vpc blue
 *
 * A function may read and write the packet by every helper its kind of program
 * has (TC for endpoint functions, XDP for hop functions), and keep what it likes in
 * maps of its own, which stand under BPFFS/mizar/INSTANCE/VERSION/functions/NAME
 * while it is loaded. It must leave addresses, ports and header lengths as they
 * are: they have been looked at. Its constants (`const volatile`) can be set when
 * it is loaded: --set NAME=VALUE. */
#ifndef MZ_ABI_FUNCTION_H
#define MZ_ABI_FUNCTION_H

#ifdef __bpf__
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#endif
#include <linux/types.h>

/* Raised when anything below changes its meaning. The loader refuses other ones. */
#define MZ_FUNCTION_ABI 1

/* X(name, word, text): where a function runs, and how --at calls it. Policy
 * stands between the two of ingress. */
#define MZ_FUNCTION_POINTS(X) \
	X(EGRESS, "egress", "what the endpoint sends, found to be its own and small enough; before its flow") \
	X(INGRESS, "ingress", "what an endpoint is to receive, before its flow and policy") \
	X(INGRESS_AFTER, "ingress-after", "the same, when its flow is known and policy has let it pass") \
	X(HOP, "hop", "tunnel packets that this host forwards for others, as bouncer or divider")

enum mz_function_point {
#define X(name, word, text) MZ_POINT_##name,
	MZ_FUNCTION_POINTS(X)
#undef X
	MZ_FUNCTION_POINT_COUNT
};

/* What a function may return; all else counts as MZ_FUNCTION_DROP. */
enum mz_function_verdict {
	MZ_FUNCTION_NEXT, /* on to the next function, then its usual way */
	MZ_FUNCTION_DROP, /* counted as FUNCTION_DROP */
	MZ_FUNCTION_TAKE, /* to the function's interface (--interface), where a program
			   * in user space gets it; without one it is dropped.
			   * Not at hops. */
};

/* The packet. At endpoint points the frame begins at byte 0 of the packet, tunnel
 * headers are gone; at hops it lies behind them. */
struct mz_function_packet {
	__u32 point;     /* enum mz_function_point */
	__u32 vni;
	__u32 ifindex;   /* interface of the local endpoint; 0 at hops */
	__u32 frame;     /* offset of the tenant's Ethernet header, bytes */
	__u32 l4;        /* offset of the transport header, bytes */
	__u32 interface; /* of the function (--interface), 0 = none */
	__u32 uplink;    /* interface of the underlay */
	__u32 verdict;   /* what the function returned */
	__be16 src_port; /* as they stand; 0 = none, or not looked at (hops) */
	__be16 dst_port;
	__u8 proto;      /* IPPROTO_*, behind IPv6 extension headers */
	__u8 v6;
	__u8 fragment;   /* not the first fragment: there is no transport header */
	__u8 pad;
	__be32 src[4];   /* IPv6, or IPv4 as ::ffff:a.b.c.d */
	__be32 dst[4];
};

/* Frames that were taken, and those that come back from the function's interface,
 * name the local endpoint: in the destination's MAC address on the way there, in
 * the source's on the way back, these four bytes, then ifindex % 65,536 in network
 * order. So what a function in user space answers it sends with both swapped. */
#define MZ_TAKEN_MAC { 0x02, 0x4d, 0x5a, 0x01 }

/* ---- what an object is made of ------------------------------------------------- */

struct mz_function_version {
	__u32 magic;
	__u32 abi;
};
#define MZ_FUNCTION_MAGIC   0x4d5a666eu
#define MZ_FUNCTION_VERSION ".rodata.mizar" /* section of the version */
#define MZ_FUNCTION_ENDPOINT "mizar/endpoint" /* section of the function for egress and ingress */
#define MZ_FUNCTION_HOP     "mizar/hop"     /* section of the function for hops */

/* A function is a program of its own, to which the data plane's jumps, and which
 * jumps back with a verdict. These tables are the data plane's; the loader gives
 * the function those that are there. */
#define MZ_FUNCTION_RESUME 8u  /* where it jumps back to */
#define MZ_FUNCTION_PROGRAMS 10u

#ifdef __bpf__
#ifndef MZ_ABI_FUNCTIONS_H /* the data plane itself has its own */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct mz_function_packet);
	__uint(max_entries, 2);
} mz_function_packets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
	__uint(max_entries, MZ_FUNCTION_PROGRAMS);
} mz_function_tc SEC(".maps"), mz_function_xdp SEC(".maps");

static const volatile struct mz_function_version mz_function_version
	__attribute__((section(MZ_FUNCTION_VERSION), used)) = { MZ_FUNCTION_MAGIC, MZ_FUNCTION_ABI };
#endif

/* An object has one function of each kind at most. */
#define MZ_FUNCTION_OF(kind, name, ctx_t, at, programs, drop)                                       \
	static __attribute__((always_inline)) inline int name##_function(                           \
		ctx_t *ctx, const struct mz_function_packet *packet);                               \
	__attribute__((section(kind), used)) int name(ctx_t *ctx)                                   \
	{                                                                                           \
		__u32 mz_at_ = at;                                                                  \
		struct mz_function_packet *mz_packet_ = bpf_map_lookup_elem(&mz_function_packets, &mz_at_); \
		if (mz_packet_) {                                                                   \
			mz_packet_->verdict = (__u32)name##_function(ctx, mz_packet_);              \
			bpf_tail_call(ctx, &programs, MZ_FUNCTION_RESUME);                          \
		}                                                                                   \
		return drop;                                                                        \
	}                                                                                           \
	static __attribute__((always_inline)) inline int name##_function

#define MZ_ENDPOINT_FUNCTION(name) \
	MZ_FUNCTION_OF(MZ_FUNCTION_ENDPOINT, name, struct __sk_buff, 0, mz_function_tc, 2 /* TC_ACT_SHOT */)
#define MZ_HOP_FUNCTION(name) \
	MZ_FUNCTION_OF(MZ_FUNCTION_HOP, name, struct xdp_md, 1, mz_function_xdp, XDP_DROP)
#endif

#endif
