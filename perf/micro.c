// SPDX-License-Identifier: Apache-2.0
// Rows 1-7 and 15: what one packet costs, and each operation it cannot do without (timed.h).
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/abi/reasons.h"
#include "bpf/abi/tables.h" // before the skeletons, which name its types
#include "perf/bench_abi.h"
#include "perf/fill.h"
#include "perf/timed.h"
#include "selftests/bpf/frame.h"

#include "perf/bench_tc.skel.h"
#include "perf/bench_xdp.skel.h"

#define ROOM (1u << 20) // flows of a table that does not fill up

// A hop with `endpoints` endpoints, as bouncer and, if asked, as divider.
static void add_hop(const char *const names[], uint32_t endpoints, int divider)
{
	struct mz_bench_xdp *x = mz_bench_xdp__open();
	struct frame in = TUNNEL(.in.payload = 100);
	struct mz_bench b = keys_of(ENDPOINTS, endpoints, REMOTES, PATHS, in), *live;
	struct timed *c;

	if (!x)
		die("open");
	unpin(x->obj);
	bpf_map__set_max_entries(x->maps.mz_endpoints, endpoints < 131072 ? 131072 : endpoints);
	bpf_map__set_max_entries(x->maps.mz_homes, home_lines(endpoints));
	x->rodata->mz_cfg = config();
	x->rodata->mz_cfg.home_shift = home_shift(home_lines(endpoints));
	if (mz_bench_xdp__load(x))
		die("load");
	live = &x->data->bench;
	fill_hosts(x->obj);
	fill_endpoints(x->obj, endpoints, 0, 0);
	fill_networks(x->obj);
	add(names[0], "op_empty", x->obj, live, in, b);
	add(names[1], "op_wrap", x->obj, live, in, b);
	c = add(names[2], "op_hop", x->obj, live, in, b);
	c->reason = MZ_R_BOUNCED;
	c->dir = MZ_DIR_INGRESS;
	add(names[3], "op_floor_bouncer", x->obj, live, in, b);
	add(names[4], "op_endpoint", x->obj, live, in, b);
	add(names[5], "op_endpoint_waits", x->obj, live, in, b);
	if (!divider)
		return;
	add("key", "op_key", x->obj, live, in, b);
	add("host", "op_host", x->obj, live, in, b);
	add("count", "op_count", x->obj, live, in, b);
	add("store", "op_store", x->obj, live, in, b);
	add("shard", "op_shard", x->obj, live, in, b);
	b = keys_of(FAR_NETS, NETWORKS << 8, REMOTES, PATHS, in);
	add("divider.wrap", "op_wrap", x->obj, live, in, b);
	c = add("divider.hop", "op_hop", x->obj, live, in, b);
	c->reason = MZ_R_DIVIDED;
	c->dir = MZ_DIR_INGRESS;
	add("divider.floor", "op_floor_divider", x->obj, live, in, b);
	add("endpoint.miss", "op_endpoint", x->obj, live, in, b);
	add("network", "op_network", x->obj, live, in, b);
}

static struct mz_bench_tc *open_tc(uint32_t flags, uint32_t flows)
{
	struct mz_bench_tc *t = mz_bench_tc__open();

	if (!t)
		die("open");
	unpin(t->obj);
	bpf_map__set_max_entries(t->maps.mz_flows, flows);
	t->rodata->mz_cfg = config();
	t->rodata->mz_cfg.flags = flags;
	if (mz_bench_tc__load(t))
		die("load");
	fill_hosts(t->obj);
	return t;
}

// The judge alone: flows that some rule is about, and flows that none is.
static void add_judge(const char *name, uint32_t groups, uint32_t rules)
{
	struct frame inner = INNER(.payload = 100, .src = ENDPOINTS);
	struct mz_bench b = keys_of(ENDPOINTS, 1, REMOTES, 1, inner);
	struct mz_bench_tc *t = open_tc(0, 4096);

	fill_policy(t->obj, groups, rules);
	b.group_mask = groups - 1;
	b.rule_mask = rules - 1;
	for (b.denied = 0; b.denied <= rules; b.denied += rules) {
		char of[24];

		snprintf(of, sizeof(of), "%s.%s", name, b.denied ? "deny" : "allow");
		add(joined(of, ".warm"), "op_judge_lookups", t->obj, &t->data->bench, inner, b);
		add(joined(of, ".lookups"), "op_judge_lookups", t->obj, &t->data->bench, inner, b);
		add(joined(of, ".label"), "op_judge_label", t->obj, &t->data->bench, inner, b);
		add(joined(of, ".run"), "op_judge", t->obj, &t->data->bench, inner, b);
		add(joined(of, ".key"), "op_judge_key", t->obj, &t->data->bench, inner, b);
	}
}

