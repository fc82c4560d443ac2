// SPDX-License-Identifier: Apache-2.0
// From outside to a service: a gateway picks the backend, stays with it, and gives its
// answers the service's outside address.
#include "selftests/bpf/rows.h"

#include <arpa/inet.h>
#include <string.h>

#include "selftests/bpf/outside.h"
#include "selftests/bpf/vips.h"

// Rows name what differs from the usual packet.
#pragma GCC diagnostic ignored "-Woverride-init"

#define OUT MZ_DIR_EGRESS
#define IN  MZ_DIR_INGRESS
#define ENTRY 8080 // the service's outside port
#define SLACK 1000 // the clock goes on

enum { B_R = 1, B_R6 = 2, B_B = 3, B_NONE = 77 };

static void put_entry(struct mz_addr outside, uint16_t proto, struct mz_addr vip)
{
	struct mz_outside_key k = { .ip = outside, .port = htons(ENTRY), .proto = proto };
	struct mz_outside o = { .vni = VNI, .ip = vip, .port = htons(2000), .flags = MZ_OUTSIDE_F_SERVICE };

	put("mz_outsides", &k, &o);
}

// R is behind PEER, B is here; all rows of the service's table name `backend`.
static void entry_world(uint32_t backend, uint32_t sticky)
{
	struct mz_ep_key b4 = { .vni = VNI, .ip = addr4(EP_B) };
	struct mz_endpoint e = { .host = SELF, .ifindex = T->ifindex, .vpc = VPC_SLOT };
	static const uint8_t protos[] = { 6, 17 };

	build_world(W_IS_BOUNCER);
	memcpy(e.mac, mac_bytes(MAC_B), 6);
	put("mz_endpoints", &b4, &e);
	put_way_out(MZ_NET_F_SERVED);
	put_inside(addr4(EP_R), addr4(SHARED), FIRST, LAST, MZ_INSIDE_F_FORWARDS);
	put_inside(addr6(EP6_R), addr6(SHARED6), FIRST, LAST, MZ_INSIDE_F_FORWARDS);
	put_pool(addr4(SHARED), 10, MZ_POOL_F_FORWARDS);
	put_pool(addr6(SHARED6), 10, MZ_POOL_F_FORWARDS);
	for (size_t i = 0; i < sizeof(protos); i++) {
		put_forward(addr4(EP_R), 2001, protos[i], addr4(SHARED), ENTRY);
		put_forward(addr6(EP6_R), 2001, protos[i], addr6(SHARED6), ENTRY);
		put_entry(addr4(SHARED), protos[i], addr4(VIP));
		put_entry(addr6(SHARED6), protos[i], addr6(VIP6));
	}
	put_backend(B_R, addr4(EP_R), 2001, 0);
	put_backend(B_R6, addr6(EP6_R), 2001, 0);
	put_backend(B_B, addr4(EP_B), 2001, 0);
	put_vip(addr4(VIP), backend ? VIP_SIZE : 0, sticky);
	put_vip(addr6(VIP6), backend ? VIP_SIZE : 0, sticky);
	put_vip_rows(ROWS_OF(backend ? backend : B_R)); /* an empty service has no rows: these are another's */
}

