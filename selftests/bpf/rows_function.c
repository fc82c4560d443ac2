// SPDX-License-Identifier: Apache-2.0
// Functions: which run, in what order, what they are told, and what becomes of the
// packet by their verdict.
#include "selftests/bpf/rows.h"

#include <arpa/inet.h>
#include <string.h>

#include "selftests/bpf/policies.h"
#include "selftests/bpf/row.h"

#define HOP(slot) (MZ_FUNCTIONS + (slot))
#define IFACE 4u // a function's interface

struct verdicts {
	int first, second; // of the two functions of chain 1; the second's -1: there is none
};

static struct mz_function_count count_of(uint32_t slot)
{
	struct mz_function_count c = { 0 };

	assert_int_equal(T->lookup("mz_function_counts", &slot, &c), 0);
	return c;
}

// A world where chain 1 is slot 2, then slot 0: order is not that of slots.
static void put_chain(uint32_t world, struct verdicts v, uint32_t base, uint32_t interface)
{
	struct mz_function_chain chain = { .slot = { 3, v.second < 0 ? 0 : 1 } };
	struct mz_function_slot slot = { .interface = interface };
	uint32_t id = 1, at;

	build_world(world);
	put("mz_function_chains", &id, &chain);
	for (at = base; at < base + 3; at++)
		put("mz_function_slots", &at, &slot);
	assert_int_equal(T->function(base + 2, v.first), 0);
	assert_int_equal(T->function(base, v.second < 0 ? 0 : v.second), 0);
}

// EP_A sends under functions (bit `point` of `points` says where).
static void at_egress(uint32_t points)
{
	struct mz_port port;
	struct mz_function_chains c = { { 0 } };

	for (uint32_t i = 0; i < MZ_FUNCTION_POINT_COUNT; i++)
		c.chain[i] = points >> i & 1;
	assert_int_equal(T->lookup("mz_ports", &T->ifindex, &port), 0);
	port.flags = MZ_EP_F_PEER | MZ_EP_F_EGRESS;
	put("mz_ports", &T->ifindex, &port);
	put("mz_function_ports", &T->ifindex, &c);
}

// The endpoint behind `ifindex` receives under functions.
static void at_ingress(uint32_t addr, uint32_t ifindex, int mac, uint32_t points)
{
	struct mz_ep_key k = { .vni = VNI, .ip = addr4(addr) };
	struct mz_endpoint e = { .host = SELF, .ifindex = ifindex, .vpc = VPC_SLOT,
				 .flags = MZ_EP_F_PEER | MZ_EP_F_INGRESS };
	struct mz_port port = { .ifindex = ifindex, .vni = VNI, .vpc = VPC_SLOT, .max_flows = 8 };
	struct mz_function_chains c = { { 0 } };

	for (uint32_t i = 0; i < MZ_FUNCTION_POINT_COUNT; i++)
		c.chain[i] = points >> i & 1;
	put("mz_ports", &ifindex, &port);
	memcpy(e.mac, mac_bytes(mac), 6);
	put("mz_endpoints", &k, &e);
	put("mz_function_ports", &ifindex, &c);
}

// Sends one packet; it must end under `why` alone.
static struct frame meet(const char *name, enum mz_dir dir, struct frame in, enum verdict verdict, enum mz_reason why)
{
	static struct counts before, after;
	struct run run = { .dir = dir, .frame = in };
	uint32_t want = (VPC_SLOT * MZ_DIRS + dir) * MZ_REASON_SLOTS + why;

	print_message("# %s: %s\n", T->name, name);
	read_counts(&before);
	assert_int_equal(T->run(&run), 0);
	read_counts(&after);
	for (uint32_t i = 0; i < SLOTS * MZ_DIRS * MZ_REASON_SLOTS; i++)
		assert_int_equal(after.c[i].packets - before.c[i].packets, i == want && why != MZ_R_NONE);
	if (why != MZ_R_NONE)
		assert_int_equal(after.c[want].bytes - before.c[want].bytes, in.len);
	assert_int_equal(run.verdict, verdict);
	reached[why] = true;
	return run.frame;
}

