// SPDX-License-Identifier: Apache-2.0
// What the underlay sends.
#include "selftests/bpf/rows.h"

#include "selftests/bpf/row.h"

void test_ingress_delivery(void **state)
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
	};

	RUN_TABLE(rows, MZ_DIR_INGRESS);
}

void test_ingress_hops(void **state)
{
	(void)state;
	const struct row rows[] = {
		{ "bouncer", W_IS_BOUNCER, TUNNEL(A_TO_R), SENT, MZ_R_BOUNCED,
		  .out = HOP_TO(PEER_IP, 1, .src = EP_A, .dst = EP_R), .path = NO_PATH },
		{ "bouncer, found in the endpoints table alone", W_IS_BOUNCER | W_FULL_LINES, TUNNEL(A_TO_R), SENT, MZ_R_BOUNCED,
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

void test_ingress_senders(void **state)
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

void test_ingress_malformed(void **state)
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
		{ "inner TCP header cut", 0, TUNNEL(.in = { .proto = 6, .total_delta = -11 }), DROPPED,
		  MZ_R_INNER_TRUNCATED },
		{ "inner UDP header cut, of a first fragment", 0, TUNNEL(.in = { .frag = 0x2000, .total_delta = -11 }),
		  DROPPED, MZ_R_INNER_TRUNCATED },
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

void test_control(void **state)
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
		  TUNNEL(.flags = MZ_OPT_F_PROBE), DELIVERED, MZ_R_DELIVERED,
		  .out = DELIVERED_A() },
	};

	RUN_TABLE(rows, MZ_DIR_INGRESS);
}

// XDP leaves to TC, uncounted and as it came, what is for an endpoint that does not want it from XDP.
void test_ingress_delivery_deferred(void **state)
{
	(void)state;
	static struct counts before, after;
	const bool defers = T == &target_xdp;
	const uint32_t delivered = (VPC_SLOT * MZ_DIRS + MZ_DIR_INGRESS) * MZ_REASON_SLOTS + MZ_R_DELIVERED;
	const struct frame in = TUNNEL();
	struct run run = { .dir = MZ_DIR_INGRESS, .frame = in };
	struct mz_ep_key k = { .vni = VNI, .ip = addr4(EP_A) };
	struct mz_endpoint e;

	build_world(0);
	assert_int_equal(T->lookup("mz_endpoints", &k, &e), 0);
	e.flags &= ~MZ_EP_F_XDP;
	assert_int_equal(T->update("mz_endpoints", &k, &e), 0);
	read_counts(&before);
	assert_int_equal(T->run(&run), 0);
	read_counts(&after);
	assert_int_equal(run.verdict, defers ? V_PASS : V_REDIRECT);
	assert_int_equal(after.c[delivered].packets - before.c[delivered].packets, !defers);
	if (defers) {
		assert_int_equal(run.frame.len, in.len);
		assert_memory_equal(run.frame.b, in.b, in.len);
	}
}
