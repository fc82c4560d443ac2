// SPDX-License-Identifier: Apache-2.0
// The packet tables: every stage and every reason, the same rows on TC, XDP
// and native. A row says name, world, input, expectation.
//
// Checked for each: the verdict, the bytes that come out, that exactly one
// counter moved (the reason's, of the right VPC and direction, by one packet
// of the right size), the learned path and the events.
//
//   packet_test              all targets
//   packet_test --break KIND a wrong expectation of that kind, which must fail
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "bpf/abi/hash.h"
#include "selftests/bpf/target.h"

#define VNI      7u
#define VPC_SLOT 3u
#define SELF     1u
#define PEER     2u
#define BOUNCER  3u
#define BACKUP   4u
#define DIVIDER  5u
#define PATH_TTL 30000u
#define HINT_INTERVAL 1000u
#define SLOTS    4u // VPC slots looked at

struct mz_addr addr4(uint32_t v)
{
	struct mz_addr a = { .w = { 0, 0, htonl(0xffff), htonl(v) } };

	return a;
}

struct mz_cfg test_cfg(void)
{
	return (struct mz_cfg){ .self_ip4 = addr4(SELF_IP), .self_id = SELF, .uplink = 1,
				.path_ttl = PATH_TTL, .hint_interval = HINT_INTERVAL,
				.flags = MZ_CFG_F_XDP_DELIVER };
}

// ---- the world a row runs in ----------------------------------------------

enum {
	W_PATH = 1 << 0,         // EP_R was seen on PEER just now
	W_OLD_PATH = 1 << 1,     // ... longer ago than the TTL
	W_BOUNCER_DOWN = 1 << 2,
	W_IS_BOUNCER = 1 << 3,   // EP_R stands in the endpoints table, on PEER
	W_IS_DIVIDER = 1 << 4,
	W_SELF_BOUNCER = 1 << 5, // this host is the primary of every bucket
	W_SELF_DIVIDER = 1 << 6,
	W_NO_VPC = 1 << 7,
	W_NO_NETWORK = 1 << 8,
	W_NO_SHARD = 1 << 9,     // the network's table names nobody
	W_NO_NEXTHOP = 1 << 10,
	W_NO_PORT = 1 << 11,
	W_PORT_TAKEN = 1 << 12,  // the slot is another interface's
	W_NO_HOSTS = 1 << 13,
	W_FAR = 1 << 14,         // next hops leave by another interface
	W_PENDING = 1 << 15,     // EP_R is ours but not connected yet
	W_SMALL_MTU = 1 << 16,
	W_BOUNCED_LONG = 1 << 17, // W_PATH, and its last hint is long ago
	W_TAP = 1 << 18,          // EP_B is a tap
};

static const struct target *T;

static void put(const char *map, const void *key, const void *value)
{
	assert_int_equal(T->update(map, key, value), 0);
}

static void put_host(uint32_t id, uint32_t ip, uint32_t world)
{
	struct mz_host h = { .ip = addr4(ip), .flags = MZ_HOST_F_KNOWN };

	h.ifindex = world & W_FAR ? 2 : 1;
	if (!(world & W_NO_NEXTHOP))
		h.flags |= MZ_HOST_F_NEXTHOP;
	if (id == BOUNCER && (world & W_BOUNCER_DOWN))
		h.flags |= MZ_HOST_F_DOWN;
	memcpy(h.dmac, mac_bytes(MAC_NEXT), 6);
	memcpy(h.smac, mac_bytes(MAC_SELF), 6);
	put("mz_hosts", &id, &h);
	put("mz_host_ids", &h.ip, &id);
}

static void put_endpoint(uint32_t ip, uint32_t host, uint32_t ifindex, uint16_t flags, int mac)
{
	struct mz_ep_key k = { .vni = VNI, .ip = addr4(ip) };
	struct mz_endpoint e = { .host = host, .ifindex = ifindex, .vpc = VPC_SLOT, .flags = flags };

	memcpy(e.mac, mac_bytes(mac), 6);
	put("mz_endpoints", &k, &e);
}

static void put_shards(uint32_t first, uint32_t primary, uint32_t backup)
{
	struct mz_shard s = { .primary = primary, .backup = backup };

	for (uint32_t b = 0; b < MZ_BUCKETS; b++) {
		uint32_t row = first + b;

		put("mz_shards", &row, &s);
	}
}

static void put_path(uint32_t ip, uint32_t host, uint32_t age, uint32_t bounced_ago)
{
	struct mz_ep_key k = { .vni = VNI, .ip = addr4(ip) };
	struct mz_path p = { .host = host, .seen = T->now() - age, .bounced = T->now() - bounced_ago };

	put("mz_paths", &k, &p);
}

static void put_port(uint32_t world)
{
	struct mz_port p = { .ifindex = T->ifindex, .vni = VNI, .ip4 = htonl(EP_A), .label = 0xabc,
			     .qos_class = 9, .vpc = VPC_SLOT, .mtu = world & W_SMALL_MTU ? 37 : 1434 };

	memcpy(p.mac, mac_bytes(MAC_A), 6);
	if (world & W_PORT_TAKEN)
		p.ifindex += MZ_PORTS;
	put("mz_ports", &T->ifindex, &p);
}

static void put_network(uint32_t world)
{
	struct mz_net_key k = { .prefixlen = 32 + 96 + 24, .vni = htonl(VNI),
				.ip = addr4(IP4(198, 18, 1, 0)) };
	struct mz_network n = { .shard = world & W_NO_SHARD ? 256 : 0, .vpc = VPC_SLOT,
				.flags = world & W_IS_DIVIDER ? MZ_NET_F_DIVIDER : 0 };

	put("mz_networks", &k, &n);
}

