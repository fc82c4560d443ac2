// SPDX-License-Identifier: Apache-2.0
// Balanced services: which backend a flow gets, what becomes of its packets on both
// ways, and what is refused.
#include "selftests/bpf/rows.h"

#include <arpa/inet.h>
#include <string.h>

#include "selftests/bpf/vips.h"

// Rows name what differs from the usual packet.
#pragma GCC diagnostic ignored "-Woverride-init"

#define EP_R2 IP4(198, 18, 1, 10) // on PEER, too
#define OUT MZ_DIR_EGRESS
#define IN  MZ_DIR_INGRESS

enum { B_R = 1, B_R6 = 2, B_A = 3, B_B = 4, B_R2 = 5 };

// A is the client, and all rows of the service's table name `backend`.
static void vip_world(uint32_t backend, uint32_t sticky)
{
	struct mz_ep_key a4 = { .vni = VNI, .ip = addr4(EP_A) }, a6 = { .vni = VNI, .ip = addr6(EP6_A) };
	struct mz_ep_key r2 = { .vni = VNI, .ip = addr4(EP_R2) };
	struct mz_endpoint e = { .host = SELF, .ifindex = T->ifindex, .vpc = VPC_SLOT };
	struct mz_path path = { .host = PEER, .seen = T->now() };
	struct mz_port port;

	build_world(W_PATH);
	memcpy(e.mac, mac_bytes(MAC_A), 6);
	put("mz_endpoints", &a4, &e);
	put("mz_endpoints", &a6, &e);
	put("mz_paths", &r2, &path);
	assert_int_equal(T->lookup("mz_ports", &T->ifindex, &port), 0);
	port.flags |= MZ_EP_F_VIPS;
	put("mz_ports", &T->ifindex, &port);
	put_backend(B_R, addr4(EP_R), 2001, 0);
	put_backend(B_R6, addr6(EP6_R), 2001, 0);
	put_backend(B_A, addr4(EP_A), 2001, 0);
	put_backend(B_B, addr4(EP_B), 2001, 0);
	put_backend(B_R2, addr4(EP_R2), 2001, 0);
	put_vip(addr4(VIP), backend ? VIP_SIZE : 0, sticky);
	put_vip(addr6(VIP6), backend ? VIP_SIZE : 0, sticky);
	put_vip_rows(ROWS_OF(backend));
}

