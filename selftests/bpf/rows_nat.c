// SPDX-License-Identifier: Apache-2.0
// Outside ports at the endpoint's host. Names begin with the requirement they show: RFC
// 4787 (UDP), 5382 (TCP), 5508 (ICMP). What is not kept stands in KNOWN_ISSUES.
#include "selftests/bpf/rows.h"

#include <arpa/inet.h>
#include <string.h>

#include "selftests/bpf/outside.h"

// Rows name what differs from the usual packet.
#pragma GCC diagnostic ignored "-Woverride-init"

#define OUT MZ_DIR_EGRESS
#define IN  MZ_DIR_INGRESS
#define TCP_SYN 0x02
#define TCP_SYNACK 0x12

// The network of EP_N, by the dividers.
static void put_network_elsewhere(void)
{
	struct mz_net_key k = { .prefixlen = 32 + 96 + 24, .vni = htonl(VNI), .ip = addr4(IP4(198, 18, 9, 0)) };
	struct mz_network n = { .shard = 128, .vpc = VPC_SLOT, .flags = MZ_NET_F_ELSEWHERE };

	put("mz_networks", &k, &n);
}

// UDP port 2000 of `vip` is R's 2001.
static void put_service(uint32_t vip)
{
	struct mz_vip_key k = { .vni = VNI, .ip = addr4(vip), .port = htons(2000), .proto = 17 };
	struct mz_vip v = { .first = 100, .size = 1, .id = 9 };
	struct mz_backend b = { .vni = VNI, .ip = addr4(EP_R), .port = htons(2001) };
	uint32_t row = 100, one = 1;
	struct mz_port port;

	put("mz_vips", &k, &v);
	put("mz_vip_rows", &row, &one);
	put("mz_backends", &one, &b);
	assert_int_equal(T->lookup("mz_ports", &T->ifindex, &port), 0);
	port.flags |= MZ_EP_F_VIPS;
	put("mz_ports", &T->ifindex, &port);
}

// A and its host; A shares an outside address.
static void inside_world(uint32_t world)
{
	struct mz_ep_key a4 = { .vni = VNI, .ip = addr4(EP_A) }, a6 = { .vni = VNI, .ip = addr6(EP6_A) };
	struct mz_endpoint e = { .host = SELF, .ifindex = T->ifindex, .vpc = VPC_SLOT };
	struct mz_port port;

	build_world(world);
	memcpy(e.mac, mac_bytes(MAC_A), 6);
	put("mz_endpoints", &a4, &e);
	put("mz_endpoints", &a6, &e);
	put_way_out(0);
	assert_int_equal(T->lookup("mz_ports", &T->ifindex, &port), 0);
	port.flags |= MZ_EP_F_OUT;
	put("mz_ports", &T->ifindex, &port);
	put_inside(addr4(EP_A), addr4(SHARED), FIRST, LAST, 0);
	put_inside(addr6(EP6_A), addr6(SHARED6), FIRST, LAST, 0);
}