static void build_world(uint32_t world)
{
	uint32_t vni = VNI;
	struct mz_vpc vpc = { .shard = 128, .vpc = VPC_SLOT };

	T->reset();
	if (!(world & W_NO_HOSTS)) {
		put_host(SELF, SELF_IP, world);
		put_host(PEER, PEER_IP, world);
		put_host(BOUNCER, BOUNCE_IP, world);
		put_host(BACKUP, BACKUP_IP, world);
		put_host(DIVIDER, DIVIDE_IP, world);
	}
	put_shards(0, world & W_SELF_BOUNCER ? SELF : BOUNCER, BACKUP);
	put_shards(128, world & W_SELF_DIVIDER ? SELF : DIVIDER, 0);
	put_shards(256, 0, 0);
	if (!(world & W_NO_PORT))
		put_port(world);
	if (!(world & W_NO_NETWORK))
		put_network(world);
	if (!(world & W_NO_VPC))
		put("mz_vpcs", &vni, &vpc);
	put_endpoint(EP_A, SELF, 2, MZ_EP_F_PEER, MAC_A);
	put_endpoint(EP_B, SELF, 3, world & W_TAP ? 0 : MZ_EP_F_PEER, MAC_B);
	if (world & W_IS_BOUNCER)
		put_endpoint(EP_R, PEER, 0, 0, MAC_OTHER);
	if (world & W_PENDING)
		put_endpoint(EP_R, SELF, 0, 0, MAC_OTHER);
	if (world & W_PATH)
		put_path(EP_R, PEER, 10, 0);
	if (world & W_BOUNCED_LONG)
		put_path(EP_R, PEER, 10, HINT_INTERVAL * 2);
	if (world & W_OLD_PATH)
		put_path(EP_R, PEER, PATH_TTL + 1000, 0);
}

// ---- rows -------------------------------------------------------------------

enum act { SENT, DELIVERED, ANSWERED, DROPPED, PASSED };

#define ANY_PATH 0u
#define NO_PATH  0xffffffffu

struct row {
	const char *name;
	uint32_t world;
	struct frame in;
	enum act act;
	enum mz_reason why;
	uint32_t no_vpc;    // counted under no VPC
	struct frame out;   // compared when its len is not 0
	uint32_t path;      // host of the path to EP_R afterwards, or NO_PATH
	uint32_t event;     // MZ_EVENT_* expected, 0 = none
	uint32_t gso_size;
	bool no_room;
	bool far;           // leaves by another interface than it came
};

static bool reached[3][MZ_REASON_COUNT];
static int target_index;

struct counts {
	struct mz_count c[SLOTS * MZ_DIRS * MZ_REASON_SLOTS];
};

static void read_counts(struct counts *all)
{
	for (uint32_t i = 0; i < SLOTS * MZ_DIRS * MZ_REASON_SLOTS; i++)
		assert_int_equal(T->lookup("mz_counters", &i, &all->c[i]), 0);
}

static enum verdict expected_verdict(const struct row *r)
{
	switch (r->act) {
	case DROPPED:
		return V_DROP;
	case PASSED:
		return V_PASS;
	case DELIVERED:
		return V_REDIRECT;
	case ANSWERED:
		return T->same_interface;
	default:
		return r->far ? V_REDIRECT : T->same_interface;
	}
}

static void check_path(const struct row *r)
{
	struct mz_ep_key k = { .vni = VNI, .ip = addr4(EP_R) };
	struct mz_path p = { 0 };
	int rc;

	if (r->path == ANY_PATH)
		return;
	rc = T->lookup("mz_paths", &k, &p);
	if (r->path == NO_PATH) {
		assert_int_not_equal(rc, 0);
		return;
	}
	assert_int_equal(rc, 0);
	assert_int_equal(p.host, r->path);
	assert_true(T->now() - p.seen < 1000);
}

static void check_event(const struct row *r)
{
	struct mz_event e = { 0 };
	uint32_t n = T->events(&e);

	assert_int_equal(n, r->event ? 1 : 0);
	if (!r->event)
		return;
	assert_int_equal(e.type, r->event);
	if (r->event != MZ_EVENT_NEIGH)
		assert_int_equal(e.vni, VNI);
}

static void check_bytes(const struct row *r, const struct run *run)
{
	if (!r->out.len)
		return;
	if (run->frame.len != r->out.len || memcmp(run->frame.b, r->out.b, r->out.len)) {
		for (uint32_t i = 0; i < run->frame.len || i < r->out.len; i++)
			if (run->frame.b[i] != r->out.b[i])
				print_message("  byte %u: %02x, wanted %02x\n", i, run->frame.b[i],
					      r->out.b[i]);
	}
	assert_int_equal(run->frame.len, r->out.len);
	assert_memory_equal(run->frame.b, r->out.b, r->out.len);
}

static void run_row(const struct row *r, enum mz_dir dir)
{
	static struct counts before, after;
	struct run run = { .dir = dir, .frame = r->in, .gso_size = r->gso_size, .no_room = r->no_room };
	uint32_t want = ((r->no_vpc ? 0 : VPC_SLOT) * MZ_DIRS + dir) * MZ_REASON_SLOTS + r->why;

	print_message("# %s: %s\n", T->name, r->name);
	build_world(r->world);
	read_counts(&before);
	assert_int_equal(T->run(&run), 0);
	read_counts(&after);
	for (uint32_t i = 0; i < SLOTS * MZ_DIRS * MZ_REASON_SLOTS; i++) {
		uint64_t moved = after.c[i].packets - before.c[i].packets;

		if (moved != (i == want))
			print_message("  slot %u/%u reason %u moved by %d\n",
				      i / (MZ_DIRS * MZ_REASON_SLOTS), i / MZ_REASON_SLOTS % MZ_DIRS,
				      i % MZ_REASON_SLOTS, (int)moved);
		assert_int_equal(moved, i == want);
	}
	assert_int_equal(after.c[want].bytes - before.c[want].bytes, r->in.len);
	assert_int_equal(run.verdict, expected_verdict(r));
	check_bytes(r, &run);
	check_path(r);
	check_event(r);
	reached[target_index][r->why] = true;
}