#define TO_VIP(...)  INNER(.dst = VIP, .sums = 1, ##__VA_ARGS__)
#define TO_VIP6(...) INNER(.v6 = 1, .dst6 = VIP6, .sums = 1, ##__VA_ARGS__)
#define TO_BACKEND(...) SENT_TO(PEER_IP, .src = EP_A, .dst = EP_R, .dport = 2001, .sums = 1, ##__VA_ARGS__)
#define ANSWER(...) TUNNEL(.in = { .src = EP_R, .dst = EP_A, .sport = 2001, .dport = 1000, .sums = 1, ##__VA_ARGS__ })
#define ANSWERED_BY_VIP(...) \
	as_delivered(INNER(.src = VIP, .dst = EP_A, .sport = 2000, .dport = 1000, .sums = 1, ##__VA_ARGS__), MAC_A)

#define SCTP(chunk) .proto = 132, .flags = (chunk), .sums = 0
#define FIRST .frag = 0x2000, .frag_id = 9
#define LATER .frag = 0x0002, .frag_id = 9, .sport = 7, .dport = 8, .sums = 0
#define FIRST6 .ext = "\x2c", .exts = 1, .frag = 0x0001, .frag_id = 9
#define LATER6 .ext = "\x2c", .exts = 1, .frag = 0x0010, .frag_id = 9, .sport = 7, .dport = 8

static struct mz_flow flow_of(uint32_t proto, uint16_t local_port)
{
	struct mz_flow_key k = { .vni = VNI, .proto = proto, .local = addr4(EP_A), .remote = addr4(VIP),
				 .local_port = htons(local_port), .remote_port = htons(2000) };
	struct mz_flow f = { 0 };

	assert_int_equal(T->lookup("mz_flows", &k, &f), 0);
	return f;
}

void test_vip_ways(void **state)
{
	(void)state;
	struct mz_flow f;

	vip_world(B_R, 0);
	pass("TCP: SYN to the VIP", OUT, TO_VIP(.proto = 6, .flags = TCP_SYN), MZ_R_DIRECT, TO_BACKEND(.proto = 6, .flags = TCP_SYN));
	pass("TCP: its answer", IN, ANSWER(.proto = 6, .flags = 0x12), MZ_R_DELIVERED, ANSWERED_BY_VIP(.proto = 6, .flags = 0x12));
	pass("TCP: ACK", OUT, TO_VIP(.proto = 6), MZ_R_DIRECT, TO_BACKEND(.proto = 6));
	pass("TCP: data back", IN, ANSWER(.proto = 6), MZ_R_DELIVERED, ANSWERED_BY_VIP(.proto = 6));
	f = flow_of(6, 1000);
	assert_int_equal(f.state, MZ_FLOW_ESTABLISHED);
	assert_int_equal(f.packets[OUT], 2);
	assert_int_equal(f.packets[IN], 2);
	pass("UDP", OUT, TO_VIP(), MZ_R_DIRECT, TO_BACKEND());
	pass("UDP: back", IN, ANSWER(), MZ_R_DELIVERED, ANSWERED_BY_VIP());
	pass("UDP: zero checksum stays", OUT, INNER(.dst = VIP), MZ_R_DIRECT,
	     SENT_TO(PEER_IP, .src = EP_A, .dst = EP_R, .dport = 2001));
	pass("UDP: zero checksum stays, back", IN, ANSWER(.sums = 0), MZ_R_DELIVERED, ANSWERED_BY_VIP(.sums = 0));
	put_vip_rows(ROWS_OF(B_R6));
	pass("TCP of IPv6", OUT, TO_VIP6(.proto = 6, .flags = TCP_SYN), MZ_R_DIRECT,
	     SENT_TO(PEER_IP, .v6 = 1, .src6 = EP6_A, .dst6 = EP6_R, .dport = 2001, .proto = 6, .flags = TCP_SYN, .sums = 1));
	pass("TCP of IPv6: back", IN,
	     TUNNEL(.in = { .v6 = 1, .src6 = EP6_R, .dst6 = EP6_A, .sport = 2001, .dport = 1000, .proto = 6, .flags = 0x12, .sums = 1 }),
	     MZ_R_DELIVERED,
	     as_delivered(INNER(.v6 = 1, .src6 = VIP6, .dst6 = EP6_A, .sport = 2000, .dport = 1000, .proto = 6, .flags = 0x12, .sums = 1), MAC_A));
	pass("a direct packet to the backend is not the service's", OUT,
	     INNER(.dst = EP_R, .sport = 1001, .dport = 2001, .sums = 1), MZ_R_DIRECT,
	     SENT_TO(PEER_IP, .src = EP_A, .dst = EP_R, .sport = 1001, .dport = 2001, .sums = 1));
}

// SCTP's checksum, a CRC, covers its ports and no address (RFC 9260 6.8): a service of it
// has its backends' port, and no byte of its packets changes but addresses.
void test_vip_sctp(void **state)
{
	(void)state;
	struct mz_flow f;

	vip_world(B_R, 0);
	put_backend(B_R, addr4(EP_R), 2000, 0);
	put_backend(B_R6, addr6(EP6_R), 2000, 0);
	pass("SCTP: INIT to the VIP", OUT, TO_VIP(SCTP(1)), MZ_R_DIRECT, TO_BACKEND(SCTP(1), .dport = 2000));
	pass("SCTP: INIT ACK", IN, ANSWER(SCTP(2), .sport = 2000), MZ_R_DELIVERED, ANSWERED_BY_VIP(SCTP(2)));
	pass("SCTP: COOKIE ECHO", OUT, TO_VIP(SCTP(10)), MZ_R_DIRECT, TO_BACKEND(SCTP(10), .dport = 2000));
	pass("SCTP: DATA back", IN, ANSWER(SCTP(0), .sport = 2000), MZ_R_DELIVERED, ANSWERED_BY_VIP(SCTP(0)));
	f = flow_of(132, 1000);
	assert_int_equal(f.state, MZ_FLOW_ESTABLISHED);
	put_vip_rows(ROWS_OF(B_R6));
	pass("SCTP of IPv6", OUT, TO_VIP6(SCTP(1)), MZ_R_DIRECT, SENT_TO(PEER_IP, .v6 = 1, .src6 = EP6_A, .dst6 = EP6_R, SCTP(1)));
	pass("SCTP of IPv6: back", IN, TUNNEL(.in = { .v6 = 1, .src6 = EP6_R, .dst6 = EP6_A, .sport = 2000, .dport = 1000, SCTP(2) }),
	     MZ_R_DELIVERED, as_delivered(INNER(.v6 = 1, .src6 = VIP6, .dst6 = EP6_A, .sport = 2000, .dport = 1000, SCTP(2)), MAC_A));
}

// Later fragments go where their first went; what stands in the place of ports is data.
void test_vip_fragments(void **state)
{
	(void)state;

	vip_world(B_R, 0);
	pass("a first fragment to the VIP", OUT, TO_VIP(FIRST), MZ_R_DIRECT, TO_BACKEND(FIRST));
	pass("... a later one", OUT, TO_VIP(LATER), MZ_R_DIRECT, TO_BACKEND(LATER));
	pass("a first fragment back", IN, ANSWER(FIRST), MZ_R_DELIVERED, ANSWERED_BY_VIP(FIRST));
	pass("... a later one back", IN, ANSWER(LATER), MZ_R_DELIVERED, ANSWERED_BY_VIP(LATER));
	put_backend(B_R6, addr6(EP6_R), 2000, 0);
	put_vip_rows(ROWS_OF(B_R6));
	pass("a first fragment of IPv6", OUT, TO_VIP6(SCTP(1), FIRST6), MZ_R_DIRECT,
	     SENT_TO(PEER_IP, .v6 = 1, .src6 = EP6_A, .dst6 = EP6_R, SCTP(1), FIRST6));
	pass("... a later one of IPv6", OUT, TO_VIP6(SCTP(1), LATER6), MZ_R_DIRECT,
	     SENT_TO(PEER_IP, .v6 = 1, .src6 = EP6_A, .dst6 = EP6_R, SCTP(1), LATER6));
	pass("a later one whose first did not come: to whoever has that address, which is nobody", OUT, TO_VIP(LATER, .frag_id = 10),
	     MZ_R_TO_BOUNCER, SENT_TO(BOUNCE_IP, .src = EP_A, .dst = VIP, LATER, .frag_id = 10));
}

// What backends come and go: a flow stays where it is.
void test_vip_stays(void **state)
{
	(void)state;
	struct mz_flow_key k = { .vni = VNI, .proto = 17, .local = addr4(EP_A), .remote = addr4(VIP),
				 .local_port = htons(1000), .remote_port = htons(2000) };
	struct mz_flow f;

	vip_world(B_R, 0);
	pass("a flow", OUT, TO_VIP(), MZ_R_DIRECT, TO_BACKEND());
	f = flow_of(17, 1000);
	f.seen = T->now() - f.timeout - 1000;
	put("mz_flows", &k, &f);
	pass("the same again after its end", OUT, TO_VIP(), MZ_R_DIRECT, TO_BACKEND());
	put_vip_rows(ROWS_OF(B_R2));
	pass("stays when the table changes", OUT, TO_VIP(), MZ_R_DIRECT, TO_BACKEND());
	pass("another goes by the new one", OUT, TO_VIP(.sport = 1001), MZ_R_DIRECT,
	     SENT_TO(PEER_IP, .src = EP_A, .dst = EP_R2, .sport = 1001, .dport = 2001, .sums = 1));
	f = flow_of(17, 1000);
	f.seen = T->now() - f.timeout - 1000;
	put("mz_flows", &k, &f);
	pass("a backend speaks after the flow's end", IN, ANSWER(), MZ_R_DELIVERED, ANSWERED_BY_VIP());
	f = flow_of(17, 1000);
	assert_int_equal(f.opener, IN);
	pass("... and is answered", OUT, TO_VIP(), MZ_R_DIRECT, TO_BACKEND());
	f = flow_of(17, 1000);
	f.seen = T->now() - f.timeout - 1000;
	put("mz_flows", &k, &f);
	pass("a client after it is balanced anew", OUT, TO_VIP(), MZ_R_DIRECT,
	     SENT_TO(PEER_IP, .src = EP_A, .dst = EP_R2, .dport = 2001, .sums = 1));
	pass("what the old backend still says is not the flow's", IN, ANSWER(), MZ_R_DELIVERED,
	     as_delivered(INNER(.src = EP_R, .dst = EP_A, .sport = 2001, .dport = 1000, .sums = 1), MAC_A));
}

void test_vip_sticky(void **state)
{
	(void)state;
	struct mz_sticky_key k = { .vip = 9, .client = addr4(EP_A) };
	struct mz_sticky s = { 0 };

	vip_world(B_R, 5000);
	pass("a client's first", OUT, TO_VIP(), MZ_R_DIRECT, TO_BACKEND());
	put_vip_rows(ROWS_OF(B_R2));
	pass("its second stays with the backend", OUT, TO_VIP(.sport = 1001), MZ_R_DIRECT,
	     SENT_TO(PEER_IP, .src = EP_A, .dst = EP_R, .sport = 1001, .dport = 2001, .sums = 1));
	put_backend(B_R, addr4(EP_R), 2001, MZ_BACKEND_F_DRAIN);
	pass("unless it drains", OUT, TO_VIP(.sport = 1002), MZ_R_DIRECT,
	     SENT_TO(PEER_IP, .src = EP_A, .dst = EP_R2, .sport = 1002, .dport = 2001, .sums = 1));
	assert_int_equal(T->lookup("mz_stickies", &k, &s), 0);
	assert_int_equal(s.backend, B_R2);
	put_vip_rows(ROWS_OF(B_R));
	s.seen = T->now() - 5001;
	put("mz_stickies", &k, &s);
	pass("or it was silent too long", OUT, TO_VIP(.sport = 1003), MZ_R_DIRECT,
	     SENT_TO(PEER_IP, .src = EP_A, .dst = EP_R, .sport = 1003, .dport = 2001, .sums = 1));
}

// Two flows that would look alike on their way: which may be one after the other.
void test_vip_clashes(void **state)
{
	(void)state;
	struct mz_sticky_key k = { .vip = 9, .client = addr4(EP_A) };
	struct mz_sticky s = { 0 };
	struct frame direct = INNER(.dst = EP_R, .dport = 2001, .proto = 6, .flags = TCP_SYN, .sums = 1),
		     reset = INNER(.dst = EP_R, .dport = 2001, .proto = 6, .flags = TCP_RST, .sums = 1);

	vip_world(B_R, 0);
	pass("a direct connection", OUT, direct, MZ_R_DIRECT, (struct frame){ 0 });
	pass("one by the service from its port", OUT, TO_VIP(.proto = 6, .flags = TCP_SYN), MZ_R_FLOW_CLASH, (struct frame){ 0 });
	pass("it is reset", OUT, reset, MZ_R_DIRECT, (struct frame){ 0 });
	pass("now the port is free", OUT, TO_VIP(.proto = 6, .flags = TCP_SYN), MZ_R_DIRECT, TO_BACKEND(.proto = 6, .flags = TCP_SYN));
	vip_world(B_R, 5000);
	pass("a client's first", OUT, TO_VIP(), MZ_R_DIRECT, TO_BACKEND());
	pass("a direct flow", OUT, INNER(.dst = EP_R, .sport = 1001, .dport = 2001, .sums = 1), MZ_R_DIRECT, (struct frame){ 0 });
	put_vip_rows(ROWS_OF(B_R2));
	pass("one from its port goes elsewhere", OUT, TO_VIP(.sport = 1001), MZ_R_DIRECT,
	     SENT_TO(PEER_IP, .src = EP_A, .dst = EP_R2, .sport = 1001, .dport = 2001, .sums = 1));
	assert_int_equal(T->lookup("mz_stickies", &k, &s), 0);
	assert_int_equal(s.backend, B_R);
	pass("but the client stays", OUT, TO_VIP(.sport = 1002), MZ_R_DIRECT,
	     SENT_TO(PEER_IP, .src = EP_A, .dst = EP_R, .sport = 1002, .dport = 2001, .sums = 1));
}

// Both on this host, and one that is its own backend.
void test_vip_local(void **state)
{
	(void)state;
	vip_world(B_B, 0);
	pass("a backend on this host", OUT, TO_VIP(), MZ_R_LOCAL,
	     as_delivered(INNER(.src = EP_A, .dst = EP_B, .dport = 2001, .sums = 1), MAC_B));
	vip_world(B_A, 0);
	pass("itself: comes from the service", OUT, TO_VIP(), MZ_R_LOCAL,
	     as_delivered(INNER(.src = VIP, .dst = EP_A, .sport = 1000, .dport = 2001, .sums = 1), MAC_A));
	pass("its answer goes there", OUT, TO_VIP(.sport = 2001, .dport = 1000), MZ_R_LOCAL,
	     as_delivered(INNER(.src = VIP, .dst = EP_A, .sport = 2000, .dport = 1000, .sums = 1), MAC_A));
	pass("and again", OUT, TO_VIP(), MZ_R_LOCAL,
	     as_delivered(INNER(.src = VIP, .dst = EP_A, .sport = 1000, .dport = 2001, .sums = 1), MAC_A));
}

static uint32_t words(const uint8_t *at, uint32_t len)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < len; i++)
		sum += i % 2 ? at[i] : (uint32_t)at[i] << 8;
	return sum;
}

