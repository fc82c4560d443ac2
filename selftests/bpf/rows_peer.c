// SPDX-License-Identifier: Apache-2.0
// Peer VPCs: an endpoint of VNI and R, whose VPC is PEER_VNI. In VNI it would be another's
// address.
#include "selftests/bpf/rows.h"

#include <arpa/inet.h>
#include <string.h>

#include "selftests/bpf/row.h"

// Rows name what differs from the usual packet.
#pragma GCC diagnostic ignored "-Woverride-init"

#define OUT MZ_DIR_EGRESS
#define IN  MZ_DIR_INGRESS
#define TCP_SYN 0x02
#define NOTHING ((struct frame){ 0 })
#define PEER_VNI 8u
#define PEER_SLOT 2u // of PEER_VNI's counts, which stay as they are
#define OF_PEER .flags = MZ_OPT_F_PEERED

static void put_part(struct mz_addr ip, uint32_t flags)
{
	struct mz_net_key k = { .prefixlen = 32 + 128, .vni = htonl(VNI), .ip = ip };
	struct mz_network n = { .shard = 384, .vpc = VPC_SLOT, .flags = flags, .peer = PEER_VNI };

	put("mz_networks", &k, &n);
}

// What PEER_VNI sees of VNI.
static void put_peers_part(struct mz_addr ip, uint32_t flags)
{
	struct mz_net_key k = { .prefixlen = 32 + 128, .vni = htonl(PEER_VNI), .ip = ip };
	struct mz_network n = { .shard = 512, .vpc = PEER_SLOT, .flags = flags, .peer = VNI };

	put("mz_networks", &k, &n);
}

static void put_peers_path(struct mz_addr ip)
{
	struct mz_ep_key k = { .vni = PEER_VNI, .ip = ip };
	struct mz_path p = { .host = PEER, .seen = T->now() - 10 };

	put("mz_paths", &k, &p);
}

static void put_peers_endpoint(struct mz_addr ip)
{
	struct mz_ep_key k = { .vni = PEER_VNI, .ip = ip };
	struct mz_endpoint e = { .host = SELF, .ifindex = 3, .vpc = PEER_SLOT, .flags = MZ_EP_F_PEER };
	struct mz_port port = { .ifindex = 3, .vni = PEER_VNI, .max_flows = 8 };

	memcpy(e.mac, mac_bytes(MAC_B), 6);
	put("mz_ports", &e.ifindex, &port);
	put("mz_endpoints", &k, &e);
}

// In VNI there is a path to R's address, and PEER_VNI has dividers of its own.
static void peer_world(uint32_t flags)
{
	uint32_t vni = PEER_VNI, row = 512;
	struct mz_vpc vpc = { .shard = 512, .vpc = PEER_SLOT };
	struct mz_shard s = { .primary = BACKUP };
	struct mz_ep_key a = { .vni = VNI, .ip = addr4(EP_A) };
	struct mz_endpoint e = { .host = SELF, .ifindex = T->ifindex, .vpc = VPC_SLOT };
	struct mz_port port;

	build_world(W_PATH);
	memcpy(e.mac, mac_bytes(MAC_A), 6);
	put("mz_endpoints", &a, &e);
	for (uint32_t b = 0; b < MZ_BUCKETS; b++, row++)
		put("mz_shards", &row, &s);
	put("mz_vpcs", &vni, &vpc);
	put_part(addr4(EP_R), MZ_NET_F_PEER | flags);
	put_part(addr6(EP6_R), MZ_NET_F_PEER | flags);
	assert_int_equal(T->lookup("mz_ports", &T->ifindex, &port), 0);
	port.flags |= MZ_EP_F_PEERED;
	put("mz_ports", &T->ifindex, &port);
}