// An endpoint's host, judged by the first of `groups` groups of `rules` rules each; 0: no policy.
static struct mz_bench_tc *open_host(uint32_t flags, uint32_t groups, uint32_t rules)
{
	struct mz_bench_tc *t = open_tc(flags, 4 * PATHS);
	struct frame inner = INNER(.payload = 100);
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = inner.b, .data_size_in = inner.len, .repeat = 1);

	bpf_prog_test_run_opts(bpf_program__fd(t->progs.op_clock), &o);
	fill_endpoints(t->obj, 1024, 1, groups != 0);
	fill_paths(t->obj, o.retval);
	fill_port(t->obj, ENDPOINTS, 0, groups != 0);
	if (groups)
		fill_policy(t->obj, groups, rules);
	return t;
}

// One way of a host's packets: its run and wrapping, its floor, and each operation alone.
static void add_way(struct mz_bench_tc *t, const char *way, const char *tail, struct mz_bench keys, int flows)
{
	const int in = way[0] == 'd';
	const char *floor = in ? (flows ? "op_floor_deliver_flows" : "op_floor_deliver") :
				 (flows ? "op_floor_encap_flows" : "op_floor_encap");
	struct frame inner = in ? INNER(.payload = 100) : ANSWER();
	struct mz_bench *live = &t->data->bench;
	struct timed *c;

	add(joined3(way, tail, ".wrap"), in ? "op_wrap_deliver" : "op_wrap_encap", t->obj, live, inner, keys);
	c = add(joined3(way, tail, ".run"), in ? "op_deliver" : "op_encap", t->obj, live, inner, keys);
	c->reason = in ? MZ_R_DELIVERED : MZ_R_DIRECT;
	c->dir = in ? MZ_DIR_INGRESS : MZ_DIR_EGRESS;
	add(joined3(way, tail, ".floor"), floor, t->obj, live, inner, keys);
	add(joined3(way, tail, ".endpoint"), "op_endpoint", t->obj, live, inner, keys);
	add(joined3(way, tail, ".path"), in ? "op_path_src" : "op_path_dst", t->obj, live, inner, keys);
	add(joined3(way, tail, ".redirect"), in ? "op_redirect_peer" : "op_redirect", t->obj, live, inner, keys);
	add(joined3(way, tail, ".flow"), "op_flow_lookup", t->obj, live, inner, keys);
}

// Packets of 4,096 flows both ways: what is delivered, and its answers.
static struct mz_bench_tc *add_host(const char *tail, uint32_t flags, uint32_t groups, uint32_t rules)
{
	const int flows = !(flags & MZ_CFG_F_NO_FLOWS);
	struct frame inner = ANSWER(), outer = TUNNEL(.in.payload = 100, .label = groups != 0);
	struct mz_bench deliver = keys_of(ENDPOINTS, flows ? 1 : 1024, REMOTES, SPREAD + 1, outer);
	struct mz_bench encap = keys_of(REMOTES, SPREAD + 1, ENDPOINTS, 1, inner);
	struct mz_bench_tc *t = open_host(flags, groups, rules);

	add_way(t, "deliver", tail, deliver, flows);
	add_way(t, "encap", tail, encap, flows);
	return t;
}

static void add_operations(struct mz_bench_tc *t)
{
	static const char *const operations[] = { "empty", "room", "key", "host", "port", "count", "store" };
	struct frame inner = INNER(.payload = 100, .src = ENDPOINTS), outer = TUNNEL(.in.payload = 100);
	struct mz_bench keys = keys_of(ENDPOINTS, 1024, REMOTES, SPREAD + 1, outer);

	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
		add(joined("tc.", operations[i]), joined("op_", operations[i]), t->obj, &t->data->bench, inner, keys);
}

// Packets of new flows, in a full table: of a label set that the first rule lets in, and of one that none does.
static void add_new(const char *tail, uint32_t groups, uint32_t rules)
{
	struct mz_bench_tc *t = open_host(0, groups, rules);

	for (int denied = 0; denied <= 1; denied++) {
		struct frame inner = INNER(.payload = 100, .src = ENDPOINTS);
		struct frame outer = TUNNEL(.in.payload = 100, .label = denied ? rules + 1 : 1);
		struct mz_bench keys = keys_of(ENDPOINTS, 1, REMOTES, SPREAD + 1, outer);
		const char *name = joined3("new", tail, denied ? ".deny" : ".allow");
		struct timed *c;

		keys.port_mask = 0xffff;
		add(joined(name, ".wrap"), "op_wrap_deliver", t->obj, &t->data->bench, inner, keys);
		c = add(joined(name, ".run"), "op_deliver", t->obj, &t->data->bench, inner, keys);
		c->reason = denied ? MZ_R_POLICY_INGRESS : MZ_R_DELIVERED;
		c->dir = MZ_DIR_INGRESS;
	}
}