// What the endpoint is told: to itself, from the service's address, with sound sums.
// Returns the transport header.
static const uint8_t *refusal(const char *name, struct frame in, enum mz_reason why, struct frame *out, uint32_t l4,
			      uint8_t proto)
{
	struct run run = { .dir = OUT, .frame = in };
	int v6 = l4 == 54;
	uint32_t sum;

	pass(name, OUT, in, why, (struct frame){ 0 });
	assert_int_equal(T->run(&run), 0);
	assert_int_equal(run.verdict, T->same_interface);
	*out = run.frame;
	assert_memory_equal(out->b, mac_bytes(MAC_A), 6);
	assert_memory_equal(out->b + 6, mac_bytes(MAC_GW), 6);
	assert_int_equal(out->b[v6 ? 20 : 23], proto);
	assert_memory_equal(out->b + (v6 ? 38 : 30), in.b + (v6 ? 22 : 26), v6 ? 16 : 4); // to who sent it
	sum = words(out->b + l4, out->len - l4);
	if (proto != 1)
		sum += words(out->b + (v6 ? 22 : 26), v6 ? 32 : 8) + proto + out->len - l4;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	assert_int_equal(sum, 0xffff);
	if (!v6) {
		sum = words(out->b + 14, 20);
		while (sum >> 16)
			sum = (sum & 0xffff) + (sum >> 16);
		assert_int_equal(sum, 0xffff);
	}
	return out->b + l4;
}