#define RUN_TABLE(rows, dir)                                               \
	do {                                                               \
		for (size_t i_ = 0; i_ < sizeof(rows) / sizeof((rows)[0]); i_++) \
			run_row(&(rows)[i_], dir);                         \
	} while (0)

// What this host makes of a tenant's packet from EP_A towards host `dst_ip`.
#define SENT_TO(dst_ip, ...)                                                             \
	TUNNEL(.in = { __VA_ARGS__ }, .src = SELF_IP, .dst = (dst_ip), .dmac = MAC_NEXT, \
	       .smac = MAC_SELF, .label = 0xabc, .qos_class = 9, .origin = SELF, .sender = SELF)

#define A_TO(dst_) .src = EP_A, .dst = (dst_), .smac = MAC_A

static void test_egress_ways(void **state)
{
	(void)state;
	const struct row rows[] = {
		{ "same host, veth", 0, INNER(.dst = EP_B), DELIVERED, MZ_R_LOCAL,
		  .out = as_delivered(INNER(.dst = EP_B), MAC_B) },
		{ "same host, tap", W_TAP, INNER(.dst = EP_B), DELIVERED, MZ_R_LOCAL,
		  .out = as_delivered(INNER(.dst = EP_B), MAC_B) },
		{ "no path: to the bouncer", 0, INNER(.dst = EP_R), SENT, MZ_R_TO_BOUNCER,
		  .out = SENT_TO(BOUNCE_IP, A_TO(EP_R)) },
		{ "bouncer down: to its backup", W_BOUNCER_DOWN, INNER(.dst = EP_R), SENT,
		  MZ_R_TO_BOUNCER, .out = SENT_TO(BACKUP_IP, A_TO(EP_R)) },
		{ "out of another interface", W_FAR, INNER(.dst = EP_R), SENT, MZ_R_TO_BOUNCER,
		  .out = SENT_TO(BOUNCE_IP, A_TO(EP_R)), .far = true },
		{ "learned path: direct", W_PATH, INNER(.dst = EP_R), SENT, MZ_R_DIRECT,
		  .out = SENT_TO(PEER_IP, A_TO(EP_R)) },
		{ "path too old: to the bouncer", W_OLD_PATH, INNER(.dst = EP_R), SENT,
		  MZ_R_TO_BOUNCER, .out = SENT_TO(BOUNCE_IP, A_TO(EP_R)) },
		{ "this host bounces: direct", W_IS_BOUNCER, INNER(.dst = EP_R), SENT, MZ_R_DIRECT,
		  .out = SENT_TO(PEER_IP, A_TO(EP_R)) },
		{ "unknown network: to the divider", 0, INNER(.dst = EP_N), SENT, MZ_R_TO_DIVIDER,
		  .out = SENT_TO(DIVIDE_IP, A_TO(EP_N)) },
		{ "TTL 1 is the tenant's business", W_PATH, INNER(.dst = EP_R, .ttl = 1), SENT,
		  MZ_R_DIRECT, .out = SENT_TO(PEER_IP, A_TO(EP_R), .ttl = 1) },
		{ "ECN goes outside, DSCP does not", W_PATH, INNER(.dst = EP_R, .tos = 0xb9), SENT,
		  MZ_R_DIRECT,
		  .out = TUNNEL(.in = { A_TO(EP_R), .tos = 0xb9 }, .tos = 1, .src = SELF_IP,
				.dst = PEER_IP, .dmac = MAC_NEXT, .smac = MAC_SELF, .label = 0xabc,
				.qos_class = 9, .origin = SELF, .sender = SELF) },
		{ "first fragment: no ports in the entropy", W_PATH,
		  INNER(.dst = EP_R, .frag = 0x2000), SENT, MZ_R_DIRECT,
		  .out = SENT_TO(PEER_IP, A_TO(EP_R), .frag = 0x2000) },
		{ "later fragment", W_PATH, INNER(.dst = EP_R, .frag = 0x0010), SENT, MZ_R_DIRECT,
		  .out = SENT_TO(PEER_IP, A_TO(EP_R), .frag = 0x0010) },
		{ "IP options", W_PATH, INNER(.dst = EP_R, .version_ihl = 0x47), SENT, MZ_R_DIRECT,
		  .out = SENT_TO(PEER_IP, A_TO(EP_R), .version_ihl = 0x47) },
		{ "padding behind the IP packet", W_PATH, INNER(.dst = EP_R, .total_delta = -4),
		  SENT, MZ_R_DIRECT, .out = SENT_TO(PEER_IP, A_TO(EP_R), .total_delta = -4) },
		{ "ICMP", W_PATH, INNER(.dst = EP_R, .proto = 1), SENT, MZ_R_DIRECT,
		  .out = SENT_TO(PEER_IP, A_TO(EP_R), .proto = 1) },
		{ "any unicast MAC is the gateway", 0, INNER(.dst = EP_B, .dmac = MAC_OTHER),
		  DELIVERED, MZ_R_LOCAL, .out = as_delivered(INNER(.dst = EP_B), MAC_B) },
	};

	RUN_TABLE(rows, MZ_DIR_EGRESS);
}

