/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The far ends of a measurement: one counts its frames, the other sends them back. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/abi/wire.h"
#include "tools/linerate/linerate_abi.h"

#define LONGEST 9216 /* payload that is looked at */

struct mz_lr_receiver receiver = {};

/* Writer: every frame. Reader: user space, which empties those of the next trial. 2.1 MB. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct mz_lr_stream);
	__uint(max_entries, MZ_LR_TRIALS * MZ_LR_STREAMS);
} streams SEC(".maps");

/* Writer and reader: every frame. 256 KiB a stream; the size is set for as many as there are. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, MZ_LR_STREAMS * MZ_LR_SEEN_WORDS);
} seen SEC(".maps");

/* Where a frame's parts lie. Other frames than ours have no stamp. */
struct parts {
	struct ethhdr *eth;
	struct iphdr *ip;
	struct udphdr *udp;
	struct mz_lr_stamp *stamp;
	__u32 payload; /* offset behind the stamp */
	__u32 end;     /* offset of the end, as the IP header around the stamp says */
};

struct udp4 {
	struct ethhdr eth;
	struct iphdr ip;
	struct udphdr udp;
} __attribute__((packed));

static __always_inline int is_udp4(const struct udp4 *h)
{
	return h->eth.h_proto == bpf_htons(ETH_P_IP) && *(__u8 *)&h->ip == 0x45 && h->ip.protocol == IPPROTO_UDP;
}

/* Ports of what was reflected are swapped. */
static __always_inline int has_port(const struct udphdr *udp, __u16 port)
{
	return udp->dest == bpf_htons(port) || udp->source == bpf_htons(port);
}

static __always_inline int find_parts(struct xdp_md *ctx, struct parts *p)
{
	__u8 *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct udp4 *h = (void *)data;
	__u32 off = 0;

	if ((__u8 *)(h + 1) > end || !is_udp4(h))
		return -1;
	p->eth = &h->eth;
	p->ip = &h->ip;
	p->udp = &h->udp;
	if (has_port(&h->udp, MZ_GENEVE_PORT)) {
		struct mz_geneve *g = (void *)(h + 1);

		if ((__u8 *)(g + 1) > end)
			return -1;
		off = sizeof(*h) + sizeof(*g) + (g->ver_optlen & MZ_GENEVE_OPTLEN_MASK) * 4u;
		h = (void *)(data + off);
		if ((__u8 *)(h + 1) > end || !is_udp4(h))
			return -1;
	}
	p->stamp = (void *)(h + 1);
	if (!has_port(&h->udp, MZ_LR_PORT) || (__u8 *)(p->stamp + 1) > end || p->stamp->magic != bpf_htons(MZ_LR_MAGIC))
		return -1;
	p->payload = off + sizeof(*h) + sizeof(*p->stamp);
	p->end = off + ETH_HLEN + bpf_ntohs(h->ip.tot_len);
	return 0;
}

/* 1: first seen, 0: seen before, -1: too far behind to say. */
static __always_inline int mark_seen(const struct mz_lr_stream *s, __u32 trial, __u32 stream, __u32 seq)
{
	__u32 key = stream * MZ_LR_SEEN_WORDS + (seq >> 5) % MZ_LR_SEEN_WORDS;
	__u64 bit = 1ull << (seq & 31), round = ((__u64)trial << 16 | (((seq >> 20) + 1) & 0xffff)) << 32;
	__u64 *word = bpf_map_lookup_elem(&seen, &key), was;

	if (!word)
		return -1;
	was = *word;
	if (was >> 32 != round >> 32) {
		if ((__s32)(seq - s->next) < -(__s32)((MZ_LR_SEEN_WORDS - 1) * 32))
			return -1;
		if (__sync_val_compare_and_swap(word, was, round | bit) == was)
			return 1;
		/* Another CPU began the round meanwhile. */
	}
	return !(__sync_fetch_and_or(word, bit) & bit);
}

static __always_inline void note_latency(struct mz_lr_stream *s, __u64 sent)
{
	__u64 ns = bpf_ktime_get_ns() - sent;

	s->timed++;
	if (ns > s->slowest)
		s->slowest = ns;
	s->latency[mz_lr_bucket(ns) & (MZ_LR_BUCKETS - 1)]++;
}

