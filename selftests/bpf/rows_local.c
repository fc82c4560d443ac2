// SPDX-License-Identifier: Apache-2.0
// Services of the host: what an endpoint asks of them, and what they answer.
#include "selftests/bpf/rows.h"

#include "selftests/bpf/row.h"

// Rows name what differs from the usual packet.
#pragma GCC diagnostic ignored "-Woverride-init"

#define CLIENT(slot) IP4(100, 64, 0, (slot))
#define DHCP_IP IP4(169, 254, 169, 252)
#define DNS_IP  IP4(169, 254, 169, 253)
#define META_IP IP4(169, 254, 169, 254)
#define PROBER  IP4(169, 254, 169, 251)
#define PROBER6 SVC6(0xa9fb)
#define HOST    IP4(169, 254, 169, 250)
#define HOST6   SVC6(0xa9fa)
#define EVERYBODY 0xffffffffu

// As the services see endpoint A, whose interface is the one rows run on: slot 1.
#define AS_CLIENT(...) \
	INNER(.dmac = MAC_GW, .smac = MAC_GW, .src = CLIENT(1), .sums = 1, ##__VA_ARGS__)
#define AS_CLIENT6(...) \
	INNER(.v6 = 1, .dmac = MAC_GW, .smac = MAC_GW, .src6 = CLIENT6(1), .sums = 1, ##__VA_ARGS__)
#define ASK(...)  INNER(.sums = 1, ##__VA_ARGS__)
#define ASK6(...) INNER(.v6 = 1, .sums = 1, ##__VA_ARGS__)

// Endpoint A to the prober: answers get there, nothing else does.
#define PROBED(what, tcp) \
	{ "prober: " what, 0, ASK(.dst = PROBER, .sport = 8080, .dport = 40000, .proto = 6, .flags = (tcp)), DELIVERED, \
	  MZ_R_LOCAL_SERVICE, .out = AS_CLIENT(.dst = PROBER, .sport = 8080, .dport = 40000, .proto = 6, .flags = (tcp)) }
#define UNASKED(what, ...) \
	{ "prober: " what, 0, ASK(.dst = PROBER, ##__VA_ARGS__), DROPPED, MZ_R_LOCAL_PORT }
// The same to the host itself.
#define TO_HOST(what, ...) \
	{ "host: " what, 0, ASK(.dst = HOST, .sport = HOST_PORT, .dport = 40000, .proto = 6, ##__VA_ARGS__), DELIVERED, \
	  MZ_R_LOCAL_SERVICE, .out = AS_CLIENT(.dst = HOST, .sport = HOST_PORT, .dport = 40000, .proto = 6, ##__VA_ARGS__) }
#define NOT_TO_HOST(what, ...) \
	{ "host: " what, 0, ASK(.dst = HOST, .sport = HOST_PORT, .dport = 40000, .proto = 6, ##__VA_ARGS__), DROPPED, MZ_R_LOCAL_PORT }
enum { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_ACK = 0x10 };

#define DHCP4_PORTS .sport = 68, .dport = 67
#define DHCP6_PORTS .sport = 546, .dport = 547

void test_local_requests(void **state)
{
	(void)state;
	const struct row rows[] = {
		{ "DNS, UDP", 0, ASK(.dst = DNS_IP, .dport = 53), DELIVERED, MZ_R_LOCAL_SERVICE,
		  .out = AS_CLIENT(.dst = DNS_IP, .dport = 53) },
		{ "DNS, UDP, without a checksum: none", 0, INNER(.dst = DNS_IP, .dport = 53), DELIVERED,
		  MZ_R_LOCAL_SERVICE, .out = INNER(.smac = MAC_GW, .src = CLIENT(1), .dst = DNS_IP, .dport = 53) },
		{ "DNS, TCP", 0, ASK(.dst = DNS_IP, .dport = 53, .proto = 6), DELIVERED, MZ_R_LOCAL_SERVICE,
		  .out = AS_CLIENT(.dst = DNS_IP, .dport = 53, .proto = 6) },
		{ "metadata", 0, ASK(.dst = META_IP, .dport = 80, .proto = 6), DELIVERED, MZ_R_LOCAL_SERVICE,
		  .out = AS_CLIENT(.dst = META_IP, .dport = 80, .proto = 6) },
		{ "2131 4.4.1 DHCP, from nobody to everybody", 0,
		  ASK(.dmac = MAC_GROUP, .zero_src = 1, .dst = EVERYBODY, DHCP4_PORTS), DELIVERED, MZ_R_LOCAL_SERVICE,
		  .out = AS_CLIENT(.dst = DHCP_IP, DHCP4_PORTS) },
		{ "2131 4.4.5 DHCP, rebinding, from its own address", 0,
		  ASK(.dmac = MAC_GROUP, .dst = EVERYBODY, DHCP4_PORTS), DELIVERED, MZ_R_LOCAL_SERVICE,
		  .out = AS_CLIENT(.dst = DHCP_IP, DHCP4_PORTS) },
		{ "2131 4.4.5 DHCP, renewing, by unicast", 0, ASK(.dst = DHCP_IP, DHCP4_PORTS), DELIVERED,
		  MZ_R_LOCAL_SERVICE, .out = AS_CLIENT(.dst = DHCP_IP, DHCP4_PORTS) },
		{ "DHCP from another address", 0, ASK(.dmac = MAC_GROUP, .src = EP_B, .dst = EVERYBODY, DHCP4_PORTS),
		  DROPPED, MZ_R_MULTICAST },
		{ "DHCP's server port from another port", 0,
		  ASK(.dmac = MAC_GROUP, .zero_src = 1, .dst = EVERYBODY, .dport = 67), DROPPED, MZ_R_MULTICAST },
		{ "DHCP's client port to another port", 0,
		  ASK(.dmac = MAC_GROUP, .zero_src = 1, .dst = EVERYBODY, .sport = 68), DROPPED, MZ_R_MULTICAST },
		{ "an endpoint that plays the DHCP server", 0,
		  ASK(.dmac = MAC_GROUP, .dst = EVERYBODY, .sport = 67, .dport = 68), DROPPED, MZ_R_MULTICAST },
		{ "DHCP in fragments", 0,
		  ASK(.dmac = MAC_GROUP, .zero_src = 1, .dst = EVERYBODY, DHCP4_PORTS, .frag = 0x2000), DROPPED,
		  MZ_R_MULTICAST },
		{ "DHCP, by an endpoint without IPv4", W_NO_IP4,
		  ASK(.dmac = MAC_GROUP, .zero_src = 1, .dst = EVERYBODY, DHCP4_PORTS), DROPPED, MZ_R_MULTICAST },
		{ "another port", 0, ASK(.dst = DNS_IP, .dport = 22, .proto = 6), DROPPED, MZ_R_LOCAL_PORT },
		{ "metadata over UDP", 0, ASK(.dst = META_IP, .dport = 80), DROPPED, MZ_R_LOCAL_PORT },
		{ "DNS over SCTP", 0, INNER(.dst = DNS_IP, .dport = 53, .proto = 132), DROPPED, MZ_R_LOCAL_PORT },
		{ "DHCP's ports to another address", 0, ASK(.zero_src = 1, .dst = EP_B, DHCP4_PORTS), DROPPED,
		  MZ_R_SRC_IP },
		{ "DHCPv6's port over IPv4", 0, ASK(.dst = DHCP_IP, .dport = 547), DROPPED, MZ_R_LOCAL_PORT },
		{ "ping of a service", 0, INNER(.dst = DNS_IP, .proto = 1, .sport = 0x0800), DROPPED, MZ_R_LOCAL_PORT },
		{ "a fragment", 0, ASK(.dst = DNS_IP, .dport = 53, .frag = 0x2000), DROPPED, MZ_R_LOCAL_PORT },
		{ "from a forged address", 0, ASK(.src = EP_B, .dst = DNS_IP, .dport = 53), DROPPED, MZ_R_SRC_IP },
		{ "the address below them is none", 0, ASK(.dst = IP4(169, 254, 169, 247), .dport = 53), SENT,
		  MZ_R_TO_DIVIDER },
		{ "an address among them that nobody has", 0, ASK(.dst = IP4(169, 254, 169, 249), .dport = 22, .proto = 6),
		  DROPPED, MZ_R_LOCAL_PORT },
		PROBED("a connection taken", TCP_SYN | TCP_ACK),
		PROBED("data", TCP_ACK),
		PROBED("its end", TCP_FIN | TCP_ACK),
		PROBED("refused", TCP_RST | TCP_ACK),
		PROBED("reset", TCP_RST),
		UNASKED("opening a connection", .proto = 6, .flags = TCP_SYN),
		UNASKED("opening one, closing it", .proto = 6, .flags = TCP_SYN | TCP_FIN),
		UNASKED("TCP that neither opens nor answers", .proto = 6, .flags = 0x08),
		UNASKED("UDP", .proto = 17, .flags = 0),
		UNASKED("UDP to what services offer", .proto = 17, .dport = 53),
		UNASKED("SCTP", .proto = 132, .flags = 2),
		UNASKED("a fragment", .proto = 6, .flags = TCP_ACK, .frag = 0x2000),
		{ "prober: an ICMP error", 0, INNER(.dst = PROBER, .proto = 1, .sport = 0x0303), DROPPED, MZ_R_LOCAL_PORT },
		{ "prober: from a forged address", 0, ASK(.src = EP_B, .dst = PROBER, .proto = 6), DROPPED, MZ_R_SRC_IP },
		{ "prober: answers too often", W_ANSWERED_OUT, ASK(.dst = PROBER, .proto = 6), DROPPED, MZ_R_ANSWER_RATE },
		{ "prober over IPv6: a connection taken", 0, ASK6(.dst6 = PROBER6, .proto = 6, .flags = TCP_SYN | TCP_ACK),
		  DELIVERED, MZ_R_LOCAL_SERVICE, .out = AS_CLIENT6(.dst6 = PROBER6, .proto = 6, .flags = TCP_SYN | TCP_ACK) },
		{ "prober over IPv6: reset", 0, ASK6(.dst6 = PROBER6, .proto = 6, .flags = TCP_RST), DELIVERED,
		  MZ_R_LOCAL_SERVICE, .out = AS_CLIENT6(.dst6 = PROBER6, .proto = 6, .flags = TCP_RST) },
		{ "prober over IPv6: opening a connection", 0, ASK6(.dst6 = PROBER6, .proto = 6, .flags = TCP_SYN), DROPPED,
		  MZ_R_LOCAL_PORT },
		{ "prober over IPv6: UDP", 0, ASK6(.dst6 = PROBER6, .dport = 53), DROPPED, MZ_R_LOCAL_PORT },
		TO_HOST("a connection taken", .flags = TCP_SYN | TCP_ACK),
		TO_HOST("reset", .flags = TCP_RST),
		TO_HOST("from the last port allowed", .sport = HOST_PORT + 1),
		NOT_TO_HOST("opening a connection", .flags = TCP_SYN),
		NOT_TO_HOST("from a port that the host may not reach", .sport = HOST_PORT + 2),
		NOT_TO_HOST("from port 0", .zero_sport = 1, .sport = 0),
		NOT_TO_HOST("UDP", .proto = 17),
		NOT_TO_HOST("to what services offer", .proto = 17, .dport = 53),
		NOT_TO_HOST("... of TCP", .sport = 1000, .dport = 53),
		NOT_TO_HOST("a fragment", .frag = 0x2000),
		{ "host: from a forged address", 0, ASK(.src = EP_B, .dst = HOST, .sport = HOST_PORT, .proto = 6), DROPPED, MZ_R_SRC_IP },
		{ "host over IPv6: a connection taken", 0, ASK6(.dst6 = HOST6, .sport = HOST_PORT, .proto = 6, .flags = TCP_SYN | TCP_ACK),
		  DELIVERED, MZ_R_LOCAL_SERVICE, .out = AS_CLIENT6(.dst6 = HOST6, .sport = HOST_PORT, .proto = 6, .flags = TCP_SYN | TCP_ACK) },
		{ "host over IPv6: opening a connection", 0, ASK6(.dst6 = HOST6, .sport = HOST_PORT, .proto = 6, .flags = TCP_SYN), DROPPED,
		  MZ_R_LOCAL_PORT },
		{ "asks too often", W_ANSWERED_OUT, ASK(.dst = DNS_IP, .dport = 53), DROPPED, MZ_R_ANSWER_RATE },
		{ "asks for ARP too often", W_ANSWERED_OUT, ARP(), DROPPED, MZ_R_ANSWER_RATE },
		{ "pings the gateway too often", W_ANSWERED_OUT, INNER(.dst = GW_IP, .proto = 1, .sport = 0x0800),
		  DROPPED, MZ_R_ANSWER_RATE },
		{ "what is not answered has no such limit", W_ANSWERED_OUT, INNER(.dst = EP_B), DELIVERED, MZ_R_LOCAL },
		{ "IPv6: DNS, UDP", 0, ASK6(.dst6 = SVC6(0x53), .dport = 53), DELIVERED, MZ_R_LOCAL_SERVICE,
		  .out = AS_CLIENT6(.dst6 = SVC6(0x53), .dport = 53) },
		{ "IPv6: the block beside them is none of theirs", 0, ASK6(.dst6 = BESIDE_SVC6(0x53), .dport = 53), SENT,
		  MZ_R_TO_DIVIDER },
		{ "IPv6: metadata", 0, ASK6(.dst6 = SVC6(0xa9fe), .dport = 80, .proto = 6), DELIVERED,
		  MZ_R_LOCAL_SERVICE, .out = AS_CLIENT6(.dst6 = SVC6(0xa9fe), .dport = 80, .proto = 6) },
		{ "8415 7.1 DHCPv6", 0, ASK6(.dmac = MAC_GROUP6, .src6 = LL6_A, .dst6 = ALL_DHCP6, DHCP6_PORTS),
		  DELIVERED, MZ_R_LOCAL_SERVICE, .out = AS_CLIENT6(.dst6 = SVC6(0x547), DHCP6_PORTS) },
		{ "DHCPv6 from another than its link-local address", 0,
		  ASK6(.dmac = MAC_GROUP6, .dst6 = ALL_DHCP6, DHCP6_PORTS), DROPPED, MZ_R_MULTICAST },
		{ "DHCPv6's server port from another port", 0,
		  ASK6(.dmac = MAC_GROUP6, .src6 = LL6_A, .dst6 = ALL_DHCP6, .dport = 547), DROPPED, MZ_R_SRC_IP },
		{ "DHCPv6 to another group", 0, ASK6(.dmac = MAC_GROUP6, .src6 = LL6_A, .dst6 = ALL6, DHCP6_PORTS), DROPPED,
		  MZ_R_SRC_IP },
		{ "DHCPv6 in fragments", 0,
		  INNER(.v6 = 1, .dmac = MAC_GROUP6, .src6 = LL6_A, .dst6 = ALL_DHCP6, DHCP6_PORTS, .ext = "\x2c", .exts = 1,
			.frag = 1), DROPPED, MZ_R_SRC_IP },
		{ "DHCPv6, by an endpoint without IPv6", W_NO_IP6,
		  ASK6(.dmac = MAC_GROUP6, .src6 = LL6_A, .dst6 = ALL_DHCP6, DHCP6_PORTS), DROPPED, MZ_R_SRC_IP },
		{ "DHCPv4's port over IPv6", 0, ASK6(.dst6 = SVC6(0x53), .dport = 67), DROPPED, MZ_R_LOCAL_PORT },
		{ "IPv6: another port", 0, ASK6(.dst6 = SVC6(0x53), .dport = 22, .proto = 6), DROPPED, MZ_R_LOCAL_PORT },
	};

	RUN_TABLE(rows, MZ_DIR_EGRESS);

	// The answer will go to where the question came from; a described one is none.
	struct run run = { .dir = MZ_DIR_EGRESS, .trace = true };
	const struct frame ask = ASK6(.dmac = MAC_GROUP6, .src6 = LL6_A, .dst6 = ALL_DHCP6, DHCP6_PORTS);
	struct mz_addr link, wanted = addr6(LL6_A);

	build_world(0);
	for (int described = 1; described >= 0; described--) {
		run.trace = described;
		run.frame = ask;
		assert_int_equal(T->run(&run), 0);
		assert_int_equal(T->lookup("mz_links6", &T->ifindex, &link) != 0, described);
	}
	assert_memory_equal(&link, &wanted, sizeof(link));
}

#define SERVED(...) INNER(.smac = MAC_OTHER, .sums = 1, ##__VA_ARGS__)
#define FROM_DNS(...) SERVED(.src = DNS_IP, .dst = CLIENT(1), .sport = 53, ##__VA_ARGS__)
#define DHCP_ANSWER(...) \
	INNER(.src = DHCP_IP, .sport = 67, .dport = 68, .payload = 40, .sums = 1, ##__VA_ARGS__)
#define FROM_DHCP(...) DHCP_ANSWER(.smac = MAC_OTHER, .dst = CLIENT(1), ##__VA_ARGS__)
#define TO_CLIENT6(...) INNER(.v6 = 1, .smac = MAC_OTHER, .dst6 = CLIENT6(1), .sums = 1, ##__VA_ARGS__)
#define FROM_PROBER(...) SERVED(.src = PROBER, .dst = CLIENT(1), .sport = 40000, .dport = 22, ##__VA_ARGS__)
#define FROM_HOST(...) SERVED(.src = HOST, .dst = CLIENT(1), .proto = 6, .sport = 40000, ##__VA_ARGS__)
#define BY_GW .dmac = MAC_A, .smac = MAC_GW

void test_local_replies(void **state)
{
	(void)state;
	struct row rows[] = {
		{ "DNS, UDP", 0, FROM_DNS(), DELIVERED, MZ_R_LOCAL_REPLY,
		  .out = INNER(BY_GW, .src = DNS_IP, .dst = EP_A, .sport = 53, .sums = 1) },
		{ "DNS, TCP", 0, FROM_DNS(.proto = 6), DELIVERED, MZ_R_LOCAL_REPLY,
		  .out = INNER(BY_GW, .src = DNS_IP, .dst = EP_A, .sport = 53, .sums = 1, .proto = 6) },
		{ "2131 4.1 DHCP, to its address", 0, FROM_DHCP(), DELIVERED, MZ_R_LOCAL_REPLY,
		  .out = DHCP_ANSWER(.dmac = MAC_A, .smac = MAC_GW, .dst = EP_A) },
		{ "2131 4.1 DHCP, to everybody where the client wants it", 0,
		  FROM_DHCP(.bootp_flags = 0x8000), DELIVERED, MZ_R_LOCAL_REPLY,
		  .out = DHCP_ANSWER(.dmac = MAC_GROUP, .smac = MAC_GW, .dst = EVERYBODY, .bootp_flags = 0x8000) },
		{ "DHCP, other flags", 0, FROM_DHCP(.bootp_flags = 0x7fff), DELIVERED,
		  MZ_R_LOCAL_REPLY, .out = DHCP_ANSWER(.dmac = MAC_A, .smac = MAC_GW, .dst = EP_A, .bootp_flags = 0x7fff) },
		{ "DNS is no DHCP, whatever it carries", 0, FROM_DNS(.payload = 40, .bootp_flags = 0x8000), DELIVERED,
		  MZ_R_LOCAL_REPLY, .out = INNER(BY_GW, .src = DNS_IP, .dst = EP_A, .sport = 53, .sums = 1,
						 .payload = 40, .bootp_flags = 0x8000) },
		{ "a client that is no endpoint", 0, SERVED(.src = DNS_IP, .dst = CLIENT(2), .sport = 53), DROPPED, MZ_R_LOCAL_STRAY, .no_vpc = 1 },
		{ "to something else", 0, SERVED(.src = DNS_IP, .dst = IP4(100, 65, 0, 1), .sport = 53), DROPPED, MZ_R_LOCAL_STRAY, .no_vpc = 1 },
		{ "from something else", 0, SERVED(.src = IP4(169, 254, 169, 247), .dst = CLIENT(1), .sport = 53), DROPPED, MZ_R_LOCAL_STRAY },
		{ "from a port that is not offered", 0, SERVED(.src = DNS_IP, .dst = CLIENT(1), .proto = 6, .sport = 22), DROPPED, MZ_R_LOCAL_STRAY,
		  .no_vpc = 1 },
		{ "to an endpoint without IPv4", W_NO_IP4, FROM_DNS(), DROPPED, MZ_R_LOCAL_STRAY },
		{ "prober: a connection to any port", 0, FROM_PROBER(.proto = 6, .flags = TCP_SYN), DELIVERED, MZ_R_LOCAL_REPLY,
		  .out = INNER(BY_GW, .src = PROBER, .dst = EP_A, .sport = 40000, .dport = 22, .sums = 1, .proto = 6,
			       .flags = TCP_SYN) },
		{ "prober: UDP, even of a service's port", 0, SERVED(.src = PROBER, .dst = CLIENT(1), .sport = 53), DROPPED, MZ_R_LOCAL_STRAY,
		  .no_vpc = 1 },
		{ "prober: to a client that is no endpoint", 0, SERVED(.src = PROBER, .dst = CLIENT(2), .proto = 6), DROPPED,
		  MZ_R_LOCAL_STRAY, .no_vpc = 1 },
		{ "prober: to an endpoint without IPv4", W_NO_IP4, FROM_PROBER(.proto = 6), DROPPED, MZ_R_LOCAL_STRAY },
		{ "a connection from another than the prober", 0,
		  SERVED(.src = META_IP, .dst = CLIENT(1), .sport = 40000, .dport = 22, .proto = 6, .flags = TCP_SYN), DROPPED,
		  MZ_R_LOCAL_STRAY, .no_vpc = 1 },
		{ "prober over IPv6: a connection to any port", 0,
		  TO_CLIENT6(.src6 = PROBER6, .sport = 40000, .dport = 22, .proto = 6, .flags = TCP_SYN), DELIVERED,
		  MZ_R_LOCAL_REPLY, .out = INNER(BY_GW, .v6 = 1, .src6 = PROBER6, .dst6 = EP6_A, .sport = 40000, .dport = 22,
						 .sums = 1, .proto = 6, .flags = TCP_SYN) },
		{ "prober over IPv6: from another block that ends like it", 0,
		  TO_CLIENT6(.src6 = BESIDE_SVC6(0xa9fb), .proto = 6), DROPPED, MZ_R_LOCAL_STRAY },
		{ "host: a connection to a port allowed", 0, FROM_HOST(.dport = HOST_PORT, .flags = TCP_SYN), DELIVERED, MZ_R_LOCAL_REPLY,
		  .out = INNER(BY_GW, .src = HOST, .dst = EP_A, .sport = 40000, .dport = HOST_PORT, .sums = 1, .proto = 6,
			       .flags = TCP_SYN) },
		{ "host: to another: refused", 0, FROM_HOST(.dport = HOST_PORT + 2, .flags = TCP_SYN), ANSWERED, MZ_R_HOST_PORT, .no_vpc = 1 },
		{ "host: UDP", 0, FROM_HOST(.proto = 17, .dport = HOST_PORT), ANSWERED, MZ_R_HOST_PORT, .no_vpc = 1 },
		{ "host: a reset to another", 0, FROM_HOST(.dport = 22, .flags = TCP_RST), DROPPED, MZ_R_HOST_PORT, .no_vpc = 1 },
		{ "host: to a client that is no endpoint", 0, FROM_HOST(.dst = CLIENT(2), .dport = HOST_PORT), DROPPED, MZ_R_LOCAL_STRAY,
		  .no_vpc = 1 },
		{ "host over IPv6: a connection to a port allowed", 0,
		  TO_CLIENT6(.src6 = HOST6, .sport = 40000, .dport = HOST_PORT, .proto = 6, .flags = TCP_SYN), DELIVERED,
		  MZ_R_LOCAL_REPLY, .out = INNER(BY_GW, .v6 = 1, .src6 = HOST6, .dst6 = EP6_A, .sport = 40000, .dport = HOST_PORT,
						 .sums = 1, .proto = 6, .flags = TCP_SYN) },
		{ "host over IPv6: to another", 0, TO_CLIENT6(.src6 = HOST6, .dport = 22, .proto = 6, .flags = TCP_SYN), ANSWERED,
		  MZ_R_HOST_PORT, .no_vpc = 1 },
		{ "a fragment", 0, FROM_DNS(.frag = 0x2000), DROPPED, MZ_R_LOCAL_STRAY, .no_vpc = 1 },
		{ "ARP", 0, ARP(), DROPPED, MZ_R_LOCAL_STRAY, .no_vpc = 1 },
		{ "IPv6: DNS", 0, TO_CLIENT6(.src6 = SVC6(0x53), .sport = 53), DELIVERED, MZ_R_LOCAL_REPLY,
		  .out = INNER(BY_GW, .v6 = 1, .src6 = SVC6(0x53), .dst6 = EP6_A, .sport = 53, .sums = 1) },
		{ "8415 7.1 DHCPv6, to the link-local address that asked", W_LINK6,
		  TO_CLIENT6(.src6 = SVC6(0x547), .sport = 547, .dport = 546), DELIVERED, MZ_R_LOCAL_REPLY,
		  .out = INNER(BY_GW, .v6 = 1, .src6 = LL6_GW, .dst6 = LL6_A, .sport = 547, .dport = 546, .sums = 1) },
		{ "DHCPv6 to one who never asked", 0, TO_CLIENT6(.src6 = SVC6(0x547), .sport = 547, .dport = 546),
		  DROPPED, MZ_R_LOCAL_STRAY },
		{ "to an endpoint without IPv6", W_NO_IP6, TO_CLIENT6(.src6 = SVC6(0x53), .sport = 53), DROPPED,
		  MZ_R_LOCAL_STRAY },
		{ "IPv6: from something else", 0, TO_CLIENT6(.src6 = EP6_B, .sport = 53), DROPPED, MZ_R_LOCAL_STRAY },
		{ "IPv6: to another block", 0, INNER(.v6 = 1, .src6 = SVC6(0x53), .dst6 = SVC6(1), .sport = 53), DROPPED,
		  MZ_R_LOCAL_STRAY, .no_vpc = 1 },
		{ "IPv6: to a slot past the last", 0,
		  INNER(.v6 = 1, .src6 = SVC6(0x53), .dst6 = NO_CLIENT6(1), .sport = 53), DROPPED, MZ_R_LOCAL_STRAY,
		  .no_vpc = 1 },
		{ "IPv6: to something else", 0, INNER(.v6 = 1, .src6 = SVC6(0x53), .dst6 = EP6_A, .sport = 53), DROPPED,
		  MZ_R_LOCAL_STRAY, .no_vpc = 1 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		rows[i].reply = true;
	RUN_TABLE(rows, MZ_DIR_INGRESS);
}
