// SPDX-License-Identifier: Apache-2.0
// Rows 1-7: times programs by BPF_PROG_TEST_RUN, all of them in turn, round
// after round, and writes the nanoseconds of every round as JSON:
//   {"hop": {"empty": [..], "wrap@1k": [..], ...}, "errors": [...]}
// Time is this thread's CPU time, so that other processes do not count.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bpf/abi/hash.h"
#include "bpf/abi/reasons.h"
#include "bpf/abi/tables.h" // before the skeletons, which name its types
#include "perf/bench_abi.h"
#include "selftests/bpf/frame.h"

#include "perf/bench_tc.skel.h"
#include "perf/bench_xdp.skel.h"

enum { VNI = 7, SELF = 1, PEER = 2, HOSTS = 256, NETWORKS = 1024, PATHS = 4096, PORTS = 64, BACKENDS = 1024, VIPS = 4096 };
enum { ENDPOINTS = IP4(10, 0, 0, 0), REMOTES = IP4(11, 0, 0, 0), FAR_NETS = IP4(12, 0, 0, 0), SERVICES = IP4(13, 0, 0, 0) };
#define MAX_ROUNDS 32

static struct mz_addr addr4(uint32_t v)
{
	return (struct mz_addr){ .w = { 0, 0, htonl(0xffff), htonl(v) } };
}

static void die(const char *what)
{
	fprintf(stderr, "micro: %s: %s\n", what, strerror(errno));
	exit(1);
}

// ---- tables -----------------------------------------------------------------

static int map_fd(struct bpf_object *obj, const char *name)
{
	return bpf_map__fd(bpf_object__find_map_by_name(obj, name));
}

static void put(struct bpf_object *obj, const char *map, const void *key, const void *value)
{
	if (bpf_map_update_elem(map_fd(obj, map), key, value, BPF_ANY))
		die(map);
}

static void fill_hosts(struct bpf_object *obj)
{
	struct mz_host h = { .flags = MZ_HOST_F_KNOWN | MZ_HOST_F_NEXTHOP, .ifindex = 1 };

	memcpy(h.dmac, mac_bytes(MAC_NEXT), 6);
	memcpy(h.smac, mac_bytes(MAC_SELF), 6);
	for (uint32_t id = PEER; id < PEER + HOSTS; id++) {
		h.ip = addr4(PEER_IP + id - PEER);
		put(obj, "mz_hosts", &id, &h);
	}
}

// A power of two of endpoints, in batches: one by one takes five times longer.
static void fill_endpoints(struct bpf_object *obj, uint32_t count, int local, uint32_t policy)
{
	static struct mz_ep_key keys[1024];
	static struct mz_endpoint values[1024];
	LIBBPF_OPTS(bpf_map_batch_opts, o);

	for (uint32_t at = 0; at < count; at += 1024) {
		uint32_t n = 1024;

		for (uint32_t i = 0; i < n; i++) {
			uint32_t host = local ? SELF : PEER + (at + i) % HOSTS;

			keys[i] = (struct mz_ep_key){ .vni = VNI, .ip = addr4(ENDPOINTS + at + i) };
			values[i] = (struct mz_endpoint){ .host = host, .ifindex = (uint32_t)local, .vpc = 1, .policy = policy,
							  .flags = local ? MZ_EP_F_PEER : 0 };
			memcpy(values[i].mac, mac_bytes(MAC_B), 6);
		}
		if (bpf_map_update_batch(map_fd(obj, "mz_endpoints"), keys, values, &n, &o))
			die("mz_endpoints");
	}
}

// NETWORKS of /24, served by every host in turn.
static void fill_networks(struct bpf_object *obj)
{
	for (uint32_t i = 0; i < NETWORKS; i++) {
		struct mz_net_key k = { .prefixlen = 32 + 96 + 24, .vni = htonl(VNI),
					.ip = addr4(FAR_NETS + (i << 8)) };
		struct mz_network n = { .shard = i * MZ_BUCKETS, .vpc = 1, .flags = MZ_NET_F_DIVIDER };

		put(obj, "mz_networks", &k, &n);
		for (uint32_t b = 0; b < MZ_BUCKETS; b++) {
			uint32_t row = n.shard + b;
			struct mz_shard s = { .primary = PEER + (i + b) % HOSTS, .backup = PEER + (i + b + 1) % HOSTS };

			put(obj, "mz_shards", &row, &s);
		}
	}
}