// RFC 9293 3.10.7.1 for a closed port: without ACK from 0 and with an ACK of all that
// came, with ACK from where it points.
static void check_rst(const char *name, int v6, uint8_t flags, enum mz_reason why)
{
	const uint8_t answer[20] = { 7, 208, 3, 232, 0, 0, 0, 0, 0xa0, 0xb0, 0xc0, 0xe1, 0x50, 0x14 };
	const uint8_t plain[20] = { 7, 208, 3, 232, 1, 2, 3, 4, 0, 0, 0, 0, 0x50, 0x04 };
	struct frame in = v6 ? TO_VIP6(.proto = 6, .flags = flags) : TO_VIP(.proto = 6, .flags = flags), out;
	uint32_t l4 = v6 ? 54 : 34;
	const uint8_t *tcp;

	memcpy(in.b + l4 + 4, "\xa0\xb0\xc0\xd6" "\1\2\3\4", 8); // 10 bytes of data follow
	tcp = refusal(name, in, why, &out, l4, 6);
	assert_int_equal(out.len, l4 + 20);
	assert_memory_equal(tcp, flags & 0x10 ? plain : answer, 14);
}

static void check_unreachable(const char *name, int v6, struct frame in, enum mz_reason why)
{
	struct frame out;
	const uint8_t *icmp = refusal(name, in, why, &out, v6 ? 54 : 34, v6 ? 58 : 1);

	assert_int_equal(icmp[0], v6 ? 1 : 3); // RFC 4443 3.1, RFC 792
	assert_int_equal(icmp[1], v6 ? 4 : 3);
	assert_memory_equal(icmp + 8, in.b + 14, v6 ? 48 : 28);
}

