/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* ICMP errors quote the packet they are about, as far as it had come: translated, if it
 * was translated before. On its way back so is the quote (RFC 5508 REQ-4, REQ-5).
 * Errors are rare: what is here copies, and is verified apart from the packet's way. */
#ifndef MZ_LIB_RELATED_H
#define MZ_LIB_RELATED_H

#include "bpf/lib/checksum.h"
#include "bpf/lib/ip4.h"

struct mz_quote {
	__u32 icmp; /* in: offset of the ICMP header */
	__u32 v6;   /* in */
	__u32 l4;   /* out: bytes of the quoted IP header */
	__u32 proto;
	struct mz_addr src, dst;
	__be32 ports; /* source and destination; of a query its identifier, twice; 0 = none */
	union {       /* what is being read: the stack is short */
		struct mz_ip6 ip6;
		struct iphdr ip4;
	} h;
};

#define MZ_ICMP_LEN 8u

/* Where a CPU puts a quote: its stack is short. */
MZ_MAP(mz_quoted, PERCPU_ARRAY, __u32, struct mz_quote, 1, 0);

static __always_inline int mz_is_icmp(__u32 proto)
{
	return proto == IPPROTO_ICMP || proto == MZ_ICMP6;
}

static __always_inline int mz_read_quoted_ports(mz_ctx_t *ctx, struct mz_quote *q)
{
	__u16 h[4];

	q->ports = 0;
	if (mz_ctx_load(ctx, q->icmp + MZ_ICMP_LEN + q->l4, h, sizeof(h)))
		return -1;
	if (mz_is_icmp(q->proto))
		q->ports = h[2] | (__u32)h[2] << 16;
	else if (q->proto == IPPROTO_TCP || q->proto == IPPROTO_UDP || q->proto == IPPROTO_SCTP)
		q->ports = h[0] | (__u32)h[1] << 16;
	return 0;
}

/* The packet that an ICMP error quotes, as it stands. Not 0 where there is none: too few
 * bytes (RFC 792, RFC 4443 3: the header and 8 more at least), another version, or a
 * later fragment, which no error is sent about (RFC 1122 3.2.2). */
static __noinline int mz_read_quote(mz_ctx_t *ctx, struct mz_quote *q)
{
	if (q->v6) {
		if (mz_ctx_load(ctx, q->icmp + MZ_ICMP_LEN, &q->h.ip6, sizeof(q->h.ip6)) ||
		    *(const __u8 *)&q->h.ip6 >> 4 != 6)
			return -1;
		q->src = q->h.ip6.src;
		q->dst = q->h.ip6.dst;
		q->proto = q->h.ip6.next;
		q->l4 = sizeof(q->h.ip6);
	} else {
		if (mz_ctx_load(ctx, q->icmp + MZ_ICMP_LEN, &q->h.ip4, sizeof(q->h.ip4)) ||
		    (q->h.ip4.frag_off & mz_htons(MZ_IP4_OFFSET)) ||
		    *(const __u8 *)&q->h.ip4 < 0x45 || *(const __u8 *)&q->h.ip4 > 0x4f)
			return -1;
		q->src = mz_addr4(q->h.ip4.saddr);
		q->dst = mz_addr4(q->h.ip4.daddr);
		q->proto = q->h.ip4.protocol;
		q->l4 = (*(const __u8 *)&q->h.ip4 & 0x0f) * 4u;
	}
	return mz_read_quoted_ports(ctx, q);
}

static __noinline int mz_write_quoted_ip4(mz_ctx_t *ctx, const struct mz_quote *q)
{
	__be32 now[2] = { q->src.w[3], q->dst.w[3] };
	struct iphdr ip;
	__u32 diff;

	if (mz_ctx_load(ctx, q->icmp + MZ_ICMP_LEN, &ip, sizeof(ip)))
		return -1;
	diff = mz_csum_diff(&ip.saddr, now, sizeof(now));
	ip.check = mz_fold((__u16)~ip.check + (diff & 0xffff) + (diff >> 16));
	ip.saddr = now[0];
	ip.daddr = now[1];
	/* The error's own checksum stays: the two changes cancel. */
	return mz_ctx_store(ctx, q->icmp + MZ_ICMP_LEN, &ip, sizeof(ip));
}

/* The error's own checksum. Not by the kernel's helper, which leaves alone what a
 * sender left to its network card: an error may be made of such a packet. */
static __always_inline int mz_update_error(mz_ctx_t *ctx, __u32 icmp, __u32 diff)
{
	__u16 check;

	if (mz_ctx_load(ctx, icmp + 2, &check, sizeof(check)))
		return -1;
	check = mz_fold((__u16)~check + (diff & 0xffff) + (diff >> 16));
	return mz_ctx_store(ctx, icmp + 2, &check, sizeof(check));
}

/* One address: the stack is short. */
static __noinline int mz_write_quoted_addr(mz_ctx_t *ctx, __u32 icmp, __u32 at, const struct mz_addr *now)
{
	struct mz_addr was;

	if (mz_ctx_load(ctx, at, &was, sizeof(was)) || mz_ctx_store(ctx, at, now, sizeof(was)))
		return -1;
	return mz_update_error(ctx, icmp, mz_csum_diff_addr(&was, now));
}

static __always_inline int mz_write_quoted_ip6(mz_ctx_t *ctx, const struct mz_quote *q)
{
	__u32 ip = q->icmp + MZ_ICMP_LEN;

	if (mz_write_quoted_addr(ctx, q->icmp, ip + (__u32)offsetof(struct mz_ip6, src), &q->src))
		return -1;
	return mz_write_quoted_addr(ctx, q->icmp, ip + (__u32)offsetof(struct mz_ip6, dst), &q->dst);
}

/* The quoted transport checksum stays: few quotes have all that it covers. */
static __always_inline int mz_write_quoted_ports(mz_ctx_t *ctx, const struct mz_quote *q)
{
	__u32 at = q->icmp + MZ_ICMP_LEN + q->l4 + (mz_is_icmp(q->proto) ? 4 : 0);
	__be32 was, now = q->ports;

	if (mz_ctx_load(ctx, at, &was, sizeof(was)))
		return -1;
	if (mz_is_icmp(q->proto)) /* what follows is a sequence number */
		now = (was & ~0xffffu) | (now & 0xffff);
	if (mz_ctx_store(ctx, at, &now, sizeof(now)))
		return -1;
	return mz_update_error(ctx, q->icmp, mz_csum_diff(&was, &now, sizeof(now)));
}

static __always_inline int mz_write_quoted_ip(mz_ctx_t *ctx, const struct mz_quote *q)
{
	return q->v6 ? mz_write_quoted_ip6(ctx, q) : mz_write_quoted_ip4(ctx, q);
}

/* Writes what mz_quoted has in the place of what the error quotes, and the error's
 * checksum. Packet pointers are void after it. Returns 0, or not 0 where it cannot. */
static __noinline int mz_write_quote(mz_ctx_t *ctx)
{
	__u32 zero = 0;
	const struct mz_quote *q = mz_lookup(mz_quoted, &zero);

	if (!q || mz_write_quoted_ip(ctx, q))
		return -1;
	return q->ports ? mz_write_quoted_ports(ctx, q) : 0;
}

#endif