static void fill_paths(struct bpf_object *obj, uint32_t now)
{
	for (uint32_t i = 0; i < PATHS; i++) {
		struct mz_ep_key k = { .vni = VNI, .ip = addr4(REMOTES + i) };
		struct mz_path p = { .host = PEER, .seen = now, .bounced = now };

		put(obj, "mz_paths", &k, &p);
	}
}

static void fill_port(struct bpf_object *obj, uint32_t ip, uint16_t flags, uint32_t policy)
{
	uint32_t ifindex = 1;
	struct mz_port p = { .ifindex = 1, .vni = VNI, .ip4 = htonl(ip), .vpc = 1, .mtu = 1434, .flags = flags,
			     .max_flows = UINT32_MAX, .policy = policy, .label = policy };

	memcpy(p.mac, mac_bytes(MAC_A), 6);
	put(obj, "mz_ports", &ifindex, &p);
}

static struct mz_cfg config(void)
{
	struct mz_cfg c = { .self_ip4 = addr4(SELF_IP), .self_id = SELF, .uplink = 1,
			    .path_ttl = 1u << 30, .hint_interval = 1u << 30 };

	for (int i = 0; i < MZ_FLOW_TIMER_COUNT; i++)
		c.flow_timeout[i] = 1u << 30;
	return c;
}

// ---- cases ------------------------------------------------------------------

// One timed program: where its keys come from, and how its packets must end.
struct timed {
	const char *name, *program;
	struct bpf_object *obj;
	struct mz_bench *bench;
	struct mz_bench keys;   // bases and masks
	struct frame in;
	enum mz_reason reason;  // 0: not a pipeline
	enum mz_dir dir;
	double ns[MAX_ROUNDS];
};

static struct timed cases[160];
static int case_count;

static uint64_t counted(struct timed *c)
{
	uint32_t slot = (1 * MZ_DIRS + c->dir) * MZ_REASON_SLOTS + c->reason;
	struct mz_count each[64];
	uint64_t sum = 0;

	if (bpf_map_lookup_elem(map_fd(c->obj, "mz_counters"), &slot, each))
		die("mz_counters");
	for (int i = 0; i < libbpf_num_possible_cpus(); i++)
		sum += each[i].packets;
	return sum;
}

static double cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double time_one(struct timed *c, int repeat)
{
	uint32_t seed = c->bench->seed;
	uint8_t out[1024];
	uint64_t before = c->reason ? counted(c) : 0;
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = c->in.b, .data_size_in = c->in.len, .data_out = out,
		    .data_size_out = sizeof(out), .repeat = repeat);
	struct bpf_program *p = bpf_object__find_program_by_name(c->obj, c->program);
	double start;

	*c->bench = c->keys;
	c->bench->seed = seed ? seed : 2463534242u;
	start = cpu_ns();
	if (!p || bpf_prog_test_run_opts(bpf_program__fd(p), &o))
		die(c->program);
	start = cpu_ns() - start;
	if (c->bench->wrong) {
		fprintf(stderr, "micro: %s: %llu verdicts are wrong\n", c->name, (unsigned long long)c->bench->wrong);
		exit(1);
	}
	// One in many may meet a flow whose ports are its own (FLOW_CLASH).
	if (c->reason && counted(c) - before < (uint64_t)(repeat - repeat / 50000)) {
		fprintf(stderr, "micro: %s: %lu of %d packets ended as they should\n", c->name,
			(unsigned long)(counted(c) - before), repeat);
		exit(1);
	}
	return start / repeat;
}

static struct timed *add(const char *name, const char *program, struct bpf_object *obj,
			 struct mz_bench *bench, struct frame in, struct mz_bench keys)
{
	struct timed *c = &cases[case_count];

	if (case_count++ == sizeof(cases) / sizeof(cases[0]))
		die("too many cases");

	*c = (struct timed){ .name = name, .program = program, .obj = obj, .bench = bench, .in = in,
			     .keys = keys };
	c->keys.host_base = PEER;
	c->keys.host_mask = c->keys.host_mask ? c->keys.host_mask : HOSTS - 1;
	return c;
}

static struct mz_bench keys_of(uint32_t dst, uint32_t dsts, uint32_t src, uint32_t srcs, struct frame head)
{
	struct mz_bench b = { .dst_base = dst, .dst_mask = dsts - 1, .src_base = src, .src_mask = srcs - 1 };