void test_vip_refused(void **state)
{
	(void)state;
	struct mz_flow_key direct = { .vni = VNI, .proto = 17, .local = addr4(EP_A), .remote = addr4(EP_R),
				      .local_port = htons(1000), .remote_port = htons(2001) };
	struct mz_flow f = { 0 };
	struct mz_flow_key own = { .vni = VNI, .proto = 17, .local = addr4(EP_A), .remote = addr4(VIP),
				   .local_port = htons(1000), .remote_port = htons(2000) };
	uint32_t slot = T->ifindex & (MZ_PORTS - 1), before = 0, behind = 1;
	struct run run = { .dir = OUT };

	vip_world(0, 0);
	check_rst("no backend: SYN", 0, TCP_SYN, MZ_R_SERVICE_EMPTY);
	check_rst("no backend: data", 0, 0x10, MZ_R_SERVICE_EMPTY);
	vip_world(0, 0); // as many answers again
	check_rst("no backend: SYN of IPv6", 1, TCP_SYN, MZ_R_SERVICE_EMPTY);
	vip_world(0, 0);
	check_unreachable("no backend: UDP", 0, TO_VIP(), MZ_R_SERVICE_EMPTY);
	check_unreachable("no backend: UDP of IPv6", 1, TO_VIP6(), MZ_R_SERVICE_EMPTY);
	vip_world(B_R, 0);
	check_unreachable("a port not offered", 0, TO_VIP(.dport = 2002), MZ_R_SERVICE_PORT);
	vip_world(0, 0);
	pass("a RST is not answered", OUT, TO_VIP(.proto = 6, .flags = TCP_RST), MZ_R_SERVICE_EMPTY, (struct frame){ 0 });
	run.frame = TO_VIP(.proto = 6, .flags = TCP_RST);
	assert_int_equal(T->run(&run), 0);
	assert_int_equal(run.verdict, V_DROP);
	vip_world(0, 0);
	put("mz_answered", &T->ifindex, &(struct mz_answers){ .since = T->now(), .count = ANSWERS });
	pass("one who was told too often", OUT, TO_VIP(), MZ_R_ANSWER_RATE, (struct frame){ 0 });
	vip_world(0, 0);
	if (T->answers) {
		assert_int_equal(T->answers(false), 0);
		pass("nobody to tell it", OUT, TO_VIP(), MZ_R_SERVICE_EMPTY, (struct frame){ 0 });
		assert_int_equal(T->answers(true), 0);
	}
	vip_world(B_R, 0);
	pass("a direct flow", OUT, INNER(.dst = EP_R, .dport = 2001, .sums = 1), MZ_R_DIRECT, (struct frame){ 0 });
	assert_int_equal(T->lookup("mz_flow_use", &slot, &before), 0);
	pass("one to the service that would look the same", OUT, TO_VIP(), MZ_R_FLOW_CLASH, (struct frame){ 0 });
	assert_int_not_equal(T->lookup("mz_flows", &own, &f), 0); // was written, and taken back
	assert_int_equal(T->lookup("mz_flow_use", &slot, &behind), 0);
	assert_int_equal(before, behind);
	assert_int_equal(T->lookup("mz_flows", &direct, &f), 0);
	assert_int_equal(f.flags & MZ_FLOW_F_REVERSE, 0);
	put_vip_rows((const uint32_t[VIP_SIZE]){ B_R, B_R2, B_R, B_R2, B_R, B_R2, B_R2 });
	pass("... goes to the next backend", OUT, TO_VIP(), MZ_R_DIRECT,
	     SENT_TO(PEER_IP, .src = EP_A, .dst = EP_R2, .dport = 2001, .sums = 1));
	assert_int_equal(T->lookup("mz_flows", &own, &f), 0);
	assert_memory_equal(&f.to, &(struct mz_addr[]){ addr4(EP_R2) }, sizeof(f.to));
	pass("... with its next packet, too", OUT, TO_VIP(), MZ_R_DIRECT,
	     SENT_TO(PEER_IP, .src = EP_A, .dst = EP_R2, .dport = 2001, .sums = 1));
}

