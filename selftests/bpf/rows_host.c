// SPDX-License-Identifier: Apache-2.0
// What a flow knows of its other end's host: asked for once in a while, and never against what
// tables or newer packets say.
#include "selftests/bpf/rows.h"

#include <arpa/inet.h>
#include <string.h>
#include <unistd.h>

#include "selftests/bpf/row.h"
#include "selftests/bpf/vips.h"

// Rows name what differs from the usual packet.
#pragma GCC diagnostic ignored "-Woverride-init"

#define OUT MZ_DIR_EGRESS
#define IN  MZ_DIR_INGRESS
#define NOTHING ((struct frame){ .len = 0 })

// The answers of A, and of R from its own host or as another one's.
#define ANSWER(...)   INNER(A_TO(EP_R), .sport = 2000, .dport = 1000, ##__VA_ARGS__)
#define FROM_R(...)   TUNNEL(.in = { R_TO_A }, ##__VA_ARGS__)
#define FROM_BACKUP() FROM_R(.src = BACKUP_IP, .sender = BACKUP, .origin = BACKUP)
#define TO(host_ip)   SENT_TO(host_ip, .src = EP_A, .dst = EP_R, .sport = 2000, .dport = 1000)

static struct mz_flow_key key_of_flow(void)
{
	return (struct mz_flow_key){ .vni = VNI, .proto = 17, .local = addr4(EP_A), .remote = addr4(EP_R),
				     .local_port = htons(2000), .remote_port = htons(1000) };
}

static struct mz_flow flow(void)
{
	struct mz_flow_key k = key_of_flow();
	struct mz_flow f = { 0 };

	assert_int_equal(T->lookup("mz_flows", &k, &f), 0);
	return f;
}

// Where the clock runs, in the first half of a turn: the next packet is to meet the same one.
static void taught(uint32_t turns_ago)
{
	struct mz_flow_key k = key_of_flow();
	struct mz_flow f = flow();

	while (T != &target_native && T->now() & 1u << (MZ_TAUGHT_BITS - 1))
		usleep(1000);
	f.taught = (uint16_t)(MZ_TAUGHT(T->now()) - turns_ago);
	put("mz_flows", &k, &f);
}

// Host of the path to R, 0: there is none.
static uint32_t path(void)
{
	struct mz_ep_key k = { .vni = VNI, .ip = addr4(EP_R) };
	struct mz_path p = { 0 };

	return T->lookup("mz_paths", &k, &p) ? 0 : p.host;
}

// R has spoken to A, whose interface is the one that rows are run on.
static void begin(void)
{
	struct mz_ep_key a = { .vni = VNI, .ip = addr4(EP_A) };
	struct mz_endpoint e = { .host = SELF, .ifindex = T->ifindex, .vpc = VPC_SLOT };

	build_world(0);
	memcpy(e.mac, mac_bytes(MAC_A), 6);
	put("mz_endpoints", &a, &e);
	pass("R begins", IN, FROM_R(), MZ_R_DELIVERED, NOTHING);
	pass("... A answers", OUT, ANSWER(), MZ_R_DIRECT, TO(PEER_IP));
	assert_int_equal(flow().host, 0);
	pass("... R goes on: its flow is there to be told", IN, FROM_R(), MZ_R_DELIVERED, NOTHING);
	assert_int_equal(flow().host, PEER);
}

void test_host_known(void **state)
{
	(void)state;
	begin();
	T->forget("mz_paths");
	pass("the path is gone, the flow knows", OUT, ANSWER(), MZ_R_DIRECT, TO(PEER_IP));
	pass("another flow of theirs knows nothing", OUT, ANSWER(.sport = 7), MZ_R_TO_BOUNCER, NOTHING);
	pass("what comes meanwhile asks for no path", IN, FROM_R(), MZ_R_DELIVERED, NOTHING);
	assert_int_equal(path(), 0);
	taught(2);
	pass("known for long enough: the tables say", OUT, ANSWER(), MZ_R_TO_BOUNCER, TO(BOUNCE_IP));
	pass("... and are told", IN, FROM_R(), MZ_R_DELIVERED, NOTHING);
	assert_int_equal(path(), PEER);
	taught(1);
	T->forget("mz_paths");
	pass("... for the flow, too", OUT, ANSWER(), MZ_R_DIRECT, TO(PEER_IP));
}

void test_host_changes(void **state)
{
	struct mz_ep_key r = { .vni = VNI, .ip = addr4(EP_R) };
	struct mz_endpoint here = { .host = SELF, .ifindex = 3, .vpc = VPC_SLOT };
	struct mz_port port = { .ifindex = 3, .vni = VNI, .max_flows = 8 };

	(void)state;
	begin();
	pass("R speaks from another host", IN, FROM_BACKUP(), MZ_R_DELIVERED, NOTHING);
	assert_int_equal(path(), BACKUP);
	pass("... where its flow goes at once", OUT, ANSWER(), MZ_R_DIRECT, TO(BACKUP_IP));
	T->forget("mz_paths");
	pass("R's packet was bounced: asks for the path, and for a hint", IN,
	     FROM_R(.src = BOUNCE_IP, .sender = BOUNCER, .origin = BACKUP, .hops = 1), MZ_R_DELIVERED, NOTHING);
	assert_int_equal(path(), BACKUP);
	memcpy(here.mac, mac_bytes(MAC_B), 6);
	put("mz_ports", &here.ifindex, &port);
	put("mz_endpoints", &r, &here);
	pass("R has come here", OUT, ANSWER(), MZ_R_LOCAL, NOTHING);
}

// What is not one of its own VPC, or comes from outside, is not remembered.
void test_host_others(void **state)
{
	struct mz_flow_key k = key_of_flow();
	struct mz_flow f;

	(void)state;
	begin();
	f = flow();
	f.host = 0;
	put("mz_flows", &k, &f);
	pass("from outside", IN, FROM_R(.flags = MZ_OPT_F_OUTSIDE), MZ_R_DELIVERED, NOTHING);
	assert_int_equal(flow().host, 0);
	pass("of no host that says which", IN, FROM_R(.origin = (uint32_t)-1), MZ_R_DELIVERED, NOTHING);
	assert_int_equal(flow().host, 0);
}

// A service's flow goes to its backend's host.
void test_host_service(void **state)
{
	(void)state;
	begin();
	serve_by_r(0);
	pass("to a service", OUT, INNER(A_TO(VIP), .sums = 1), MZ_R_DIRECT, NOTHING);
	for (int i = 0; i < 2; i++)
		pass("... its answer", IN, TUNNEL(.in = { R_TO_A, .sport = 2001, .dport = 1000, .sums = 1 }), MZ_R_DELIVERED, NOTHING);
	T->forget("mz_paths");
	pass("... and on", OUT, INNER(A_TO(VIP), .sums = 1), MZ_R_DIRECT,
	     SENT_TO(PEER_IP, .src = EP_A, .dst = EP_R, .dport = 2001, .sums = 1));
}