// The sender's packet kept to `limits` of the endpoint's, its VPC's and the uplink's rates.
static void add_shaped(const char *name, uint32_t limits)
{
	struct frame inner = INNER(.payload = 100, .src = ENDPOINTS);
	struct mz_bench encap = keys_of(REMOTES, PATHS, ENDPOINTS, 1, inner);
	struct mz_bench_tc *t = open_host(MZ_CFG_F_NO_FLOWS, 0, 0);
	struct timed *c;

	fill_port(t->obj, ENDPOINTS, limits ? MZ_EP_F_SHAPED : 0, 0);
	fill_shapers(t->obj, limits);
	c = add(joined(name, ".run"), "op_encap", t->obj, &t->data->bench, inner, encap);
	c->reason = MZ_R_DIRECT;
	c->dir = MZ_DIR_EGRESS;
	if (limits)
		return;
	add(joined(name, ".key"), "op_key", t->obj, &t->data->bench, inner, encap);
	add(joined(name, ".ktime"), "op_ktime", t->obj, &t->data->bench, inner, encap);
}

// The flow stage alone, among `flows` flows that all exist, in a table with room.
static void add_flow_hit(const char *name, uint32_t flows)
{
	struct frame inner = INNER(.payload = 100, .src = ENDPOINTS);
	struct mz_bench b = keys_of(REMOTES, flows, ENDPOINTS, 1, inner), *live;
	struct mz_bench_tc *t = open_tc(0, 2 * flows < 4096 ? 4096 : 2 * flows);
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = inner.b, .data_size_in = inner.len, .repeat = (int)flows * 20);

	live = &t->data->bench;
	fill_port(t->obj, ENDPOINTS, 0, 0);
	*live = b;
	live->seed = 2463534242u;
	// By packets: random ones, twenty for each flow, so that hardly one is missing.
	if (bpf_prog_test_run_opts(bpf_program__fd(t->progs.op_flow), &o))
		die("op_flow");
	// The first to touch the table after other cases pays for their cache lines.
	add(joined(name, ".warm"), "op_flow_lookup", t->obj, live, inner, b);
	add(joined(name, ".lookup"), "op_flow_lookup", t->obj, live, inner, b);
	add(joined(name, ".hit"), "op_flow", t->obj, live, inner, b);
	add(joined(name, ".key"), "op_key", t->obj, live, inner, b);
}

#define FORGET "op_flow_forget" // what a case has opened goes again: a table is as full each time

// An endpoint's packets to services: of 64K flows that all exist, or each of a new one.
static void add_service(const char *name, int opens)
{
	struct frame inner = INNER(.payload = 100, .src = ENDPOINTS, .dst = SERVICES, .sport = 1000, .dport = 2000, .sums = 1);
	struct mz_bench b = keys_of(SERVICES, opens ? VIPS : 1, ENDPOINTS, 1, inner), *live;
	struct mz_bench_tc *t = open_tc(0, opens ? ROOM : 1u << 18);
	LIBBPF_OPTS(bpf_test_run_opts, clock, .data_in = inner.b, .data_size_in = inner.len, .repeat = 1);
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = inner.b, .data_size_in = inner.len, .repeat = 20 << 16);
	const char *after = opens ? FORGET : NULL;
	struct timed *c;

	live = &t->data->bench;
	b.port_mask = 0xffff;
	bpf_prog_test_run_opts(bpf_program__fd(t->progs.op_clock), &clock);
	fill_paths(t->obj, clock.retval);
	fill_port(t->obj, ENDPOINTS, MZ_EP_F_VIPS, 0);
	fill_services(t->obj);
	*live = b;
	live->seed = 2463534242u;
	if (!opens && bpf_prog_test_run_opts(bpf_program__fd(t->progs.op_encap), &o)) // makes them, as add_flow_hit()
		die("op_encap");
	add(joined(name, ".flow"), opens ? "op_flow_update_both" : "op_flow_lookup", t->obj, live, inner, b)->after = after;
	if (!opens) // or flows would forget where they go meanwhile
		add(joined(name, ".answers"), "op_answers", t->obj, live, inner, b);
	add(joined(name, ".wrap"), "op_wrap_encap", t->obj, live, inner, b);
	c = add(joined(name, ".run"), "op_encap", t->obj, live, inner, b);
	c->reason = MZ_R_DIRECT;
	c->dir = MZ_DIR_EGRESS;
	c->after = after;
	add(joined(name, ".floor"), opens ? "op_floor_service_new" : "op_floor_service_hit", t->obj, live, inner, b)->after = after;
	add(joined(name, ".backend"), "op_backend", t->obj, live, inner, b);
	b = keys_of(REMOTES, BACKENDS, ENDPOINTS, 1, inner); // what it then goes to
	add(joined(name, ".endpoint"), "op_endpoint", t->obj, live, inner, b);
	add(joined(name, ".path"), "op_path_dst", t->obj, live, inner, b);
	add(joined(name, ".redirect"), "op_redirect", t->obj, live, inner, b);
}

