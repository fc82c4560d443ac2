// SPDX-License-Identifier: Apache-2.0
// IPv6: at an endpoint, inside a tunnel, and as the underlay.
#include "selftests/bpf/rows.h"

#include "selftests/bpf/row.h"

#define INNER6(...) INNER(.v6 = 1, ##__VA_ARGS__)
#define A6_TO(dst_) .v6 = 1, .src6 = EP6_A, .dst6 = (dst_), .smac = MAC_A
#define SENT6_TO(dst_ip, ...)                                                                    \
	TUNNEL(.in = { __VA_ARGS__ }, .u6 = 1, .src6 = SELF6, .dst6 = (dst_ip), .dmac = MAC_NEXT, \
	       .smac = MAC_SELF, .label = 0xabc, .qos_class = 9, .origin = SELF, .sender = SELF)

void test_ip6_egress(void **state)
{
	(void)state;
	const struct row rows[] = {
		{ "same host", 0, INNER6(), DELIVERED, MZ_R_LOCAL, .out = as_delivered(INNER6(), MAC_B) },
		{ "no path: to the bouncer", 0, INNER6(.dst6 = EP6_R), SENT, MZ_R_TO_BOUNCER,
		  .out = SENT_TO(BOUNCE_IP, A6_TO(EP6_R)) },
		{ "learned path: direct", W_PATH, INNER6(.dst6 = EP6_R), SENT, MZ_R_DIRECT,
		  .out = SENT_TO(PEER_IP, A6_TO(EP6_R)) },
		{ "unknown network: to the divider", 0, INNER6(.dst6 = EP6_N), SENT, MZ_R_TO_DIVIDER,
		  .out = SENT_TO(DIVIDE_IP, A6_TO(EP6_N)) },
		{ "hop limit 1 is the tenant's business", W_PATH, INNER6(.dst6 = EP6_R, .ttl = 1), SENT,
		  MZ_R_DIRECT, .out = SENT_TO(PEER_IP, A6_TO(EP6_R), .ttl = 1) },
		{ "extension headers: ports found behind them", W_PATH,
		  INNER6(.dst6 = EP6_R, .ext = "\0\x3c", .exts = 2), SENT, MZ_R_DIRECT,
		  .out = SENT_TO(PEER_IP, A6_TO(EP6_R), .ext = "\0\x3c", .exts = 2) },
		{ "a long extension header", W_PATH, INNER6(.dst6 = EP6_R, .ext = "\x3c", .exts = 1, .ext_units = 4),
		  SENT, MZ_R_DIRECT,
		  .out = SENT_TO(PEER_IP, A6_TO(EP6_R), .ext = "\x3c", .exts = 1, .ext_units = 4) },
		{ "first fragment: no ports in the entropy", W_PATH,
		  INNER6(.dst6 = EP6_R, .ext = "\x2c", .exts = 1, .frag = 1), SENT, MZ_R_DIRECT,
		  .out = SENT_TO(PEER_IP, A6_TO(EP6_R), .ext = "\x2c", .exts = 1, .frag = 1) },
		{ "later fragment", W_PATH, INNER6(.dst6 = EP6_R, .ext = "\x2c", .exts = 1, .frag = 0x81), SENT,
		  MZ_R_DIRECT, .out = SENT_TO(PEER_IP, A6_TO(EP6_R), .ext = "\x2c", .exts = 1, .frag = 0x81) },
		{ "padding behind the packet", W_PATH, INNER6(.dst6 = EP6_R, .total_delta = -4), SENT,
		  MZ_R_DIRECT, .out = SENT_TO(PEER_IP, A6_TO(EP6_R), .total_delta = -4) },
		{ "TCP header cut", 0, INNER6(.proto = 6, .total_delta = -11), DROPPED, MZ_R_L4_TRUNCATED },
		{ "UDP header cut behind an extension header", 0, INNER6(.ext = "\x3c", .exts = 1, .total_delta = -11),
		  DROPPED, MZ_R_L4_TRUNCATED },
		{ "ICMPv6 header cut", 0, INNER6(.proto = 58, .sport = 0x8000, .total_delta = -11), DROPPED,
		  MZ_R_L4_TRUNCATED },
		{ "forged MAC", 0, INNER6(.smac = MAC_OTHER), DROPPED, MZ_R_SRC_MAC },
		{ "forged address", 0, INNER6(.src6 = EP6_R), DROPPED, MZ_R_SRC_IP },
		{ "link-local source", 0, INNER6(.src6 = LL6_A), DROPPED, MZ_R_SRC_IP },
		{ "no source", 0, INNER6(.src6 = NONE6), DROPPED, MZ_R_SRC_IP },
		{ "IPv4 address in an IPv6 header", 0, INNER6(.src6 = A6(0xffff, 0x101)), DROPPED, MZ_R_SRC_IP },
		{ "endpoint without IPv6", W_NO_IP6, INNER6(), DROPPED, MZ_R_SRC_IP },
		{ "endpoint without IPv6, no source", W_NO_IP6, INNER6(.src6 = NONE6), DROPPED, MZ_R_SRC_IP },
		{ "multicast", 0, INNER6(.dst6 = ALL6, .dmac = MAC_GROUP6), DROPPED, MZ_R_MULTICAST },
		{ "to an IPv4 address written as IPv6", 0, INNER6(.dst6 = A6(0xffff, 0x102)), DROPPED, MZ_R_DST_IP },
		{ "to a link-local address", 0, INNER6(.dst6 = LL6_GW), DROPPED, MZ_R_DST_IP },
		{ "version 5", 0, INNER6(.version_ihl = 0x50), DROPPED, MZ_R_IP6_INVALID },
		{ "longer than the frame", 0, INNER6(.total_delta = 1), DROPPED, MZ_R_IP6_TRUNCATED },
		{ "extension header past the packet", 0,
		  INNER6(.ext = "\x3c", .exts = 1, .proto = 60, .sport = 60 << 8, .payload = 1), DROPPED,
		  MZ_R_IP6_TRUNCATED },
		{ "extension header that ends past the packet", 0,
		  INNER6(.ext = "\x3c", .exts = 1, .proto = 60, .sport = 17 << 8 | 2), DROPPED, MZ_R_IP6_TRUNCATED },
		{ "seven extension headers", W_PATH, INNER6(.ext = "\0\x3c\x3c\x3c\x3c\x3c\x3c", .exts = 7), DROPPED,
		  MZ_R_IP6_EXTENSIONS },
		{ "extension headers of more than 256 bytes", W_PATH,
		  INNER6(.ext = "\x3c", .exts = 1, .ext_units = 32), DROPPED, MZ_R_IP6_EXTENSIONS },
		{ "one byte over the MTU", W_SMALL_MTU, INNER6(), DROPPED, MZ_R_TOO_BIG },
	};

	RUN_TABLE(rows, MZ_DIR_EGRESS);
}