	memcpy(b.frame, head.b, head.len < sizeof(b.frame) ? head.len : sizeof(b.frame));
	return b;
}

// A hop with `endpoints` endpoints, as bouncer and, if asked, as divider.
static void add_hop(const char *const names[], uint32_t endpoints, int divider)
{
	struct mz_bench_xdp *x = mz_bench_xdp__open();
	struct frame in = TUNNEL(.in.payload = 100);
	struct mz_bench b = keys_of(ENDPOINTS, endpoints, REMOTES, PATHS, in), *live;
	struct timed *c;
	struct bpf_map *m;

	if (!x)
		die("open");
	bpf_object__for_each_map(m, x->obj)
		bpf_map__set_pin_path(m, NULL);
	bpf_map__set_max_entries(x->maps.mz_endpoints, endpoints < 131072 ? 131072 : endpoints);
	x->rodata->mz_cfg = config();
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
	add(names[3], "op_key", x->obj, live, in, b);
	add(names[4], "op_endpoint", x->obj, live, in, b);
	if (!divider)
		return;
	add("host", "op_host", x->obj, live, in, b);
	add("count", "op_count", x->obj, live, in, b);
	add("store", "op_store", x->obj, live, in, b);
	add("shard", "op_shard", x->obj, live, in, b);
	b = keys_of(FAR_NETS, NETWORKS << 8, REMOTES, PATHS, in);
	add("divider.wrap", "op_wrap", x->obj, live, in, b);
	c = add("divider.hop", "op_hop", x->obj, live, in, b);
	c->reason = MZ_R_DIVIDED;
	c->dir = MZ_DIR_INGRESS;
	add("endpoint.miss", "op_endpoint", x->obj, live, in, b);
	add("network", "op_network", x->obj, live, in, b);
}

static struct mz_bench_tc *open_tc(uint32_t flags, uint32_t flows)
{
	struct mz_bench_tc *t = mz_bench_tc__open();
	struct bpf_map *m;

	if (!t)
		die("open");
	bpf_object__for_each_map(m, t->obj)
		bpf_map__set_pin_path(m, NULL);
	bpf_map__set_max_entries(t->maps.mz_flows, flows);
	t->rodata->mz_cfg = config();
	t->rodata->mz_cfg.flags = flags;
	if (mz_bench_tc__load(t))
		die("load");
	fill_hosts(t->obj);
	return t;
}

static const char *joined(const char *a, const char *b)
{
	static char names[256][40];
	static int used;

	if (used == sizeof(names) / sizeof(names[0]))
		die("too many names");
	snprintf(names[used], sizeof(names[used]), "%s%s", a, b);
	return names[used++];
}

// The set of rules first, first + step, ... below `rules`, and the last, which is the default's.
static struct mz_policy_vector rules_from(uint32_t first, uint32_t step, uint32_t rules)
{
	struct mz_policy_vector v = { 0 };

	for (uint32_t i = first; i <= rules; i = i < rules && i + step > rules ? rules : i + step) {
		v.word[i / 64] |= 1ull << (i % 64);
		v.words |= 1ull << (i / 64);
	}
	return v;
}

