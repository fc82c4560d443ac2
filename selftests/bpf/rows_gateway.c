// SPDX-License-Identifier: Apache-2.0
// The gateway itself: from its tunnel out, from outside in, and back in at once.
#include "selftests/bpf/rows.h"

#include <arpa/inet.h>
#include <string.h>

#include "selftests/bpf/outside.h"
#include "selftests/bpf/policies.h"

// Rows name what differs from the usual packet.
#pragma GCC diagnostic ignored "-Woverride-init"

#define OUT MZ_DIR_EGRESS
#define IN  MZ_DIR_INGRESS

// R is the endpoint behind PEER; FLOAT is B's, which is here. `underlay`: 0 or W_UNDERLAY6.
static void gateway_world_over(uint32_t underlay)
{
	struct mz_ep_key b4 = { .vni = VNI, .ip = addr4(EP_B) };
	struct mz_endpoint e = { .host = SELF, .ifindex = T->ifindex, .vpc = VPC_SLOT };

	build_world(W_IS_BOUNCER | underlay);
	memcpy(e.mac, mac_bytes(MAC_B), 6);
	put("mz_endpoints", &b4, &e);
	put_way_out(MZ_NET_F_SERVED);
	put_inside(addr4(EP_R), addr4(SHARED), FIRST, LAST, MZ_INSIDE_F_FORWARDS);
	put_inside(addr6(EP6_R), addr6(SHARED6), FIRST, LAST, 0);
	put_inside(addr4(EP_B), addr4(FLOAT), 0, 65535, 0);
	put_forward(addr4(EP_R), 80, 6, addr4(SHARED), 8080);
	put_piece(addr4(SHARED), 1, addr4(EP_R));
	put_piece(addr6(SHARED6), 1, addr6(EP6_R));
	put_piece(addr4(FLOAT), 0, addr4(EP_B));
	put_pool(addr4(SHARED), 10, MZ_POOL_F_FORWARDS);
	put_pool(addr6(SHARED6), 10, 0);
	put_pool(addr4(FLOAT), 16, 0);
}

static void gateway_world(void)
{
	gateway_world_over(0);
}