static void test_egress_drops(void **state)
{
	(void)state;
	const struct row rows[] = {
		{ "interface of nobody", W_NO_PORT, INNER(), DROPPED, MZ_R_NO_PORT, .no_vpc = 1 },
		{ "slot of another interface", W_PORT_TAKEN, INNER(), DROPPED, MZ_R_NO_PORT,
		  .no_vpc = 1 },
		{ "forged MAC", 0, INNER(.smac = MAC_OTHER), DROPPED, MZ_R_SRC_MAC },
		{ "IPv6", 0, INNER(.ethertype = 0x86dd, .payload = 40), DROPPED, MZ_R_L3_UNSUPPORTED },
		{ "VLAN tag", 0, INNER(.ethertype = 0x8100), DROPPED, MZ_R_L3_UNSUPPORTED },
		{ "forged IP", 0, INNER(.src = EP_R), DROPPED, MZ_R_SRC_IP },
		{ "forged IP of a neighbour", 0, INNER(.src = EP_B), DROPPED, MZ_R_SRC_IP },
		{ "cut behind the IP header", 0, INNER(.cut = 18), DROPPED, MZ_R_IP4_TRUNCATED },
		{ "IP longer than the frame", 0, INNER(.total_delta = 1), DROPPED,
		  MZ_R_IP4_TRUNCATED },
		{ "IP options cut", 0, INNER(.version_ihl = 0x4f, .cut = 40), DROPPED,
		  MZ_R_IP4_TRUNCATED },
		{ "IP version 5", 0, INNER(.version_ihl = 0x55), DROPPED, MZ_R_IP4_INVALID },
		{ "IP header length 4", 0, INNER(.version_ihl = 0x44), DROPPED, MZ_R_IP4_INVALID },
		{ "IP total below its header", 0, INNER(.total_delta = -19), DROPPED,
		  MZ_R_IP4_INVALID },
		{ "IP total 0 of a plain packet", 0, INNER(.total_delta = -38), DROPPED,
		  MZ_R_IP4_INVALID },
		{ "broadcast MAC", 0, INNER(.dmac = MAC_GROUP), DROPPED, MZ_R_MULTICAST },
		{ "multicast address", 0, INNER(.dst = IP4(224, 0, 0, 1)), DROPPED, MZ_R_MULTICAST },
		{ "broadcast address", 0, INNER(.dst = 0xffffffffu), DROPPED, MZ_R_MULTICAST },
		{ "one byte over the MTU", W_SMALL_MTU, INNER(), DROPPED, MZ_R_TOO_BIG },
		{ "endpoint of ours, not connected", W_PENDING, INNER(.dst = EP_R), DROPPED,
		  MZ_R_NO_ENDPOINT },
		{ "address nobody has, at its bouncer", W_SELF_BOUNCER, INNER(.dst = EP_G), DROPPED,
		  MZ_R_NO_ENDPOINT },
		{ "network nobody has, at the divider", W_SELF_DIVIDER, INNER(.dst = EP_N), DROPPED,
		  MZ_R_NO_NETWORK },
		{ "VNI without tables", W_NO_NETWORK | W_NO_VPC, INNER(.dst = EP_R), DROPPED,
		  MZ_R_UNKNOWN_VNI },
		{ "bucket without bouncer", W_NO_SHARD, INNER(.dst = EP_R), DROPPED, MZ_R_NO_HOP },
		{ "bouncer without entry", W_NO_HOSTS, INNER(.dst = EP_R), DROPPED, MZ_R_NO_HOST },
		{ "next hop unknown", W_NO_NEXTHOP, INNER(.dst = EP_R), DROPPED, MZ_R_NO_NEIGHBOUR,
		  .event = MZ_EVENT_NEIGH },
		{ "no room for headers", 0, INNER(.dst = EP_R), DROPPED, MZ_R_NO_ROOM,
		  .no_room = true },
	};

	RUN_TABLE(rows, MZ_DIR_EGRESS);
}

static void test_arp(void **state)
{
	(void)state;
	const struct row rows[] = {
		{ "request", 0, ARP(), ANSWERED, MZ_R_ARP_REPLY,
		  .out = ARP(.dmac = MAC_A, .smac = MAC_GW, .op = 2, .sha = MAC_GW, .spa = EP_R,
			     .tha = MAC_A, .tpa = EP_A) },
		{ "request for the gateway's address", 0, ARP(.tpa = IP4(198, 18, 1, 254)), ANSWERED,
		  MZ_R_ARP_REPLY,
		  .out = ARP(.dmac = MAC_A, .smac = MAC_GW, .op = 2, .sha = MAC_GW,
			     .spa = IP4(198, 18, 1, 254), .tha = MAC_A, .tpa = EP_A) },
		{ "probe for its own address: silence", 0, ARP(.zero_spa = 1, .tpa = EP_A), DROPPED,
		  MZ_R_ARP_IGNORED },
		{ "announcement", 0, ARP(.tpa = EP_A), DROPPED, MZ_R_ARP_IGNORED },
		{ "reply", 0, ARP(.op = 2), DROPPED, MZ_R_ARP_IGNORED },
		{ "forged sender address", 0, ARP(.spa = EP_R), DROPPED, MZ_R_ARP_SPOOF },
		{ "forged sender MAC", 0, ARP(.sha = MAC_OTHER), DROPPED, MZ_R_ARP_SPOOF },
		{ "forged Ethernet source", 0, ARP(.smac = MAC_OTHER), DROPPED, MZ_R_SRC_MAC },
		{ "not Ethernet", 0, ARP(.hrd = 6), DROPPED, MZ_R_ARP_INVALID },
		{ "cut", 0, ARP(.cut = 1), DROPPED, MZ_R_ARP_INVALID },
	};

	RUN_TABLE(rows, MZ_DIR_EGRESS);
}

#define R_TO_A .src = EP_R, .dst = EP_A
#define DELIVERED_A(...) as_delivered(INNER(R_TO_A, ##__VA_ARGS__), MAC_A)

