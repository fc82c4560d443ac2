/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the TC and XDP targets share: maps, clock, events, configuration. */
#ifndef MZ_TARGET_BPF_H
#define MZ_TARGET_BPF_H

#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/abi/functions.h"
#include "bpf/abi/tables.h"

#ifndef NULL
#define NULL ((void *)0)
#endif

#define mz_htons(x) bpf_htons(x)
#define mz_ntohs(x) bpf_ntohs(x)
#define mz_htonl(x) bpf_htonl(x)
#define mz_ntohl(x) bpf_ntohl(x)

#define MZ_MAP_RDONLY BPF_F_RDONLY_PROG
#define MZ_MAP_SPARSE BPF_F_NO_PREALLOC
#define MZ_MAP_MMAPABLE BPF_F_MMAPABLE

#define MZ_MAP(map, kind, ktype, vtype, entries, mflags)      \
	struct {                                              \
		__uint(type, BPF_MAP_TYPE_##kind);            \
		__type(key, ktype);                           \
		__type(value, vtype);                         \
		__uint(max_entries, entries);                 \
		__uint(map_flags, mflags);                    \
		__uint(pinning, LIBBPF_PIN_BY_NAME);          \
	} map SEC(".maps")

#define MZ_RING(map, bytes)                                   \
	struct {                                              \
		__uint(type, BPF_MAP_TYPE_RINGBUF);           \
		__uint(max_entries, bytes);                   \
		__uint(pinning, LIBBPF_PIN_BY_NAME);          \
	} map SEC(".maps")

#define MZ_PROGRAMS(map, entries)                             \
	struct {                                              \
		__uint(type, BPF_MAP_TYPE_PROG_ARRAY);        \
		__uint(key_size, sizeof(__u32));              \
		__uint(value_size, sizeof(__u32));            \
		__uint(max_entries, entries);                 \
		__uint(pinning, LIBBPF_PIN_BY_NAME);          \
	} map SEC(".maps")

#define MZ_JUMPS_COME_BACK 0

/* Results are int: before Linux 6.4 a map's functions leave the upper half of a long as
 * it was, and an error looks like no error. */
#define mz_lookup(map, key)                bpf_map_lookup_elem(&map, key)
#define mz_insert(map, key, value)         ((int)bpf_map_update_elem(&map, key, value, BPF_ANY))
#define mz_insert_new(map, key, value)     ((int)bpf_map_update_elem(&map, key, value, BPF_NOEXIST))
#define mz_remove(map, key)                ((int)bpf_map_delete_elem(&map, key))
#define mz_atomic_add(at, n)               __sync_fetch_and_add(at, n)
#define mz_atomic_take(at, n)              __sync_fetch_and_add(at, n) /* what it was */
#define mz_atomic_swap(at, from, to)       __sync_val_compare_and_swap(at, from, to) /* what it was */
#define mz_ring_output(ring, record, size) bpf_ringbuf_output(&ring, record, size, 0)

/* Jiffies: the cheapest clock there is; ages here are seconds. */
static __always_inline __u32 mz_now(void)
{
	return (__u32)bpf_jiffies64();
}

/* CLOCK_MONOTONIC, which departure times are told in. */
static __always_inline __u64 mz_now_ns(void)
{
	return bpf_ktime_get_ns();
}

const volatile struct mz_cfg mz_cfg = {};

/* Of any other constant: .rodata holds the configuration alone. */
#define MZ_CONSTANT SEC(".rodata.constant")

/* Adds `len` bytes, a multiple of 4 up to 512, to a one's complement sum. */
#define mz_csum(at, len, sum) ((__u32)bpf_csum_diff(NULL, 0, (__be32 *)(at), (len), (sum)))

#define mz_unlikely(x) __builtin_expect(!!(x), 0)

#endif