#define TO_PEER(dst_ip, ...)                                                                            \
	TUNNEL(.in = { .src = EP_A, .dst = EP_R, ##__VA_ARGS__ }, .vni = PEER_VNI, .src = SELF_IP, .dst = (dst_ip), \
	       .dmac = MAC_NEXT, .smac = MAC_SELF, .qos_class = 9, .origin = SELF, .sender = SELF, OF_PEER)
#define TO_PEER6(dst_ip, ...) TO_PEER(dst_ip, .v6 = 1, .src6 = EP6_A, .dst6 = EP6_R, ##__VA_ARGS__)
#define ARRIVES(...) TUNNEL(.in = { R_TO_A, ##__VA_ARGS__ }, OF_PEER)
#define ARRIVES6(...) TUNNEL(.in = { .v6 = 1, .src6 = EP6_R, .dst6 = EP6_A, ##__VA_ARGS__ }, OF_PEER)

static int path_to(uint32_t vni, struct mz_addr ip)
{
	struct mz_ep_key k = { .vni = vni, .ip = ip };
	struct mz_path p = { 0 };

	return T->lookup("mz_paths", &k, &p) ? 0 : (int)p.host;
}

// A's flow with R by UDP, from R's port 1000 to its 2000.
static int asked_by(struct mz_flow *f)
{
	struct mz_flow_key k = { .vni = VNI, .local = addr4(EP_A), .remote = addr4(EP_R), .local_port = htons(2000),
				 .remote_port = htons(1000), .proto = 17 };

	return T->lookup("mz_flows", &k, f) == 0;
}

static int asked(void)
{
	struct mz_flow f;

	return asked_by(&f);
}

void test_peer_out(void **state)
{
	(void)state;
	struct mz_flow_key flow = { .vni = VNI, .local = addr4(EP_A), .remote = addr4(EP_R), .local_port = htons(1000),
				    .remote_port = htons(2000), .proto = 17 };
	struct mz_flow f;

	peer_world(0);
	pass("to a peer, by its dividers", OUT, INNER(.dst = EP_R), MZ_R_TO_DIVIDER, TO_PEER(BACKUP_IP));
	assert_int_equal(T->lookup("mz_flows", &flow, &f), 0); // of the sender's VPC
	pass("... of IPv6", OUT, INNER(.v6 = 1, .dst6 = EP6_R), MZ_R_TO_DIVIDER, TO_PEER6(BACKUP_IP));
	put_peers_path(addr4(EP_R));
	pass("straight, by a path of the peer's", OUT, INNER(.dst = EP_R), MZ_R_DIRECT, TO_PEER(PEER_IP));
	assert_int_equal(T->lookup("mz_flows", &flow, &f), 0);
	f.host = BACKUP;
	f.taught = MZ_TAUGHT(T->now());
	put("mz_flows", &flow, &f);
	pass("... whatever the flow knows", OUT, INNER(.dst = EP_R), MZ_R_DIRECT, TO_PEER(PEER_IP));
	pass("to the VPC's own", OUT, INNER(.dst = EP_G), MZ_R_TO_BOUNCER,
	     SENT_TO(BOUNCE_IP, .src = EP_A, .dst = EP_G));
	put_peers_endpoint(addr4(EP_R));
	pass("to a peer's endpoint on this host, from no part", OUT, INNER(.dst = EP_R), MZ_R_PEER_SOURCE, NOTHING);
	put_peers_part(addr4(EP_A), 0);
	pass("... from one of its own networks' addresses", OUT, INNER(.dst = EP_R), MZ_R_PEER_SOURCE, NOTHING);
	put_peers_part(addr4(EP_A), MZ_NET_F_PEER);
	pass("to a peer's endpoint on this host", OUT, INNER(.dst = EP_R), MZ_R_LOCAL, as_delivered(INNER(.dst = EP_R), MAC_B));
	flow = (struct mz_flow_key){ .vni = PEER_VNI, .local = addr4(EP_R), .remote = addr4(EP_A), .local_port = htons(2000),
				     .remote_port = htons(1000), .proto = 17 };
	assert_int_equal(T->lookup("mz_flows", &flow, &f), 0); // and of the receiver's
	build_world(W_PATH);
	put_part(addr4(EP_R), MZ_NET_F_PEER);
	pass("of a VPC without peers nobody asks", OUT, INNER(.dst = EP_R), MZ_R_DIRECT,
	     SENT_TO(PEER_IP, .src = EP_A, .dst = EP_R));
}

// Only R's side may begin.
void test_peer_answers(void **state)
{
	(void)state;
	struct mz_flow_key flow = { .vni = VNI, .local = addr4(EP_A), .remote = addr4(EP_R), .local_port = htons(1000),
				    .remote_port = htons(2000), .proto = 6 };
	struct mz_flow f;

	peer_world(MZ_NET_F_ANSWERS);
	pass("begins", OUT, INNER(.dst = EP_R, .proto = 6, .flags = TCP_SYN), MZ_R_PEER_ANSWERS, NOTHING);
	assert_int_not_equal(T->lookup("mz_flows", &flow, &f), 0);
	pass("... without a handshake", OUT, INNER(.dst = EP_R, .proto = 6), MZ_R_PEER_ANSWERS, NOTHING);
	pass("... by UDP", OUT, INNER(.dst = EP_R), MZ_R_PEER_ANSWERS, NOTHING);
	pass("... a ping", OUT, INNER(.dst = EP_R, .proto = 1, .sport = 0x0800), MZ_R_PEER_ANSWERS, NOTHING);
	pass("... of IPv6", OUT, INNER(.v6 = 1, .dst6 = EP6_R), MZ_R_PEER_ANSWERS, NOTHING);
	pass("is asked", IN, ARRIVES(.proto = 6, .sport = 2000, .dport = 1000, .flags = TCP_SYN), MZ_R_DELIVERED,
	     as_delivered(INNER(R_TO_A, .proto = 6, .sport = 2000, .dport = 1000, .flags = TCP_SYN), MAC_A));
	pass("answers", OUT, INNER(.dst = EP_R, .proto = 6, .flags = 0x12), MZ_R_DIRECT, TO_PEER(PEER_IP, .proto = 6, .flags = 0x12));
	pass("... from no other port", OUT, INNER(.dst = EP_R, .proto = 6, .sport = 1001, .flags = 0x12), MZ_R_PEER_ANSWERS, NOTHING);
	pass("begins with its own VPC's", OUT, INNER(.dst = EP_G, .proto = 6, .flags = TCP_SYN), MZ_R_TO_BOUNCER,
	     SENT_TO(BOUNCE_IP, .src = EP_A, .dst = EP_G, .proto = 6, .flags = TCP_SYN));
}

void test_peer_in(void **state)
{
	struct mz_flow f = { 0 };

	(void)state;
	peer_world(0);
	pass("from a peer", IN, ARRIVES(), MZ_R_DELIVERED, DELIVERED_A());
	assert_true(asked());
	pass("... again: where that is is the peer's to say, not the flow's", IN, ARRIVES(), MZ_R_DELIVERED, DELIVERED_A());
	assert_true(asked_by(&f));
	assert_int_equal(f.host, 0);
	assert_int_equal(path_to(PEER_VNI, addr4(EP_R)), PEER); // where answers look for it
	pass("... of IPv6", IN, ARRIVES6(), MZ_R_DELIVERED, NOTHING);
	assert_int_equal(path_to(PEER_VNI, addr6(EP6_R)), PEER);
	peer_world(0);
	put_part(addr4(EP_R), 0);
	pass("from another of the networks", IN, ARRIVES(), MZ_R_PEER_SOURCE, NOTHING);
	assert_false(asked());
	build_world(0);
	pass("from no peer", IN, ARRIVES(), MZ_R_PEER_SOURCE, NOTHING);
	assert_int_equal(path_to(VNI, addr4(EP_R)), 0);
	peer_world(0);
	pass("from one of the VPC, at a peer's address", IN, TUNNEL(.in = { R_TO_A }), MZ_R_DELIVERED, DELIVERED_A());
	assert_int_equal(path_to(PEER_VNI, addr4(EP_R)), 0);
	build_world(W_IS_BOUNCER);
	pass("on its way over a hop", IN, TUNNEL(A_TO_R, FROM_BOUNCER, OF_PEER), MZ_R_BOUNCED,
	     TUNNEL(A_TO_R, .src = SELF_IP, .dst = PEER_IP, .dmac = MAC_NEXT, .smac = MAC_SELF, .hops = 1, .sender = SELF,
		    .origin = BOUNCER, .ttl = 63, OF_PEER));
	peer_world(0);
	pass("by a sender that knows of no peer", IN, TUNNEL(A_TO_R, FROM_BOUNCER), MZ_R_NO_NETWORK, NOTHING);
}

void test_peer_functions(void **state)
{
	(void)state;

	if (!T->endpoint_functions)
		return;
	peer_world(0);
	with_function(addr4(EP_A), T->ifindex, MZ_POINT_EGRESS);
	pass("functions of the sender", OUT, INNER(.dst = EP_R), MZ_R_TO_DIVIDER, TO_PEER(BACKUP_IP));
	peer_world(0);
	with_function(addr4(EP_A), T->ifindex, MZ_POINT_INGRESS);
	pass("functions of the receiver", IN, ARRIVES(), MZ_R_DELIVERED, DELIVERED_A());
	assert_int_equal(path_to(PEER_VNI, addr4(EP_R)), PEER);
	assert_true(asked());
	peer_world(0);
	put_part(addr4(EP_R), 0);
	with_function(addr4(EP_A), T->ifindex, MZ_POINT_INGRESS);
	pass("... from no peer", IN, ARRIVES(), MZ_R_PEER_SOURCE, NOTHING);
	assert_false(asked());
}