static void test_ingress_delivery(void **state)
{
	(void)state;
	const struct row rows[] = {
		{ "direct, teaches the path", 0, TUNNEL(), DELIVERED, MZ_R_DELIVERED,
		  .out = DELIVERED_A(), .path = PEER },
		{ "bounced, teaches the origin", 0,
		  TUNNEL(.src = BOUNCE_IP, .sender = BOUNCER, .hops = 1), DELIVERED, MZ_R_DELIVERED,
		  .out = DELIVERED_A(), .path = PEER },
		{ "bounced again after long: asks for a hint", W_BOUNCED_LONG,
		  TUNNEL(.src = BOUNCE_IP, .sender = BOUNCER, .hops = 1), DELIVERED, MZ_R_DELIVERED,
		  .path = PEER, .event = MZ_EVENT_HINT },
		{ "bounced again soon: does not", W_PATH,
		  TUNNEL(.src = BOUNCE_IP, .sender = BOUNCER, .hops = 1), DELIVERED, MZ_R_DELIVERED,
		  .path = PEER },
		{ "direct after long: nothing to ask", W_BOUNCED_LONG, TUNNEL(), DELIVERED,
		  MZ_R_DELIVERED, .path = PEER },
		{ "moved: the path follows", W_PATH,
		  TUNNEL(.src = BACKUP_IP, .sender = BACKUP, .origin = BACKUP), DELIVERED,
		  MZ_R_DELIVERED, .path = BACKUP },
		{ "old path is refreshed", W_OLD_PATH, TUNNEL(), DELIVERED, MZ_R_DELIVERED,
		  .path = PEER },
		{ "origin of no known host teaches nothing", 0, TUNNEL(.origin = 9), DELIVERED,
		  MZ_R_DELIVERED, .path = NO_PATH },
		{ "origin past the hosts table", 0, TUNNEL(.origin = 0xffffff), DELIVERED,
		  MZ_R_DELIVERED, .path = NO_PATH },
		{ "our own id as origin teaches nothing", 0, TUNNEL(.origin = SELF), DELIVERED,
		  MZ_R_DELIVERED, .path = NO_PATH },
		{ "foreign stack without option", 0, TUNNEL(.no_option = 1), DELIVERED,
		  MZ_R_DELIVERED, .out = DELIVERED_A(), .path = NO_PATH },
		{ "an unknown option in front", 0, TUNNEL(.extra_option = 1), DELIVERED,
		  MZ_R_DELIVERED, .out = DELIVERED_A(), .path = PEER },
		{ "other option alone", 0, TUNNEL(.extra_option = 1, .no_option = 1), DELIVERED,
		  MZ_R_DELIVERED, .out = DELIVERED_A() },
		{ "inner TTL 1 arrives", 0, TUNNEL(.in = { .ttl = 1 }), DELIVERED, MZ_R_DELIVERED,
		  .out = DELIVERED_A(.ttl = 1) },
		{ "inner fragment", 0, TUNNEL(.in = { .frag = 0x2000 }), DELIVERED, MZ_R_DELIVERED,
		  .out = DELIVERED_A(.frag = 0x2000) },
		// RFC 6040 figure 4, the rows where something happens
		{ "CE outside, ECT(0) inside: CE", 0, TUNNEL(.tos = 3, .in = { .tos = 0x2a }),
		  DELIVERED, MZ_R_DELIVERED, .out = DELIVERED_A(.tos = 0x2b) },
		{ "CE outside, ECT(1) inside: CE", 0, TUNNEL(.tos = 3, .in = { .tos = 1 }),
		  DELIVERED, MZ_R_DELIVERED, .out = DELIVERED_A(.tos = 3) },
		{ "CE on both sides", 0, TUNNEL(.tos = 3, .in = { .tos = 3 }), DELIVERED,
		  MZ_R_DELIVERED, .out = DELIVERED_A(.tos = 3) },
		{ "ECT outside, none inside", 0, TUNNEL(.tos = 2), DELIVERED, MZ_R_DELIVERED,
		  .out = DELIVERED_A() },
		{ "CE outside, none inside: lost", 0, TUNNEL(.tos = 3), DROPPED, MZ_R_ECN_LOST },
	};

	RUN_TABLE(rows, MZ_DIR_INGRESS);
}

// A tunnel packet that a hop sends on.
#define HOP_TO(dst_ip, hops_, ...)                                                          \
	TUNNEL(.in = { __VA_ARGS__ }, .src = SELF_IP, .dst = (dst_ip), .dmac = MAC_NEXT,    \
	       .smac = MAC_SELF, .hops = (hops_), .sender = SELF, .ttl = 63)
#define FROM_BOUNCER .src = BOUNCE_IP, .sender = BOUNCER, .origin = BOUNCER
#define A_TO_R .in = { .src = EP_A, .dst = EP_R }