// Groups from 1 on, of as many rules each and one that denies the rest (bench_abi.h). Those
// of the same size have the same vectors, as the daemon writes them.
static void fill_policy(struct bpf_object *obj, uint32_t groups, uint32_t rules)
{
	const uint32_t by_block = rules + 1, by_port = by_block + MZ_BENCH_BLOCKS, none = by_port + MZ_BENCH_PORTS;
	struct mz_policy_vector v = rules_from(rules, 1, rules);
	const uint32_t yes = 1;

	put(obj, "mz_policy_vectors", &none, &v);
	for (uint32_t i = 0; i < rules; i++) {
		const uint32_t id = 1 + i;

		v = rules_from(i, rules, rules);
		put(obj, "mz_policy_vectors", &id, &v);
	}
	for (uint32_t i = 0; i < MZ_BENCH_BLOCKS && i < rules; i++) {
		const uint32_t id = by_block + i;

		v = rules_from(i, MZ_BENCH_BLOCKS, rules);
		put(obj, "mz_policy_vectors", &id, &v);
	}
	for (uint32_t i = 0; i < MZ_BENCH_PORTS && i < rules; i++) {
		const uint32_t id = by_port + i;

		v = rules_from(i, MZ_BENCH_PORTS, rules);
		put(obj, "mz_policy_vectors", &id, &v);
	}
	for (uint32_t i = 0; i < 2 * rules; i++) {
		struct mz_policy_label_key k = { .list = MZ_POLICY_KNOWN(VNI), .label = 1 + i };

		put(obj, "mz_policy_labels", &k, &yes);
	}
	for (uint32_t g = 1; g <= groups; g++) {
		const uint32_t list = MZ_POLICY_LIST(g, MZ_POLICY_IN);
		struct mz_policy p = { .list[MZ_POLICY_IN] = { .label = none, .block = none, .port = none, .rules = rules + 1 } };

		for (uint32_t i = 0; i < rules; i++) {
			struct mz_policy_label_key k = { .list = list, .label = 1 + i };
			const uint32_t id = 1 + i;

			put(obj, "mz_policy_labels", &k, &id);
		}
		for (uint32_t i = 0; i < MZ_BENCH_BLOCKS && i < rules; i++) {
			// One rule is about all of them.
			struct mz_policy_block_key k = { .prefixlen = 32 + 96 + (rules == 1 ? 8 : 24), .list = htonl(list),
							 .ip = addr4(REMOTES + (i << 8)) };
			const uint32_t id = by_block + i;

			put(obj, "mz_policy_blocks", &k, &id);
		}
		for (uint32_t i = 0; i < MZ_BENCH_PORTS && i < rules; i++) {
			struct mz_policy_port_key k = { .prefixlen = 32 + 32, .list = htonl(list), .proto = htons(IPPROTO_UDP),
							.port = htons((uint16_t)(2000 + i)) };
			const uint32_t id = by_port + i;

			put(obj, "mz_policy_ports", &k, &id);
		}
		for (uint32_t i = 0; i <= rules; i++) {
			struct mz_policy_rule_key k = { .list = list, .rule = i };
			struct mz_policy_rule r = { .verdict = i == rules ? MZ_POLICY_DENY : MZ_POLICY_ALLOW };

			put(obj, "mz_policy_rules", &k, &r);
		}
		put(obj, "mz_policies", &g, &p);
	}
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

// An endpoint's host; flows tracked or not, judged or not. Packets are of PATHS flows.
static void add_host(const char *deliver_name, const char *encap_name, uint32_t flags, uint32_t policy)
{
	struct frame inner = INNER(.payload = 100, .src = ENDPOINTS), outer = TUNNEL(.in.payload = 100, .label = policy);
	struct mz_bench deliver = keys_of(ENDPOINTS, flags & MZ_CFG_F_NO_FLOWS ? 1024 : 1, REMOTES, PATHS, outer);
	struct mz_bench encap = keys_of(REMOTES, PATHS, ENDPOINTS, 1, inner), *live;
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = inner.b, .data_size_in = inner.len, .repeat = 1);
	struct mz_bench_tc *t = open_tc(flags, 4 * PATHS);
	struct timed *c;

	live = &t->data->bench;
	bpf_prog_test_run_opts(bpf_program__fd(t->progs.op_clock), &o);
	fill_endpoints(t->obj, 1024, 1, policy);
	fill_paths(t->obj, o.retval);
	fill_port(t->obj, ENDPOINTS, 0, policy);
	if (policy)
		fill_policy(t->obj, 1, 1);
	add(joined(deliver_name, ".wrap"), "op_wrap_deliver", t->obj, live, inner, deliver);
	c = add(joined(deliver_name, ".run"), "op_deliver", t->obj, live, inner, deliver);
	c->reason = MZ_R_DELIVERED;
	c->dir = MZ_DIR_INGRESS;
	add(joined(deliver_name, ".endpoint"), "op_endpoint", t->obj, live, inner, deliver);
	add(joined(deliver_name, ".path"), "op_path_src", t->obj, live, inner, deliver);
	add(joined(deliver_name, ".redirect"), "op_redirect_peer", t->obj, live, inner, deliver);
	add(joined(deliver_name, ".flow"), "op_flow_lookup", t->obj, live, inner, deliver);
	add(joined(encap_name, ".wrap"), "op_wrap_encap", t->obj, live, inner, encap);
	c = add(joined(encap_name, ".run"), "op_encap", t->obj, live, inner, encap);
	c->reason = MZ_R_DIRECT;
	c->dir = MZ_DIR_EGRESS;
	add(joined(encap_name, ".endpoint"), "op_endpoint", t->obj, live, inner, encap);
	add(joined(encap_name, ".path"), "op_path_dst", t->obj, live, inner, encap);
	add(joined(encap_name, ".redirect"), "op_redirect", t->obj, live, inner, encap);
	add(joined(encap_name, ".flow"), "op_flow_lookup", t->obj, live, inner, encap);
	if (!(flags & MZ_CFG_F_NO_FLOWS))
		return;
	add("tc.empty", "op_empty", t->obj, live, inner, deliver);
	add("tc.room", "op_room", t->obj, live, inner, deliver);
	add("tc.key", "op_key", t->obj, live, inner, deliver);
	add("tc.host", "op_host", t->obj, live, inner, deliver);
	add("tc.port", "op_port", t->obj, live, inner, deliver);
	add("tc.count", "op_count", t->obj, live, inner, deliver);
	add("tc.store", "op_store", t->obj, live, inner, deliver);
}

