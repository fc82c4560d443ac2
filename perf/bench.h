/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Programs both hooks have: keys, and each unavoidable operation alone. Include
 * after a target and a pipeline. */
#ifndef MZ_PERF_BENCH_H
#define MZ_PERF_BENCH_H

#include "perf/bench_abi.h"

struct mz_bench bench = { .seed = 1 };

/* Xorshift (Marsaglia): keys that no cache can foresee. */
static __always_inline __u32 bench_random(void)
{
	__u32 x = bench.seed;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	bench.seed = x;
	return x;
}

static __always_inline __be32 bench_dst(__u32 r)
{
	return mz_htonl(bench.dst_base + (r & bench.dst_mask));
}

static __always_inline __be32 bench_src(__u32 r)
{
	return mz_htonl(bench.src_base + ((r >> 12) & bench.src_mask));
}

static __always_inline __be32 bench_ports(__u32 r)
{
	return mz_htonl((1000 + ((r >> 16) & bench.port_mask)) << 16 | 2000);
}

static __always_inline void bench_vpc(__u8 *geneve, __u32 r)
{
	__u32 vni = 7 + ((r >> 8) & bench.vni_mask);

	geneve[4] = (__u8)(vni >> 16);
	geneve[5] = (__u8)(vni >> 8);
	geneve[6] = (__u8)vni;
}

/* Puts `words` words of the template back and new inner addresses at `ip`. */
static __always_inline int bench_restore(mz_ctx_t *ctx, int words, int ip)
{
	__u64 *w = (void *)(long)ctx->data;
	__u8 *at = (__u8 *)w;
	__u32 r = bench_random();

	if (at + ip + 20 > (__u8 *)(long)ctx->data_end || (__u8 *)(w + words) > (__u8 *)(long)ctx->data_end)
		return -1;
	for (int i = 0; i < words; i++)
		w[i] = bench.frame[i];
	*(__be32 *)(at + ip + 12) = bench_src(r);
	*(__be32 *)(at + ip + 16) = bench_dst(r);
	if (ip > (int)MZ_OFF_GENEVE4 && bench.vni_mask) /* in a tunnel */
		bench_vpc(at + MZ_OFF_GENEVE4, r);
	if (bench.port_mask && at + ip + 24 <= (__u8 *)(long)ctx->data_end)
		*(__be32 *)(at + ip + 20) = bench_ports(r);
	return 0;
}

#define BENCH_SECTION_(s) SEC(s)
#define BENCH_OP(name) BENCH_SECTION_(BENCH_HOOK) int op_##name(mz_ctx_t *ctx)

/* Two keys are drawn by every program below: `op_key` alone is subtracted. */
BENCH_OP(key)
{
	__u32 r = bench_random();

	(void)ctx;
	bench.sink += bench_dst(r) + bench_src(r);
	return BENCH_DONE;
}

BENCH_OP(endpoint)
{
	__u32 r = bench_random();
	struct mz_ep_key key = { .vni = 7, .ip = mz_addr4(bench_dst(r)) };
	struct mz_endpoint *e = mz_lookup(mz_endpoints, &key);

	(void)ctx;
	bench.sink += (e ? e->host : 0) + bench_src(r);
	return BENCH_DONE;
}

/* The same where the next key waits for what was found, as a packet's way does: else the misses of
 * one hide behind the next one's. */
BENCH_OP(endpoint_waits)
{
	__u32 r = bench_random(), nothing;
	struct mz_ep_key key = { .vni = 7, .ip = mz_addr4(bench_dst(r)) };
	struct mz_endpoint *e = mz_lookup(mz_endpoints, &key);

	(void)ctx;
	nothing = e ? e->host : 0;
	asm volatile("%0 &= 0" : "+r"(nothing));
	bench.seed ^= nothing;
	bench.sink += bench_src(r);
	return BENCH_DONE;
}

BENCH_OP(network)
{
	__u32 r = bench_random();
	struct mz_net_key key = { .prefixlen = 160, .vni = mz_htonl(7), .ip = mz_addr4(bench_dst(r)) };
	struct mz_network *n = mz_lookup(mz_networks, &key);

	(void)ctx;
	bench.sink += (n ? n->shard : 0) + bench_src(r);
	return BENCH_DONE;
}