// Every packet opens a flow: in a table with room, and in a full one.
static void add_flow_open(const char *name, uint32_t size)
{
	struct frame inner = INNER(.payload = 100, .src = ENDPOINTS);
	struct mz_bench b = keys_of(0, 1, ENDPOINTS, 1, inner), *live;
	struct mz_bench_tc *t = open_tc(0, size), *own;
	const char *after = size == ROOM ? FORGET : NULL;
	struct timed *c;

	live = &t->data->bench;
	b.dst_mask = UINT32_MAX;
	add(joined(name, ".warm"), "op_flow_update", t->obj, live, inner, b)->after = after;
	c = add(joined(name, ".update"), "op_flow_update", t->obj, live, inner, b);
	c->after = after;
	c->in_a_row = !after;
	add(joined(name, ".key"), "op_key", t->obj, live, inner, b);
	// In a full one what goes for a flow is what came before: the case's own, for looked-up entries go later.
	own = after ? t : open_tc(0, size);
	fill_port(own->obj, ENDPOINTS, 0, 0);
	c = add(joined(name, ".open"), "op_flow", own->obj, &own->data->bench, inner, b);
	c->after = after;
	c->in_a_row = !after;
}

static void add_hops(void)
{
	static const char *const few[] = { "empty", "bouncer.wrap", "bouncer.hop", "bouncer.floor", "endpoint", "endpoint.waits" };

	add_hop(few, 1024, 1);
}

static void add_hops_1m(void)
{
	static const char *const many[] = { "empty.1m", "bouncer.wrap.1m", "bouncer.hop.1m", "bouncer.floor.1m", "endpoint.1m",
					      "endpoint.waits.1m" };

	add_hop(many, 1u << 20, 0);
}

static void add_hosts(void)
{
	add_operations(add_host("", MZ_CFG_F_NO_FLOWS, 0, 0));
	add_host(".flows", 0, 0, 0);
	add_host(".policy", 0, 1, 1);
}

static void add_rates(void)
{
	add_shaped("shaped.0", 0);
	add_shaped("shaped.1", 1);
	add_shaped("shaped.3", 3);
}

static void add_judges(void)
{
	add_host(".policy.1k", 0, 1, 1024);
	add_host(".policy.128k", 0, 64, 2048);
	add_new("", 1, 1);
	add_new(".1k", 1, 1024);
	add_new(".128k", 64, 2048);
	add_judge("judge.1", 1, 1);
	add_judge("judge.1k", 1, 1024);
	add_judge("judge.128k", 64, 2048);
}

static void add_flows(void)
{
	add_flow_hit("flow.1", 1);
	add_flow_hit("flow.64k", 1u << 16);
	add_flow_hit("flow.1m", 1u << 20);
	add_flow_open("flow.room", ROOM);
	add_flow_open("flow.full", 1u << 16);
}

static void add_services(void)
{
	add_service("service.hit", 0);
	add_service("service.new", 1);
}

static const struct {
	const char *name;
	void (*add)(void);
} groups[] = { { "hops", add_hops },   { "hops-1m", add_hops_1m }, { "hosts", add_hosts },	    { "rates", add_rates },
	       { "policy", add_judges }, { "flows", add_flows },   { "services", add_services } };

static int usage(void)
{
	fprintf(stderr, "usage: micro [ROUNDS [REPEAT [GROUP...]]], groups:");
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		fprintf(stderr, " %s", groups[i].name);
	fprintf(stderr, "\n");
	return 2;
}

static int chosen(const char *name, int argc, char **argv)
{
	for (int i = 3; i < argc; i++)
		if (!strcmp(argv[i], name))
			return 1;
	return argc <= 3;
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 9, repeat = argc > 2 ? atoi(argv[2]) : 200000;

	if (rounds < 1 || rounds > MAX_ROUNDS || repeat < 1)
		return usage();
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (chosen(groups[i].name, argc, argv))
			groups[i].add();
	if (!case_count())
		return usage();
	run_cases(rounds, repeat);
	return 0;
}
