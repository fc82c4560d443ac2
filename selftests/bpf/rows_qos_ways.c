// SPDX-License-Identifier: Apache-2.0
// Rates and classes on every way: what is received, both ends on one host, groups; and what they
// mean to the underlay.
#include <arpa/inet.h>
#include <string.h>

#include "selftests/bpf/groups.h"
#include "selftests/bpf/policies.h"
#include "selftests/bpf/rows.h"
#include "selftests/bpf/shapers.h"

// ---- what is received; both ends here -----------------------------------------------------

static void shape_receiver(uint32_t ifindex, uint32_t ip, uint32_t mac, int paced)
{
	struct mz_ep_key k = { .vni = VNI, .ip = addr4(ip) };
	struct mz_port p = { .ifindex = ifindex, .vni = VNI, .ip4 = htonl(ip), .vpc = VPC_SLOT, .max_flows = 8,
			     .flags = paced ? MZ_EP_F_PACED : 0, .shaper = { 0, OF_RECEIVER }, .vpc_shaper = { 0, OF_OTHERS } };
	struct mz_endpoint e;

	memcpy(p.mac, mac_bytes((int)mac), 6);
	put("mz_ports", &ifindex, &p);
	assert_int_equal(T->lookup("mz_endpoints", &k, &e), 0);
	e.flags |= MZ_EP_F_SHAPED;
	put("mz_endpoints", &k, &e);
}

void test_qos_ingress(void **state)
{
	struct mz_limit l = limit();
	struct run r;
	uint64_t at;

	(void)state;
	begin(0);
	shape_receiver(2, EP_A, MAC_A, 1);
	if (!T->ns) { // XDP leaves it to TC
		r = (struct run){ .dir = MZ_DIR_INGRESS, .frame = TUNNEL(.in = { R_TO_A }) };
		assert_int_equal(T->run(&r), 0);
		assert_int_equal(r.verdict, V_PASS);
		return;
	}
	l.mark = TICKS(1 * MS);
	put_shaper(OF_RECEIVER, (struct mz_shaper){ .whole = l });
	put_shaper(MZ_SHAPER_UPLINK_IN, (struct mz_shaper){ .whole = limit() });
	set_whole(OF_RECEIVER, MZ_CLASS_BEST_EFFORT, 3000 * MS);
	pass("delivered as ever", MZ_DIR_INGRESS, TUNNEL(.in = { R_TO_A }), MZ_R_DELIVERED, DELIVERED_A());
	at = set_whole(OF_RECEIVER, MZ_CLASS_BEST_EFFORT, 4000 * MS);
	r = (struct run){ .dir = MZ_DIR_INGRESS, .frame = TUNNEL(.in = { R_TO_A }) };
	assert_int_equal(T->run(&r), 0);
	assert_int_equal(r.departure, at);
	pass("ECT in a long queue: CE", MZ_DIR_INGRESS, TUNNEL(.tos = 2, .in = { R_TO_A, .tos = 2 }), MZ_R_DELIVERED,
	     DELIVERED_A(.tos = 3));
	at = set_whole(MZ_SHAPER_UPLINK_IN, MZ_CLASS_BEST_EFFORT, 7000 * MS);
	r = (struct run){ .dir = MZ_DIR_INGRESS, .frame = TUNNEL(.in = { R_TO_A }) };
	assert_int_equal(T->run(&r), 0);
	assert_int_equal(r.departure, at);
	pass("of a class that the sender's host says: waits for its own", MZ_DIR_INGRESS,
	     TUNNEL(.qos_class = PREMIUM, .in = { R_TO_A, .sport = 9 }), MZ_R_DELIVERED, DELIVERED_A(.sport = 9));
	set_whole(OF_RECEIVER, MZ_CLASS_BEST_EFFORT, 25000 * MS);
	pass("beyond the horizon", MZ_DIR_INGRESS, TUNNEL(.in = { R_TO_A }), MZ_R_QOS_HORIZON, (struct frame){ 0 });
}

// A rule's level holds where its flow is received, too.
void test_qos_rule(void **state)
{
	struct mz_policy_rule_key k = { .list = MZ_POLICY_LIST(5, MZ_POLICY_IN) };
	struct mz_policy_rule rule = { .verdict = MZ_POLICY_ALLOW, .level = PREMIUM };
	struct run r;
	uint64_t at;

	(void)state;
	if (!T->ns)
		return;
	begin(0);
	judged_by(5);
	put_label(MZ_POLICY_KNOWN(VNI), 101, 0);
	put_verdict(5, MZ_POLICY_IN, MZ_POLICY_ALLOW);
	put("mz_policy_rules", &k, &rule);
	shape_receiver(T->ifindex, EP_A, MAC_A, 1);
	put_shaper(OF_RECEIVER, (struct mz_shaper){ .whole = limit() });
	set_whole(OF_RECEIVER, MZ_CLASS_BEST_EFFORT, 9000 * MS);
	at = set_whole(OF_RECEIVER, MZ_CLASS_PREMIUM, 3000 * MS);
	for (int i = 0; i < 2; i++) { // its first packet, and one of a settled flow
		print_message("# %s: waits for the class of the rule\n", T->name);
		r = (struct run){ .dir = MZ_DIR_INGRESS, .frame = TUNNEL(.label = 101, .in = { R_TO_A }) };
		assert_int_equal(T->run(&r), 0);
		assert_int_equal(r.departure, at + (uint64_t)i * COST(FRAME));
	}
}