static void test_ingress_hops(void **state)
{
	(void)state;
	const struct row rows[] = {
		{ "bouncer", W_IS_BOUNCER, TUNNEL(A_TO_R), SENT, MZ_R_BOUNCED,
		  .out = HOP_TO(PEER_IP, 1, .src = EP_A, .dst = EP_R), .path = NO_PATH },
		{ "bouncer, other interface", W_IS_BOUNCER | W_FAR, TUNNEL(A_TO_R), SENT,
		  MZ_R_BOUNCED, .out = HOP_TO(PEER_IP, 1, .src = EP_A, .dst = EP_R), .far = true },
		{ "bouncer, foreign packet", W_IS_BOUNCER, TUNNEL(A_TO_R, .no_option = 1), SENT,
		  MZ_R_BOUNCED,
		  .out = TUNNEL(A_TO_R, .src = SELF_IP, .dst = PEER_IP, .dmac = MAC_NEXT,
				.smac = MAC_SELF, .ttl = 63, .no_option = 1) },
		{ "bouncer, behind another option", W_IS_BOUNCER, TUNNEL(A_TO_R, .extra_option = 1),
		  SENT, MZ_R_BOUNCED,
		  .out = TUNNEL(A_TO_R, .src = SELF_IP, .dst = PEER_IP, .dmac = MAC_NEXT,
				.smac = MAC_SELF, .ttl = 63, .extra_option = 1, .sender = SELF,
				.hops = 1) },
		{ "inner TTL 1 passes a bouncer", W_IS_BOUNCER,
		  TUNNEL(.in = { .src = EP_A, .dst = EP_R, .ttl = 1 }), SENT, MZ_R_BOUNCED,
		  .out = HOP_TO(PEER_IP, 1, .src = EP_A, .dst = EP_R, .ttl = 1) },
		{ "congestion mark passes a bouncer", W_IS_BOUNCER, TUNNEL(A_TO_R, .tos = 3), SENT,
		  MZ_R_BOUNCED,
		  .out = TUNNEL(A_TO_R, .tos = 3, .src = SELF_IP, .dst = PEER_IP, .dmac = MAC_NEXT,
				.smac = MAC_SELF, .ttl = 63, .sender = SELF, .hops = 1) },
		{ "divider", W_IS_DIVIDER, TUNNEL(A_TO_R), SENT, MZ_R_DIVIDED,
		  .out = HOP_TO(BOUNCE_IP, 1, .src = EP_A, .dst = EP_R) },
		{ "divider, bouncer down", W_IS_DIVIDER | W_BOUNCER_DOWN, TUNNEL(A_TO_R), SENT,
		  MZ_R_DIVIDED, .out = HOP_TO(BACKUP_IP, 1, .src = EP_A, .dst = EP_R) },
		{ "left here: to the bouncer, sender is told", 0, TUNNEL(A_TO_R), SENT,
		  MZ_R_REDIRECTED, .out = HOP_TO(BOUNCE_IP, 1, .src = EP_A, .dst = EP_R),
		  .event = MZ_EVENT_MOVED },
		{ "left here, came bounced: nobody to tell", 0, TUNNEL(A_TO_R, .hops = 2), SENT,
		  MZ_R_REDIRECTED, .out = HOP_TO(BOUNCE_IP, 3, .src = EP_A, .dst = EP_R) },
		{ "left here, network too: to the divider", 0,
		  TUNNEL(.in = { .src = EP_A, .dst = EP_N }), SENT, MZ_R_REDIRECTED,
		  .out = HOP_TO(DIVIDE_IP, 1, .src = EP_A, .dst = EP_N), .event = MZ_EVENT_MOVED },
		{ "last hop allowed", W_IS_BOUNCER, TUNNEL(A_TO_R, .hops = MZ_MAX_HOPS - 1), SENT,
		  MZ_R_BOUNCED, .out = HOP_TO(PEER_IP, MZ_MAX_HOPS, .src = EP_A, .dst = EP_R) },
		{ "loop", W_IS_BOUNCER, TUNNEL(A_TO_R, .hops = MZ_MAX_HOPS), DROPPED,
		  MZ_R_HOP_LIMIT },
		{ "loop of foreign packets", W_IS_BOUNCER,
		  TUNNEL(A_TO_R, .no_option = 1, .ttl = 1), DROPPED, MZ_R_HOP_LIMIT },
		{ "address nobody has", W_SELF_BOUNCER, TUNNEL(.in = { .dst = EP_G }), DROPPED,
		  MZ_R_NO_ENDPOINT },
		{ "network nobody has", W_SELF_DIVIDER, TUNNEL(.in = { .dst = EP_N }), DROPPED,
		  MZ_R_NO_NETWORK },
		{ "unknown VNI", 0, TUNNEL(.vni = 8), DROPPED, MZ_R_UNKNOWN_VNI, .no_vpc = 1 },
		{ "forged VNI, address of another VPC", W_IS_BOUNCER, TUNNEL(A_TO_R, .vni = 8),
		  DROPPED, MZ_R_UNKNOWN_VNI, .no_vpc = 1 },
		{ "next hop unknown", W_IS_BOUNCER | W_NO_NEXTHOP, TUNNEL(A_TO_R), DROPPED,
		  MZ_R_NO_NEIGHBOUR, .event = MZ_EVENT_NEIGH },
	};

	RUN_TABLE(rows, MZ_DIR_INGRESS);
}

static void test_ingress_senders(void **state)
{
	(void)state;
	const struct row rows[] = {
		{ "stranger", 0, TUNNEL(.src = STRANGER_IP), DROPPED, MZ_R_UNKNOWN_SENDER,
		  .no_vpc = 1, .path = NO_PATH },
		{ "stranger without option", 0, TUNNEL(.src = STRANGER_IP, .no_option = 1), DROPPED,
		  MZ_R_UNKNOWN_SENDER, .no_vpc = 1 },
		{ "known id, other address", 0, TUNNEL(.src = BOUNCE_IP), DROPPED,
		  MZ_R_UNKNOWN_SENDER, .no_vpc = 1 },
		{ "id of nobody", 0, TUNNEL(.sender = 9), DROPPED, MZ_R_UNKNOWN_SENDER,
		  .no_vpc = 1 },
		{ "id past the table", 0, TUNNEL(.sender = 0xffffff), DROPPED, MZ_R_UNKNOWN_SENDER,
		  .no_vpc = 1 },
		{ "our own address as source", 0, TUNNEL(.src = SELF_IP, .sender = SELF), DROPPED,
		  MZ_R_OWN_SOURCE, .no_vpc = 1 },
	};

	RUN_TABLE(rows, MZ_DIR_INGRESS);
}

