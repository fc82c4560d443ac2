// SPDX-License-Identifier: Apache-2.0
// What a packet takes as a table grows, and what an entry keeps:
// {"endpoints.1024.wrap": [..], "endpoints.1024.run": [..], "endpoints.1024.bytes": [..], ...}
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/abi/reasons.h"
#include "bpf/abi/tables.h" // before the skeletons, which name its types
#include "perf/fill.h"
#include "perf/timed.h"

#include "perf/bench_tc.skel.h"
#include "perf/bench_xdp.skel.h"

static const char *named(const char *table, uint32_t n, const char *what)
{
	char text[48];

	snprintf(text, sizeof(text), "%s.%u.%s", table, n, what);
	return joined(text, "");
}

// Bytes of a table, as the kernel counts them.
static double kept(struct bpf_object *obj, const char *map)
{
	char path[64], line[128];
	double bytes = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", map_fd(obj, map));
	f = fopen(path, "r");
	if (!f)
		die(path);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "memlock: %lf", &bytes) == 1)
			break;
	fclose(f);
	return bytes;
}

// A bouncer of `vpcs` VPCs of `each` endpoints.
static void add_endpoints(const char *table, uint32_t n, uint32_t vpcs, uint32_t each)
{
	struct mz_bench_xdp *x = mz_bench_xdp__open();
	struct frame in = TUNNEL(.in.payload = 100);
	struct mz_bench b = keys_of(ENDPOINTS, each, REMOTES, PATHS, in);
	uint32_t lines = home_lines(vpcs * each);
	struct timed *c;

	if (!x)
		die("open");
	unpin(x->obj);
	bpf_map__set_max_entries(x->maps.mz_endpoints, vpcs * each);
	bpf_map__set_max_entries(x->maps.mz_homes, lines);
	x->rodata->mz_cfg = config();
	x->rodata->mz_cfg.home_shift = home_shift(lines);
	if (mz_bench_xdp__load(x))
		die("load");
	fill_hosts(x->obj);
	fill_vpcs(x->obj, vpcs, each);
	b.vni_mask = vpcs - 1;
	add(named(table, n, "wrap"), "op_wrap", x->obj, &x->data->bench, in, b);
	c = add(named(table, n, "run"), "op_hop", x->obj, &x->data->bench, in, b);
	c->reason = MZ_R_BOUNCED;
	c->dir = MZ_DIR_INGRESS;
	add_value(named(table, n, "bytes"), (kept(x->obj, "mz_endpoints") + kept(x->obj, "mz_homes")) / (vpcs * each));
}

static struct mz_bench_tc *open_tc(uint32_t flows, uint32_t label_sets)
{
	struct mz_bench_tc *t = mz_bench_tc__open();

	if (!t)
		die("open");
	unpin(t->obj);
	bpf_map__set_max_entries(t->maps.mz_flows, flows);
	bpf_map__set_max_entries(t->maps.mz_policy_labels, label_sets);
	t->rodata->mz_cfg = config();
	if (mz_bench_tc__load(t))
		die("load");
	fill_hosts(t->obj);
	fill_port(t->obj, ENDPOINTS, 0, 0);
	return t;
}

// The flow of an endpoint's packet, of `n` that stand, in a table of twice as many.
static void add_flows(uint32_t n)
{
	struct frame inner = INNER(.payload = 100, .src = ENDPOINTS);
	struct mz_bench b = keys_of(REMOTES, n, ENDPOINTS, 1, inner);
	struct mz_bench_tc *t = open_tc(2 * n, 4096);
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = inner.b, .data_size_in = inner.len, .repeat = (int)n * 20);

	t->data->bench = b;
	t->data->bench.seed = 2463534242u;
	if (bpf_prog_test_run_opts(bpf_program__fd(t->progs.op_flow), &o))
		die("op_flow");
	add(named("flows", n, "wrap"), "op_key", t->obj, &t->data->bench, inner, b);
	add(named("flows", n, "run"), "op_flow", t->obj, &t->data->bench, inner, b);
	add_value(named("flows", n, "bytes"), kept(t->obj, "mz_flows") / (2 * n));
}

// A new flow judged by one of `groups` groups of `rules` rules, each of which names a label set
// of its own: `n` in all, and as many that are known.
static void add_label_sets(uint32_t n, uint32_t groups, uint32_t rules)
{
	struct frame inner = INNER(.payload = 100, .src = ENDPOINTS);
	struct mz_bench b = keys_of(ENDPOINTS, 1, REMOTES, 1, inner);
	struct mz_bench_tc *t = open_tc(4096, 4 * n < 4096 ? 4096 : 4 * n);

	fill_policy(t->obj, groups, rules);
	b.group_mask = groups - 1;
	b.rule_mask = rules - 1;
	add(named("label sets", n, "wrap"), "op_judge_key", t->obj, &t->data->bench, inner, b);
	add(named("label sets", n, "run"), "op_judge", t->obj, &t->data->bench, inner, b);
	add_value(named("label sets", n, "bytes"), kept(t->obj, "mz_policy_labels") / (n + 2.0 * rules));
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 7, repeat = argc > 2 ? atoi(argv[2]) : 90000;

	if (rounds < 1 || rounds > MAX_ROUNDS || repeat < 3) {
		fprintf(stderr, "usage: curve [ROUNDS [REPEAT]]\n");
		return 2;
	}
	for (uint32_t n = 1u << 10; n <= 1u << 20; n <<= 2)
		add_endpoints("endpoints", n, 1, n);
	for (uint32_t n = 1u << 4; n <= 1u << 14; n <<= 2)
		add_endpoints("VPCs of 64 endpoints", n, n, 64);
	for (uint32_t n = 1u << 10; n <= 1u << 20; n <<= 2)
		add_flows(n);
	for (uint32_t groups = 1; groups <= 64; groups <<= 2)
		add_label_sets(2048 * groups, groups, 2048);
	run_cases(rounds, repeat);
	return 0;
}