BENCH_OP(path_src)
{
	__u32 r = bench_random();
	struct mz_ep_key key = { .vni = 7, .ip = mz_addr4(bench_src(r)) };
	struct mz_path *p = mz_lookup(mz_paths, &key);

	(void)ctx;
	bench.sink += (p ? p->host : 0) + bench_dst(r);
	return BENCH_DONE;
}

BENCH_OP(path_dst)
{
	__u32 r = bench_random();
	struct mz_ep_key key = { .vni = 7, .ip = mz_addr4(bench_dst(r)) };
	struct mz_path *p = mz_lookup(mz_paths, &key);

	(void)ctx;
	bench.sink += (p ? p->host : 0) + bench_src(r);
	return BENCH_DONE;
}

BENCH_OP(host)
{
	__u32 r = bench_random(), id = bench.host_base + (r & bench.host_mask);
	struct mz_host *h = mz_lookup(mz_hosts, &id);

	(void)ctx;
	bench.sink += (h ? h->flags : 0) + bench_src(r);
	return BENCH_DONE;
}

BENCH_OP(shard)
{
	__u32 r = bench_random(), row = r & 0x1ffff;
	struct mz_shard *s = mz_lookup(mz_shards, &row);

	(void)ctx;
	bench.sink += (s ? s->primary : 0) + bench_src(r);
	return BENCH_DONE;
}

BENCH_OP(port)
{
	__u32 r = bench_random(), slot = 1 + (r & bench.host_mask);
	struct mz_port *p = mz_lookup(mz_ports, &slot);

	(void)ctx;
	bench.sink += (p ? p->mtu : 0) + bench_src(r);
	return BENCH_DONE;
}

BENCH_OP(count)
{
	__u32 r = bench_random(), slot = 1;
	struct mz_count *c = mz_lookup(mz_counters, &slot);

	if (c) {
		c->packets++;
		c->bytes += ctx->data_end - ctx->data;
	}
	bench.sink += bench_dst(r) + bench_src(r);
	return BENCH_DONE;
}

/* 64 bytes of headers written. */
BENCH_OP(store)
{
	__u64 *w = (void *)(long)ctx->data;
	__u32 r = bench_random();

	if ((void *)(w + 8) > (void *)(long)ctx->data_end)
		return BENCH_DONE;
	for (int i = 0; i < 8; i++)
		w[i] = bench.frame[i];
	bench.sink += bench_dst(r) + bench_src(r);
	return BENCH_DONE;
}

/* ---- the floor of a path: one program of nothing but what the path cannot do without, each
 * look-up by what the one before it found, as on the path. Alone, the misses of one packet's
 * look-ups hide behind the next packet's. ---- */

static __always_inline void bench_count(mz_ctx_t *ctx)
{
	__u32 slot = 1;
	struct mz_count *c = mz_lookup(mz_counters, &slot);

	if (c) {
		c->packets++;
		c->bytes += ctx->data_end - ctx->data;
	}
}

static __always_inline __u32 bench_endpoint_host(__be32 ip)
{
	struct mz_ep_key key = { .vni = 7, .ip = mz_addr4(ip) };
	struct mz_endpoint *e = mz_lookup(mz_endpoints, &key);

	return e ? e->host : 0;
}

static __always_inline __u32 bench_path_host(__be32 ip)
{
	struct mz_ep_key key = { .vni = 7, .ip = mz_addr4(ip) };
	struct mz_path *p = mz_lookup(mz_paths, &key);

	return p ? p->host : 0;
}

/* Is the sender a known host? */
static __always_inline __u32 bench_known(__u32 r)
{
	__u32 id = bench.host_base + (r & bench.host_mask);
	struct mz_host *h = mz_lookup(mz_hosts, &id);

	return h ? h->flags : 0;
}

/* `words` words of headers, with the host's addresses. */
static __always_inline void bench_send(mz_ctx_t *ctx, __u32 host, int words)
{
	struct mz_host *h = mz_lookup(mz_hosts, &host);
	__u64 *w = (void *)(long)ctx->data;
	__u32 *mac;

	if (!h || (void *)(w + words) > (void *)(long)ctx->data_end)
		return;
	mac = (__u32 *)h->dmac;
	for (int i = 2; i < words; i++)
		w[i] = bench.frame[i];
	w[0] = mac[0] | (__u64)mac[1] << 32;
	w[1] = mac[2] | (__u64)h->ip.w[3] << 32;
}

/* The clock of paths and flows. */
BENCH_OP(clock)
{
	(void)ctx;
	return (int)bpf_jiffies64();
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#endif