/* The last bytes, fewer than 8, are read as the end of 8. */
static __always_inline int payload_differs(struct xdp_md *ctx, __u32 from, __u32 bytes)
{
	__u64 got, want;
	__u32 at;

	for (at = 0; at + 8 <= bytes && at < LONGEST; at += 8) {
		if (bpf_xdp_load_bytes(ctx, from + at, &got, 8))
			return 1;
		if (got != mz_lr_pattern(at))
			return 1;
	}
	bytes &= 7;
	if (!bytes)
		return 0;
	got = 0;
	if (bpf_xdp_load_bytes(ctx, from + at, &got, bytes))
		return 1;
	want = mz_lr_pattern(at) & ((1ull << bytes * 8) - 1);
	return got != want;
}

static __always_inline void note_content(struct xdp_md *ctx, struct mz_lr_stream *s, const struct parts *p)
{
	__u32 length = (__u32)bpf_xdp_get_buff_len(ctx);

	s->bytes += length;
	/* A NIC may leave the padding of short frames on. */
	if (length != p->end && (length < p->end || p->end > ETH_ZLEN)) {
		s->wrong_length++;
		return;
	}
	if (receiver.verify && payload_differs(ctx, p->payload, p->end - p->payload))
		s->corrupted++;
}

/* Where nobody empties them before a trial. Latencies are not for other hosts: their clock differs. */
static __always_inline void forget(struct mz_lr_stream *s)
{
	__builtin_memset(s, 0, offsetof(struct mz_lr_stream, latency));
}

/* No trial has number 0: what is sent so only tries out whether it can be. */
static __always_inline int counts(__u32 trial)
{
	return trial && (!receiver.trial || trial == receiver.trial);
}

SEC("xdp.frags")
int receive(struct xdp_md *ctx)
{
	struct parts p;
	struct mz_lr_stream *s;
	__u32 trial, stream, seq, slot;
	__u64 sent;
	int fresh;

	if (find_parts(ctx, &p)) {
		__sync_fetch_and_add(&receiver.foreign, 1);
		return XDP_PASS;
	}
	trial = bpf_ntohs(p.stamp->trial);
	stream = bpf_ntohs(p.stamp->stream);
	seq = bpf_ntohl(p.stamp->seq);
	sent = p.stamp->ns;
	slot = mz_lr_slot(trial, stream);
	s = counts(trial) && stream < MZ_LR_STREAMS ? bpf_map_lookup_elem(&streams, &slot) : NULL;
	if (!s) {
		__sync_fetch_and_add(&receiver.stale, 1);
		return XDP_DROP;
	}
	if (!receiver.trial && s->trial != trial)
		forget(s);
	s->trial = trial;
	fresh = mark_seen(s, trial, stream, seq);
	__sync_fetch_and_add(fresh > 0 ? &s->received : fresh == 0 ? &s->duplicates : &s->late, 1);
	if ((__s32)(seq - s->next) >= 0)
		s->next = seq + 1;
	else if (fresh > 0)
		s->reordered++;
	note_content(ctx, s, &p);
	if (sent)
		note_latency(s, sent);
	return XDP_DROP;
}

static __always_inline void swap_ends(const struct parts *p)
{
	__u8 mac[ETH_ALEN];
	__be32 ip = p->ip->saddr;
	__be16 port = p->udp->source;

	__builtin_memcpy(mac, p->eth->h_source, ETH_ALEN);
	__builtin_memcpy(p->eth->h_source, p->eth->h_dest, ETH_ALEN);
	__builtin_memcpy(p->eth->h_dest, mac, ETH_ALEN);
	p->ip->saddr = p->ip->daddr;
	p->ip->daddr = ip;
	p->udp->source = p->udp->dest;
	p->udp->dest = port;
}

/* Checksums stay right: the same words, elsewhere. */
SEC("xdp.frags")
int reflect(struct xdp_md *ctx)
{
	struct parts p;

	if (find_parts(ctx, &p)) {
		__sync_fetch_and_add(&receiver.foreign, 1);
		return XDP_PASS;
	}
	swap_ends(&p);
	__sync_fetch_and_add(&receiver.reflected, 1);
	return receiver.out ? (int)bpf_redirect(receiver.out, 0) : XDP_TX;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