#define LEAVES(...)  INNER(.dst = OUT_R, .sums = 1, ##__VA_ARGS__)
#define LEAVES6(...) INNER(.v6 = 1, .dst6 = OUT6_R, .sums = 1, ##__VA_ARGS__)
#define AS(port, ...)  SENT_TO(BOUNCE_IP, .src = EP_A, .dst = OUT_R, .sums = 1, .sport = (port), ##__VA_ARGS__)
#define AS6(port, ...) SENT_TO(BOUNCE_IP, .v6 = 1, .src6 = EP6_A, .dst6 = OUT6_R, .sums = 1, .sport = (port), ##__VA_ARGS__)
// From a gateway: BOUNCER.
#define ARRIVES(flags_, ...) \
	TUNNEL(.in = { .src = OUT_R, .dst = EP_A, .sport = 2000, .sums = 1, ##__VA_ARGS__ }, FROM_BOUNCER, .flags = (flags_))
#define ARRIVES6(flags_, ...) \
	TUNNEL(.in = { .v6 = 1, .src6 = OUT6_R, .dst6 = EP6_A, .sport = 2000, .sums = 1, ##__VA_ARGS__ }, FROM_BOUNCER, .flags = (flags_))
#define GOT(...)  as_delivered(INNER(.src = OUT_R, .dst = EP_A, .sport = 2000, .sums = 1, ##__VA_ARGS__), MAC_A)
#define GOT6(...) as_delivered(INNER(.v6 = 1, .src6 = OUT6_R, .dst6 = EP6_A, .sport = 2000, .sums = 1, ##__VA_ARGS__), MAC_A)

#define FIRST_FRAGMENT .frag = 0x2000, .frag_id = 9
#define LATER_FRAGMENT .frag = 0x0002, .frag_id = 9, .sport = 7, .dport = 8, .sums = 0

// The outside port that a port has, 0 = none.
static uint16_t mapped(uint16_t port, uint8_t proto)
{
	struct mz_mapping_key k = { .vni = VNI, .ip = addr4(EP_A), .port = htons(port), .proto = proto };
	struct mz_mapping m = { 0 };

	if (T->lookup("mz_mappings", &k, &m))
		return 0;
	k.port = m.port;
	k.outside = 1;
	struct mz_mapping back = { 0 };
	assert_int_equal(T->lookup("mz_mappings", &k, &back), 0);
	assert_int_equal(ntohs(back.port), port);
	return ntohs(m.port);
}

void test_nat_mapping(void **state)
{
	(void)state;
	struct mz_ep_key remote = { .vni = VNI, .ip = addr4(OUT_R) };
	struct mz_path path;
	uint16_t other;

	inside_world(0);
	pass("4787 REQ-4 even ports stay even, in their order", OUT, LEAVES(), MZ_R_TO_GATEWAY, AS(2024));
	pass("4787 REQ-1 the same port to another port: one mapping", OUT, LEAVES(.dport = 2001), MZ_R_TO_GATEWAY,
	     AS(2024, .dport = 2001));
	pass("4787 REQ-1 ... to another address", OUT, INNER(.dst = OUT_R2, .sums = 1), MZ_R_TO_GATEWAY,
	     SENT_TO(BOUNCE_IP, .src = EP_A, .dst = OUT_R2, .sums = 1, .sport = 2024));
	pass("its answer", IN, ARRIVES(TO_MAPPED, .dport = 2024), MZ_R_DELIVERED, GOT(.dport = 1000));
	assert_int_not_equal(T->lookup("mz_paths", &remote, &path), 0);
	pass("another's, to the same outside port", IN,
	     TUNNEL(.in = { .src = OUT_R2, .dst = EP_A, .sport = 2000, .dport = 2024, .sums = 1 }, FROM_BOUNCER, .flags = TO_MAPPED),
	     MZ_R_DELIVERED, as_delivered(INNER(.src = OUT_R2, .dst = EP_A, .sport = 2000, .dport = 1000, .sums = 1), MAC_A));
	pass("4787 REQ-4 odd ports stay odd", OUT, LEAVES(.sport = 1001), MZ_R_TO_GATEWAY, AS(2025, .sport = 2025));
	pass("one that is among the outside ports keeps its number", OUT, LEAVES(.sport = 1100), MZ_R_TO_GATEWAY, AS(1100));
	pass("UDP without a checksum stays so", OUT, INNER(.dst = OUT_R, .sport = 1002), MZ_R_TO_GATEWAY,
	     SENT_TO(BOUNCE_IP, .src = EP_A, .dst = OUT_R, .sport = 2026));
	// Another is found by chance: what comes behind must not ask for one of its own.
	pass("4787 REQ-3 a number that is taken is not given twice", OUT, LEAVES(.sport = 2024), MZ_R_TO_GATEWAY, NOTHING);
	other = mapped(2024, 17);
	assert_in_range(other, FIRST, LAST);
	assert_int_not_equal(other, 2024);
	assert_int_equal(other % 2, 0);
	pass("and what comes for it is told apart", IN, ARRIVES(TO_MAPPED, .dport = other), MZ_R_DELIVERED, GOT(.dport = 2024));
	pass("... from the first", IN, ARRIVES(TO_MAPPED, .dport = 2024), MZ_R_DELIVERED, GOT(.dport = 1000));
	pass("4787 REQ-11 one found by chance is as any other: to another port it is the same", OUT, LEAVES(.sport = 2024, .dport = 2001),
	     MZ_R_TO_GATEWAY, AS(other, .dport = 2001));
	pass("4787 REQ-11 ... and what comes for it is filtered as for any other", IN,
	     TUNNEL(.in = { .src = OUT_R2, .dst = EP_A, .sport = 2000, .dport = other, .sums = 1 }, FROM_BOUNCER, .flags = TO_MAPPED),
	     MZ_R_NAT_UNSOLICITED, NOTHING);
	struct mz_mapping_key mk = { .vni = VNI, .ip = addr4(EP_A), .port = htons(1000), .proto = 17 };
	struct mz_mapping m = { .port = htons(2024), .idle = 1 };

	inside_world(0); // room for more flows
	pass("a mapping", OUT, LEAVES(), MZ_R_TO_GATEWAY, AS(2024));
	put("mz_mappings", &mk, &m); // nobody needs it, says the daemon
	pass("4787 REQ-6 a new flow of it keeps it", OUT, LEAVES(.dport = 2001), MZ_R_TO_GATEWAY, AS(2024, .dport = 2001));
	assert_int_equal(T->lookup("mz_mappings", &mk, &m), 0);
	assert_int_equal(m.idle, 0);
	assert_true(T->now() - m.seen < 1000);
	pass("5382 REQ-1 TCP", OUT, LEAVES(.proto = 6, .flags = TCP_SYN), MZ_R_TO_GATEWAY, AS(2024, .proto = 6, .flags = TCP_SYN));
	pass("its answer", IN, ARRIVES(TO_MAPPED, .proto = 6, .flags = TCP_SYNACK, .dport = 2024), MZ_R_DELIVERED,
	     GOT(.proto = 6, .flags = TCP_SYNACK, .dport = 1000));
	pass("5508 REQ-1 a ping's identifier", OUT, LEAVES(.proto = 1, .sport = PING, .id = 7), MZ_R_TO_GATEWAY,
	     AS(PING, .proto = 1, .id = 1031));
	pass("its answer", IN, TUNNEL(.in = { .src = OUT_R, .dst = EP_A, .proto = 1, PONG, .id = 1031, .sums = 1 }, FROM_BOUNCER, .flags = TO_MAPPED),
	     MZ_R_DELIVERED, as_delivered(INNER(.src = OUT_R, .dst = EP_A, .proto = 1, PONG, .id = 7, .sums = 1), MAC_A));
	pass("5508 REQ-1a the same identifier to another host: one mapping", OUT,
	     INNER(.dst = OUT_R2, .proto = 1, .sport = PING, .id = 7, .sums = 1), MZ_R_TO_GATEWAY,
	     SENT_TO(BOUNCE_IP, .src = EP_A, .dst = OUT_R2, .proto = 1, .sport = PING, .id = 1031, .sums = 1));
	pass("IPv6", OUT, LEAVES6(.proto = 6, .flags = TCP_SYN), MZ_R_TO_GATEWAY, AS6(2024, .proto = 6, .flags = TCP_SYN));
	pass("its answer", IN, ARRIVES6(TO_MAPPED, .proto = 6, .flags = TCP_SYNACK, .dport = 2024), MZ_R_DELIVERED,
	     GOT6(.proto = 6, .flags = TCP_SYNACK, .dport = 1000));
	pass("a ping of IPv6", OUT, LEAVES6(.proto = 58, .sport = PING6, .id = 7), MZ_R_TO_GATEWAY, AS6(PING6, .proto = 58, .id = 1031));
	pass("its answer", IN, TUNNEL(.in = { .v6 = 1, .src6 = OUT6_R, .dst6 = EP6_A, .proto = 58, .sport = PONG6, .id = 1031, .sums = 1 }, FROM_BOUNCER, .flags = TO_MAPPED),
	     MZ_R_DELIVERED, as_delivered(INNER(.v6 = 1, .src6 = OUT6_R, .dst6 = EP6_A, .proto = 58, .sport = PONG6, .id = 7, .sums = 1), MAC_A));
	inside_world(0);
	pass("a connection", OUT, LEAVES(.proto = 6, .flags = TCP_SYN), MZ_R_TO_GATEWAY, AS(2024, .proto = 6, .flags = TCP_SYN));
	pass("5382 REQ-1 ... its port to another address: one mapping", OUT, INNER(.dst = OUT_R2, .proto = 6, .flags = TCP_SYN, .sums = 1),
	     MZ_R_TO_GATEWAY, SENT_TO(BOUNCE_IP, .src = EP_A, .dst = OUT_R2, .proto = 6, .flags = TCP_SYN, .sums = 1, .sport = 2024));
	pass("5382 REQ-7 a number that is taken is not given twice", OUT, LEAVES(.proto = 6, .sport = 2024, .flags = TCP_SYN), MZ_R_TO_GATEWAY,
	     NOTHING);
	other = mapped(2024, 6);
	assert_in_range(other, FIRST, LAST);
	assert_int_not_equal(other, 2024);
	pass("5382 REQ-7 ... and what comes for it is told apart", IN,
	     ARRIVES(TO_MAPPED, .proto = 6, .flags = TCP_SYNACK, .dport = other), MZ_R_DELIVERED,
	     GOT(.proto = 6, .flags = TCP_SYNACK, .dport = 2024));
	pass("5382 REQ-7 ... from the first's", IN, ARRIVES(TO_MAPPED, .proto = 6, .flags = TCP_SYNACK, .dport = 2024), MZ_R_DELIVERED,
	     GOT(.proto = 6, .flags = TCP_SYNACK, .dport = 1000));
}

void test_nat_filter(void **state)
{
	(void)state;
	struct mz_flow_key k = { .vni = VNI, .proto = 6, .local = addr4(EP_A), .remote = addr4(OUT_R),
				 .local_port = htons(1000), .remote_port = htons(2000) };
	struct mz_flow f;

	inside_world(0);
	pass("nothing was sent yet", IN, ARRIVES(TO_MAPPED, .dport = 2024), MZ_R_NAT_UNSOLICITED, NOTHING);
	pass("a flow", OUT, LEAVES(), MZ_R_TO_GATEWAY, AS(2024));
	pass("4787 REQ-8 from another address", IN,
	     TUNNEL(.in = { .src = OUT_R2, .dst = EP_A, .sport = 2000, .dport = 2024 }, FROM_BOUNCER, .flags = TO_MAPPED),
	     MZ_R_NAT_UNSOLICITED, NOTHING);
	pass("4787 REQ-8 from another port", IN, ARRIVES(TO_MAPPED, .sport = 2001, .dport = 2024), MZ_R_NAT_UNSOLICITED, NOTHING);
	pass("of another protocol", IN, ARRIVES(TO_MAPPED, .proto = 6, .dport = 2024), MZ_R_NAT_UNSOLICITED, NOTHING);
	pass("to another port", IN, ARRIVES(TO_MAPPED, .dport = 2023), MZ_R_NAT_UNSOLICITED, NOTHING);
	pass("5382 REQ-4a a SYN from outside is dropped in silence", IN,
	     ARRIVES(TO_MAPPED, .proto = 6, .flags = TCP_SYN, .dport = 2024), MZ_R_NAT_UNSOLICITED, NOTHING);
	pass("5382 REQ-2 both open at once: ours", OUT, LEAVES(.proto = 6, .flags = TCP_SYN), MZ_R_TO_GATEWAY,
	     AS(2024, .proto = 6, .flags = TCP_SYN));
	pass("5382 REQ-2 ... theirs", IN, ARRIVES(TO_MAPPED, .proto = 6, .flags = TCP_SYN, .dport = 2024), MZ_R_DELIVERED,
	     GOT(.proto = 6, .flags = TCP_SYN, .dport = 1000));
	pass("5382 REQ-2 ... the answer to it", OUT, LEAVES(.proto = 6, .flags = TCP_SYNACK), MZ_R_TO_GATEWAY,
	     AS(2024, .proto = 6, .flags = TCP_SYNACK));
	assert_int_equal(T->lookup("mz_flows", &k, &f), 0);
	assert_int_equal(f.state, MZ_FLOW_ESTABLISHED);
	f.seen = T->now() - f.timeout - 1000;
	put("mz_flows", &k, &f);
	pass("4787 REQ-6 what comes in does not keep it: it has ended", IN, ARRIVES(TO_MAPPED, .proto = 6, .dport = 2024),
	     MZ_R_NAT_UNSOLICITED, NOTHING);
	pass("4787 REQ-6 what goes out does", OUT, LEAVES(.proto = 6), MZ_R_TO_GATEWAY, AS(2024, .proto = 6));
	pass("... under the same port", IN, ARRIVES(TO_MAPPED, .proto = 6, .dport = 2024), MZ_R_DELIVERED, GOT(.proto = 6, .dport = 1000));
	pass("a floating or forwarded port is not filtered here", IN, ARRIVES(FROM_OUTSIDE, .dport = 80), MZ_R_DELIVERED, GOT(.dport = 80));
	assert_int_equal(T->lookup("mz_flows", &k, &f), 0);
	f.from_port = htons(2026);
	put("mz_flows", &k, &f);
	pass("the flow has another outside port by now", IN, ARRIVES(TO_MAPPED, .proto = 6, .dport = 2024), MZ_R_NAT_UNSOLICITED, NOTHING);
	f.from_port = htons(2024);
	f.flags &= (uint8_t)~MZ_FLOW_F_SOURCE;
	put("mz_flows", &k, &f);
	pass("... or none", IN, ARRIVES(TO_MAPPED, .proto = 6, .dport = 2024), MZ_R_NAT_UNSOLICITED, NOTHING);
	f.flags |= MZ_FLOW_F_SOURCE;
	f.ifindex = 78;
	put("mz_flows", &k, &f);
	pass("of the address's owner before", IN, ARRIVES(TO_MAPPED, .proto = 6, .dport = 2024), MZ_R_NAT_UNSOLICITED, NOTHING);
}

// Later fragments are of their first one's flow, on both ways.
void test_nat_fragments(void **state)
{
	(void)state;
	inside_world(0);
	pass("a first fragment", OUT, LEAVES(FIRST_FRAGMENT), MZ_R_TO_GATEWAY, AS(2024, FIRST_FRAGMENT));
	pass("... a later one: what stands in the place of ports is data", OUT, LEAVES(LATER_FRAGMENT), MZ_R_TO_GATEWAY,
	     AS(7, LATER_FRAGMENT));
	pass("a first fragment of the answer", IN, ARRIVES(TO_MAPPED, FIRST_FRAGMENT, .dport = 2024), MZ_R_DELIVERED,
	     GOT(FIRST_FRAGMENT, .dport = 1000));
	pass("... a later one", IN, ARRIVES(TO_MAPPED, LATER_FRAGMENT), MZ_R_DELIVERED, GOT(LATER_FRAGMENT));
	pass("4787 REQ-8 a first fragment that answers nothing", IN, ARRIVES(TO_MAPPED, FIRST_FRAGMENT, .frag_id = 10, .dport = 2025),
	     MZ_R_NAT_UNSOLICITED, NOTHING);
	pass("4787 REQ-8 ... a later one", IN, ARRIVES(TO_MAPPED, LATER_FRAGMENT, .frag_id = 10), MZ_R_NAT_UNSOLICITED, NOTHING);
	pass("zero checksum stays", OUT, LEAVES(.sums = 0), MZ_R_TO_GATEWAY, AS(2024, .sums = 0));
	pass("... of the answer, too", IN, ARRIVES(TO_MAPPED, .sums = 0, .dport = 2024), MZ_R_DELIVERED, GOT(.sums = 0, .dport = 1000));
}

void test_nat_ports(void **state)
{
	(void)state;
	struct mz_inside_key other = { .vni = VNI + 1, .ip = addr4(EP_A) };
	struct mz_inside v = { .ip = addr4(SHARED), .first = FIRST, .last = LAST };
	struct mz_network out_there = { .shard = 384, .vpc = VPC_SLOT, .flags = MZ_NET_F_OUTSIDE };
	struct mz_net_key k;
	struct mz_port port;

	inside_world(0);
	put_inside(addr4(EP_A), addr4(SHARED), 1024, 1025, 0);
	pass("the first of two ports", OUT, LEAVES(), MZ_R_TO_GATEWAY, AS(1024));
	pass("the second", OUT, LEAVES(.sport = 1001), MZ_R_TO_GATEWAY, AS(1025));
	pass("no third", OUT, LEAVES(.sport = 1002), MZ_R_NAT_PORTS, NOTHING);
	assert_int_equal(mapped(1002, 17), 0);
	pass("... of this protocol", OUT, LEAVES(.sport = 1002, .proto = 6), MZ_R_TO_GATEWAY, AS(1024, .proto = 6));
	pass("the first is still whose it was", OUT, LEAVES(.dport = 2001), MZ_R_TO_GATEWAY, AS(1024, .dport = 2001));
	pass("no ports to exchange", OUT, INNER(.dst = OUT_R, .proto = 47), MZ_R_NAT_PROTOCOL, NOTHING);
	pass("from port 0, which nobody has", OUT, INNER(.dst = OUT_R, .zero_sport = 1), MZ_R_NAT_PROTOCOL, NOTHING);
	pass("SCTP's checksum covers its ports", OUT, INNER(.dst = OUT_R, .proto = 132, .flags = 1), MZ_R_NAT_PROTOCOL, NOTHING);
	put_inside(addr4(EP_A), addr4(FLOAT), 0, 65535, 0);
	pass("an address of its own: ports stay", OUT, LEAVES(.sport = 1003), MZ_R_TO_GATEWAY, AS(1003));
	pass("... and any protocol", OUT, INNER(.dst = OUT_R, .proto = 47), MZ_R_TO_GATEWAY,
	     SENT_TO(BOUNCE_IP, .src = EP_A, .dst = OUT_R, .proto = 47));
	inside_world(0);
	put_inside(addr4(EP_A), addr4(SHARED), FIRST, LAST, MZ_INSIDE_F_FORWARDS);
	put_forward(addr4(EP_A), 80, 6, addr4(SHARED), 8080);
	pass("from a forwarded port: it has its outside port", OUT, LEAVES(.proto = 6, .sport = 80), MZ_R_TO_GATEWAY, AS(80, .proto = 6));
	assert_int_equal(mapped(80, 6), 0);
	pass("... of that protocol", OUT, LEAVES(.sport = 80), MZ_R_TO_GATEWAY, AS(FIRST + 80));
	put_forward(addr4(EP_A), 90, 132, addr4(SHARED), 90);
	pass("SCTP to a forwarded port, by a gateway", IN, ARRIVES(FROM_OUTSIDE, .proto = 132, .dport = 90, .flags = 1, .sums = 0),
	     MZ_R_DELIVERED, GOT(.proto = 132, .dport = 90, .flags = 1, .sums = 0));
	pass("... is answered", OUT, LEAVES(.proto = 132, .sport = 90, .flags = 2, .sums = 0), MZ_R_TO_GATEWAY,
	     AS(90, .proto = 132, .flags = 2, .sums = 0));
	pass("inside the VPC ports stay", OUT, INNER(.dst = EP_R, .sums = 1), MZ_R_TO_BOUNCER,
	     SENT_TO(BOUNCE_IP, .src = EP_A, .dst = EP_R, .sums = 1));
	put_way_out(MZ_NET_F_SERVED);
	pass("a gateway's own endpoint goes by another", OUT, LEAVES(.sport = 1005), MZ_R_TO_GATEWAY, AS(2029));
	put_network_elsewhere();
	pass("a network of the VPC that this host does not know is inside", OUT, INNER(.dst = EP_N, .sums = 1), MZ_R_TO_DIVIDER,
	     SENT_TO(DIVIDE_IP, .src = EP_A, .dst = EP_N, .sums = 1));
	pass("... also for who sends it here", IN, TUNNEL(.in = { .src = EP_R, .dst = EP_N }), MZ_R_REDIRECTED, NOTHING);
	inside_world(0);
	put_service(EP_N);
	pass("a service is inside, wherever its address is", OUT, INNER(.dst = EP_N, .sums = 1), MZ_R_TO_BOUNCER,
	     SENT_TO(BOUNCE_IP, .src = EP_A, .dst = EP_R, .dport = 2001, .sums = 1));
	inside_world(W_BOUNCER_DOWN);
	pass("the first gateway is down", OUT, LEAVES(), MZ_R_TO_GATEWAY,
	     SENT_TO(BACKUP_IP, .src = EP_A, .dst = OUT_R, .sums = 1, .sport = 2024));
	inside_world(0);
	assert_int_equal(T->lookup("mz_ports", &T->ifindex, &port), 0);
	build_world(0);
	put_way_out(0);
	put("mz_ports", &T->ifindex, &port);
	put("mz_insides", &other, &v);
	pass("no outside address, whatever other VPCs have", OUT, LEAVES(), MZ_R_NAT_NONE, NOTHING);
	inside_world(0);
	k = (struct mz_net_key){ .prefixlen = 32 + 96, .vni = htonl(VNI + 1), .ip = addr4(0) };
	put("mz_networks", &k, &out_there);
	port.vni = VNI + 1;
	put("mz_ports", &T->ifindex, &port);
	pass("... nor that of the same endpoint there", OUT, LEAVES(), MZ_R_NAT_NONE, NOTHING);
}

// RFC 5508: what an error quotes is what its receiver sent.
void test_nat_errors(void **state)
{
	(void)state;
	struct mz_flow_key k = { .vni = VNI, .proto = 17, .local = addr4(EP_A), .remote = addr4(OUT_R),
				 .local_port = htons(1000), .remote_port = htons(2000) };
	struct mz_flow f;
	struct frame sent = LEAVES(), seen = LEAVES(.sport = 2024), ping = LEAVES(.proto = 1, .sport = PING, .id = 7),
		     ping_seen = LEAVES(.proto = 1, .sport = PING, .id = 1031), sent6 = LEAVES6(), seen6 = LEAVES6(.sport = 2024),
		     error, want;

	// The quoted transport checksum stays as it came (REQ-4 asks for headers).
	memcpy(sent.b + 40, seen.b + 40, 2);
	memcpy(ping.b + 36, ping_seen.b + 36, 2);
	memcpy(sent6.b + 60, seen6.b + 60, 2);
	inside_world(0);
	pass("a flow", OUT, LEAVES(), MZ_R_TO_GATEWAY, AS(2024));
	pass("a ping", OUT, LEAVES(.proto = 1, .sport = PING, .id = 7), MZ_R_TO_GATEWAY, NOTHING);
	pass("one of IPv6", OUT, LEAVES6(), MZ_R_TO_GATEWAY, NOTHING);
	error = make_error(seen, 28, 3, OUT_R2, EP_A);
	want = make_error(sent, 28, 3, OUT_R2, EP_A);
	pass("5508 REQ-4, 4787 REQ-12a an error about it, by a router", IN,
	     TUNNEL(.in = { .src = OUT_R2, .dst = EP_A, .proto = 1, .sport = 0x0300 }, .frame = &error, FROM_BOUNCER, .flags = TO_MAPPED),
	     MZ_R_DELIVERED, as_delivered(want, MAC_A));
	error = make_error(ping_seen, 28, 11, OUT_R2, EP_A);
	want = make_error(ping, 28, 11, OUT_R2, EP_A);
	pass("5508 REQ-4, REQ-10a ... about a ping: time exceeded", IN,
	     TUNNEL(.in = { .src = OUT_R2, .dst = EP_A, .proto = 1, .sport = 0x0300 }, .frame = &error, FROM_BOUNCER, .flags = TO_MAPPED),
	     MZ_R_DELIVERED, as_delivered(want, MAC_A));
	error = make_error(seen6, 48, 2, OUT6_R, EP6_A);
	want = make_error(sent6, 48, 2, OUT6_R, EP6_A);
	pass("too big, of IPv6", IN,
	     TUNNEL(.in = { .v6 = 1, .src6 = OUT6_R, .dst6 = EP6_A, .proto = 58, .sport = 0x0200 }, .frame = &error, FROM_BOUNCER, .flags = TO_MAPPED),
	     MZ_R_DELIVERED, as_delivered(want, MAC_A));
	assert_int_equal(T->lookup("mz_flows", &k, &f), 0);
	assert_int_equal(f.errors, 1);
	assert_int_equal(f.state, MZ_FLOW_OPENING);
	pass("4787 REQ-12 the mapping stands: what leaves has its port", OUT, LEAVES(), MZ_R_TO_GATEWAY, AS(2024));
	pass("4787 REQ-12 ... and is answered", IN, ARRIVES(TO_MAPPED, .dport = 2024), MZ_R_DELIVERED, GOT(.dport = 1000));
	seen = LEAVES(.sport = 2025);
	error = make_error(seen, 28, 3, OUT_R2, EP_A);
	pass("5508 REQ-4 about nothing that was sent", IN,
	     TUNNEL(.in = { .src = OUT_R2, .dst = EP_A, .proto = 1, .sport = 0x0300 }, .frame = &error, FROM_BOUNCER, .flags = TO_MAPPED),
	     MZ_R_NAT_UNSOLICITED, NOTHING);
	// A complains about what it got: to where that was sent.
	struct frame got = INNER(.src = OUT_R, .dst = EP_A, .sport = 2000, .dport = 1000, .sums = 1),
		     was = INNER(.src = OUT_R, .dst = EP_A, .sport = 2000, .dport = 2024, .sums = 1);

	memcpy(was.b + 40, got.b + 40, 2);
	want = make_error(was, 28, 3, EP_A, OUT_R);
	pass("5508 REQ-5 an error by the endpoint", OUT, make_error(got, 28, 3, EP_A, OUT_R), MZ_R_TO_GATEWAY,
	     TUNNEL(.in = { .src = EP_A, .dst = OUT_R, .proto = 1, .sport = 0x0300 }, .frame = &want, .src = SELF_IP, .dst = BOUNCE_IP,
		    .dmac = MAC_NEXT, .smac = MAC_SELF, .label = 0xabc, .qos_class = 9, .origin = SELF, .sender = SELF));
}

// An error about `seen`, which A sent as `sent`, comes in and is A's.
static void error_in(const char *name, struct frame sent, struct frame seen, int type)
{
	uint32_t quote = (seen.b[14] & 15u) * 4 + 8;
	struct frame error = make_error(seen, quote, type, OUT_R2, EP_A);

	pass(name, IN, TUNNEL(.in = { .src = OUT_R2, .dst = EP_A, .proto = 1, .sport = 0x0300 }, .frame = &error, FROM_BOUNCER, .flags = TO_MAPPED),
	     MZ_R_DELIVERED, as_delivered(make_error(sent, quote, type, OUT_R2, EP_A), MAC_A));
}

// No error ends what it is about, or keeps it.
void test_nat_errors_end_nothing(void **state)
{
	(void)state;
	struct mz_flow_key tcp = { .vni = VNI, .proto = 6, .local = addr4(EP_A), .remote = addr4(OUT_R),
				   .local_port = htons(1000), .remote_port = htons(2000) };
	struct mz_flow_key query = { .vni = VNI, .proto = 1, .local = addr4(EP_A), .remote = addr4(OUT_R),
				     .local_port = htons(7), .remote_port = htons(7) };
	struct frame ping = LEAVES(.proto = 1, .sport = PING, .id = 7), seen = LEAVES(.proto = 1, .sport = PING, .id = 1031);
	struct mz_flow f, g;

	memcpy(ping.b + 36, seen.b + 36, 2); // the quoted checksum stays
	inside_world(0);
	pass("a connection", OUT, LEAVES(.proto = 6, .flags = TCP_SYN), MZ_R_TO_GATEWAY, AS(2024, .proto = 6, .flags = TCP_SYN));
	pass("... answered", IN, ARRIVES(TO_MAPPED, .proto = 6, .flags = TCP_SYNACK, .dport = 2024), MZ_R_DELIVERED, NOTHING);
	pass("... stands", OUT, LEAVES(.proto = 6), MZ_R_TO_GATEWAY, AS(2024, .proto = 6));
	error_in("5382 REQ-9 destination unreachable about it", LEAVES(.proto = 6), LEAVES(.proto = 6, .sport = 2024), 3);
	error_in("5508 REQ-10a time exceeded about it", LEAVES(.proto = 6), LEAVES(.proto = 6, .sport = 2024), 11);
	error_in("5508 REQ-3b, REQ-10b a parameter problem about it: what it quotes has IP options", LEAVES(.proto = 6, .version_ihl = 0x47, .sums = 0),
		 LEAVES(.proto = 6, .version_ihl = 0x47, .sums = 0, .sport = 2024), 12);
	assert_int_equal(T->lookup("mz_flows", &tcp, &f), 0);
	assert_int_equal(f.errors, 3);
	assert_int_equal(f.state, MZ_FLOW_ESTABLISHED);
	pass("5382 REQ-10 the connection goes on", IN, ARRIVES(TO_MAPPED, .proto = 6, .dport = 2024), MZ_R_DELIVERED,
	     GOT(.proto = 6, .dport = 1000));
	pass("5382 REQ-10 ... under its port", OUT, LEAVES(.proto = 6), MZ_R_TO_GATEWAY, AS(2024, .proto = 6));

	pass("a ping", OUT, LEAVES(.proto = 1, .sport = PING, .id = 7), MZ_R_TO_GATEWAY, AS(PING, .proto = 1, .id = 1031));
	assert_int_equal(T->lookup("mz_flows", &query, &f), 0);
	f.seen -= 5000;
	put("mz_flows", &query, &f);
	error_in("5508 REQ-6 an error about a query", ping, seen, 3);
	assert_int_equal(T->lookup("mz_flows", &query, &g), 0);
	assert_int_equal(g.seen, f.seen); // not refreshed
	assert_int_equal(g.timeout, f.timeout);
	pass("5508 REQ-6 ... ends it not: its answer", IN,
	     TUNNEL(.in = { .src = OUT_R, .dst = EP_A, .proto = 1, PONG, .id = 1031, .sums = 1 }, FROM_BOUNCER, .flags = TO_MAPPED),
	     MZ_R_DELIVERED, as_delivered(INNER(.src = OUT_R, .dst = EP_A, .proto = 1, PONG, .id = 7, .sums = 1), MAC_A));
	pass("5508 REQ-10b a timestamp request", OUT, LEAVES(.proto = 1, .sport = 0x0d00, .id = 9), MZ_R_TO_GATEWAY, NOTHING);
	assert_int_equal(mapped(9, 1), 1033);
	pass("5508 REQ-10b ... its answer", IN,
	     TUNNEL(.in = { .src = OUT_R, .dst = EP_A, .proto = 1, .sport = 0x0e00, .id = 1033, .sums = 1 }, FROM_BOUNCER, .flags = TO_MAPPED),
	     MZ_R_DELIVERED, as_delivered(INNER(.src = OUT_R, .dst = EP_A, .proto = 1, .sport = 0x0e00, .id = 9, .sums = 1), MAC_A));
	pass("5508 REQ-11 what neither asks, answers nor tells of an error", OUT, LEAVES(.proto = 1, .sport = 0x0900), MZ_R_NAT_PROTOCOL, NOTHING);
}

// Functions see what comes from the outside as the network sees it, and behind the flow
// as the endpoint does; what they let pass is filtered as if they were not there.
void test_nat_functions(void **state)
{
	(void)state;
	static const enum mz_function_point points[] = { MZ_POINT_INGRESS, MZ_POINT_INGRESS_AFTER };
	struct frame sent = LEAVES(), seen = LEAVES(.sport = 2024), error = make_error(seen, 28, 3, OUT_R2, EP_A);

	if (!T->endpoint_functions)
		return;
	memcpy(sent.b + 40, seen.b + 40, 2);
	inside_world(0);
	with_function(addr4(EP_A), T->ifindex, MZ_POINT_EGRESS);
	pass("functions of the sender", OUT, LEAVES(), MZ_R_TO_GATEWAY, AS(2024));
	saw(EP_A, 1000, OUT_R, 2000);
	for (size_t i = 0; i < 2; i++) {
		inside_world(0);
		with_function(addr4(EP_A), T->ifindex, points[i]);
		pass("a flow", OUT, LEAVES(), MZ_R_TO_GATEWAY, AS(2024));
		pass("... its answer, through functions of its sender", IN, ARRIVES(TO_MAPPED, .dport = 2024), MZ_R_DELIVERED,
		     GOT(.dport = 1000));
		saw(OUT_R, 2000, EP_A, points[i] == MZ_POINT_INGRESS ? 2024 : 1000);
		pass("... an error about it", IN,
		     TUNNEL(.in = { .src = OUT_R2, .dst = EP_A, .proto = 1, .sport = 0x0300 }, .frame = &error, FROM_BOUNCER, .flags = TO_MAPPED),
		     MZ_R_DELIVERED, as_delivered(make_error(sent, 28, 3, OUT_R2, EP_A), MAC_A));
		pass("what answers nothing", IN, ARRIVES(TO_MAPPED, .dport = 2026), MZ_R_NAT_UNSOLICITED, NOTHING);
	}
}