// RFC 5508 REQ-4 and REQ-5, as for any translation: what is quoted is what was sent.
void test_vip_errors(void **state)
{
	(void)state;
	struct frame sent = INNER(.src = EP_A, .dst = VIP, .sums = 1), seen = INNER(.src = EP_A, .dst = EP_R, .dport = 2001, .sums = 1),
		     got = INNER(.src = VIP, .dst = EP_A, .sport = 2000, .dport = 1000, .sums = 1),
		     was = INNER(.src = EP_R, .dst = EP_A, .sport = 2001, .dport = 1000, .sums = 1),
		     sent6 = INNER(.v6 = 1, .src6 = EP6_A, .dst6 = VIP6, .sums = 1),
		     seen6 = INNER(.v6 = 1, .src6 = EP6_A, .dst6 = EP6_R, .dport = 2001, .sums = 1), error, want;

	memcpy(sent.b + 40, seen.b + 40, 2); // the quoted transport checksum stays
	memcpy(was.b + 40, got.b + 40, 2);
	memcpy(sent6.b + 60, seen6.b + 60, 2);
	vip_world(B_R, 0);
	pass("a flow", OUT, TO_VIP(), MZ_R_DIRECT, TO_BACKEND());
	error = make_error(seen, 28, 3, EP_R, EP_A);
	pass("an error by the backend comes from the service", IN,
	     TUNNEL(.in = { .src = EP_R, .dst = EP_A, .proto = 1, .sport = 0x0300 }, .frame = &error), MZ_R_DELIVERED,
	     as_delivered(make_error(sent, 28, 3, VIP, EP_A), MAC_A));
	error = make_error(seen, 28, 3, EP_N, EP_A);
	pass("one by a router on the way comes from there", IN,
	     TUNNEL(.in = { .src = EP_N, .dst = EP_A, .proto = 1, .sport = 0x0300 }, .frame = &error), MZ_R_DELIVERED,
	     as_delivered(make_error(sent, 28, 3, EP_N, EP_A), MAC_A));
	want = make_error(was, 28, 3, EP_A, EP_R);
	pass("one by the client goes to the backend", OUT, make_error(got, 28, 3, EP_A, VIP), MZ_R_DIRECT,
	     TUNNEL(.in = { .src = EP_A, .dst = EP_R, .proto = 1, .sport = 0x0300 }, .frame = &want, .src = SELF_IP, .dst = PEER_IP,
		    .dmac = MAC_NEXT, .smac = MAC_SELF, .label = 0xabc, .qos_class = 9, .origin = SELF, .sender = SELF));
	error = make_error(was, 28, 3, EP_R, EP_A);
	pass("one about what the client got is none of its flow", IN,
	     TUNNEL(.in = { .src = EP_R, .dst = EP_A, .proto = 1, .sport = 0x0300 }, .frame = &error), MZ_R_DELIVERED,
	     as_delivered(error, MAC_A));
	put_vip_rows(ROWS_OF(B_R6));
	pass("a flow of IPv6", OUT, TO_VIP6(), MZ_R_DIRECT, (struct frame){ 0 });
	error = make_error(seen6, 48, 2, EP6_R, EP6_A);
	pass("too big, by the backend", IN,
	     TUNNEL(.in = { .v6 = 1, .src6 = EP6_R, .dst6 = EP6_A, .proto = 58, .sport = 0x0200 }, .frame = &error), MZ_R_DELIVERED,
	     as_delivered(make_error(sent6, 48, 2, VIP6, EP6_A), MAC_A));
}