static struct mz_function_count was[2]; // of the first and the second function

static void begin_counts(uint32_t base)
{
	was[0] = count_of(base + 2);
	was[1] = count_of(base);
}

static void check_counts(uint32_t base, struct mz_function_count first, uint32_t seen_by_second)
{
	struct mz_function_count now = count_of(base + 2);

	assert_int_equal(now.packets - was[0].packets, first.packets);
	assert_int_equal(now.dropped - was[0].dropped, first.dropped);
	assert_int_equal(now.taken - was[0].taken, first.taken);
	assert_int_equal(count_of(base).packets - was[1].packets, seen_by_second);
}

#define TO_B INNER()
#define SENT_TO_B as_delivered(INNER(), MAC_B)

void test_functions_egress(void **state)
{
	(void)state;
	struct frame out, want;
	struct mz_function_packet p;
	const uint8_t taken[6] = { 0x02, 0x4d, 0x5a, 0x01, 0, 1 };

	if (!T->endpoint_functions) { // they are TC's: no row of this target can reach it
		reached[MZ_R_FUNCTION_TAKEN] = true;
		return;
	}
	put_chain(0, (struct verdicts){ MZ_FUNCTION_NEXT, MZ_FUNCTION_NEXT }, 0, IFACE);
	meet("a chain that is nobody's", MZ_DIR_EGRESS, TO_B, V_REDIRECT, MZ_R_LOCAL);
	assert_int_equal(T->seen(2).vni, 0);

	at_egress(1 << MZ_POINT_EGRESS);
	out = meet("both say next", MZ_DIR_EGRESS, TO_B, V_REDIRECT, MZ_R_LOCAL);
	want = SENT_TO_B;
	assert_int_equal(out.len, want.len);
	assert_memory_equal(out.b, want.b, want.len);
	p = T->seen(2);
	assert_int_equal(p.point, MZ_POINT_EGRESS);
	assert_int_equal(p.vni, VNI);
	assert_int_equal(p.ifindex, T->ifindex);
	assert_int_equal(p.frame, 0);
	assert_int_equal(p.l4, 34);
	assert_int_equal(p.interface, IFACE);
	assert_int_equal(p.src_port, htons(1000));
	assert_int_equal(p.dst_port, htons(2000));
	assert_int_equal(p.proto, 17);
	assert_int_equal(p.v6, 0);
	assert_int_equal(p.fragment, 0);
	assert_int_equal(p.src[3], htonl(EP_A));
	assert_int_equal(p.dst[3], htonl(EP_B));
	assert_int_equal(T->seen(0).vni, VNI);
	out = meet("... of a packet to another host", MZ_DIR_EGRESS, INNER(.dst = EP_R), T->same_interface, MZ_R_TO_BOUNCER);
	want = SENT_TO(BOUNCE_IP, A_TO(EP_R));
	assert_int_equal(out.len, want.len);
	assert_memory_equal(out.b, want.b, want.len);
	meet("... of an IPv6 packet", MZ_DIR_EGRESS, INNER(.v6 = 1), V_REDIRECT, MZ_R_LOCAL);
	assert_int_equal(T->seen(2).v6, 1);
	assert_int_equal(T->seen(2).l4, 54);

	static const struct {
		const char *name;
		struct verdicts v;
		uint32_t interface;
		enum verdict verdict;
		enum mz_reason why;
		struct mz_function_count first;
		uint32_t second;
	} rows[] = {
		{ "the first drops: the second does not see it", { MZ_FUNCTION_DROP, MZ_FUNCTION_NEXT }, IFACE, V_DROP,
		  MZ_R_FUNCTION_DROP, { 1, 1, 0 }, 0 },
		{ "the second drops", { MZ_FUNCTION_NEXT, MZ_FUNCTION_DROP }, IFACE, V_DROP, MZ_R_FUNCTION_DROP, { 1, 0, 0 }, 1 },
		{ "the first takes", { MZ_FUNCTION_TAKE, MZ_FUNCTION_DROP }, IFACE, V_REDIRECT, MZ_R_FUNCTION_TAKEN, { 1, 0, 1 }, 0 },
		{ "takes, without an interface", { MZ_FUNCTION_TAKE, MZ_FUNCTION_NEXT }, 0, V_DROP, MZ_R_FUNCTION_DROP, { 1, 1, 0 }, 0 },
		{ "a verdict that is none", { 77, MZ_FUNCTION_NEXT }, IFACE, V_DROP, MZ_R_FUNCTION_DROP, { 1, 1, 0 }, 0 },
		{ "a negative verdict", { -1, MZ_FUNCTION_NEXT }, IFACE, V_DROP, MZ_R_FUNCTION_DROP, { 1, 1, 0 }, 0 },
		{ "one alone", { MZ_FUNCTION_NEXT, -1 }, IFACE, V_REDIRECT, MZ_R_LOCAL, { 1, 0, 0 }, 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		put_chain(0, rows[i].v, 0, rows[i].interface);
		at_egress(1 << MZ_POINT_EGRESS);
		begin_counts(0);
		out = meet(rows[i].name, MZ_DIR_EGRESS, TO_B, rows[i].verdict, rows[i].why);
		check_counts(0, rows[i].first, rows[i].second);
		if (rows[i].why != MZ_R_FUNCTION_TAKEN)
			continue;
		want = TO_B;
		assert_memory_equal(out.b, taken, 6);
		assert_memory_equal(out.b + 6, want.b + 6, want.len - 6);
	}
}

void test_functions_ingress(void **state)
{
	(void)state;
	static const uint32_t points[] = { MZ_POINT_INGRESS, MZ_POINT_INGRESS_AFTER };
	struct mz_flow_key flow = { .vni = VNI, .local = addr4(EP_A), .remote = addr4(EP_R), .proto = 17,
				    .local_port = htons(2000), .remote_port = htons(1000) };
	struct mz_ep_key r = { .vni = VNI, .ip = addr4(EP_R) };
	struct mz_path path;
	struct mz_flow f;
	struct frame out, want = DELIVERED_A();
	struct mz_function_packet p;

	if (!T->endpoint_functions) { // left to the TC program, which has them
		build_world(0);
		at_ingress(EP_A, 2, MAC_A, 1 << MZ_POINT_INGRESS);
		meet("an endpoint with functions", MZ_DIR_INGRESS, TUNNEL(), V_PASS, MZ_R_NONE);
		reached[MZ_R_NONE] = false;
		return;
	}
	for (size_t i = 0; i < 2; i++) {
		put_chain(0, (struct verdicts){ MZ_FUNCTION_NEXT, MZ_FUNCTION_NEXT }, 0, 0);
		at_ingress(EP_A, 2, MAC_A, 1u << points[i]);
		out = meet("next", MZ_DIR_INGRESS, TUNNEL(), V_REDIRECT, MZ_R_DELIVERED);
		assert_int_equal(out.len, want.len);
		assert_memory_equal(out.b, want.b, want.len);
		p = T->seen(0);
		assert_int_equal(p.point, points[i]);
		assert_int_equal(p.ifindex, 2);
		assert_int_equal(p.frame, 0);
		assert_int_equal(p.l4, 34);
		assert_int_equal(p.src_port, htons(1000));
		assert_int_equal(p.src[3], htonl(EP_R));
		assert_int_equal(T->lookup("mz_paths", &r, &path), 0);
		meet("next, congestion on the way", MZ_DIR_INGRESS, TUNNEL(.tos = 3, .in = { .tos = 2 }), V_REDIRECT, MZ_R_DELIVERED);
		meet("next, from an IPv6 underlay", MZ_DIR_INGRESS,
		     (put_chain(W_UNDERLAY6, (struct verdicts){ 0, 0 }, 0, 0), at_ingress(EP_A, 2, MAC_A, 1u << points[i]),
		      TUNNEL(.u6 = 1)), V_REDIRECT, MZ_R_DELIVERED);

		put_chain(0, (struct verdicts){ MZ_FUNCTION_DROP, MZ_FUNCTION_NEXT }, 0, 0);
		at_ingress(EP_A, 2, MAC_A, 1u << points[i]);
		meet("drop", MZ_DIR_INGRESS, TUNNEL(), V_DROP, MZ_R_FUNCTION_DROP);
		// Before policy there is no flow yet: who floods fills no table.
		assert_int_equal(T->lookup("mz_flows", &flow, &f) == 0, points[i] == MZ_POINT_INGRESS_AFTER);
		meet("drop, at another endpoint", MZ_DIR_INGRESS, TUNNEL(.in = { .src = EP_R, .dst = EP_B }), V_REDIRECT,
		     MZ_R_DELIVERED);

		put_chain(0, (struct verdicts){ MZ_FUNCTION_TAKE, -1 }, 0, IFACE);
		at_ingress(EP_A, 2, MAC_A, 1u << points[i]);
		out = meet("take", MZ_DIR_INGRESS, TUNNEL(), V_REDIRECT, MZ_R_FUNCTION_TAKEN);
		assert_int_equal(out.len, want.len);
		assert_int_equal(out.b[5], 2);
		assert_memory_equal(out.b + 14, want.b + 14, want.len - 14);

		put_chain(0, (struct verdicts){ MZ_FUNCTION_DROP, -1 }, 0, 0);
		at_ingress(EP_B, 3, MAC_B, 1u << points[i]);
		meet("drop, from an endpoint of the same host", MZ_DIR_EGRESS, TO_B, V_DROP, MZ_R_FUNCTION_DROP);
	}
}

// A mirror copies what its point sees: before policy denied packets, too; behind it none.
void test_functions_denied(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum mz_function_point point;
		uint32_t seen;
	} rows[] = {
		{ "before policy: sees what policy denies", MZ_POINT_INGRESS, 1 },
		{ "behind policy: does not", MZ_POINT_INGRESS_AFTER, 0 },
	};
	struct mz_ep_key k = { .vni = VNI, .ip = addr4(EP_A) };
	struct mz_endpoint e;

	if (!T->endpoint_functions)
		return;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		put_chain(0, (struct verdicts){ MZ_FUNCTION_NEXT, -1 }, 0, 0);
		at_ingress(EP_A, 2, MAC_A, 1u << rows[i].point);
		put_verdict(1, MZ_POLICY_IN, MZ_POLICY_DENY);
		assert_int_equal(T->lookup("mz_endpoints", &k, &e), 0);
		e.policy = 1;
		put("mz_endpoints", &k, &e);
		begin_counts(0);
		meet(rows[i].name, MZ_DIR_INGRESS, TUNNEL(), V_DROP, MZ_R_POLICY_INGRESS);
		check_counts(0, (struct mz_function_count){ rows[i].seen, 0, 0 }, 0);
	}
}