#define COMES(...)  INNER(.src = OUT_R, .dst = SHARED, .proto = 6, .sport = 3000, .dport = ENTRY, .sums = 1, ##__VA_ARGS__)
#define COMES6(...) INNER(.v6 = 1, .src6 = OUT6_R, .dst6 = SHARED6, .proto = 6, .sport = 3000, .dport = ENTRY, .sums = 1, ##__VA_ARGS__)
#define TO_R(...)                                                                                        \
	TUNNEL(.in = { .src = OUT_R, .dst = EP_R, .proto = 6, .sport = 3000, .dport = 2001, .ttl = 63, .sums = 1, \
		       .dmac = MAC_GW, .smac = MAC_GW, ##__VA_ARGS__ },                                   \
	       .src = SELF_IP, .dst = PEER_IP, .dmac = MAC_NEXT, .smac = MAC_SELF, .origin = SELF, .sender = SELF, .flags = FROM_OUTSIDE)
#define TO_R6(...)                                                                                       \
	TUNNEL(.in = { .v6 = 1, .src6 = OUT6_R, .dst6 = EP6_R, .proto = 6, .sport = 3000, .dport = 2001, .ttl = 63, .sums = 1, \
		       .dmac = MAC_GW, .smac = MAC_GW, ##__VA_ARGS__ },                                   \
	       .src = SELF_IP, .dst = PEER_IP, .dmac = MAC_NEXT, .smac = MAC_SELF, .origin = SELF, .sender = SELF, .flags = FROM_OUTSIDE)
#define TO_B(...) \
	as_delivered(INNER(.src = OUT_R, .dst = EP_B, .proto = 6, .sport = 3000, .dport = 2001, .ttl = 63, .sums = 1, ##__VA_ARGS__), MAC_B)

static enum verdict in(const char *name, struct frame f, enum mz_reason why, struct frame want)
{
	return pass_by(name, GW_IN, IN, f, why, want);
}

// What the gateway remembers of OUT_R's port 3000.
static void remember(uint16_t proto, uint32_t backend, uint32_t silence)
{
	struct mz_flow_key k = { .vni = VNI, .local = addr4(VIP), .remote = addr4(OUT_R), .local_port = htons(2000),
				 .remote_port = htons(3000), .proto = proto };
	struct mz_sticky e = { .backend = backend, .seen = T->now() - silence };

	put("mz_entries", &k, &e);
}

void test_entry(void **state)
{
	(void)state;
	struct mz_sticky_key client = { .vip = 9, .client = addr4(OUT_R) };
	struct mz_sticky s = { 0 };

	entry_world(B_R, 0);
	in("a SYN to a service", COMES(.flags = TCP_SYN), MZ_R_FROM_OUTSIDE, TO_R(.flags = TCP_SYN));
	in("... of IPv6, nobody of whose backends has such an address", COMES6(.flags = TCP_SYN), MZ_R_FROM_OUTSIDE, NOTHING);
	put_vip_rows(ROWS_OF(B_B));
	in("the flow stays with its backend, though others came", COMES(), MZ_R_FROM_OUTSIDE, TO_R());
	put_backend(B_R, addr4(EP_R), 2001, MZ_BACKEND_F_DRAIN);
	in("... and though it drains", COMES(), MZ_R_FROM_OUTSIDE, TO_R());
	assert_int_equal(in("another client's goes by the table", COMES(.sport = 3001), MZ_R_DELIVERED, TO_B(.sport = 3001)), V_REDIRECT);
	in("a new connection of the same ports does", COMES(.flags = TCP_SYN), MZ_R_DELIVERED, TO_B(.flags = TCP_SYN));
	in("... and stays there", COMES(), MZ_R_DELIVERED, TO_B());
	in("what a gateway does not know goes by the table, as by any gateway's", COMES(.sport = 3002), MZ_R_DELIVERED, TO_B(.sport = 3002));
	in("UDP", COMES(.proto = 17), MZ_R_DELIVERED, TO_B(.proto = 17));
	put_vip_rows(ROWS_OF(B_R6));
	in("IPv6", COMES6(.flags = TCP_SYN), MZ_R_FROM_OUTSIDE, TO_R6(.flags = TCP_SYN));
	in("... of UDP", COMES6(.proto = 17), MZ_R_FROM_OUTSIDE, TO_R6(.proto = 17));

	entry_world(B_R, 0);
	remember(17, B_B, FLOW_TIMEOUT(MZ_TIMER_UDP_ESTABLISHED) - SLACK);
	in("one silent as long as a flow may be", COMES(.proto = 17), MZ_R_DELIVERED, TO_B(.proto = 17));
	remember(17, B_B, FLOW_TIMEOUT(MZ_TIMER_UDP_ESTABLISHED) + 1);
	in("... and longer", COMES(.proto = 17), MZ_R_FROM_OUTSIDE, TO_R(.proto = 17));
	remember(6, B_B, FLOW_TIMEOUT(MZ_TIMER_TCP_ESTABLISHED) - SLACK);
	in("one of TCP", COMES(), MZ_R_DELIVERED, TO_B());
	remember(6, B_B, FLOW_TIMEOUT(MZ_TIMER_TCP_ESTABLISHED) + 1);
	in("... and longer", COMES(), MZ_R_FROM_OUTSIDE, TO_R());
	remember(6, B_NONE, 0);
	in("one whose backend is none any more", COMES(), MZ_R_FROM_OUTSIDE, TO_R());
	in("4787 REQ-14 a first fragment", COMES(.proto = 17, .frag = 0x2000, .frag_id = 9), MZ_R_FROM_OUTSIDE,
	   TO_R(.proto = 17, .frag = 0x2000, .frag_id = 9));
	in("4787 REQ-14 ... and then a later one", COMES(.proto = 17, .frag = 0x2001, .frag_id = 9), MZ_R_FROM_OUTSIDE, NOTHING);

	entry_world(B_R, 1000);
	in("a client that is to stay", COMES(.flags = TCP_SYN), MZ_R_FROM_OUTSIDE, TO_R(.flags = TCP_SYN));
	assert_int_equal(T->lookup("mz_stickies", &client, &s), 0);
	assert_int_equal(s.backend, B_R);
	put_vip_rows(ROWS_OF(B_B));
	in("... stays", COMES(.sport = 3001, .flags = TCP_SYN), MZ_R_FROM_OUTSIDE, TO_R(.sport = 3001, .flags = TCP_SYN));
	put_backend(B_R, addr4(EP_R), 2001, MZ_BACKEND_F_DRAIN);
	in("... unless its backend drains", COMES(.sport = 3002, .flags = TCP_SYN), MZ_R_DELIVERED, TO_B(.sport = 3002, .flags = TCP_SYN));
}

// A client that is to stay has the same backend by every gateway, that knows it or not.
void test_entry_alike(void **state)
{
	(void)state;
	const uint32_t mixed[VIP_SIZE] = { B_R, B_B, B_R, B_B, B_R, B_B, B_R };
	struct mz_sticky_key client = { .vip = 9, .client = addr4(OUT_R) };
	struct mz_sticky s = { 0 }, first = { 0 };

	for (uint16_t port = 3000; port < 3016; port++) {
		entry_world(B_R, 1000);
		put_vip_rows(mixed);
		assert_int_equal(T->run(&(struct run){ .gateway = GW_IN, .frame = COMES(.sport = port, .flags = TCP_SYN) }), 0);
		assert_int_equal(T->lookup("mz_stickies", &client, &s), 0);
		if (port == 3000)
			first = s;
		assert_int_equal(s.backend, first.backend);
	}
}

// Its error about `was`, the service's answer, finds the backend `now` came from.
static void error_in(const char *name, struct frame was, struct frame now)
{
	in(name, make_error(was, 28, 3, OUT_R2, SHARED), MZ_R_FROM_OUTSIDE, error_to_r(now, FROM_OUTSIDE));
}

void test_entry_answers(void **state)
{
	(void)state;

	entry_world(B_B, 0);
	pass_by("a backend's answer leaves as the service's", GW_OUT, OUT,
		TUNNEL(.in = { .src = EP_R, .dst = OUT_R, .proto = 6, .sport = 2001, .dport = 3000, .sums = 1 }), MZ_R_TO_OUTSIDE,
		INNER(.dmac = MAC_NEXT, .smac = MAC_SELF, .src = SHARED, .dst = OUT_R, .proto = 6, .sport = ENTRY, .dport = 3000, .ttl = 63, .sums = 1));
	remember(6, B_R, 0);
	error_in("5508 REQ-4 an error about it goes to that backend", INNER(.src = SHARED, .dst = OUT_R, .sport = ENTRY, .dport = 3000, .proto = 6),
		 INNER(.src = EP_R, .dst = OUT_R, .sport = 2001, .dport = 3000, .proto = 6));
	entry_world(B_R, 0);
	error_in("5508 REQ-4 ... by the table, where the gateway knows nothing", INNER(.src = SHARED, .dst = OUT_R, .sport = ENTRY, .dport = 3000, .proto = 6),
		 INNER(.src = EP_R, .dst = OUT_R, .sport = 2001, .dport = 3000, .proto = 6));
	entry_world(0, 0);
	in("5508 REQ-4 ... or nobody, who is not told", make_error(INNER(.src = SHARED, .dst = OUT_R, .sport = ENTRY, .dport = 3000, .proto = 6), 28, 3, OUT_R2, SHARED),
	   MZ_R_SERVICE_EMPTY, NOTHING);
	entry_world(B_B, 0);
	pass_by("4787 REQ-9a from an endpoint by the outside address", GW_OUT, OUT,
		TUNNEL(.in = { .src = EP_R, .dst = SHARED, .proto = 6, .sport = 2024, .dport = ENTRY, .sums = 1 }), MZ_R_DELIVERED,
		as_delivered(INNER(.src = SHARED, .dst = EP_B, .proto = 6, .sport = 2024, .dport = 2001, .ttl = 63, .sums = 1), MAC_B));
}

// What comes back to the sender, a frame to where it came from.
static struct frame told(const char *name, struct frame f, enum mz_reason why)
{
	struct run run = { .gateway = GW_IN, .frame = f };

	assert_int_equal(in(name, f, why, NOTHING), T->same_interface);
	assert_int_equal(T->run(&run), 0);
	assert_memory_equal(run.frame.b, mac_bytes(MAC_NEXT), 6);
	assert_memory_equal(run.frame.b + 6, mac_bytes(MAC_SELF), 6);
	return run.frame;
}

void test_entry_refused(void **state)
{
	(void)state;
	const uint8_t rst[14] = { ENTRY >> 8, ENTRY & 0xff, 3000 >> 8, 3000 & 0xff, 0, 0, 0, 0, 0xa0, 0xb0, 0xc0, 0xe1, 0x50, 0x14 };
	const uint8_t unreachable[2] = { 3, 3 }, unreachable6[2] = { 1, 4 };
	struct frame f, got;
	struct run run = { .gateway = GW_OUT };

	entry_world(0, 0);
	f = COMES(.flags = TCP_SYN, .dmac = MAC_SELF, .smac = MAC_NEXT);
	memcpy(f.b + 38, "\xa0\xb0\xc0\xd6", 4); // 10 bytes of data follow
	got = told("nobody serves it: RST", f, MZ_R_SERVICE_EMPTY);
	assert_int_equal(got.len, 54);
	assert_memory_equal(got.b + 26, f.b + 30, 4); // from the service's outside address
	assert_memory_equal(got.b + 30, f.b + 26, 4);
	assert_memory_equal(got.b + 34, rst, sizeof(rst));
	f = COMES6(.flags = TCP_SYN, .dmac = MAC_SELF, .smac = MAC_NEXT);
	memcpy(f.b + 58, "\xa0\xb0\xc0\xd6", 4);
	got = told("... of IPv6", f, MZ_R_SERVICE_EMPTY);
	assert_memory_equal(got.b + 22, f.b + 38, 16);
	assert_memory_equal(got.b + 54, rst, sizeof(rst));
	f = COMES(.proto = 17, .dmac = MAC_SELF, .smac = MAC_NEXT);
	got = told("... UDP: port unreachable", f, MZ_R_SERVICE_EMPTY);
	assert_memory_equal(got.b + 34, unreachable, 2);
	assert_memory_equal(got.b + 42, f.b + 14, 28);
	f = COMES6(.proto = 17, .dmac = MAC_SELF, .smac = MAC_NEXT);
	got = told("... of IPv6", f, MZ_R_SERVICE_EMPTY);
	assert_memory_equal(got.b + 54, unreachable6, 2);
	assert_int_equal(in("a RST is not answered", COMES(.flags = TCP_RST), MZ_R_SERVICE_EMPTY, NOTHING), V_DROP);
	put_entry(addr4(SHARED), 132, addr4(EP_G));
	in("a port that the service does not offer", COMES(.proto = 132, .sums = 0), MZ_R_SERVICE_PORT, NOTHING);
	entry_world(0, 0);
	f = TUNNEL(.in = { .src = EP_R, .dst = SHARED, .proto = 6, .flags = TCP_SYN, .sport = 2024, .dport = ENTRY, .sums = 1 });
	assert_int_equal(pass_by("an endpoint is told as well, by an error from outside", GW_OUT, OUT, f, MZ_R_SERVICE_EMPTY, NOTHING), V_REDIRECT);
	run.dir = OUT;
	run.frame = f;
	assert_int_equal(T->run(&run), 0);
	assert_memory_equal(run.frame.b + 34, unreachable, 2);
	assert_memory_equal(run.frame.b + 30, &(uint32_t){ htonl(SHARED) }, 4);
	put_piece(addr4(SHARED), 1, addr4(EP_R));
	pass_by("... which comes in as such errors do", GW_IN, IN, run.frame, MZ_R_FROM_OUTSIDE, NOTHING);
}