static void test_ingress_malformed(void **state)
{
	(void)state;
	const struct row rows[] = {
		{ "not IPv4", 0, INNER(.ethertype = 0x0806), PASSED, MZ_R_NOT_TUNNEL, .no_vpc = 1 },
		{ "not for us", 0, TUNNEL(.dst = BOUNCE_IP), PASSED, MZ_R_NOT_TUNNEL, .no_vpc = 1 },
		{ "not UDP", 0, TUNNEL(.proto = 6), PASSED, MZ_R_NOT_TUNNEL, .no_vpc = 1 },
		{ "another port", 0, TUNNEL(.dport = 53), PASSED, MZ_R_NOT_TUNNEL, .no_vpc = 1 },
		{ "too short for UDP", 0, TUNNEL(.keep = 41), PASSED, MZ_R_NOT_TUNNEL, .no_vpc = 1 },
		{ "later fragment", 0, TUNNEL(.frag = 0x0010), PASSED, MZ_R_NOT_TUNNEL, .no_vpc = 1 },
		{ "options, another port", 0, TUNNEL(.version_ihl = 0x46, .dport = 53), PASSED,
		  MZ_R_NOT_TUNNEL, .no_vpc = 1 },
		{ "first fragment", 0, TUNNEL(.frag = 0x2000), DROPPED, MZ_R_OUTER_FRAGMENT,
		  .no_vpc = 1 },
		{ "outer options", 0, TUNNEL(.version_ihl = 0x46), DROPPED, MZ_R_OUTER_INVALID,
		  .no_vpc = 1 },
		{ "outer version 6", 0, TUNNEL(.version_ihl = 0x65), DROPPED, MZ_R_OUTER_INVALID,
		  .no_vpc = 1 },
		{ "outer header length 4", 0, TUNNEL(.version_ihl = 0x44), DROPPED,
		  MZ_R_OUTER_INVALID, .no_vpc = 1 },
		{ "Geneve header cut", 0, TUNNEL(.keep = 49), DROPPED, MZ_R_OUTER_TRUNCATED,
		  .no_vpc = 1 },
		{ "Geneve version 1", 0, TUNNEL(.version = 1), DROPPED, MZ_R_GENEVE_VERSION,
		  .no_vpc = 1 },
		{ "options past the packet", 0, TUNNEL(.bare = 1, .optlen_delta = 1), DROPPED,
		  MZ_R_GENEVE_LENGTH, .no_vpc = 1 },
		{ "last option past the options", 0, TUNNEL(.extra_option = 1, .no_option = 1, .optlen_delta = -1),
		  DROPPED, MZ_R_GENEVE_LENGTH, .no_vpc = 1 },
		{ "unknown critical option", 0, TUNNEL(.extra_option = 2), DROPPED,
		  MZ_R_GENEVE_CRITICAL, .no_vpc = 1 },
		{ "payload is not Ethernet", 0, TUNNEL(.gproto = 0x0800), DROPPED,
		  MZ_R_GENEVE_PROTOCOL, .no_vpc = 1 },
		{ "our option too short", 0, TUNNEL(.opt_words = 2), DROPPED, MZ_R_OPTION_INVALID,
		  .no_vpc = 1 },
		{ "our option too long", 0, TUNNEL(.inner_optlen = 1), DROPPED, MZ_R_OPTION_INVALID,
		  .no_vpc = 1 },
		{ "our option twice", 0, TUNNEL(.twice = 1), DROPPED, MZ_R_OPTION_INVALID,
		  .no_vpc = 1 },
		{ "nothing inside", 0, TUNNEL(.bare = 1), DROPPED, MZ_R_INNER_TRUNCATED,
		  .no_vpc = 1 },
		{ "inner IP cut", 0, TUNNEL(.cut = 30), DROPPED, MZ_R_INNER_TRUNCATED, .no_vpc = 1 },
		{ "inner IP longer than the packet", 0, TUNNEL(.cut = 1), DROPPED,
		  MZ_R_INNER_TRUNCATED, .no_vpc = 1 },
		{ "inner ARP", 0, TUNNEL(.in = { .ethertype = 0x0806 }), DROPPED,
		  MZ_R_INNER_UNSUPPORTED, .no_vpc = 1 },
		{ "inner version 6 in an IPv4 frame", 0, TUNNEL(.in = { .version_ihl = 0x65 }),
		  DROPPED, MZ_R_INNER_INVALID, .no_vpc = 1 },
		{ "inner source loopback", 0, TUNNEL(.in = { .src = IP4(127, 0, 0, 1) }), DROPPED,
		  MZ_R_INNER_SOURCE, .no_vpc = 1 },
		{ "inner source multicast", 0, TUNNEL(.in = { .src = IP4(224, 0, 0, 5) }), DROPPED,
		  MZ_R_INNER_SOURCE, .no_vpc = 1 },
		{ "inner broadcast", 0, TUNNEL(.in = { .dst = 0xffffffffu }), DROPPED,
		  MZ_R_INNER_MULTICAST, .no_vpc = 1 },
	};

	RUN_TABLE(rows, MZ_DIR_INGRESS);
}

static void test_control(void **state)
{
	(void)state;
	const struct row rows[] = {
		{ "probe comes back", 0, TUNNEL(.oam = 1, .flags = MZ_OPT_F_PROBE, .sport = 40000),
		  ANSWERED, MZ_R_PROBE, .no_vpc = 1,
		  .out = TUNNEL(.oam = 1, .flags = MZ_OPT_F_PROBE, .sport = 6081, .dport = 40000,
				.src = SELF_IP, .dst = PEER_IP, .smac = MAC_SELF, .dmac = MAC_NEXT) },
		{ "probe from our own port: never", 0,
		  TUNNEL(.oam = 1, .flags = MZ_OPT_F_PROBE, .sport = 6081), DROPPED,
		  MZ_R_GENEVE_CONTROL, .no_vpc = 1 },
		{ "probe of a stranger", 0,
		  TUNNEL(.oam = 1, .flags = MZ_OPT_F_PROBE, .src = STRANGER_IP), DROPPED,
		  MZ_R_UNKNOWN_SENDER, .no_vpc = 1 },
		{ "hint", 0, TUNNEL(.oam = 1, .flags = MZ_OPT_F_HINT), DROPPED, MZ_R_HINT,
		  .no_vpc = 1, .path = PEER },
		{ "path taken back", W_PATH,
		  TUNNEL(.oam = 1, .flags = MZ_OPT_F_HINT, .origin = (uint32_t)-1), DROPPED,
		  MZ_R_HINT, .no_vpc = 1, .path = NO_PATH },
		{ "path taken back by somebody else", W_PATH,
		  TUNNEL(.oam = 1, .flags = MZ_OPT_F_HINT, .src = BACKUP_IP, .sender = BACKUP,
			 .origin = (uint32_t)-1),
		  DROPPED, MZ_R_HINT, .no_vpc = 1, .path = PEER },
		{ "hint of a stranger", 0,
		  TUNNEL(.oam = 1, .flags = MZ_OPT_F_HINT, .src = STRANGER_IP), DROPPED,
		  MZ_R_UNKNOWN_SENDER, .no_vpc = 1, .path = NO_PATH },
		{ "control packet we do not know", 0, TUNNEL(.oam = 1), DROPPED,
		  MZ_R_GENEVE_CONTROL, .no_vpc = 1 },
		{ "flags without the control bit are tenant data", 0,
		  TUNNEL(.flags = MZ_OPT_F_HINT), DELIVERED, MZ_R_DELIVERED,
		  .out = DELIVERED_A() },
	};

	RUN_TABLE(rows, MZ_DIR_INGRESS);
}