// The sender's packet kept to `limits` of the endpoint's, its VPC's and the uplink's rates,
// which are so high that nobody waits: 2^40 bits a second.
static void add_shaped(const char *name, uint32_t limits)
{
	struct frame inner = INNER(.payload = 100, .src = ENDPOINTS);
	struct mz_bench encap = keys_of(REMOTES, PATHS, ENDPOINTS, 1, inner);
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = inner.b, .data_size_in = inner.len, .repeat = 1);
	const struct mz_shaper shaper = { .flags = MZ_SHAPER_F_WHOLE,
					  .whole = { .byte = (8000000000ull << MZ_RATE_BITS) >> 40, .mark = 1ull << 40,
						     .drop = 1ull << 40, .bucket = 1ull << 40, .horizon = 1ull << 40 } };
	const uint32_t slots[] = { 3, 4, MZ_SHAPER_UPLINK_OUT };
	struct mz_bench_tc *t = open_tc(MZ_CFG_F_NO_FLOWS, 4 * PATHS);
	uint32_t ifindex = 1;
	struct mz_port port;
	struct timed *c;

	bpf_prog_test_run_opts(bpf_program__fd(t->progs.op_clock), &o);
	fill_endpoints(t->obj, 1024, 1, 0);
	fill_paths(t->obj, o.retval);
	fill_port(t->obj, ENDPOINTS, limits ? MZ_EP_F_SHAPED : 0, 0);
	if (bpf_map_lookup_elem(map_fd(t->obj, "mz_ports"), &ifindex, &port))
		die("mz_ports");
	port.shaper[MZ_DIR_EGRESS] = (uint16_t)slots[0];
	port.vpc_shaper[MZ_DIR_EGRESS] = (uint16_t)slots[1];
	put(t->obj, "mz_ports", &ifindex, &port);
	for (uint32_t i = 0; i < limits; i++)
		put(t->obj, "mz_shapers", &slots[i], &shaper);
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

// VIPS services of BACKENDS remote backends, all by one table.
static void fill_services(struct bpf_object *obj)
{
	for (uint32_t id = 1; id <= BACKENDS; id++) {
		struct mz_backend b = { .vni = VNI, .ip = addr4(REMOTES + id), .port = htons(2001) };

		put(obj, "mz_backends", &id, &b);
	}
	for (uint32_t row = 0; row < MZ_BENCH_ROWS; row++) {
		uint32_t id = 1 + row % BACKENDS;

		put(obj, "mz_vip_rows", &row, &id);
	}
	for (uint32_t i = 0; i < VIPS; i++) {
		struct mz_vip_key k = { .vni = VNI, .ip = addr4(SERVICES + i) };
		struct mz_vip v = { .size = MZ_BENCH_ROWS, .id = i };

		put(obj, "mz_vips", &k, &v);
		k.port = htons(2000);
		k.proto = IPPROTO_UDP;
		put(obj, "mz_vips", &k, &v);
	}
}