void test_functions_hop(void **state)
{
	(void)state;
	struct mz_function_chains c = { .chain = { [MZ_POINT_HOP] = 1 } };
	uint32_t vpc = VPC_SLOT, other = VPC_SLOT + 1;
	const struct frame in = TUNNEL(A_TO_R);
	struct frame out, want = HOP_TO(PEER_IP, 1, .src = EP_A, .dst = EP_R);

	if (!T->hop_functions)
		return;
	static const struct {
		const char *name;
		int verdict;
		enum mz_reason why;
	} rows[] = {
		{ "hop: next", MZ_FUNCTION_NEXT, MZ_R_BOUNCED },
		{ "hop: drop", MZ_FUNCTION_DROP, MZ_R_FUNCTION_DROP },
		{ "hop: take, which is not to be had there", MZ_FUNCTION_TAKE, MZ_R_FUNCTION_DROP },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int next = rows[i].verdict == MZ_FUNCTION_NEXT;

		put_chain(W_IS_BOUNCER, (struct verdicts){ rows[i].verdict, -1 }, MZ_FUNCTIONS, IFACE);
		put("mz_function_vpcs", &other, &c);
		meet("hop: another VPC's", MZ_DIR_INGRESS, in, T->same_interface, MZ_R_BOUNCED);
		put("mz_function_vpcs", &vpc, &c);
		begin_counts(MZ_FUNCTIONS);
		out = meet(rows[i].name, MZ_DIR_INGRESS, in, next ? T->same_interface : V_DROP, rows[i].why);
		check_counts(MZ_FUNCTIONS, (struct mz_function_count){ 1, !next, 0 }, 0);
		assert_int_equal(T->seen(HOP(2)).point, MZ_POINT_HOP);
		assert_int_equal(T->seen(HOP(2)).frame, in.len - INNER(.src = EP_A, .dst = EP_R).len);
		assert_int_equal(T->seen(HOP(2)).dst[3], htonl(EP_R));
		assert_int_equal(T->seen(HOP(2)).ifindex, 0);
		if (!next)
			continue;
		assert_int_equal(out.len, want.len);
	}
}