// Functions see what the endpoint sends, and what the other one is to receive; what
// they let pass is translated and refused as if they were not there.
void test_vip_functions(void **state)
{
	(void)state;
	static const enum mz_function_point points[] = { MZ_POINT_INGRESS, MZ_POINT_INGRESS_AFTER };
	struct mz_ep_key vip = { .vni = VNI, .ip = addr4(VIP) };
	struct mz_path path;
	struct run plain, run;

	if (!T->endpoint_functions)
		return;
	vip_world(B_R, 0);
	with_function(addr4(EP_A), T->ifindex, MZ_POINT_EGRESS);
	pass("functions of the client", OUT, TO_VIP(), MZ_R_DIRECT, TO_BACKEND());
	saw(EP_A, 1000, VIP, 2000);

	for (size_t i = 0; i < 2; i++) {
		vip_world(B_R, 0);
		with_function(addr4(EP_A), T->ifindex, points[i]);
		pass("to a service", OUT, TO_VIP(), MZ_R_DIRECT, TO_BACKEND());
		pass("... its answer, through functions of the client", IN, ANSWER(), MZ_R_DELIVERED, ANSWERED_BY_VIP());
		if (points[i] == MZ_POINT_INGRESS_AFTER)
			saw(VIP, 2000, EP_A, 1000);
		else
			saw(EP_R, 2001, EP_A, 1000);
		assert_int_not_equal(T->lookup("mz_paths", &vip, &path), 0);

		vip_world(B_B, 0);
		with_function(addr4(EP_B), 3, points[i]);
		pass("functions of a backend of the same host", OUT, TO_VIP(), MZ_R_LOCAL,
		     as_delivered(INNER(.dst = EP_B, .dport = 2001, .sums = 1), MAC_B));
		saw(EP_A, 1000, EP_B, 2001);
	}

	vip_world(0, 0);
	plain = run = (struct run){ .dir = OUT, .frame = TO_VIP(.proto = 6, .flags = TCP_SYN) };
	assert_int_equal(T->run(&plain), 0);
	with_function(addr4(EP_A), T->ifindex, MZ_POINT_EGRESS);
	assert_int_equal(T->run(&run), 0);
	assert_int_equal(run.verdict, plain.verdict);
	assert_int_equal(run.frame.len, plain.frame.len);
	assert_memory_equal(run.frame.b, plain.frame.b, plain.frame.len);
	saw(EP_A, 1000, VIP, 2000);
}
