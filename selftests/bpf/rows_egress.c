// SPDX-License-Identifier: Apache-2.0
// What an endpoint sends.
#include "selftests/bpf/rows.h"

#include "selftests/bpf/row.h"

void test_egress_ways(void **state)
{
	(void)state;
	const struct row rows[] = {
		{ "same host, veth", 0, INNER(.dst = EP_B), DELIVERED, MZ_R_LOCAL,
		  .out = as_delivered(INNER(.dst = EP_B), MAC_B) },
		{ "same host, by the endpoints table alone", W_FULL_LINES, INNER(.dst = EP_B), DELIVERED, MZ_R_LOCAL },
		{ "same host, tap", W_TAP, INNER(.dst = EP_B), DELIVERED, MZ_R_LOCAL,
		  .out = as_delivered(INNER(.dst = EP_B), MAC_B) },
		{ "no path: to the bouncer", 0, INNER(.dst = EP_R), SENT, MZ_R_TO_BOUNCER,
		  .out = SENT_TO(BOUNCE_IP, A_TO(EP_R)) },
		{ "bouncer down: to its backup", W_BOUNCER_DOWN, INNER(.dst = EP_R), SENT,
		  MZ_R_TO_BOUNCER, .out = SENT_TO(BACKUP_IP, A_TO(EP_R)) },
		{ "both down: to the bouncer, whose turn it is", W_BOUNCER_DOWN | W_BACKUP_DOWN, INNER(.dst = EP_R), SENT,
		  MZ_R_TO_BOUNCER, .out = SENT_TO(BOUNCE_IP, A_TO(EP_R)) },
		{ "its backup down: to the bouncer", W_BACKUP_DOWN, INNER(.dst = EP_R), SENT,
		  MZ_R_TO_BOUNCER, .out = SENT_TO(BOUNCE_IP, A_TO(EP_R)) },
		{ "out of another interface", W_FAR, INNER(.dst = EP_R), SENT, MZ_R_TO_BOUNCER,
		  .out = SENT_TO(BOUNCE_IP, A_TO(EP_R)), .far = true },
		{ "learned path: direct", W_PATH, INNER(.dst = EP_R), SENT, MZ_R_DIRECT,
		  .out = SENT_TO(PEER_IP, A_TO(EP_R)) },
		{ "path too old: to the bouncer", W_OLD_PATH, INNER(.dst = EP_R), SENT,
		  MZ_R_TO_BOUNCER, .out = SENT_TO(BOUNCE_IP, A_TO(EP_R)) },
		{ "this host bounces, by the endpoints table alone", W_IS_BOUNCER | W_FULL_LINES, INNER(.dst = EP_R), SENT, MZ_R_DIRECT },
		{ "this host bounces: direct", W_IS_BOUNCER, INNER(.dst = EP_R), SENT, MZ_R_DIRECT,
		  .out = SENT_TO(PEER_IP, A_TO(EP_R)) },
		{ "unknown network: to the divider", 0, INNER(.dst = EP_N), SENT, MZ_R_TO_DIVIDER,
		  .out = SENT_TO(DIVIDE_IP, A_TO(EP_N)) },
		{ "TTL 1 is the tenant's business", W_PATH, INNER(.dst = EP_R, .ttl = 1), SENT,
		  MZ_R_DIRECT, .out = SENT_TO(PEER_IP, A_TO(EP_R), .ttl = 1) },
		{ "first fragment: no ports in the entropy", W_PATH,
		  INNER(.dst = EP_R, .frag = 0x2000), SENT, MZ_R_DIRECT,
		  .out = SENT_TO(PEER_IP, A_TO(EP_R), .frag = 0x2000) },
		{ "later fragment", W_PATH, INNER(.dst = EP_R, .frag = 0x0010), SENT, MZ_R_DIRECT,
		  .out = SENT_TO(PEER_IP, A_TO(EP_R), .frag = 0x0010) },
		{ "IP options", W_PATH, INNER(.dst = EP_R, .version_ihl = 0x47), SENT, MZ_R_DIRECT,
		  .out = SENT_TO(PEER_IP, A_TO(EP_R), .version_ihl = 0x47) },
		{ "padding behind the IP packet", W_PATH, INNER(.dst = EP_R, .total_delta = -4),
		  SENT, MZ_R_DIRECT, .out = SENT_TO(PEER_IP, A_TO(EP_R), .total_delta = -4) },
		{ "ICMP", W_PATH, INNER(.dst = EP_R, .proto = 1, .sport = 0x0800), SENT, MZ_R_DIRECT,
		  .out = SENT_TO(PEER_IP, A_TO(EP_R), .proto = 1, .sport = 0x0800) },
		{ "a TCP header and nothing behind", W_PATH, INNER(.dst = EP_R, .proto = 6, .total_delta = -10), SENT,
		  MZ_R_DIRECT, .out = SENT_TO(PEER_IP, A_TO(EP_R), .proto = 6, .total_delta = -10) },
		{ "a UDP header and nothing behind", W_PATH, INNER(.dst = EP_R, .total_delta = -10), SENT,
		  MZ_R_DIRECT, .out = SENT_TO(PEER_IP, A_TO(EP_R), .total_delta = -10) },
		{ "an SCTP chunk header and nothing behind", W_PATH, INNER(.dst = EP_R, .proto = 132, .total_delta = -2),
		  SENT, MZ_R_DIRECT, .out = SENT_TO(PEER_IP, A_TO(EP_R), .proto = 132, .total_delta = -2) },
		{ "a ping: its identifier is the entropy", W_PATH, INNER(.dst = EP_R, .proto = 1, .sport = 0x0800), SENT,
		  MZ_R_DIRECT, .out = SENT_TO(PEER_IP, A_TO(EP_R), .proto = 1, .sport = 0x0800) },
		{ "any unicast MAC is the gateway", 0, INNER(.dst = EP_B, .dmac = MAC_OTHER),
		  DELIVERED, MZ_R_LOCAL, .out = as_delivered(INNER(.dst = EP_B), MAC_B) },
	};

	RUN_TABLE(rows, MZ_DIR_EGRESS);
}