// A traced packet is decided and rewritten, but leaves no trace elsewhere.
static void test_trace(void **state)
{
	(void)state;
	static struct counts before, after;
	struct run run = { .dir = MZ_DIR_INGRESS, .frame = TUNNEL(), .trace = true };
	struct frame want = DELIVERED_A();
	struct mz_trace t = { 0 };
	uint32_t zero = 0;
	struct row no_path = { .path = NO_PATH };

	build_world(0);
	put("mz_trace", &zero, &t);
	read_counts(&before);
	assert_int_equal(T->run(&run), 0);
	read_counts(&after);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(run.frame.len, want.len);
	assert_memory_equal(run.frame.b, want.b, want.len);
	check_path(&no_path);
	assert_int_equal(T->lookup("mz_trace", &zero, &t), 0);
	assert_int_equal(t.reason, MZ_R_DELIVERED);
	assert_in_range(t.used, 4, MZ_NOTES);
	assert_int_equal(t.note[0].stage, MZ_ST_TUNNEL);
	assert_int_equal(t.note[1].stage, MZ_ST_SENDER);
	assert_int_equal(t.note[1].id, PEER);
}

static void test_every_reason(void **state)
{
	(void)state;
	static const char *const names[] = { "NONE",
#define X(name, kind, text, advice) #name,
					     MZ_REASONS(X)
#undef X
	};
	int missing = 0;

	for (int why = MZ_R_NONE + 1; why < MZ_REASON_COUNT; why++) {
		if (reached[target_index][why])
			continue;
		print_message("# %s: no row reaches %s\n", T->name, names[why]);
		missing++;
	}
	assert_int_equal(missing, 0);
}

// ---- main -------------------------------------------------------------------

static const struct target *const targets[] = { &target_tc, &target_xdp, &target_native };

// A row that is wrong in one way: the harness has to notice.
static const char *broken;

static void test_broken(void **state)
{
	(void)state;
	struct row r = { "broken", 0, TUNNEL(), DELIVERED, MZ_R_DELIVERED, .out = DELIVERED_A(),
			 .path = PEER };

	if (!strcmp(broken, "action"))
		r.act = DROPPED;
	else if (!strcmp(broken, "reason"))
		r.why = MZ_R_BOUNCED;
	else if (!strcmp(broken, "bytes"))
		r.out.b[20] ^= 1;
	else if (!strcmp(broken, "length"))
		r.out.len--;
	else if (!strcmp(broken, "vpc"))
		r.no_vpc = 1;
	else if (!strcmp(broken, "path"))
		r.path = NO_PATH;
	else if (!strcmp(broken, "event"))
		r.event = MZ_EVENT_HINT;
	else if (strcmp(broken, "none"))
		fail_msg("no such kind of mistake: %s", broken);
	run_row(&r, MZ_DIR_INGRESS);
}

// A network of its own: the FIB answers "no route", whatever the machine has.
static int private_network(void)
{
	int fd;

	if (unshare(CLONE_NEWNET))
		return -1;
	fd = open("/proc/sys/net/ipv4/ip_forward", O_WRONLY);
	if (fd < 0 || write(fd, "1", 1) != 1)
		return -1;
	return close(fd);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(test_egress_ways),      cmocka_unit_test(test_egress_drops),
		cmocka_unit_test(test_arp),              cmocka_unit_test(test_ingress_delivery),
		cmocka_unit_test(test_ingress_hops),     cmocka_unit_test(test_ingress_senders),
		cmocka_unit_test(test_ingress_malformed), cmocka_unit_test(test_control),
		cmocka_unit_test(test_trace),            cmocka_unit_test(test_every_reason),
	};
	const struct CMUnitTest wrong[] = { cmocka_unit_test(test_broken) };
	int failed = 0;

	if (argc == 3 && !strcmp(argv[1], "--break"))
		broken = argv[2];
	if (geteuid() != 0) {
		printf("1..0 # SKIP needs root: it loads BPF programs\n");
		return 4;
	}
	if (private_network()) {
		perror("packet_test: network namespace");
		return 1;
	}
	cmocka_set_message_output(CM_OUTPUT_TAP);
	for (target_index = 0; target_index < 3; target_index++) {
		T = targets[target_index];
		if (T->open()) {
			fprintf(stderr, "packet_test: cannot load programs for %s\n", T->name);
			failed++;
			break;
		}
		failed += broken ? cmocka_run_group_tests_name(T->name, wrong, NULL, NULL)
				 : cmocka_run_group_tests_name(T->name, all, NULL, NULL);
	}
	target_tc.close();
	return failed ? 1 : 0;
}
