// SPDX-License-Identifier: Apache-2.0
// The pipeline's paths on the native target, for callgrind to count: each one warmed up, then
// PACKETS of it, then a dump that names it (perf/profile runs this).
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <valgrind/callgrind.h>

#include "bpf/abi/reasons.h"
#include "bpf/target/native_api.h"
#include "perf/fill.h"

enum { HEADROOM = 256, TAILROOM = 64, WARM = 16 };
enum { NOW = 1000000 }; // jiffies

void put(struct bpf_object *obj, const char *map, const void *key, const void *value)
{
	struct mz_native_map *m = mz_native_table(map);

	(void)obj;
	if (!m || mz_native_update(m, key, value)) {
		fprintf(stderr, "paths: %s: cannot be filled\n", map);
		exit(1);
	}
}

void put_batch(struct bpf_object *obj, const char *map, const void *keys, const void *values, uint32_t n)
{
	const struct mz_native_map *m = mz_native_table(map);

	for (uint32_t i = 0; m && i < n; i++)
		put(obj, map, (const uint8_t *)keys + i * m->key_size, (const uint8_t *)values + i * m->value_size);
}

struct path {
	const char *name;
	int egress, local;   // an endpoint sends it; endpoints live here
	uint32_t dst, flags; // MZ_CFG_F_*
	uint32_t policy, limits;
	enum mz_reason reason;
};

static const struct path paths[] = {
	{ "bouncer hop", .dst = ENDPOINTS, .reason = MZ_R_BOUNCED },
	{ "divider hop", .dst = FAR_NETS, .reason = MZ_R_DIVIDED },
	{ "deliver", .local = 1, .dst = ENDPOINTS, .flags = MZ_CFG_F_NO_FLOWS, .reason = MZ_R_DELIVERED },
	{ "deliver, flow known", .local = 1, .dst = ENDPOINTS, .reason = MZ_R_DELIVERED },
	{ "deliver, flow under policy", .local = 1, .dst = ENDPOINTS, .policy = 1, .reason = MZ_R_DELIVERED },
	{ "encapsulate", .local = 1, .egress = 1, .dst = REMOTES, .flags = MZ_CFG_F_NO_FLOWS, .reason = MZ_R_DIRECT },
	{ "encapsulate, flow known", .local = 1, .egress = 1, .dst = REMOTES, .reason = MZ_R_DIRECT },
	{ "encapsulate, flow under policy", .local = 1, .egress = 1, .dst = REMOTES, .policy = 1, .reason = MZ_R_DIRECT },
	{ "encapsulate, kept to a rate", .local = 1, .egress = 1, .dst = REMOTES, .limits = 1, .reason = MZ_R_DIRECT },
};

static void prepare(const struct path *p)
{
	struct mz_cfg cfg = config();

	cfg.flags = p->flags;
	mz_native_reset();
	mz_native_configure(&cfg);
	mz_native_set_clock(NOW);
	mz_native_set_ns(NOW * 1000000ull);
	fill_hosts(NULL);
	fill_networks(NULL);
	fill_endpoints(NULL, 1024, p->local, p->policy);
	fill_paths(NULL, NOW);
	fill_port(NULL, ENDPOINTS, p->limits ? MZ_EP_F_SHAPED : 0, p->policy);
	if (p->policy)
		fill_policy(NULL, 1, 1);
	if (p->limits)
		fill_shapers(NULL, p->limits);
}

static int packet(const struct path *p, const struct frame *f)
{
	static uint8_t buffer[HEADROOM + sizeof(f->b) + TAILROOM];
	struct mz_native_packet pkt = { .data = buffer + HEADROOM, .len = f->len, .headroom = HEADROOM, .tailroom = TAILROOM, .ifindex = 1 };

	memcpy(pkt.data, f->b, f->len);
	if (p->egress)
		mz_native_egress(&pkt);
	else
		mz_native_ingress(&pkt);
	return pkt.reason == p->reason;
}

static void count(const struct path *p, int packets)
{
	struct frame sent = INNER(.payload = 100, .src = ENDPOINTS, .dst = p->dst);
	struct frame tunnel = TUNNEL(.in.payload = 100, .in.src = REMOTES, .in.dst = p->dst, .label = p->policy);
	int right = 0;

	prepare(p);
	for (int i = 0; i < WARM; i++)
		packet(p, p->egress ? &sent : &tunnel);
	CALLGRIND_ZERO_STATS;
	CALLGRIND_START_INSTRUMENTATION;
	for (int i = 0; i < packets; i++)
		right += packet(p, p->egress ? &sent : &tunnel);
	CALLGRIND_STOP_INSTRUMENTATION;
	CALLGRIND_DUMP_STATS_AT(p->name);
	if (right != packets) {
		fprintf(stderr, "paths: %s: %d of %d packets ended as they should\n", p->name, right, packets);
		exit(1);
	}
}

int main(int argc, char **argv)
{
	int packets = argc > 1 ? atoi(argv[1]) : 1000;

	if (packets < 1) {
		fprintf(stderr, "usage: paths [PACKETS]\n");
		return 2;
	}
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		count(&paths[i], packets);
	return 0;
}