// A described packet meets no function.
void test_functions_described(void **state)
{
	(void)state;
	struct run run = { .dir = MZ_DIR_EGRESS, .frame = TO_B, .trace = true };
	struct mz_trace t = { 0 };
	uint32_t zero = 0, notes = 0;

	if (!T->endpoint_functions)
		return;
	put_chain(0, (struct verdicts){ MZ_FUNCTION_DROP, -1 }, 0, 0);
	at_egress(1 << MZ_POINT_EGRESS);
	put("mz_trace", &zero, &t);
	assert_int_equal(T->run(&run), 0);
	assert_int_equal(run.verdict, V_REDIRECT);
	assert_int_equal(T->seen(2).vni, 0);
	assert_int_equal(T->lookup("mz_trace", &zero, &t), 0);
	for (uint32_t i = 0; i < t.used; i++)
		notes += t.note[i].stage == MZ_ST_FUNCTIONS;
	assert_int_equal(notes, 1);
}

static struct frame from_function(struct frame f, const uint8_t mac[6])
{
	memcpy(f.b + 6, mac, 6);
	return f;
}

void test_functions_returned(void **state)
{
	(void)state;
	static const uint8_t of_a[] = { 0x02, 0x4d, 0x5a, 0x01, 0, 1 }, of_none[] = { 0x02, 0x4d, 0x5a, 0x01, 0, 2 },
			     past[] = { 0x02, 0x4d, 0x5a, 0x01, 1, 1 }, prefix2[] = { 0x02, 0x4d, 0x5a, 0x02, 0, 1 },
			     prefix0[] = { 0x02, 0x4e, 0x5a, 0x01, 0, 1 };
	const struct frame v4 = INNER(.src = EP_R, .dst = EP_A), v6 = INNER(.v6 = 1, .src6 = EP6_R, .dst6 = EP6_A);
	struct row rows[] = {
		{ "IPv4", 0, from_function(v4, of_a), DELIVERED, MZ_R_FUNCTION_REPLY, .out = as_delivered(v4, MAC_A) },
		{ "IPv6", 0, from_function(v6, of_a), DELIVERED, MZ_R_FUNCTION_REPLY, .out = as_delivered(v6, MAC_A) },
		{ "a free slot", 0, from_function(v4, of_none), DROPPED, MZ_R_FUNCTION_STRAY, .no_vpc = 1 },
		{ "another free slot", 0, from_function(v4, past), DROPPED, MZ_R_FUNCTION_STRAY, .no_vpc = 1 },
		{ "another MAC address", 0, from_function(v4, prefix2), DROPPED, MZ_R_FUNCTION_STRAY, .no_vpc = 1 },
		{ "... in its first bytes", 0, from_function(v4, prefix0), DROPPED, MZ_R_FUNCTION_STRAY, .no_vpc = 1 },
		{ "neither IPv4 nor IPv6", 0, from_function(INNER(.ethertype = 0x0806), of_a), DROPPED, MZ_R_FUNCTION_STRAY, .no_vpc = 1 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		rows[i].returned = true;
	RUN_TABLE(rows, MZ_DIR_INGRESS);
}