// An endpoint's packets to services: of 64K flows that all exist, or each of a new one.
static void add_service(const char *name, int opens)
{
	struct frame inner = INNER(.payload = 100, .src = ENDPOINTS, .dst = SERVICES, .sport = 1000, .dport = 2000, .sums = 1);
	struct mz_bench b = keys_of(SERVICES, opens ? VIPS : 1, ENDPOINTS, 1, inner), *live;
	struct mz_bench_tc *t = open_tc(0, opens ? 1u << 24 : 1u << 18);
	LIBBPF_OPTS(bpf_test_run_opts, clock, .data_in = inner.b, .data_size_in = inner.len, .repeat = 1);
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = inner.b, .data_size_in = inner.len, .repeat = 20 << 16);
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
	add(joined(name, ".flow"), opens ? "op_flow_update_both" : "op_flow_lookup", t->obj, live, inner, b);
	add(joined(name, ".wrap"), "op_wrap_encap", t->obj, live, inner, b);
	c = add(joined(name, ".run"), "op_encap", t->obj, live, inner, b);
	c->reason = MZ_R_DIRECT;
	c->dir = MZ_DIR_EGRESS;
	add(joined(name, ".backend"), "op_backend", t->obj, live, inner, b);
	b = keys_of(REMOTES, BACKENDS, ENDPOINTS, 1, inner); // what it then goes to
	add(joined(name, ".endpoint"), "op_endpoint", t->obj, live, inner, b);
	add(joined(name, ".path"), "op_path_dst", t->obj, live, inner, b);
	add(joined(name, ".redirect"), "op_redirect", t->obj, live, inner, b);
}

// Every packet opens a flow: in a table that does not fill up, and in a full one.
static void add_flow_open(const char *name, uint32_t size)
{
	struct frame inner = INNER(.payload = 100, .src = ENDPOINTS);
	struct mz_bench b = keys_of(0, 1, ENDPOINTS, 1, inner), *live;
	struct mz_bench_tc *t = open_tc(0, size);

	live = &t->data->bench;
	fill_port(t->obj, ENDPOINTS, 0, 0);
	b.dst_mask = UINT32_MAX;
	add(joined(name, ".warm"), "op_flow_update", t->obj, live, inner, b);
	add(joined(name, ".update"), "op_flow_update", t->obj, live, inner, b);
	add(joined(name, ".open"), "op_flow", t->obj, live, inner, b);
	add(joined(name, ".key"), "op_key", t->obj, live, inner, b);
}

static void print(int rounds)
{
	printf("{");
	for (int i = 0; i < case_count; i++) {
		printf("%s\"%s\": [", i ? ",\n " : "", cases[i].name);
		for (int r = 0; r < rounds; r++)
			printf("%s%.2f", r ? ", " : "", cases[i].ns[r]);
		printf("]");
	}
	printf("}\n");
}

int main(int argc, char **argv)
{
	static const char *const few[] = { "empty", "bouncer.wrap", "bouncer.hop", "key", "endpoint" };
	static const char *const many[] = { "empty.1m", "bouncer.wrap.1m", "bouncer.hop.1m", "key.1m", "endpoint.1m" };
	int rounds = argc > 1 ? atoi(argv[1]) : 9, repeat = argc > 2 ? atoi(argv[2]) : 200000;

	if (rounds < 1 || rounds > MAX_ROUNDS || repeat < 1) {
		fprintf(stderr, "usage: micro [ROUNDS [REPEAT]]\n");
		return 2;
	}
	add_hop(few, 1024, 1);
	add_hop(many, 1u << 20, 0);
	add_host("deliver", "encap", MZ_CFG_F_NO_FLOWS, 0);
	add_host("deliver.flows", "encap.flows", 0, 0);
	add_host("deliver.policy", "encap.policy", 0, 1);
	add_shaped("shaped.0", 0);
	add_shaped("shaped.1", 1);
	add_shaped("shaped.3", 3);
	add_judge("judge.1", 1, 1);
	add_judge("judge.1k", 1, 1024);
	add_judge("judge.128k", 64, 2048);
	add_flow_hit("flow.1", 1);
	add_flow_hit("flow.64k", 1u << 16);
	add_flow_hit("flow.1m", 1u << 20);
	add_flow_open("flow.room", 1u << 23);
	add_flow_open("flow.full", 1u << 16);
	add_service("service.hit", 0);
	add_service("service.new", 1);
	for (int r = -1; r < rounds; r++) // the first round warms up
		for (int i = 0; i < case_count; i++)
			cases[i].ns[r < 0 ? 0 : r] = time_one(&cases[i], repeat);
	print(rounds);
	return 0;
}
