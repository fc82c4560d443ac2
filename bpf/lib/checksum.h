/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The Internet checksum (RFC 1071) and its change with a field (RFC 1624). */
#ifndef MZ_LIB_CHECKSUM_H
#define MZ_LIB_CHECKSUM_H

#include "bpf/lib/pkt.h"

/* Folded and inverted: what stands in a header. */
static __always_inline __u16 mz_fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)~((sum & 0xffff) + (sum >> 16));
}

/* One's complement sum of `len` bytes at `at`, a constant multiple of 4; in pieces
 * of what bpf_csum_diff() takes on every kernel. */
static __always_inline __u32 mz_sum(const void *at, __u32 len, __u32 sum)
{
	for (__u32 done = 0; done < len; done += 512)
		sum = mz_csum((const __u8 *)at + done, len - done < 512 ? len - done : 512, sum);
	return sum;
}

/* A sum of 32-bit words, with its carries. */
static __always_inline __u32 mz_carried(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	return (__u32)(sum + (sum >> 32));
}

/* What a one's complement sum over `len` bytes, a constant multiple of 4, changes by: a sum again,
 * not folded. Adding words is faster here than the helper. */
static __always_inline __u32 mz_csum_diff(const void *from, const void *to, __u32 len)
{
	const __u32 *was = from, *now = to;
	__u64 sum = 0;

	for (__u32 i = 0; i < len / 4; i++)
		sum += (__u64)~was[i] + now[i];
	return mz_carried(sum);
}

/* The same of an address. A function of its own: a program has room for few of them. */
static __noinline __attribute__((unused)) __u32 mz_csum_diff_addr(const struct mz_addr *from, const struct mz_addr *to)
{
	return mz_csum_diff(from, to, sizeof(*from));
}

/* The checksum after a 16-bit word of what it covers has changed (RFC 1624,
 * equation 3). Words as numbers. */
static __always_inline __u16 mz_checksum_after(__u16 check, __u32 before, __u32 after)
{
	return mz_fold((__u16)~check + (__u16)~mz_htons((__u16)before) + (__u32)mz_htons((__u16)after));
}

/* Of a 20-byte IPv4 header. The checksum field counts as it stands: zero it first.
 * Adding words is faster here than the helper. */
static __always_inline __u16 mz_ip4_checksum(const struct iphdr *ip)
{
	const __u16 *w = (const __u16 *)ip;
	__u32 sum = 0;

	for (int i = 0; i < 10; i++)
		sum += w[i];
	return mz_fold(sum);
}

#endif