#define SOLICITED  0x60000000u // and override
#define ROUTER     0x80000000u
#define TO_A       .dmac = MAC_A, .smac = MAC_GW
#define ADVERT(...) ND(.type = 136, TO_A, .target_ll = MAC_GW, .word = ROUTER | SOLICITED, ##__VA_ARGS__)
#define ROUTER_ADVERT(...)                                                                       \
	ND(.type = 134, .smac = MAC_GW, .src = LL6_GW, .word = 64u << 24 | 0xc0u << 16 | 1800, .source = MAC_GW, \
	   .mtu = 1434, .prefix = EP6_A, ##__VA_ARGS__)

// The numbers are sections of RFC 4861, or of RFC 4862 where it says so.
void test_nd(void **state)
{
	(void)state;
	const struct row rows[] = {
		{ "7.2.4 solicitation: the gateway's MAC", 0, ND(.source = MAC_A), ANSWERED, MZ_R_ND_REPLY,
		  .out = ADVERT(.src = EP6_R, .dst = EP6_A) },
		{ "7.2.4 from the link-local address", 0, ND(.src = LL6_A, .source = MAC_A), ANSWERED, MZ_R_ND_REPLY,
		  .out = ADVERT(.src = EP6_R, .dst = LL6_A) },
		{ "7.2.4 without a source option", 0, ND(), ANSWERED, MZ_R_ND_REPLY,
		  .out = ADVERT(.src = EP6_R, .dst = EP6_A) },
		{ "4.3 options that are not known are skipped", 0, ND(.source = MAC_A, .nonce = 1), ANSWERED,
		  MZ_R_ND_REPLY, .out = ADVERT(.src = EP6_R, .dst = EP6_A) },
		{ "7.3.1 unicast probe", 0, ND(.dst = EP6_R, .dmac = MAC_GW), ANSWERED, MZ_R_ND_REPLY,
		  .out = ADVERT(.src = EP6_R, .dst = EP6_A) },
		{ "the gateway's link-local address", 0, ND(.target = LL6_GW), ANSWERED, MZ_R_ND_REPLY,
		  .out = ADVERT(.src = LL6_GW, .dst = EP6_A, .target = LL6_GW) },
		{ "RFC 4862 5.4.3 its own address is free", 0, ND(.src = NONE6, .target = EP6_A), DROPPED,
		  MZ_R_ND_IGNORED },
		{ "RFC 4862 5.4.3 another's is taken: told to all nodes", 0, ND(.src = NONE6), ANSWERED, MZ_R_ND_REPLY,
		  .out = ND(.type = 136, .dmac = MAC_GROUP6, .smac = MAC_GW, .src = EP6_R, .dst = ALL6,
			    .target_ll = MAC_GW, .word = 0xa0000000u) },
		{ "RFC 4862 5.4.3 a link-local address is the endpoint's own affair", 0,
		  ND(.src = NONE6, .target = LL6_A), DROPPED, MZ_R_ND_IGNORED },
		{ "an endpoint without IPv6 is left alone", W_NO_IP6, ND(.src = LL6_A), DROPPED, MZ_R_ND_IGNORED },
		{ "7.2.6 unsolicited advertisement", 0, ND(.type = 136, .target = EP6_A, .target_ll = MAC_A), DROPPED,
		  MZ_R_ND_IGNORED },
		{ "7.1.1 hop limit 254", 0, ND(.hops = 254), DROPPED, MZ_R_ND_INVALID },
		{ "7.1.1 checksum", 0, ND(.bad_sum = 1), DROPPED, MZ_R_ND_INVALID },
		{ "7.1.1 code", 0, ND(.code = 1), DROPPED, MZ_R_ND_INVALID },
		{ "no multiple of 8", 0, ND(.grow = 4), DROPPED, MZ_R_ND_INVALID },
		{ "7.1.1 multicast target", 0, ND(.target = ALL6), DROPPED, MZ_R_ND_INVALID },
		{ "7.1.1 option of length 0", 0, ND(.source = MAC_A, .zero_length = 1), DROPPED, MZ_R_ND_INVALID },
		{ "7.1.1 option past the end", 0, ND(.source = MAC_A, .long_length = 1), DROPPED, MZ_R_ND_INVALID },
		{ "7.1.1 source option without a source", 0, ND(.src = NONE6, .source = MAC_A), DROPPED,
		  MZ_R_ND_INVALID },
		{ "longer than is looked at", 0, ND(.grow = 136), DROPPED, MZ_R_ND_INVALID },
		{ "cut", 0, ND(.cut = 1), DROPPED, MZ_R_IP6_TRUNCATED },
		{ "forged source address", 0, ND(.src = EP6_B), DROPPED, MZ_R_ND_SPOOF },
		{ "forged source option", 0, ND(.source = MAC_B), DROPPED, MZ_R_ND_SPOOF },
		{ "forged Ethernet source", 0, ND(.smac = MAC_B), DROPPED, MZ_R_SRC_MAC },
		{ "rogue router advertisement", 0, ND(.type = 134, .src = LL6_A), DROPPED, MZ_R_ND_SPOOF },
		{ "redirect", 0, ND(.type = 137, .src = LL6_A, .grow = 32), DROPPED, MZ_R_ND_SPOOF },
		{ "6.2.6 router solicitation", 0, ND(.type = 133, .src = LL6_A, .source = MAC_A), ANSWERED,
		  MZ_R_RA_REPLY, .out = ROUTER_ADVERT(.dmac = MAC_A, .dst = LL6_A, .prefix_flags = 0x80) },
		{ "6.2.6 from nobody: told to all nodes", 0, ND(.type = 133, .src = NONE6), ANSWERED, MZ_R_RA_REPLY,
		  .out = ROUTER_ADVERT(.dst = ALL6, .prefix_flags = 0x80) },
		{ "RFC 4862 5.5.3 it may make the address it has", W_EUI64, ND(.type = 133, .src = LL6_A), ANSWERED,
		  MZ_R_RA_REPLY, .out = ROUTER_ADVERT(.dmac = MAC_A, .dst = LL6_A, .prefix_flags = 0xc0) },
		{ "a solicitation of one who was told too often", W_ANSWERED_OUT, ND(.source = MAC_A), DROPPED, MZ_R_ANSWER_RATE },
		{ "... a probe of an address", W_ANSWERED_OUT, ND(.src = NONE6), DROPPED, MZ_R_ANSWER_RATE },
		{ "... a router solicitation", W_ANSWERED_OUT, ND(.type = 133, .src = LL6_A), DROPPED, MZ_R_ANSWER_RATE },
		{ "6.1.1 router solicitation, hop limit 1", 0, ND(.type = 133, .src = LL6_A, .hops = 1), DROPPED,
		  MZ_R_ND_INVALID },
		{ "router solicitation without IPv6", W_NO_IP6, ND(.type = 133, .src = LL6_A), DROPPED,
		  MZ_R_ND_IGNORED },
		{ "echo to the gateway is not neighbour discovery", 0, ND(.type = 128, .dst = EP6_R), SENT,
		  MZ_R_TO_BOUNCER },
	};

	const struct row nobody[] = {
		{ "nobody is there to answer", 0, ND(.source = MAC_A), DROPPED, MZ_R_ND_REPLY },
	};

	RUN_TABLE(rows, MZ_DIR_EGRESS);
	if (T->answers) {
		assert_int_equal(T->answers(false), 0);
		RUN_TABLE(nobody, MZ_DIR_EGRESS);
		assert_int_equal(T->answers(true), 0);
	}
}

#define R6_TO_A .v6 = 1, .src6 = EP6_R, .dst6 = EP6_A
#define DELIVERED6_A(...) as_delivered(INNER(R6_TO_A, ##__VA_ARGS__), MAC_A)
#define IN6(...) .in = { .v6 = 1, ##__VA_ARGS__ }
#define A6_TO_R .in = { .v6 = 1, .src6 = EP6_A, .dst6 = EP6_R }

void test_ip6_ingress(void **state)
{
	(void)state;
	const struct row rows[] = {
		{ "direct, teaches the path", 0, TUNNEL(IN6()), DELIVERED, MZ_R_DELIVERED, .out = DELIVERED6_A(),
		  .path = PEER, .path6 = true },
		{ "bounced again after long: asks for a hint", W_BOUNCED_LONG,
		  TUNNEL(IN6(), .src = BOUNCE_IP, .sender = BOUNCER, .hops = 1), DELIVERED, MZ_R_DELIVERED,
		  .path = PEER, .path6 = true, .event = MZ_EVENT_HINT },
		{ "bouncer", W_IS_BOUNCER, TUNNEL(A6_TO_R), SENT, MZ_R_BOUNCED,
		  .out = HOP_TO(PEER_IP, 1, .v6 = 1, .src6 = EP6_A, .dst6 = EP6_R) },
		{ "divider", W_IS_DIVIDER, TUNNEL(A6_TO_R), SENT, MZ_R_DIVIDED,
		  .out = HOP_TO(BOUNCE_IP, 1, .v6 = 1, .src6 = EP6_A, .dst6 = EP6_R) },
		{ "left here: to the bouncer, sender is told", 0, TUNNEL(A6_TO_R), SENT, MZ_R_REDIRECTED,
		  .out = HOP_TO(BOUNCE_IP, 1, .v6 = 1, .src6 = EP6_A, .dst6 = EP6_R), .event = MZ_EVENT_MOVED },
		{ "hint", 0, TUNNEL(IN6(.proto = 59), .oam = 1, .flags = MZ_OPT_F_HINT), DROPPED, MZ_R_HINT,
		  .no_vpc = 1, .path = PEER, .path6 = true },
		{ "path taken back", W_PATH,
		  TUNNEL(IN6(.proto = 59), .oam = 1, .flags = MZ_OPT_F_HINT, .origin = (uint32_t)-1), DROPPED,
		  MZ_R_HINT, .no_vpc = 1, .path = NO_PATH, .path6 = true },
		{ "extension headers", 0, TUNNEL(IN6(.ext = "\0\x3c", .exts = 2)), DELIVERED, MZ_R_DELIVERED,
		  .out = DELIVERED6_A(.ext = "\0\x3c", .exts = 2) },
		{ "inner header cut", 0, TUNNEL(IN6(), .cut = 19), DROPPED, MZ_R_INNER_TRUNCATED, .no_vpc = 1 },
		{ "inner version 4 in an IPv6 frame", 0, TUNNEL(IN6(.version_ihl = 0x40)), DROPPED,
		  MZ_R_INNER_INVALID, .no_vpc = 1 },
		{ "too many inner extension headers", 0,
		  TUNNEL(IN6(.ext = "\0\x3c\x3c\x3c\x3c\x3c\x3c", .exts = 7)), DROPPED, MZ_R_INNER_INVALID,
		  .no_vpc = 1 },
		{ "inner source link-local", 0, TUNNEL(IN6(.src6 = LL6_A)), DROPPED, MZ_R_INNER_SOURCE, .no_vpc = 1 },
		{ "inner source IPv4-mapped: never the other family's path", 0, TUNNEL(IN6(.src6 = A6(0xffff, 0x109))),
		  DROPPED, MZ_R_INNER_SOURCE, .no_vpc = 1, .path = NO_PATH },
		{ "inner UDP header cut", 0, TUNNEL(IN6(.total_delta = -11)), DROPPED, MZ_R_INNER_TRUNCATED },
		{ "inner source multicast", 0, TUNNEL(IN6(.src6 = ALL6)), DROPPED, MZ_R_INNER_SOURCE, .no_vpc = 1 },
		{ "inner destination multicast", 0, TUNNEL(IN6(.dst6 = ALL6)), DROPPED, MZ_R_INNER_MULTICAST,
		  .no_vpc = 1 },
		{ "inner destination IPv4-mapped: never the other family's endpoint", 0,
		  TUNNEL(IN6(.dst6 = A6(0xffff, 0x101))), DROPPED, MZ_R_INNER_MULTICAST, .no_vpc = 1 },
	};

	RUN_TABLE(rows, MZ_DIR_INGRESS);
}

// A tunnel packet over IPv6 that a hop sends on.
#define HOP6_TO(dst_ip, hops_, ...)                                                                  \
	TUNNEL(.in = { __VA_ARGS__ }, .u6 = 1, .src6 = SELF6, .dst6 = (dst_ip), .dmac = MAC_NEXT, \
	       .smac = MAC_SELF, .hops = (hops_), .sender = SELF, .ttl = 63)

void test_ip6_underlay(void **state)
{
	(void)state;
	const struct row out[] = {
		{ "IPv4 to a bouncer on IPv6", W_UNDERLAY6, INNER(.dst = EP_R), SENT, MZ_R_TO_BOUNCER,
		  .out = SENT6_TO(BOUNCE6, A_TO(EP_R)) },
		{ "IPv6 directly on IPv6", W_UNDERLAY6 | W_PATH, INNER6(.dst6 = EP6_R), SENT, MZ_R_DIRECT,
		  .out = SENT6_TO(PEER6, A6_TO(EP6_R)) },
		{ "no room for headers", W_UNDERLAY6, INNER(.dst = EP_R), DROPPED, MZ_R_NO_ROOM, .no_room = true },
		{ "next hop unknown", W_UNDERLAY6 | W_NO_NEXTHOP, INNER(.dst = EP_R), DROPPED, MZ_R_NO_NEIGHBOUR,
		  .event = MZ_EVENT_NEIGH },
	};
	const struct row in[] = {
		{ "IPv4 inside", W_UNDERLAY6, TUNNEL(.u6 = 1), DELIVERED, MZ_R_DELIVERED, .out = DELIVERED_A(),
		  .path = PEER },
		{ "IPv6 inside", W_UNDERLAY6, TUNNEL(.u6 = 1, IN6()), DELIVERED, MZ_R_DELIVERED, .out = DELIVERED6_A(),
		  .path = PEER, .path6 = true },
		{ "foreign stack without option", W_UNDERLAY6, TUNNEL(.u6 = 1, .no_option = 1), DELIVERED,
		  MZ_R_DELIVERED, .out = DELIVERED_A() },
		{ "bouncer", W_UNDERLAY6 | W_IS_BOUNCER, TUNNEL(.u6 = 1, A6_TO_R), SENT, MZ_R_BOUNCED,
		  .out = HOP6_TO(PEER6, 1, .v6 = 1, .src6 = EP6_A, .dst6 = EP6_R) },
		{ "bouncer, from IPv4 to IPv6", W_PEER6 | W_IS_BOUNCER, TUNNEL(A_TO_R, FROM_BOUNCER), SENT,
		  MZ_R_BOUNCED,
		  .out = TUNNEL(A_TO_R, .u6 = 1, .src6 = SELF6, .dst6 = PEER6, .dmac = MAC_NEXT, .smac = MAC_SELF,
				.ttl = 63, .hops = 1, .sender = SELF, .origin = BOUNCER) },
		{ "from IPv6 to IPv4", W_PEER6, TUNNEL(.u6 = 1, A6_TO_R), SENT, MZ_R_REDIRECTED,
		  .out = HOP_TO(BOUNCE_IP, 1, .v6 = 1, .src6 = EP6_A, .dst6 = EP6_R), .event = MZ_EVENT_MOVED },
		{ "from IPv4 to IPv6, foreign options go along", W_PEER6 | W_IS_BOUNCER,
		  TUNNEL(A_TO_R, FROM_BOUNCER, .extra_option = 1, .tos = 1), SENT, MZ_R_BOUNCED,
		  .out = TUNNEL(A_TO_R, .u6 = 1, .src6 = SELF6, .dst6 = PEER6, .dmac = MAC_NEXT, .smac = MAC_SELF,
				.ttl = 63, .hops = 1, .sender = SELF, .origin = BOUNCER, .extra_option = 1,
				.tos = 1) },
		{ "loop of foreign packets", W_UNDERLAY6 | W_IS_BOUNCER, TUNNEL(.u6 = 1, A6_TO_R, .no_option = 1, .ttl = 1),
		  DROPPED, MZ_R_HOP_LIMIT },
		{ "probe comes back", W_UNDERLAY6,
		  TUNNEL(.u6 = 1, .oam = 1, .flags = MZ_OPT_F_PROBE, .sport = 40000), ANSWERED, MZ_R_PROBE,
		  .no_vpc = 1,
		  .out = TUNNEL(.u6 = 1, .oam = 1, .flags = MZ_OPT_F_PROBE, .sport = 6081, .dport = 40000, .flow = 40000,
				.src6 = SELF6, .dst6 = PEER6, .smac = MAC_SELF, .dmac = MAC_NEXT) },
		{ "stranger", W_UNDERLAY6, TUNNEL(.u6 = 1, .src6 = A6(0xaa, 0x66)), DROPPED, MZ_R_UNKNOWN_SENDER,
		  .no_vpc = 1 },
		{ "known id, address of the other family", 0, TUNNEL(.u6 = 1), DROPPED, MZ_R_UNKNOWN_SENDER,
		  .no_vpc = 1 },
		{ "our own address as source", W_UNDERLAY6, TUNNEL(.u6 = 1, .src6 = SELF6), DROPPED, MZ_R_OWN_SOURCE,
		  .no_vpc = 1 },
		{ "not for us", W_UNDERLAY6, TUNNEL(.u6 = 1, .dst6 = BOUNCE6), PASSED, MZ_R_NOT_TUNNEL, .no_vpc = 1 },
		{ "not UDP", W_UNDERLAY6, TUNNEL(.u6 = 1, .proto = 6), PASSED, MZ_R_NOT_TUNNEL, .no_vpc = 1 },
		{ "another port", W_UNDERLAY6, TUNNEL(.u6 = 1, .dport = 53), PASSED, MZ_R_NOT_TUNNEL, .no_vpc = 1 },
		{ "too short for UDP", W_UNDERLAY6, TUNNEL(.u6 = 1, .keep = 61), PASSED, MZ_R_NOT_TUNNEL, .no_vpc = 1 },
		{ "Geneve header cut", W_UNDERLAY6, TUNNEL(.u6 = 1, .keep = 69), DROPPED, MZ_R_OUTER_TRUNCATED,
		  .no_vpc = 1 },
		{ "inner header cut", W_UNDERLAY6, TUNNEL(.u6 = 1, IN6(), .cut = 19), DROPPED, MZ_R_INNER_TRUNCATED,
		  .no_vpc = 1 },
	};

	RUN_TABLE(out, MZ_DIR_EGRESS);
	RUN_TABLE(in, MZ_DIR_INGRESS);
}
