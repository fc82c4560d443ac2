// SPDX-License-Identifier: Apache-2.0
#include "perf/fill.h"

#include <arpa/inet.h>
#include <string.h>

#include "bpf/abi/hash.h"
#include "bpf/abi/tables.h"
#include "perf/bench_abi.h"
#include "selftests/bpf/frame.h"

enum { OWN_SHAPER = 3, VPC_SHAPER = 4 };

struct mz_addr addr4(uint32_t v)
{
	return (struct mz_addr){ .w = { 0, 0, htonl(0xffff), htonl(v) } };
}

void fill_hosts(struct bpf_object *obj)
{
	struct mz_host h = { .flags = MZ_HOST_F_KNOWN | MZ_HOST_F_NEXTHOP, .ifindex = 1 };

	memcpy(h.dmac, mac_bytes(MAC_NEXT), 6);
	memcpy(h.smac, mac_bytes(MAC_SELF), 6);
	for (uint32_t id = PEER; id < PEER + HOSTS; id++) {
		h.ip = addr4(PEER_IP + id - PEER);
		put(obj, "mz_hosts", &id, &h);
	}
}

// Of endpoints that stand `each` to a VPC, the first VPC's being VNI.
static struct mz_ep_key endpoint_key(uint32_t i, uint32_t each)
{
	return (struct mz_ep_key){ .vni = VNI + i / each, .ip = addr4(ENDPOINTS + i % each) };
}

static struct mz_endpoint endpoint_at(uint32_t i, int local, uint32_t policy)
{
	struct mz_endpoint e = { .host = local ? SELF : PEER + i % HOSTS, .ifindex = (uint32_t)local, .vpc = 1, .policy = policy,
				 .flags = local ? MZ_EP_F_PEER : 0 };

	memcpy(e.mac, mac_bytes(MAC_B), 6);
	return e;
}

// The daemon's lines for them, as it would have them: those that fit.
static void fill_homes(struct bpf_object *obj, uint32_t count, uint32_t each, int local, uint32_t lines)
{
	static struct mz_home_line all[1 << 18];
	static uint32_t rows[1024];
	const uint32_t shift = home_shift(lines);

	memset(all, 0, lines * sizeof(all[0]));
	for (uint32_t i = 0; i < count; i++) {
		const struct mz_endpoint e = endpoint_at(i, local, 0);
		const struct mz_ep_key k = endpoint_key(i, each);
		const uint64_t key = mz_home_key(k.vni, k.ip.w[3]);
		struct mz_home_line *l = &all[mz_home_row(key, shift)];

		if (!mz_home_put(l, key, mz_home(e.host, e.vpc)))
			l->more++;
	}
	for (uint32_t at = 0; at < lines; at += 1024) {
		for (uint32_t i = 0; i < 1024; i++)
			rows[i] = at + i;
		put_batch(obj, "mz_homes", rows, &all[at], 1024);
	}
}

// In batches: one by one takes five times longer.
static void fill_by(struct bpf_object *obj, uint32_t count, uint32_t each, int local, uint32_t policy)
{
	static struct mz_ep_key keys[1024];
	static struct mz_endpoint values[1024];

	for (uint32_t at = 0; at < count; at += 1024) {
		for (uint32_t i = 0; i < 1024; i++) {
			keys[i] = endpoint_key(at + i, each);
			values[i] = endpoint_at(at + i, local, policy);
		}
		put_batch(obj, "mz_endpoints", keys, values, 1024);
	}
	fill_homes(obj, count, each, local, home_lines(count));
}

void fill_endpoints(struct bpf_object *obj, uint32_t count, int local, uint32_t policy)
{
	fill_by(obj, count, count, local, policy);
}

void fill_vpcs(struct bpf_object *obj, uint32_t vpcs, uint32_t each)
{
	fill_by(obj, vpcs * each, each, 0, 0);
}

uint32_t home_lines(uint32_t endpoints)
{
	return endpoints / 4 < 32768 ? 32768 : endpoints / 4;
}

uint32_t home_shift(uint32_t lines)
{
	return 64 - (uint32_t)__builtin_ctz(lines);
}

// NETWORKS of /24, served by every host in turn.
void fill_networks(struct bpf_object *obj)
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

void fill_paths(struct bpf_object *obj, uint32_t now)
{
	for (uint32_t i = 0; i < PATHS; i++) {
		struct mz_ep_key k = { .vni = VNI, .ip = addr4(REMOTES + i) };
		struct mz_path p = { .host = PEER, .seen = now, .bounced = now };

		put(obj, "mz_paths", &k, &p);
		k.ip = addr4(REMOTES + (i << 8 & 0xf0000) + (i & 255));
		put(obj, "mz_paths", &k, &p);
	}
}

struct mz_cfg config(void)
{
	struct mz_cfg c = { .self_ip4 = addr4(SELF_IP), .self_id = SELF, .uplink = 1,
			    .path_ttl = 1u << 30, .hint_interval = 1u << 30, .home_shift = home_shift(home_lines(0)) };

	for (int i = 0; i < MZ_FLOW_TIMER_COUNT; i++)
		c.flow_timeout[i] = 1u << 30;
	return c;
}

void fill_port(struct bpf_object *obj, uint32_t ip, uint16_t flags, uint32_t policy)
{
	uint32_t ifindex = 1;
	struct mz_port p = { .ifindex = 1, .vni = VNI, .ip4 = htonl(ip), .vpc = 1, .mtu = 1434, .flags = flags,
			     .max_flows = UINT32_MAX, .policy = policy, .label = policy,
			     .shaper[MZ_DIR_EGRESS] = OWN_SHAPER, .vpc_shaper[MZ_DIR_EGRESS] = VPC_SHAPER };

	memcpy(p.mac, mac_bytes(MAC_A), 6);
	put(obj, "mz_ports", &ifindex, &p);
}

void fill_shapers(struct bpf_object *obj, uint32_t limits)
{
	const struct mz_shaper shaper = { .flags = MZ_SHAPER_F_WHOLE,
					  .whole = { .byte = (8000000000ull << MZ_RATE_BITS) >> 40, .mark = 1ull << 40,
						     .drop = 1ull << 40, .bucket = 1ull << 40, .horizon = 1ull << 40 } };
	const uint32_t slots[] = { OWN_SHAPER, VPC_SHAPER, MZ_SHAPER_UPLINK_OUT };

	for (uint32_t i = 0; i < limits; i++)
		put(obj, "mz_shapers", &slots[i], &shaper);
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
void fill_policy(struct bpf_object *obj, uint32_t groups, uint32_t rules)
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
			// One rule is about all of them; else the first is about all of SPREAD.
			struct mz_policy_block_key k = { .prefixlen = 32 + 96 + (rules == 1 ? 8 : 24), .list = htonl(list),
							 .ip = addr4(REMOTES + (i << 8)) };
			const uint32_t id = by_block + i;

			put(obj, "mz_policy_blocks", &k, &id);
			for (uint32_t far = 1; !i && far < 16; far++) {
				k.ip = addr4(REMOTES + (far << 16));
				put(obj, "mz_policy_blocks", &k, &id);
			}
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

// VIPS services of BACKENDS remote backends, all by one table.
void fill_services(struct bpf_object *obj)
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