void test_qos_local(void **state)
{
	struct mz_shaper guaranteed = { .whole = limit() };
	uint64_t at;

	(void)state;
	if (!T->ns)
		return;
	begin(0);
	shape_a(BEST_EFFORT, 0, 0);
	shape_receiver(3, EP_B, MAC_B, 1);
	put_shaper(OF_ENDPOINT, (struct mz_shaper){ .whole = limit() });
	put_shaper(OF_RECEIVER, (struct mz_shaper){ .whole = limit() });
	set_whole(OF_ENDPOINT, MZ_CLASS_BEST_EFFORT, 2000 * MS);
	at = set_whole(OF_RECEIVER, MZ_CLASS_BEST_EFFORT, 5000 * MS);
	send_("both ends here: the receiver's limit", INNER(A_TO(EP_B)), MZ_R_LOCAL, 0);
	assert_int_equal(last.departure, at);
	at = set_whole(OF_ENDPOINT, MZ_CLASS_BEST_EFFORT, 7000 * MS);
	send_("both ends here: the sender's", INNER(A_TO(EP_B)), MZ_R_LOCAL, 0);
	assert_int_equal(last.departure, at);
	guaranteed.whole.floor = 2 * BYTE;
	put_shaper(OF_RECEIVER, guaranteed);
	at = set_whole(OF_ENDPOINT, MZ_CLASS_BEST_EFFORT, 9000 * MS);
	send_("what the receiver is guaranteed is nothing to the sender", INNER(A_TO(EP_B)), MZ_R_LOCAL, 0);
	assert_int_equal(last.departure, at);
}

// Packets to groups are no way around a rate.
void test_qos_group(void **state)
{
	uint64_t at;

	(void)state;
	if (!T->ns || !has_groups())
		return;
	with_groups(0, MZ_NET_F_MULTICAST);
	all_wait(30000 * MS);
	shape_a(BEST_EFFORT, 0, 0);
	put_shaper(OF_ENDPOINT, (struct mz_shaper){ .whole = limit() });
	at = set_whole(OF_ENDPOINT, MZ_CLASS_BEST_EFFORT, 1000 * MS);
	meet("to a group: counted once", MZ_DIR_EGRESS, TO_GROUP(), MZ_R_GROUP_SENT, 0);
	assert_int_equal(clocks(OF_ENDPOINT).class_[2].whole.bytes >> MZ_TICK_BITS, at + COST(FRAME));
	set_whole(OF_ENDPOINT, MZ_CLASS_BEST_EFFORT, 25000 * MS);
	meet("to a group: more than its rate", MZ_DIR_EGRESS, TO_GROUP(), MZ_R_QOS_RATE, 0);
}

// ---- levels -------------------------------------------------------------------------------

// The outer TOS, or traffic class, of the last packet; of a trusted endpoint by its own DSCP.
static uint8_t outer_tos(void)
{
	return last.frame.b[14 + 1];
}

void test_qos_levels(void **state)
{
	struct mz_port p;

	(void)state;
	begin(W_PATH);
	put_level(9, (struct mz_level){ .outer = 46, .priority = 12 });
	SEND("outside: the level's DSCP; ECN as it is; inside: kept", .tos = 0x49);
	assert_int_equal(outer_tos(), 46 << 2 | 1);
	assert_int_equal(last.frame.b[MZ_OUTER_LEN4 + 14 + 1], 0x49);
	if (!T->ns)
		return;
	assert_int_equal(last.priority, 12);
	put_level(9, (struct mz_level){ .priority = 64, .flags = MZ_LEVEL_F_SPREAD });
	SEND("a queue of its endpoint's");
	assert_int_equal(last.priority, 64 + T->ifindex % MZ_LEVEL_QUEUES);
	put_level(9, (struct mz_level){ .outer = 46, .inner = 10, .flags = MZ_LEVEL_F_INNER });
	SEND("inside: written anew, with its checksum", .tos = 0x49);
	assert_int_equal(last.frame.b[MZ_OUTER_LEN4 + 14 + 1], 10 << 2 | 1);
	assert_int_equal(*(uint16_t *)(last.frame.b + MZ_OUTER_LEN4 + 14 + 10),
			 *(uint16_t *)(INNER(A_TO(EP_R), .tos = 10 << 2 | 1).b + 14 + 10));
	send_("the same of IPv6", INNER(.v6 = 1, .src6 = EP6_A, .dst6 = EP6_R, .smac = MAC_A, .tos = 0x49), MZ_R_DIRECT, 0);
	assert_int_equal(last.frame.b[MZ_OUTER_LEN4 + 14] , 0x60 | (10 << 2 | 1) >> 4);
	assert_int_equal(last.frame.b[MZ_OUTER_LEN4 + 14 + 1] >> 4, (10 << 2 | 1) & 0xf);

	assert_int_equal(T->lookup("mz_ports", &T->ifindex, &p), 0);
	p.qos_class = 200; // no level: as none
	put("mz_ports", &T->ifindex, &p);
	put_level(0, (struct mz_level){ .outer = 7 });
	SEND("a level that is none");
	assert_int_equal(outer_tos(), 7 << 2);

	p.qos_class = BEST_EFFORT;
	p.flags |= MZ_EP_F_TRUST;
	put("mz_ports", &T->ifindex, &p);
	put_level(MZ_LEVEL_OF_DSCP + 0x12, (struct mz_level){ .level = 2 });
	put_level(2, (struct mz_level){ .outer = 40 });
	put_level(BEST_EFFORT, (struct mz_level){ .outer = 3 });
	SEND("trusted: what its DSCP means", .tos = 0x48);
	assert_int_equal(outer_tos(), 40 << 2);
	SEND("trusted: a DSCP that means nothing leaves it its own class", .tos = 0x4c);
	assert_int_equal(outer_tos(), 3 << 2);
}