void test_egress_drops(void **state)
{
	(void)state;
	const struct row rows[] = {
		{ "interface of nobody", W_NO_PORT, INNER(), DROPPED, MZ_R_NO_PORT, .no_vpc = 1 },
		{ "slot of another interface", W_PORT_TAKEN, INNER(), DROPPED, MZ_R_NO_PORT,
		  .no_vpc = 1 },
		{ "forged MAC", 0, INNER(.smac = MAC_OTHER), DROPPED, MZ_R_SRC_MAC },
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
		{ "RFC 3128 a fragment over the first one's TCP flags", 0, INNER(.proto = 6, .frag = 0x0001), DROPPED,
		  MZ_R_IP4_INVALID },
		{ "TCP header cut", 0, INNER(.proto = 6, .total_delta = -11), DROPPED, MZ_R_L4_TRUNCATED },
		{ "UDP header cut", 0, INNER(.total_delta = -11), DROPPED, MZ_R_L4_TRUNCATED },
		{ "ICMP header cut", 0, INNER(.proto = 1, .total_delta = -11), DROPPED, MZ_R_L4_TRUNCATED },
		{ "SCTP chunk header cut", 0, INNER(.proto = 132, .total_delta = -3), DROPPED, MZ_R_L4_TRUNCATED },
		{ "RFC 1858 cut in a first fragment", 0, INNER(.proto = 6, .frag = 0x2000, .total_delta = -11),
		  DROPPED, MZ_R_L4_TRUNCATED },
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

void test_arp(void **state)
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

#define DF 0x4000
#define LARGE(...) INNER(.dst = EP_R, .payload = 600, ##__VA_ARGS__)
#define LARGE6(...) INNER(.v6 = 1, .dst6 = EP6_R, .payload = 1300, ##__VA_ARGS__)

// The numbers are sections of RFC 1191 (IPv4), or of the RFC named; RFC 8201 is the same for IPv6.
void test_too_big(void **state)
{
	(void)state;
	const struct row rows[] = {
		{ "4 with DF: told the MTU", W_MTU_500, LARGE(.frag = DF), ANSWERED, MZ_R_TOO_BIG_REPLY,
		  .out = make_too_big(LARGE(.frag = DF), 548, 500, 0) },
		{ "RFC 792 a short packet: header and eight bytes", W_SMALL_MTU, INNER(.frag = DF), ANSWERED,
		  MZ_R_TOO_BIG_REPLY, .out = make_too_big(INNER(.frag = DF), 28, 37, 0) },
		{ "even to an endpoint of the same host", W_MTU_500, INNER(.dst = EP_B, .payload = 600, .frag = DF),
		  ANSWERED, MZ_R_TOO_BIG_REPLY },
		{ "as large as the MTU", W_MTU_500, INNER(.dst = EP_B, .payload = 472, .frag = DF), DELIVERED, MZ_R_LOCAL },
		{ "without DF: silence", W_MTU_500, LARGE(), DROPPED, MZ_R_TOO_BIG },
		{ "RFC 1122 3.2.2 an echo request", W_MTU_500, LARGE(.frag = DF, .proto = 1, .sport = 0x0800), ANSWERED,
		  MZ_R_TOO_BIG_REPLY },
		{ "RFC 1122 3.2.2 none about an error", W_MTU_500, LARGE(.frag = DF, .proto = 1, .sport = 0x0301),
		  DROPPED, MZ_R_TOO_BIG },
		{ "RFC 1122 3.2.2 none about a later fragment", W_MTU_500, LARGE(.frag = DF | 0x10), DROPPED,
		  MZ_R_TOO_BIG },
		{ "RFC 8201 3, RFC 4443 3.2 told the MTU", W_MTU_1280, LARGE6(), ANSWERED, MZ_R_TOO_BIG_REPLY,
		  .out = make_too_big(LARGE6(), 1232, 1280, 0) },
		{ "no gateway: from whom it was meant for", W_MTU_500 | W_NO_GATEWAY, LARGE(.frag = DF), ANSWERED,
		  MZ_R_TOO_BIG_REPLY, .out = make_too_big(LARGE(.frag = DF), 548, 500, EP_R) },
		{ "IPv6, no gateway: the same", W_MTU_1280 | W_NO_GATEWAY, LARGE6(), ANSWERED, MZ_R_TOO_BIG_REPLY,
		  .out = make_too_big(LARGE6(), 1232, 1280, EP6_R) },
		{ "RFC 4443 2.4 none about an error", W_MTU_1280, LARGE6(.proto = 58, .sport = 0x0200), DROPPED,
		  MZ_R_TOO_BIG },
		{ "RFC 4443 2.4 an echo request", W_MTU_1280, LARGE6(.proto = 58, .sport = 0x8000), ANSWERED,
		  MZ_R_TOO_BIG_REPLY },
		{ "RFC 4443 2.4 none about a later fragment", W_MTU_1280, LARGE6(.ext = "\x2c", .exts = 1, .frag = 0x80),
		  DROPPED, MZ_R_TOO_BIG },
	};
	const struct row superpackets[] = {
		{ "a superpacket whose segments are too large", 0, LARGE(.frag = DF, .proto = 6), ANSWERED,
		  MZ_R_TOO_BIG_REPLY, .gso_size = 1400, .out = make_too_big(LARGE(.frag = DF, .proto = 6), 548, 1434, 0) },
		{ "a superpacket whose segments fit", 0, INNER(.dst = EP_B, .payload = 600, .proto = 6), DELIVERED,
		  MZ_R_LOCAL, .gso_size = 1394 },
	};

	RUN_TABLE(rows, MZ_DIR_EGRESS);
	if (T != &target_xdp) // which never sees any
		RUN_TABLE(superpackets, MZ_DIR_EGRESS);
}

#define ICMP_TO_GW(type_code, ...) INNER(.dst = GW_IP, .proto = 1, .sport = (type_code), .dport = 0x1234, ##__VA_ARGS__)
#define ECHO(...) ICMP_TO_GW(0x0800, ##__VA_ARGS__)
#define ECHO6_TO(gateway, ...) \
	INNER(.v6 = 1, .dst6 = (gateway), .proto = 58, .sport = 0x8000, .dport = 0x1234, ##__VA_ARGS__)

// A program of its own answers, which may not be there: what it is to tell is not lost.
void test_answers(void **state)
{
	(void)state;
	static struct counts before, after;
	const struct row often[] = {
		{ "too large, and told too often", W_MTU_500 | W_ANSWERED_OUT, LARGE(.frag = DF), DROPPED, MZ_R_ANSWER_RATE },
		{ "too large, and none to tell", W_MTU_500 | W_ANSWERED_OUT, LARGE(), DROPPED, MZ_R_TOO_BIG },
		{ "pings of IPv6 too often", W_ANSWERED_OUT, ECHO6_TO(GW6), DROPPED, MZ_R_ANSWER_RATE },
	};
	const struct row nobody[] = {
		{ "too large, and nobody to tell it", W_MTU_500, LARGE(.frag = DF), DROPPED, MZ_R_TOO_BIG },
		{ "the same of IPv6", W_MTU_1280, LARGE6(), DROPPED, MZ_R_TOO_BIG },
		{ "ARP, and nobody to answer", 0, ARP(), DROPPED, MZ_R_ARP_REPLY },
		{ "a ping, and nobody to answer", 0, ECHO(), DROPPED, MZ_R_ECHO_REPLY },
		{ "the same of IPv6", 0, ECHO6_TO(GW6), DROPPED, MZ_R_ECHO_REPLY },
	};
	struct frame want = make_too_big(LARGE(.frag = DF), 548, 500, 0);
	struct run run = { .dir = MZ_DIR_EGRESS, .frame = LARGE(.frag = DF), .trace = true };
	struct mz_answers had = { 0 };
	struct mz_trace t = { 0 };
	uint32_t zero = 0;

	RUN_TABLE(often, MZ_DIR_EGRESS);
	if (T->answers) {
		assert_int_equal(T->answers(false), 0);
		RUN_TABLE(nobody, MZ_DIR_EGRESS);
		assert_int_equal(T->answers(true), 0);
	}
	build_world(W_MTU_500);
	put("mz_trace", &zero, &t);
	read_counts(&before);
	assert_int_equal(T->run(&run), 0);
	read_counts(&after);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(run.verdict, T->same_interface);
	assert_int_equal(run.frame.len, want.len);
	assert_memory_equal(run.frame.b, want.b, want.len);
	assert_int_equal(T->lookup("mz_trace", &zero, &t), 0);
	assert_int_equal(t.reason, MZ_R_TOO_BIG_REPLY);
	assert_in_range(t.used, 2, MZ_NOTES);
	assert_int_equal(t.note[t.used - 1].stage, MZ_ST_RESPOND);
	assert_int_equal(t.note[t.used - 1].value, 500);
	assert_int_equal(T->lookup("mz_answered", &T->ifindex, &had), 0);
	assert_int_equal(had.count, 0);
}

// The builder's "ports" are ICMP's type, code and checksum: what changes with the
// type is the checksum's first byte (RFC 1624).
void test_echo(void **state)
{
	(void)state;
	const struct row rows[] = {
		{ "the gateway answers", 0, ECHO(.ttl = 3), ANSWERED, MZ_R_ECHO_REPLY,
		  .out = INNER(.dmac = MAC_A, .smac = MAC_GW, .src = GW_IP, .dst = EP_A, .proto = 1, .zero_sport = 1,
			       .dport = 0x1a34) },
		{ "a network without gateway: some endpoint's address", W_NO_GATEWAY, ECHO(), SENT, MZ_R_TO_BOUNCER },
		{ "IPv6: the same", W_NO_GATEWAY, ECHO6_TO(GW6), SENT, MZ_R_TO_BOUNCER },
		{ "IPv6: the unspecified address is not the gateway that is missing", W_NO_GATEWAY, ECHO6_TO(NONE6),
		  DROPPED, MZ_R_DST_IP },
		{ "another code is no echo", 0, ICMP_TO_GW(0x0801), SENT, MZ_R_TO_BOUNCER },
		{ "a reply is not answered", 0, ICMP_TO_GW(0x0100), SENT, MZ_R_TO_BOUNCER },
		{ "in fragments: not answered", 0, ECHO(.frag = 0x2000), SENT, MZ_R_TO_BOUNCER },
		{ "with IP options: not answered", 0, ECHO(.version_ihl = 0x46), SENT, MZ_R_TO_BOUNCER },
		{ "from a forged address: dropped before", 0, ECHO(.src = EP_B), DROPPED, MZ_R_SRC_IP },
		{ "UDP to the gateway is a packet as any", 0, INNER(.dst = GW_IP), SENT, MZ_R_TO_BOUNCER },
		{ "IPv6: the gateway answers", 0, ECHO6_TO(GW6, .ttl = 3), ANSWERED, MZ_R_ECHO_REPLY,
		  .out = INNER(.dmac = MAC_A, .smac = MAC_GW, .v6 = 1, .src6 = GW6, .dst6 = EP6_A, .proto = 58,
			       .sport = 0x8100, .dport = 0x1134) },
		{ "IPv6: its link-local address too", 0, ECHO6_TO(LL6_GW, .src6 = LL6_A), ANSWERED, MZ_R_ECHO_REPLY,
		  .out = INNER(.dmac = MAC_A, .smac = MAC_GW, .v6 = 1, .src6 = LL6_GW, .dst6 = LL6_A, .proto = 58,
			       .sport = 0x8100, .dport = 0x1134) },
		{ "IPv6: from a forged address: dropped", 0, ECHO6_TO(GW6, .src6 = EP6_B), DROPPED, MZ_R_SRC_IP },
		{ "IPv6: an endpoint without is not answered", W_NO_IP6, ECHO6_TO(LL6_GW, .src6 = LL6_A), DROPPED,
		  MZ_R_SRC_IP },
	};

	RUN_TABLE(rows, MZ_DIR_EGRESS);
}