#define SCTP(chunk) .proto = 132, .flags = (chunk), .sums = 0
#define FROM_R(...)  TUNNEL(.in = { .src = EP_R, .dst = OUT_R, .sums = 1, ##__VA_ARGS__ })
#define FROM_R6(...) TUNNEL(.in = { .v6 = 1, .src6 = EP6_R, .dst6 = OUT6_R, .sums = 1, ##__VA_ARGS__ })
#define SENT_OUT(...) \
	INNER(.dmac = MAC_NEXT, .smac = MAC_SELF, .src = SHARED, .dst = OUT_R, .ttl = 63, .sums = 1, ##__VA_ARGS__)
#define SENT_OUT6(...) \
	INNER(.dmac = MAC_NEXT, .smac = MAC_SELF, .v6 = 1, .src6 = SHARED6, .dst6 = OUT6_R, .ttl = 63, .sums = 1, ##__VA_ARGS__)

static void out_as(const char *name, struct frame in, enum mz_reason why, struct frame want)
{
	assert_int_equal(pass_by(name, GW_OUT, OUT, in, why, want), T->same_interface);
}

static void out(const char *name, struct frame in, enum mz_reason why, struct frame want)
{
	enum verdict v = pass_by(name, GW_OUT, OUT, in, why, want);

	assert_int_equal(v, why == MZ_R_TO_OUTSIDE ? V_REDIRECT : V_DROP);
}

static uint16_t folded(const uint8_t *b, uint32_t len, uint32_t sum)
{
	for (uint32_t i = 0; i < len; i += 2)
		sum += (uint32_t)b[i] << 8 | b[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

// R is told by the gateway, as if by one outside, about `about`, which is how the packet
// would have left: the error comes in again, to R, about what R sent.
static void tells(const char *name, struct frame sent, struct frame about, enum mz_reason why, uint32_t quote, uint16_t kind,
		  uint32_t word)
{
	int v6 = about.b[12] == 0x86;
	uint32_t at = v6 ? 54 : 34, src = v6 ? 22 : 26, size = v6 ? 16 : 4;
	struct mz_addr from = v6 ? addr6(OUT6_GW) : addr4(OUT_GW), to = v6 ? addr6(EP6_R) : addr4(EP_R);
	struct run run = { .gateway = GW_OUT, .dir = OUT, .frame = sent };

	assert_int_equal(pass_by(name, GW_OUT, OUT, sent, why, NOTHING), V_REDIRECT);
	assert_int_equal(T->run(&run), 0);
	assert_int_equal(run.frame.len, at + 8 + quote);
	assert_memory_equal(run.frame.b + src, (uint8_t *)&from + 16 - size, size);
	assert_memory_equal(run.frame.b + src + size, about.b + src, size);
	assert_int_equal(run.frame.b[at] << 8 | run.frame.b[at + 1], kind);
	assert_int_equal(run.frame.b[at + 6] << 8 | run.frame.b[at + 7], word);
	assert_memory_equal(run.frame.b + at + 8, about.b + 14, quote);
	assert_int_equal(v6 ? folded(run.frame.b + 22, 40 + quote, 8 + quote + 58) : folded(run.frame.b + at, 8 + quote, 0), 0xffff);
	run.gateway = GW_IN;
	run.dir = IN;
	pass_by("... it comes in as such errors do", GW_IN, IN, run.frame, MZ_R_FROM_OUTSIDE, NOTHING);
	assert_int_equal(T->run(&run), 0);
	assert_memory_equal(run.frame.b + 66 + src + size, (uint8_t *)&to + 16 - size, size);
	assert_memory_equal(run.frame.b + 66 + at + 8 + src - 14, (uint8_t *)&to + 16 - size, size);
}

// Ends in another program, which counts it. `gateway` NO_GATEWAY: the underlay's.
static void passes(const char *name, int gateway, struct frame in)
{
	static struct counts before, after;
	struct run run = { .gateway = gateway, .dir = IN, .frame = in };

	print_message("# %s: %s\n", T->name, name);
	read_counts(&before);
	assert_int_equal(T->run(&run), 0);
	read_counts(&after);
	assert_int_equal(run.verdict, V_PASS);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(run.frame.len, in.len);
	assert_memory_equal(run.frame.b, in.b, in.len);
}

void test_gateway_out(void **state)
{
	(void)state;
	struct frame got, was, error, want, in;

	gateway_world();
	out("UDP", FROM_R(.sport = 2024), MZ_R_TO_OUTSIDE, SENT_OUT(.sport = 2024));
	out("TCP", FROM_R(.sport = 2024, .proto = 6), MZ_R_TO_OUTSIDE, SENT_OUT(.sport = 2024, .proto = 6));
	out("a ping", FROM_R(.proto = 1, .sport = PING, .id = 1031), MZ_R_TO_OUTSIDE, SENT_OUT(.proto = 1, .sport = PING, .id = 1031));
	out("IPv6", FROM_R6(.sport = 2024), MZ_R_TO_OUTSIDE, SENT_OUT6(.sport = 2024));
	out("a ping of IPv6", FROM_R6(.proto = 58, .sport = PING6, .id = 1031), MZ_R_TO_OUTSIDE, SENT_OUT6(.proto = 58, .sport = PING6, .id = 1031));
	out("4787 REQ-2 the first of its ports", FROM_R(.sport = FIRST), MZ_R_TO_OUTSIDE, SENT_OUT(.sport = FIRST));
	out("4787 REQ-2 ... and the last have one address", FROM_R(.sport = LAST), MZ_R_TO_OUTSIDE, SENT_OUT(.sport = LAST));
	out("one below them", FROM_R(.sport = FIRST - 1), MZ_R_NAT_SOURCE, NOTHING);
	out("one above", FROM_R(.sport = LAST + 1), MZ_R_NAT_SOURCE, NOTHING);
	out("a forwarded port", FROM_R(.proto = 6, .sport = 80), MZ_R_TO_OUTSIDE, SENT_OUT(.proto = 6, .sport = 8080));
	out("of another protocol", FROM_R(.sport = 80), MZ_R_NAT_SOURCE, NOTHING);
	put_forward(addr4(EP_R), 90, 132, addr4(SHARED), 90);
	out("SCTP from a forwarded port: its checksum covers no address", FROM_R(SCTP(2), .sport = 90), MZ_R_TO_OUTSIDE,
	    SENT_OUT(SCTP(2), .sport = 90));
	out("UDP without a checksum stays so", FROM_R(.sport = 2024, .sums = 0), MZ_R_TO_OUTSIDE, SENT_OUT(.sport = 2024, .sums = 0));
	out("4787 REQ-14 a later fragment", FROM_R(.frag = 0x2001, .frag_id = 9), MZ_R_TO_OUTSIDE, NOTHING);
	out("no ports", FROM_R(.proto = 47), MZ_R_NAT_PROTOCOL, NOTHING);
	out("an address of its own", FROM_R(.src = EP_B, .sport = 5), MZ_R_TO_OUTSIDE, SENT_OUT(.src = FLOAT, .sport = 5));
	out("... without ports", FROM_R(.src = EP_B, .proto = 47, .sums = 0), MZ_R_TO_OUTSIDE, SENT_OUT(.src = FLOAT, .proto = 47, .sums = 0));
	out("no outside address", FROM_R(.src = EP_G), MZ_R_NAT_NONE, NOTHING);
	tells("5508 REQ-10a, 1812 5.3.1 TTL 1", FROM_R(.sport = 2024, .ttl = 1), SENT_OUT(.sport = 2024, .ttl = 1), MZ_R_TTL_REPLY, 28, 11 << 8, 0);
	tells("4443 3.3 hop limit 1", FROM_R6(.sport = 2024, .ttl = 1), SENT_OUT6(.sport = 2024, .ttl = 1), MZ_R_TTL_REPLY, 48,
	      3 << 8, 0);
	tells("... of a ping", FROM_R(.proto = 1, .sport = PING, .id = 1031, .ttl = 1),
	      SENT_OUT(.proto = 1, .sport = PING, .id = 1031, .ttl = 1), MZ_R_TTL_REPLY, 28, 11 << 8, 0);
	out("1122 3.2.2 ... of a later fragment", FROM_R(.frag = 0x2001, .frag_id = 9, .ttl = 1), MZ_R_TTL_EXCEEDED, NOTHING);
	out("TTL 2", FROM_R(.sport = 2024, .ttl = 2), MZ_R_TO_OUTSIDE, SENT_OUT(.sport = 2024, .ttl = 1));
	out("no route", FROM_R(.sport = 2024, .dst = OUT_NO), MZ_R_OUTSIDE_ROUTE, NOTHING);
	out("as much as the way out takes", FROM_R(.sport = 2024, .payload = OUTSIDE_MTU - 28), MZ_R_TO_OUTSIDE, NOTHING);
	out("4787 REQ-13a is not kept: one byte more, that may be in fragments", FROM_R(.sport = 2024, .payload = OUTSIDE_MTU - 27), MZ_R_OUTSIDE_TOO_BIG, NOTHING);
	tells("4787 REQ-13, 1191 4 ... that may not", FROM_R(.sport = 2024, .payload = OUTSIDE_MTU - 27, .frag = 0x4000),
	      SENT_OUT(.sport = 2024, .payload = OUTSIDE_MTU - 27, .frag = 0x4000, .ttl = 63), MZ_R_OUTSIDE_MTU_REPLY, 548, 3 << 8 | 4,
	      OUTSIDE_MTU);
	tells("8201 3 ... of IPv6", FROM_R6(.sport = 2024, .payload = OUTSIDE_MTU - 47),
	      SENT_OUT6(.sport = 2024, .payload = OUTSIDE_MTU - 47), MZ_R_OUTSIDE_MTU_REPLY, 1232, 2 << 8, OUTSIDE_MTU);
	in = TUNNEL(.in = { .src = EP_R, .dst = SHARED, .proto = 6, .sport = 2024, .dport = 8080, .sums = 1 }, .label = 0xabc);
	out_as("4787 REQ-9a, 5382 REQ-8 to an outside address of ours: straight to its endpoint, from the sender's", in, MZ_R_FROM_OUTSIDE,
	       TUNNEL(.in = { .src = SHARED, .dst = EP_R, .proto = 6, .sport = 2024, .dport = 80, .ttl = 63, .sums = 1 },
		      .sport = (uint16_t)(in.b[34] << 8 | in.b[35]), .src = SELF_IP, .dst = PEER_IP, .dmac = MAC_NEXT,
		      .smac = MAC_SELF, .ttl = 63, .hops = 1, .flags = FROM_OUTSIDE, .sender = SELF));
	assert_int_equal(pass_by("4787 REQ-9a ... which is here", GW_OUT, OUT, FROM_R(.sport = 2024, .dst = FLOAT, .dport = 7), MZ_R_DELIVERED,
				 as_delivered(INNER(.src = SHARED, .dst = EP_B, .sport = 2024, .dport = 7, .ttl = 63, .sums = 1), MAC_B)),
			 V_REDIRECT);
	assert_int_equal(pass_by("5508 REQ-7 ... a ping", GW_OUT, OUT, FROM_R(.proto = 1, .sport = PING, .id = 1031, .dst = FLOAT), MZ_R_DELIVERED,
				 as_delivered(INNER(.src = SHARED, .dst = EP_B, .proto = 1, .sport = PING, .id = 1031, .ttl = 63, .sums = 1), MAC_B)),
			 V_REDIRECT);
	got = INNER(.src = SHARED, .dst = EP_B, .sport = 2024, .dport = 7, .sums = 1);
	was = INNER(.src = EP_R, .dst = FLOAT, .sport = 2024, .dport = 7, .sums = 1);
	memcpy(was.b + 40, got.b + 40, 2); // the quoted checksum stays
	error = make_error(got, 28, 3, EP_B, SHARED);
	want = make_error(was, 28, 3, FLOAT, EP_R);
	want.b[22]--; // TTL
	want.b[24]++;
	memcpy(want.b, error.b, 12);
	in = TUNNEL(.in = { .src = EP_B, .dst = SHARED, .proto = 1, .sport = 0x0300 }, .frame = &error);
	out_as("5508 REQ-7a ... an error about what came so", in, MZ_R_FROM_OUTSIDE,
	       TUNNEL(.in = { .src = FLOAT, .dst = EP_R, .proto = 1, .sport = 0x0300 }, .frame = &want,
		      .sport = (uint16_t)(in.b[34] << 8 | in.b[35]), .src = SELF_IP, .dst = PEER_IP, .dmac = MAC_NEXT, .smac = MAC_SELF,
		      .ttl = 63, .hops = 1, .flags = TO_MAPPED, .sender = SELF));
	struct mz_outside_key blue = { .ip = addr4(SHARED), .port = htons(3) };
	struct mz_outside blues = { .vni = VNI + 1, .ip = addr4(EP_R) };
	struct mz_ep_key blue_r = { .vni = VNI + 1, .ip = addr4(EP_R) };
	struct mz_endpoint there = { .host = PEER, .vpc = VPC_SLOT };

	put("mz_outsides", &blue, &blues);
	put("mz_endpoints", &blue_r, &there);
	in = FROM_R(.sport = 2024, .dst = SHARED, .dport = 3 << 10);
	out_as("4787 REQ-9a ... of another VPC", in, MZ_R_FROM_OUTSIDE,
	       TUNNEL(.in = { .src = SHARED, .dst = EP_R, .sport = 2024, .dport = 3 << 10, .ttl = 63, .sums = 1 }, .vni = VNI + 1,
		      .sport = (uint16_t)(in.b[34] << 8 | in.b[35]), .src = SELF_IP, .dst = PEER_IP, .dmac = MAC_NEXT,
		      .smac = MAC_SELF, .ttl = 63, .hops = 1, .flags = TO_MAPPED, .sender = SELF));
	out("... to a port that is nobody's", FROM_R(.sport = 2024, .dst = SHARED, .dport = 5), MZ_R_NAT_UNKNOWN, NOTHING);
	out("... by a stack that does not know our option",
	    TUNNEL(.in = { .src = EP_R, .dst = SHARED, .proto = 6, .sport = 2024, .dport = 8080 }, .no_option = 1), MZ_R_OPTION_INVALID, NOTHING);
	got = INNER(.src = OUT_R, .dst = EP_R, .sport = 2000, .dport = 2024, .sums = 1);
	was = INNER(.src = OUT_R, .dst = SHARED, .sport = 2000, .dport = 2024, .sums = 1);
	memcpy(was.b + 40, got.b + 40, 2);
	error = make_error(got, 28, 3, EP_R, OUT_R);
	want = hopped(make_error(was, 28, 3, SHARED, OUT_R), MAC_NEXT, MAC_SELF);
	out("5508 REQ-5 an endpoint's error", TUNNEL(.in = { .src = EP_R, .dst = OUT_R, .proto = 1, .sport = 0x0300 }, .frame = &error),
	    MZ_R_TO_OUTSIDE, want);
	got = INNER(.src = OUT_R, .dst = EP_R, .sport = 2000, .dport = 80, .proto = 6);
	was = INNER(.src = OUT_R, .dst = SHARED, .sport = 2000, .dport = 8080, .proto = 6);
	error = make_error(got, 28, 3, EP_R, OUT_R);
	want = hopped(make_error(was, 28, 3, SHARED, OUT_R), MAC_NEXT, MAC_SELF);
	out("5508 REQ-5 ... about what came to a forwarded port",
	    TUNNEL(.in = { .src = EP_R, .dst = OUT_R, .proto = 1, .sport = 0x0300 }, .frame = &error), MZ_R_TO_OUTSIDE, want);
	got = INNER(.src = OUT_R, .dst = EP_G, .sport = 2000, .dport = 2024);
	error = make_error(got, 28, 3, EP_R, OUT_R);
	out("one about what another got", TUNNEL(.in = { .src = EP_R, .dst = OUT_R, .proto = 1, .sport = 0x0300 }, .frame = &error),
	    MZ_R_NAT_SOURCE, NOTHING);
	passes("to an endpoint", GW_OUT, TUNNEL(.in = { .src = EP_R, .dst = EP_B }));
	passes("of a stranger", GW_OUT, TUNNEL(.in = { .src = EP_R, .dst = OUT_R }, .src = STRANGER_IP));
	passes("of another VPC", GW_OUT, TUNNEL(.in = { .src = EP_R, .dst = OUT_R }, .vni = VNI + 1));
	passes("a probe", GW_OUT, TUNNEL(.in = { .src = EP_R, .dst = OUT_R }, .oam = 1));
	passes("no tunnel packet", GW_OUT, INNER());
	passes("the underlay's program leaves it", NO_GATEWAY, FROM_R(.sport = 2024));
	put_way_out(0);
	passes("of a VPC this host is no gateway of", GW_OUT, FROM_R(.sport = 2024));
	pass("... which the underlay's program sends to one", IN, FROM_R(.sport = 2024), MZ_R_TO_GATEWAY, NOTHING);
}

#define COMES(...)  INNER(.src = OUT_R, .dst = SHARED, .sport = 2000, .dport = 2024, .sums = 1, ##__VA_ARGS__)
#define COMES6(...) INNER(.v6 = 1, .src6 = OUT6_R, .dst6 = SHARED6, .sport = 2000, .dport = 2024, .sums = 1, ##__VA_ARGS__)
// A frame of the gateway's own making, whose MAC addresses are the network's.
#define SENT_IN(flags_, ...)                                                                           \
	TUNNEL(.in = { .src = OUT_R, .dst = EP_R, .sport = 2000, .dport = 2024, .ttl = 63, .sums = 1,   \
		       .dmac = MAC_GW, .smac = MAC_GW, ##__VA_ARGS__ },                                 \
	       .src = SELF_IP, .dst = PEER_IP, .dmac = MAC_NEXT, .smac = MAC_SELF, .origin = SELF, .sender = SELF, .flags = (flags_))
#define SENT_IN6(flags_, ...)                                                                          \
	TUNNEL(.in = { .v6 = 1, .src6 = OUT6_R, .dst6 = EP6_R, .sport = 2000, .dport = 2024, .ttl = 63, .sums = 1, \
		       .dmac = MAC_GW, .smac = MAC_GW, ##__VA_ARGS__ },                                 \
	       .src = SELF_IP, .dst = PEER_IP, .dmac = MAC_NEXT, .smac = MAC_SELF, .origin = SELF, .sender = SELF, .flags = (flags_))

static enum verdict in(const char *name, struct frame f, enum mz_reason why, struct frame want)
{
	return pass_by(name, GW_IN, IN, f, why, want);
}

// What B, which is here, says of label set 0xabc and of everything else.
static void b_judges(enum mz_policy_verdict labelled, enum mz_policy_verdict others)
{
	const uint32_t group = 6, list = MZ_POLICY_LIST(group, MZ_POLICY_IN);

	gateway_world();
	put_label(MZ_POLICY_KNOWN(VNI), 0xabc, 0);
	b_judged_by(group);
	VECTOR(1, 1);
	VECTOR(2, 0, 1);
	put_group(group, MZ_POLICY_IN, (struct mz_policy_list){ .label = 1, .block = 2, .port = 2, .rules = 2 });
	put_label(list, 0xabc, 2);
	put_rule(list, 0, labelled, 0);
	put_rule(list, 1, others, 0);
}

void test_gateway_policy(void **state)
{
	const struct frame straight = TUNNEL(.in = { .src = EP_R, .dst = EP_B, .sport = 2024 }, .label = 0xabc),
			   hairpin = TUNNEL(.in = { .src = EP_R, .dst = FLOAT, .sport = 2024, .sums = 1 }, .label = 0xabc),
			   rest = TUNNEL(.in = { .src = EP_R, .dst = FLOAT, .frag = 0x2001, .frag_id = 9 }),
			   rest_in = INNER(.src = OUT_R, .dst = FLOAT, .frag = 0x2001, .frag_id = 9);

	(void)state;
	b_judges(MZ_POLICY_ALLOW, MZ_POLICY_DENY);
	pass("a label set that may come", IN, straight, MZ_R_DELIVERED, NOTHING);
	pass_by("... may not by an outside address, where it has none", GW_OUT, OUT, hairpin, MZ_R_POLICY_INGRESS, NOTHING);
	b_judges(MZ_POLICY_DENY, MZ_POLICY_ALLOW);
	pass("one that may not", IN, straight, MZ_R_POLICY_INGRESS, NOTHING);
	pass_by("... may so", GW_OUT, OUT, hairpin, MZ_R_DELIVERED, NOTHING);
	pass_by("... but not the rest of a datagram whose beginning was not seen", GW_OUT, OUT, rest, MZ_R_POLICY_FRAGMENT, NOTHING);
	in("... from outside neither", rest_in, MZ_R_POLICY_FRAGMENT, NOTHING);
	gateway_world();
	pass_by("it may where nobody judges", GW_OUT, OUT, rest, MZ_R_DELIVERED, NOTHING);
	in("... from outside too", rest_in, MZ_R_DELIVERED, NOTHING);
	gateway_world_over(W_UNDERLAY6);
	out("nobody judges what leaves: a later fragment over IPv6",
	    TUNNEL(.u6 = 1, .in = { .src = EP_R, .dst = OUT_R, .frag = 0x2001, .frag_id = 9 }), MZ_R_TO_OUTSIDE, NOTHING);
}

void test_gateway_in(void **state)
{
	(void)state;
	struct frame was = INNER(.src = SHARED, .dst = OUT_R, .sport = 2024, .dport = 2000, .sums = 1),
		     now = INNER(.src = EP_R, .dst = OUT_R, .sport = 2024, .dport = 2000, .sums = 1), want;
	struct run run = { .gateway = GW_IN };

	gateway_world();
	in("UDP", COMES(), MZ_R_FROM_OUTSIDE, SENT_IN(TO_MAPPED));
	in("TCP", COMES(.proto = 6), MZ_R_FROM_OUTSIDE, SENT_IN(TO_MAPPED, .proto = 6));
	in("a ping", COMES(.proto = 1, .sport = 0, PONG, .dport = 0, .id = 1031), MZ_R_FROM_OUTSIDE,
	   SENT_IN(TO_MAPPED, .proto = 1, .sport = 0, PONG, .dport = 0, .id = 1031));
	in("IPv6", COMES6(), MZ_R_FROM_OUTSIDE, SENT_IN6(TO_MAPPED));
	in("a ping of IPv6", COMES6(.proto = 58, .sport = PONG6, .dport = 0, .id = 1031), MZ_R_FROM_OUTSIDE,
	   SENT_IN6(TO_MAPPED, .proto = 58, .sport = PONG6, .dport = 0, .id = 1031));
	in("a port of nobody's", COMES(.dport = FIRST - 1), MZ_R_NAT_UNKNOWN, NOTHING);
	in("the first of R's", COMES(.dport = FIRST), MZ_R_FROM_OUTSIDE, SENT_IN(TO_MAPPED, .dport = FIRST));
	in("the last", COMES(.dport = LAST), MZ_R_FROM_OUTSIDE, SENT_IN(TO_MAPPED, .dport = LAST));
	in("behind them", COMES(.dport = LAST + 1), MZ_R_NAT_UNKNOWN, NOTHING);
	in("a forwarded port", COMES(.proto = 6, .dport = 8080), MZ_R_FROM_OUTSIDE, SENT_IN(FROM_OUTSIDE, .proto = 6, .dport = 80));
	in("of another protocol", COMES(.dport = 8080), MZ_R_NAT_UNKNOWN, NOTHING);
	put_forward(addr4(EP_R), 90, 132, addr4(SHARED), 90);
	in("SCTP to a forwarded port: its checksum covers no address", COMES(SCTP(1), .dport = 90), MZ_R_FROM_OUTSIDE,
	   SENT_IN(FROM_OUTSIDE, SCTP(1), .dport = 90));
	in("UDP without a checksum stays so", COMES(.sums = 0), MZ_R_FROM_OUTSIDE, SENT_IN(TO_MAPPED, .sums = 0));
	put_forward(addr4(EP_R), 53, 17, addr4(SHARED), 5353);
	in("... to a forwarded port", COMES(.sums = 0, .dport = 5353), MZ_R_FROM_OUTSIDE, SENT_IN(FROM_OUTSIDE, .sums = 0, .dport = 53));
	put_piece(addr4(SHARED), 0, addr4(EP_B));
	in("no ports", COMES(.proto = 47), MZ_R_NAT_UNKNOWN, NOTHING);
	in("a later fragment whose first did not come", COMES(.frag = 0x2001, .frag_id = 9), MZ_R_NAT_UNKNOWN, NOTHING);
	in("4787 REQ-14 a first fragment", COMES(.frag = 0x2000, .frag_id = 9), MZ_R_FROM_OUTSIDE,
	   SENT_IN(TO_MAPPED, .frag = 0x2000, .frag_id = 9));
	in("4787 REQ-14 ... and then a later one", COMES(.frag = 0x2001, .frag_id = 9), MZ_R_FROM_OUTSIDE, NOTHING);
	assert_int_equal(in("a floating address, here", COMES(.dst = FLOAT, .dport = 7), MZ_R_DELIVERED,
			    as_delivered(INNER(.src = OUT_R, .dst = EP_B, .sport = 2000, .dport = 7, .ttl = 63, .sums = 1), MAC_B)),
			 V_REDIRECT);
	in("... without ports", COMES(.dst = FLOAT, .proto = 47), MZ_R_DELIVERED, NOTHING);
	in("from nobody", COMES(.src = IP4(127, 0, 0, 1)), MZ_R_OUTSIDE_SOURCE, NOTHING);
	in("... of IPv6", COMES6(.src6 = LL6_A), MZ_R_OUTSIDE_SOURCE, NOTHING);
	in("as if of the link", COMES(.src = IP4(169, 254, 169, 254)), MZ_R_OUTSIDE_SOURCE, NOTHING);
	in("as if a service of the host, of IPv6", COMES6(.src6 = SVC6(0x53)), MZ_R_OUTSIDE_SOURCE, NOTHING);
	in("as if an endpoint's outside address", COMES(.dst = FLOAT, .src = SHARED), MZ_R_OUTSIDE_SOURCE, NOTHING);
	in("4787 REQ-7 as if an endpoint of the VPC", COMES(.dst = FLOAT, .src = EP_R), MZ_R_OUTSIDE_SOURCE, NOTHING);
	in("... of IPv6", COMES6(.src6 = EP6_B), MZ_R_OUTSIDE_SOURCE, NOTHING);
	in("... to a forwarded port", COMES(.src = EP_G, .proto = 6, .dport = 8080), MZ_R_OUTSIDE_SOURCE, NOTHING);
	put_piece(addr4(SHARED), 4, addr4(EP_G));
	in("to an endpoint that only its bouncers know", COMES(.dport = 4 << 10), MZ_R_FROM_OUTSIDE,
	   TUNNEL(.in = { .src = OUT_R, .dst = EP_G, .sport = 2000, .dport = 4 << 10, .ttl = 63, .sums = 1, .dmac = MAC_GW, .smac = MAC_GW },
		  .src = SELF_IP, .dst = BOUNCE_IP, .dmac = MAC_NEXT, .smac = MAC_SELF, .origin = SELF, .sender = SELF, .flags = TO_MAPPED));
	assert_int_equal(in("1812 5.3.1 TTL 1: its sender is told", COMES(.ttl = 1), MZ_R_TTL_REPLY, NOTHING), T->same_interface);
	in("... of IPv6", COMES6(.ttl = 1), MZ_R_TTL_REPLY, NOTHING);
	in("... of an error", COMES(.proto = 1, .sport = 0x0b00, .ttl = 1), MZ_R_TTL_EXCEEDED, NOTHING);
	in("a cut header", COMES(.cut = 14, .total_delta = -14), MZ_R_L4_TRUNCATED, NOTHING);
	in("as much as a tunnel carries", COMES(.payload = 1434 - 28), MZ_R_FROM_OUTSIDE, NOTHING);
	in("4787 REQ-13a is not kept: more, and may be in fragments", COMES(.payload = 1434 - 27), MZ_R_OUTSIDE_TOO_BIG, NOTHING);
	run.frame = COMES(.payload = 1434 - 27, .frag = 0x4000, .dmac = MAC_SELF, .smac = MAC_NEXT);
	assert_int_equal(in("4787 REQ-13 more, and may not: its sender is told", run.frame, MZ_R_TOO_BIG_REPLY, NOTHING), T->same_interface);
	assert_int_equal(T->run(&run), 0);
	want = make_too_big(COMES(.payload = 1434 - 27, .frag = 0x4000), 548, 1434, OUT_GW);
	assert_memory_equal(run.frame.b, mac_bytes(MAC_NEXT), 6);
	assert_memory_equal(run.frame.b + 6, mac_bytes(MAC_SELF), 6);
	assert_memory_equal(run.frame.b + 26, want.b + 26, 4); // from the gateway
	assert_int_equal(run.frame.b[35], 4);
	assert_int_equal(run.frame.b[40] << 8 | run.frame.b[41], 1434);
	assert_memory_equal(run.frame.b + 42, want.b + 42, 100);
	memcpy(now.b + 40, was.b + 40, 2);
	in("5508 REQ-4 an error about what R sent", make_error(was, 28, 3, OUT_R2, SHARED), MZ_R_FROM_OUTSIDE, error_to_r(now, TO_MAPPED));
	was = INNER(.src = SHARED, .dst = OUT_R, .sport = 8080, .dport = 2000, .proto = 6);
	now = INNER(.src = EP_R, .dst = OUT_R, .sport = 80, .dport = 2000, .proto = 6);
	in("5508 REQ-4 ... from a forwarded port", make_error(was, 28, 3, OUT_R2, SHARED), MZ_R_FROM_OUTSIDE, error_to_r(now, FROM_OUTSIDE));
	was = INNER(.src = OUT_NO, .dst = OUT_R, .sport = 2024, .dport = 2000);
	in("an error about what another sent", make_error(was, 28, 3, OUT_R2, SHARED), MZ_R_NAT_UNKNOWN, NOTHING);
	passes("to an address that is none of ours", GW_IN, COMES(.dst = OUT_GW));
	passes("not IP", GW_IN, ARP());
	passes("malformed", GW_IN, COMES(.version_ihl = 0x44));
}

// ... also of endpoints at the gateway itself.
void test_gateway_functions(void **state)
{
	(void)state;
	static const enum mz_function_point points[] = { MZ_POINT_INGRESS, MZ_POINT_INGRESS_AFTER };

	if (!T->endpoint_functions)
		return;
	for (size_t i = 0; i < 2; i++) {
		gateway_world();
		with_function(addr4(EP_B), T->ifindex, points[i]);
		in("what a gateway delivers itself", COMES(.dst = FLOAT, .dport = 7), MZ_R_DELIVERED,
		   as_delivered(INNER(.src = OUT_R, .dst = EP_B, .sport = 2000, .dport = 7, .ttl = 63, .sums = 1), MAC_B));
		saw(OUT_R, 2000, EP_B, 7);
		pass_by("... from an endpoint by its outside address", GW_OUT, OUT, FROM_R(.sport = 2024, .dst = FLOAT, .dport = 7), MZ_R_DELIVERED,
			as_delivered(INNER(.src = SHARED, .dst = EP_B, .sport = 2024, .dport = 7, .ttl = 63, .sums = 1), MAC_B));
		saw(SHARED, 2024, EP_B, 7);
		put_forward(addr4(EP_B), 80, 6, addr4(FLOAT), 8080);
		put_pool(addr4(FLOAT), 16, MZ_POOL_F_FORWARDS);
		pass_by("... to a forwarded port", GW_OUT, OUT, FROM_R(.proto = 6, .sport = 2024, .dst = FLOAT, .dport = 8080), MZ_R_DELIVERED,
			as_delivered(INNER(.src = SHARED, .dst = EP_B, .proto = 6, .sport = 2024, .dport = 80, .ttl = 63, .sums = 1), MAC_B));
		saw(SHARED, 2024, EP_B, 80);
	}
}
