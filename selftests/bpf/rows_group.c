// SPDX-License-Identifier: Apache-2.0
// Groups: who is in one by IGMP, MLD and hosts' words, and what becomes of a packet to
// one: which copies leave, each compared byte by byte, and where the packet itself goes.
#include "selftests/bpf/rows.h"

#include <arpa/inet.h>
#include <string.h>

#include "selftests/bpf/groups.h"

#define ROUTERS IP4(224, 0, 0, 22)
#define DIRECTED IP4(198, 18, 1, 255)
#define GONE 1000000u // no interface

// What a host makes of A's packet: towards host `ip`.
#define TUNNELED(ip) with_mac(SENT_TO(ip, A_TO(GROUP), .ttl = 1), MZ_OUTER_LEN4, mac4, 0)
#define TUNNELED6(ip)                                                                       \
	with_mac(TUNNEL(.in = { .v6 = 1, .src6 = EP6_A, .dst6 = GROUP6, .smac = MAC_A, .ttl = 1 }, .src = SELF_IP, \
			.dst = (ip), .dmac = MAC_NEXT, .smac = MAC_SELF, .label = 0xabc, .qos_class = 9, \
			.origin = SELF, .sender = SELF), MZ_OUTER_LEN4, mac6, 0)
// A bouncer's copy of that towards `ip`.
#define COPY_TO(ip) \
	FROM_PEER(.src = SELF_IP, .dst = (ip), .dmac = MAC_NEXT, .smac = MAC_SELF, .flags = MZ_OPT_F_COPY, .hops = 1, \
		  .origin = PEER, .sender = SELF)

// How often `id` stands in a group.
static int stands(const char *table, struct mz_addr group, uint32_t id)
{
	struct mz_group_key k = key_of(group);
	struct mz_group g;
	int n = 0;

	if (T->lookup(table, &k, &g))
		return 0;
	for (uint32_t i = 0; i < MZ_GROUP_ROWS; i++)
		n += g.row[i].id == id;
	return n;
}

static int is_there(const char *table, struct mz_addr group)
{
	struct mz_group_key k = key_of(group);
	struct mz_group g;

	return !T->lookup(table, &k, &g);
}

static uint32_t groups_of_a(void)
{
	uint32_t n = 0;

	assert_int_equal(T->lookup("mz_group_use", &T->ifindex, &n), 0);
	return n;
}

// ---- what is sent to groups ----------------------------------------------------

void test_group_egress(void **state)
{
	(void)state;
	struct frame f;
	struct mz_answers had = { .since = T->now(), .count = GROUP_PACKETS };
	uint32_t b = IF_B;

	if (!has_groups())
		return;
	with_groups(0, MZ_NET_F_MULTICAST);
	f = meet("nobody here: to the bouncer alone", MZ_DIR_EGRESS, TO_GROUP(), MZ_R_GROUP_SENT, 0);
	same(f, TUNNELED(BOUNCE_IP), 1);
	put_rows("mz_groups", addr4(GROUP), IF_B, T->ifindex, IF_C);
	f = meet("members here: each but the sender; and to the bouncer", MZ_DIR_EGRESS, TO_GROUP(), MZ_R_GROUP_SENT, 2);
	same(f, TUNNELED(BOUNCE_IP), 1);
	copy_is(0, IF_B, AT_MEMBER(TO_GROUP(), mac4), 0);
	copy_is(1, IF_C, AT_MEMBER(TO_GROUP(), mac4), 0);
	meet("by a unicast MAC address it is to the same group", MZ_DIR_EGRESS, INNER(.dst = GROUP, .ttl = 1), MZ_R_GROUP_SENT, 2);
	copy_is(2, IF_B, AT_MEMBER(TO_GROUP(), mac4), 0);
	put_rows("mz_groups", addr6(GROUP6), IF_B, 0, 0);
	f = meet("IPv6", MZ_DIR_EGRESS, TO_GROUP6(), MZ_R_GROUP_SENT, 1);
	same(f, TUNNELED6(BOUNCE_IP), 1);
	meet("fragments are copied as they are", MZ_DIR_EGRESS, TO_GROUP(.frag = 0x2000), MZ_R_GROUP_SENT, 2);
	meet("another group is another", MZ_DIR_EGRESS, INNER(.dst = GROUP + 1), MZ_R_GROUP_SENT, 0);
	put_rows("mz_groups", addr4(GROUP), IF_B, GONE, IF_C);
	meet("an interface that went costs its copy alone", MZ_DIR_EGRESS, TO_GROUP(), MZ_R_GROUP_SENT, 2);
	put_rows("mz_groups", addr4(GROUP), IF_B, 0, IF_C);
	put("mz_ports", &b, &(struct mz_port){ .ifindex = IF_B, .vni = VNI + 1 });
	meet("a row that another VPC's endpoint stands in gets none", MZ_DIR_EGRESS, TO_GROUP(), MZ_R_GROUP_SENT, 1);
	put("mz_ports", &b, &(struct mz_port){ .ifindex = IF_B + MZ_PORTS, .vni = VNI });
	meet("... nor another interface than its own", MZ_DIR_EGRESS, TO_GROUP(), MZ_R_GROUP_SENT, 1);
	meet("from another's address", MZ_DIR_EGRESS, TO_GROUP(.src = EP_B), MZ_R_SRC_IP, 0);
	meet("from nobody's", MZ_DIR_EGRESS, TO_GROUP(.zero_src = 1), MZ_R_SRC_IP, 0);
	meet("IPv6 from another's", MZ_DIR_EGRESS, TO_GROUP6(.src6 = EP6_B), MZ_R_SRC_IP, 0);
	meet("IPv6 from the link's", MZ_DIR_EGRESS, TO_GROUP6(.src6 = LL6_A), MZ_R_SRC_IP, 0);
	meet("class E", MZ_DIR_EGRESS, INNER(.dst = IP4(240, 0, 0, 1), .dmac = MAC_GROUP), MZ_R_MULTICAST, 0);
	meet("broadcast, which this network has not", MZ_DIR_EGRESS, INNER(.dst = MZ_BROADCAST4, .dmac = MAC_GROUP), MZ_R_MULTICAST, 0);
	meet("an endpoint's address by a group's MAC address", MZ_DIR_EGRESS, INNER(.dmac = MAC_GROUP), MZ_R_MULTICAST, 0);
	put("mz_group_sent", &T->ifindex, &had);
	meet("more than it may send", MZ_DIR_EGRESS, TO_GROUP(), MZ_R_GROUP_RATE, 0);

	with_groups(W_BOUNCER_DOWN, MZ_NET_F_MULTICAST);
	f = meet("the bouncer is down: to its backup", MZ_DIR_EGRESS, TO_GROUP(), MZ_R_GROUP_SENT, 0);
	same(f, TUNNELED(BACKUP_IP), 1);
	with_groups(W_SMALL_MTU, MZ_NET_F_MULTICAST);
	meet("larger than its MTU: nobody is told", MZ_DIR_EGRESS, TO_GROUP(), MZ_R_TOO_BIG, 0);

	with_groups(W_SELF_BOUNCER, MZ_NET_F_MULTICAST);
	meet("this host is the bouncer, and nobody is in it", MZ_DIR_EGRESS, TO_GROUP(), MZ_R_GROUP_NOBODY, 0);
	put_rows("mz_groups", addr4(GROUP), IF_B, 0, 0);
	meet("... members here", MZ_DIR_EGRESS, TO_GROUP(), MZ_R_GROUP_DELIVERED, 1);
	put_rows("mz_group_hosts", addr4(GROUP), PEER, BACKUP, 0);
	uint32_t n = T->copies(0, NULL, NULL);

	meet("... and elsewhere", MZ_DIR_EGRESS, TO_GROUP(), MZ_R_GROUP_COPIED, 3);
	f = with_mac(SENT_TO(PEER_IP, A_TO(GROUP), .ttl = 1), MZ_OUTER_LEN4, mac4, 0);
	f.b[MZ_OUTER_LEN4 - 4] |= MZ_OPT_F_COPY;
	copy_is(n, IF_B, AT_MEMBER(TO_GROUP(), mac4), 0);
	copy_is(n + 1, 1, f, 1);
	put_rows("mz_groups", addr4(GROUP), GONE, 0, 0);
	meet_run("no room for headers: what was lost before counts, too",
		 (struct run){ .dir = MZ_DIR_EGRESS, .frame = TO_GROUP(), .no_room = true }, MZ_R_NO_ROOM, 0, 1);

	with_groups(0, MZ_NET_F_BROADCAST);
	put_rows("mz_groups", addr4(MZ_BROADCAST4), T->ifindex, IF_B, 0);
	put_rows("mz_groups", addr4(DIRECTED), T->ifindex, IF_B, 0);
	n = T->copies(0, NULL, NULL);
	meet("broadcast", MZ_DIR_EGRESS, INNER(.dst = MZ_BROADCAST4, .dmac = MAC_GROUP), MZ_R_GROUP_SENT, 1);
	copy_is(n, IF_B, INNER(.dst = MZ_BROADCAST4, .dmac = MAC_GROUP, .smac = MAC_GW), 0);
	f = meet("the network's own", MZ_DIR_EGRESS, INNER(.dst = DIRECTED, .dmac = MAC_GROUP), MZ_R_GROUP_SENT, 1);
	assert_memory_equal(f.b + MZ_OUTER_LEN4, mac_bytes(MAC_GROUP), 6);
	meet("multicast, which this network has not", MZ_DIR_EGRESS, TO_GROUP(), MZ_R_MULTICAST, 0);
	meet("an endpoint's address", MZ_DIR_EGRESS, INNER(.dmac = MAC_GROUP), MZ_R_MULTICAST, 0);
}

void test_group_ingress(void **state)
{
	(void)state;
	uint32_t n;
	struct frame f;

	if (!has_groups()) {
		struct row r = { "XDP leaves it to TC", 0, FROM_PEER(), PASSED, MZ_R_NONE };
		struct run run = { .dir = MZ_DIR_INGRESS, .frame = r.in };

		with_groups(0, MZ_NET_F_MULTICAST);
		assert_int_equal(T->run(&run), 0);
		assert_int_equal(run.verdict, V_PASS);
		same(run.frame, r.in, 0);
		return;
	}
	with_groups(0, MZ_NET_F_MULTICAST);
	meet("nobody is in it", MZ_DIR_INGRESS, FROM_PEER(), MZ_R_GROUP_NOBODY, 0);
	assert_int_equal(T->events(NULL), 0);
	meet("... as its bouncer thinks: that is told", MZ_DIR_INGRESS, FROM_PEER(.flags = MZ_OPT_F_COPY), MZ_R_GROUP_NOBODY, 0);
	union mz_any_event e;

	assert_int_equal(T->events(&e), 1);
	assert_int_equal(e.event.type, MZ_EVENT_NO_MEMBER);
	assert_int_equal(e.event.host, PEER);
	put_rows("mz_groups", addr4(GROUP), IF_B, IF_C, 0);
	put_rows("mz_groups", addr6(GROUP6), IF_B, 0, 0);
	n = T->copies(0, NULL, NULL);
	meet("members here", MZ_DIR_INGRESS, FROM_PEER(.flags = MZ_OPT_F_COPY), MZ_R_GROUP_DELIVERED, 2);
	f = AT_MEMBER(INNER(.src = EP_R, .dst = GROUP, .ttl = 1), mac4);
	copy_is(n, IF_B, f, 0);
	copy_is(n + 1, IF_C, f, 0);
	meet("IPv6", MZ_DIR_INGRESS, FROM_PEER6(.flags = MZ_OPT_F_COPY), MZ_R_GROUP_DELIVERED, 1);
	copy_is(n + 2, IF_B, AT_MEMBER(INNER(.v6 = 1, .src6 = EP6_R, .dst6 = GROUP6, .ttl = 1), mac6), 0);
	meet("another VPC's", MZ_DIR_INGRESS, FROM_PEER(.vni = 8), MZ_R_INNER_MULTICAST, 0);

	put_rows("mz_group_hosts", addr4(GROUP), BACKUP, PEER, DIVIDER);
	n = T->copies(0, NULL, NULL);
	meet("as bouncer: members here, and hosts but the sender's", MZ_DIR_INGRESS, FROM_PEER(), MZ_R_GROUP_COPIED, 4);
	copy_is(n + 2, 1, COPY_TO(BACKUP_IP), 1);
	copy_is(n + 3, 1, COPY_TO(DIVIDE_IP), 1);
	meet("a copy goes to no host again", MZ_DIR_INGRESS, FROM_PEER(.flags = MZ_OPT_F_COPY), MZ_R_GROUP_DELIVERED, 2);
	put_rows("mz_group_hosts", addr4(GROUP), BACKUP, 15, DIVIDER);
	meet("a host that is not known costs its copy alone", MZ_DIR_INGRESS, FROM_PEER(), MZ_R_GROUP_COPIED, 4);

	with_groups(W_PEER6, MZ_NET_F_MULTICAST);
	put_rows("mz_group_hosts", addr4(GROUP), BACKUP, PEER, DIVIDER);
	n = T->copies(0, NULL, NULL);
	meet("hosts of two families", MZ_DIR_INGRESS,
	     FROM_PEER(.src = BOUNCE_IP, .sender = BOUNCER, .origin = BOUNCER), MZ_R_GROUP_COPIED, 3);
	f = FROM_PEER(.u6 = 1, .src6 = SELF6, .dst6 = PEER6, .dmac = MAC_NEXT, .smac = MAC_SELF, .flags = MZ_OPT_F_COPY,
		      .hops = 1, .origin = BOUNCER, .sender = SELF);
	f = with_mac(with_mac(f, MZ_OUTER_LEN4, f.b + MZ_OUTER_LEN4, 0), MZ_OUTER_LEN6, mac4, MAC_A);
	struct frame last = { 0 };
	uint32_t at = 0;

	T->copies(n + 2, &at, &last);
	assert_int_equal(last.b[12], 0x86);
	assert_int_equal(last.len, f.len);
	assert_memory_equal(last.b + MZ_OUTER_LEN6, mac4, 6);
	assert_memory_equal(last.b + MZ_OUTER_LEN6 + 14, f.b + MZ_OUTER_LEN6 + 14, f.len - MZ_OUTER_LEN6 - 14);

	with_groups(0, MZ_NET_F_BROADCAST);
	meet("multicast, which this network has not", MZ_DIR_INGRESS, FROM_PEER(), MZ_R_INNER_MULTICAST, 0);
	put_rows("mz_groups", addr4(DIRECTED), IF_B, 0, 0);
	f = with_mac(TUNNEL(.in = { .src = EP_R, .dst = DIRECTED }), MZ_OUTER_LEN4, mac_bytes(MAC_GROUP), 0);
	meet("a broadcast to the network", MZ_DIR_INGRESS, f, MZ_R_GROUP_DELIVERED, 1);
}

// ---- who is in a group ----------------------------------------------------------

struct message {
	int v6;
	const char *bytes;   // behind type, code and checksum
	uint32_t len, grow;  // zeros behind them
	uint8_t type;
	uint32_t src, src6;  // EP_A, LL6_A
	int zero_src, bad_sum, hops, frag;
};

static struct frame message(struct message m)
{
	struct inner in = { .v6 = m.v6, .src = m.src, .dst = ROUTERS, .zero_src = m.zero_src, .proto = m.v6 ? 58 : 2,
			    .src6 = m.src6 ? m.src6 : LL6_A, .dst6 = A6(0xff02, 0x16), .ttl = (uint8_t)(m.hops ? m.hops : 1),
			    .ext = "\0", .exts = m.v6, .frag = (uint16_t)m.frag, .dmac = m.v6 ? MAC_GROUP6 : MAC_GROUP };
	struct frame f;
	uint32_t ip, at;

	in.payload = 0;
	f = make_inner(in);
	ip = 14;
	at = m.v6 ? ip + 48 : ip + 20;
	f.len = at;
	memset(f.b + f.len, 0, 8 + m.len + m.grow);
	f.b[at] = m.type;
	memcpy(f.b + at + 4, m.bytes, m.len);
	f.len = at + 4 + m.len + m.grow;
	if (m.v6) {
		f.b[ip + 40] = 58; // router alert behind
		f.b[ip + 4] = (uint8_t)((f.len - ip - 40) >> 8);
		f.b[ip + 5] = (uint8_t)(f.len - ip - 40);
	} else {
		f.b[ip + 2] = (uint8_t)((f.len - ip) >> 8);
		f.b[ip + 3] = (uint8_t)(f.len - ip);
		put_checksum(f.b + ip + 10, f.b + ip, 20, 0);
	}
	uint32_t seed = 0;

	if (m.v6) {
		seed = f.len - at + 58;
		for (uint32_t i = ip + 8; i < ip + 40; i += 2)
			seed += (uint32_t)f.b[i] << 8 | f.b[i + 1];
	}
	put_checksum(f.b + at + 2, f.b + at, f.len - at, seed);
	f.b[at + 3] ^= (uint8_t)m.bad_sum;
	return f;
}
#define IGMP(type_, bytes_, ...) \
	message((struct message){ .type = (type_), .bytes = (bytes_), .len = sizeof(bytes_) - 1, ##__VA_ARGS__ })
#define MLD(type_, bytes_, ...) IGMP(type_, bytes_, .v6 = 1, ##__VA_ARGS__)

#define G4 "\xef\x01\x02\x03"
#define H4 "\xef\x01\x02\x04"
#define G6 "\xff\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\x33"
#define SRC4 "\x0a\x01\x02\x03"

// As many as an endpoint likes to say in a second, but for the row that is about that.
static void answer_again(enum mz_reason why)
{
	const struct mz_answers none = { 0, 0 };

	if (why != MZ_R_ANSWER_RATE)
		put("mz_answered", &T->ifindex, &none);
}

static void says(const char *name, struct frame f, enum mz_reason why, int member, uint32_t groups, uint32_t events)
{
	uint32_t had = T->events(NULL);

	answer_again(why);
	meet(name, MZ_DIR_EGRESS, f, why, 0);
	assert_int_equal(stands("mz_groups", addr4(GROUP), T->ifindex), member);
	assert_int_equal(groups_of_a(), groups);
	assert_int_equal(T->events(NULL) - had, events);
}

static void says6(const char *name, struct frame f, enum mz_reason why, int member)
{
	answer_again(why);
	meet(name, MZ_DIR_EGRESS, f, why, 0);
	assert_int_equal(stands("mz_groups", addr6(GROUP6), T->ifindex), member);
}

void test_group_igmp(void **state)
{
	(void)state;
	if (!has_groups())
		return;
	with_groups(0, MZ_NET_F_MULTICAST);
	says("IGMPv2 report", IGMP(0x16, G4), MZ_R_GROUP_REPORT, 1, 1, 1);
	says("... again", IGMP(0x16, G4), MZ_R_GROUP_REPORT, 1, 1, 0);
	assert_true(is_there("mz_groups", addr4(GROUP)));
	says("leave: nobody is left, and the group goes", IGMP(0x17, G4), MZ_R_GROUP_REPORT, 0, 0, 1);
	assert_false(is_there("mz_groups", addr4(GROUP)));
	says("... again", IGMP(0x17, G4), MZ_R_GROUP_REPORT, 0, 0, 0);
	says("IGMPv1 report", IGMP(0x12, G4), MZ_R_GROUP_REPORT, 1, 1, 1);
	says("IGMPv3: changes to include none: leaves", IGMP(0x22, "\0\0\0\1\3\0\0\0" G4), MZ_R_GROUP_REPORT, 0, 0, 1);
	says("... changes to exclude none: joins", IGMP(0x22, "\0\0\0\1\4\0\0\0" G4), MZ_R_GROUP_REPORT, 1, 1, 1);
	says("... is of exclude", IGMP(0x22, "\0\0\0\1\2\0\0\0" G4), MZ_R_GROUP_REPORT, 1, 1, 0);
	says("... is of include none: is in no more", IGMP(0x22, "\0\0\0\1\1\0\0\0" G4), MZ_R_GROUP_REPORT, 0, 0, 1);
	says("... of one source", IGMP(0x22, "\0\0\0\1\1\0\0\1" G4 SRC4), MZ_R_GROUP_REPORT, 1, 1, 1);
	says("... blocks one", IGMP(0x22, "\0\0\0\1\6\0\0\1" G4 SRC4), MZ_R_GROUP_REPORT, 1, 1, 0);
	says("... changes to include one", IGMP(0x22, "\0\0\0\1\3\0\0\1" G4 SRC4), MZ_R_GROUP_REPORT, 1, 1, 0);
	says("... two records, with sources and auxiliary data", IGMP(0x22, "\0\0\0\2\4\1\0\1" H4 SRC4 "\1\2\3\4" "\3\0\0\0" G4),
	     MZ_R_GROUP_REPORT, 0, 1, 1);
	says("... allows a source", IGMP(0x22, "\0\0\0\1\5\0\0\1" G4 SRC4), MZ_R_GROUP_REPORT, 1, 2, 1);
	says("... allows none", IGMP(0x22, "\0\0\0\1\5\0\0\0" G4), MZ_R_GROUP_REPORT, 1, 2, 0);
	says("... an unknown type is passed over", IGMP(0x22, "\0\0\0\2\x09\0\0\0" G4 "\3\0\0\0" G4), MZ_R_GROUP_REPORT, 0, 1, 1);
	says("3376 4.2.13 from nobody", IGMP(0x16, G4, .zero_src = 1), MZ_R_GROUP_REPORT, 1, 2, 1);
	says("all hosts' group needs no members", IGMP(0x16, "\xe0\0\0\1"), MZ_R_GROUP_REPORT, 1, 2, 0);
	says("from another's address", IGMP(0x17, G4, .src = EP_B), MZ_R_SRC_IP, 1, 2, 0);
	says("its checksum is wrong", IGMP(0x17, G4, .bad_sum = 1), MZ_R_IGMP_INVALID, 1, 2, 0);
	says("cut", IGMP(0x17, "\xef\1\2"), MZ_R_IGMP_INVALID, 1, 2, 0);
	says("no group", IGMP(0x17, "\x0a\1\2\3"), MZ_R_IGMP_INVALID, 1, 2, 0);
	says("an unknown type", IGMP(0x13, G4), MZ_R_IGMP_INVALID, 1, 2, 0);
	says("a record more than there is", IGMP(0x22, "\0\0\0\2\4\0\0\0" G4), MZ_R_IGMP_INVALID, 1, 2, 0);
	says("sources that are not there", IGMP(0x22, "\0\0\0\1\3\0\xff\xff" G4), MZ_R_IGMP_INVALID, 1, 2, 0);
	says("a record of no group", IGMP(0x22, "\0\0\0\1\3\0\0\0\x0a\1\2\3"), MZ_R_IGMP_INVALID, 1, 2, 0);
	says("a fragment", IGMP(0x17, G4, .frag = 0x2000), MZ_R_IGMP_INVALID, 1, 2, 0);
	says("an endpoint asks", IGMP(0x11, "\0\0\0\0"), MZ_R_GROUP_QUERY, 1, 2, 0);
	says("odd in length", IGMP(0x17, G4 "\0"), MZ_R_GROUP_REPORT, 0, 1, 1);
	says("long, and sound", IGMP(0x16, G4, .grow = 1001), MZ_R_GROUP_REPORT, 1, 2, 1);

	put_rows("mz_groups", addr4(GROUP), IF_B, T->ifindex, 0);
	says("somebody else is left", IGMP(0x17, G4), MZ_R_GROUP_REPORT, 0, 1, 1);
	assert_int_equal(stands("mz_groups", addr4(GROUP), IF_B), 1);

	with_groups(0, MZ_NET_F_BROADCAST);
	says("a network without multicast", IGMP(0x16, G4), MZ_R_MULTICAST, 0, 0, 0);
	with_groups(W_NO_IP4, MZ_NET_F_MULTICAST);
	says("an endpoint without IPv4", IGMP(0x16, G4, .zero_src = 1), MZ_R_SRC_IP, 0, 0, 0);
	with_groups(W_ANSWERED_OUT, MZ_NET_F_MULTICAST);
	says("too often", IGMP(0x16, G4), MZ_R_ANSWER_RATE, 0, 0, 0);
}

void test_group_mld(void **state)
{
	(void)state;
	if (!has_groups())
		return;
	with_groups(0, MZ_NET_F_MULTICAST);
	says6("MLDv1 report", MLD(131, "\0\0\0\0" G6), MZ_R_GROUP_REPORT, 1);
	says6("done", MLD(132, "\0\0\0\0" G6), MZ_R_GROUP_REPORT, 0);
	says6("MLDv2: changes to exclude none: joins", MLD(143, "\0\0\0\1\4\0\0\0" G6), MZ_R_GROUP_REPORT, 1);
	says6("... two records", MLD(143, "\0\0\0\2\4\0\0\1" "\xff\5\0\0\0\0\0\0\0\0\0\0\0\1\0\3" "0123456789abcdef" "\3\0\0\0" G6),
	      MZ_R_GROUP_REPORT, 0);
	with_groups(0, MZ_NET_F_MULTICAST);
	says6("from nobody", MLD(131, "\0\0\0\0" G6, .src6 = NONE6), MZ_R_GROUP_REPORT, 1);
	says6("3810 5.2.13 from no address of the link", MLD(132, "\0\0\0\0" G6, .src6 = EP6_A), MZ_R_MLD_INVALID, 1);
	says6("hop limit", MLD(132, "\0\0\0\0" G6, .hops = 2), MZ_R_MLD_INVALID, 1);
	says6("checksum", MLD(132, "\0\0\0\0" G6, .bad_sum = 1), MZ_R_MLD_INVALID, 1);
	says6("cut", MLD(132, "\0\0\0\0"), MZ_R_MLD_INVALID, 1);
	says6("no group", MLD(132, "\0\0\0\0" "\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\x33"), MZ_R_MLD_INVALID, 1);
	says6("a record more than there is", MLD(143, "\0\0\0\2\4\0\0\0" G6), MZ_R_MLD_INVALID, 1);
	says6("an endpoint asks", MLD(130, "\0\0\0\0" G6), MZ_R_GROUP_QUERY, 1);
	assert_int_equal(groups_of_a(), 1);
	says6("a group of neighbour discovery", MLD(131, "\0\0\0\0" "\xff\2\0\0\0\0\0\0\0\0\0\1\xff\0\0\x11"), MZ_R_GROUP_REPORT, 1);
	says6("all nodes", MLD(131, "\0\0\0\0" "\xff\2\0\0\0\0\0\0\0\0\0\0\0\0\0\1"), MZ_R_GROUP_REPORT, 1);
	says6("a group of the interface", MLD(131, "\0\0\0\0" "\xff\1\0\0\0\0\0\0\0\0\0\0\0\0\0\x33"), MZ_R_GROUP_REPORT, 1);
	assert_int_equal(groups_of_a(), 1);
	with_groups(W_NO_IP6, MZ_NET_F_MULTICAST);
	says6("an endpoint without IPv6", MLD(131, "\0\0\0\0" G6), MZ_R_SRC_IP, 0);
}

static struct frame host_says(uint32_t origin, uint8_t flags, uint32_t sender)
{
	return with_mac(TUNNEL(.oam = 1, .flags = flags, .origin = origin, .sender = sender,
			       .in = { .src = IP4(198, 18, 1, 0), .dst = GROUP }), MZ_OUTER_LEN4, mac_bytes(MAC_GROUP), 0);
}

void test_group_hosts(void **state)
{
	(void)state;
	struct mz_group full;
	struct mz_group_key k = key_of(addr4(GROUP));
	uint32_t most = MZ_ENDPOINT_GROUPS;

	if (!has_groups())
		return;
	with_groups(0, MZ_NET_F_MULTICAST);
	meet("a host has members", MZ_DIR_INGRESS, host_says(PEER, MZ_OPT_F_GROUP, PEER), MZ_R_GROUP_HOST, 0);
	assert_int_equal(stands("mz_group_hosts", addr4(GROUP), PEER), 1);
	meet("... still", MZ_DIR_INGRESS, host_says(PEER, MZ_OPT_F_GROUP, PEER), MZ_R_GROUP_HOST, 0);
	assert_int_equal(stands("mz_group_hosts", addr4(GROUP), PEER), 1);
	meet("for another host", MZ_DIR_INGRESS, host_says(BACKUP, MZ_OPT_F_GROUP, PEER), MZ_R_GENEVE_CONTROL, 0);
	meet("a hint about a group", MZ_DIR_INGRESS, host_says(PEER, MZ_OPT_F_HINT, PEER), MZ_R_GENEVE_CONTROL, 0);
	meet("none any more", MZ_DIR_INGRESS, host_says((uint32_t)-1, MZ_OPT_F_GROUP, PEER), MZ_R_GROUP_HOST, 0);
	assert_false(is_there("mz_group_hosts", addr4(GROUP)));
	assert_int_equal(T->events(NULL), 0);
	for (uint32_t i = 0; i < MZ_GROUP_ROWS; i++)
		full.row[i] = (struct mz_group_row){ 1000 + i, 0 };
	put("mz_group_hosts", &k, &full);
	meet("on too many hosts", MZ_DIR_INGRESS, host_says(PEER, MZ_OPT_F_GROUP, PEER), MZ_R_GROUP_HOSTS, 0);
	put("mz_groups", &k, &full);
	says("a group that is full", IGMP(0x16, G4), MZ_R_GROUP_LIMIT, 0, 0, 0);
	assert_int_equal(T->lookup("mz_groups", &k, &full), 0);
	full.row[MZ_GROUP_ROWS - 1].id = 0;
	put("mz_groups", &k, &full);
	says("... but for one row", IGMP(0x16, G4), MZ_R_GROUP_REPORT, 1, 1, 1);
	with_groups(0, MZ_NET_F_MULTICAST);
	put("mz_group_use", &T->ifindex, &most);
	says("one group more than an endpoint may", IGMP(0x16, G4), MZ_R_GROUP_LIMIT, 0, most, 0);
	says("... of a report others are still left", IGMP(0x22, "\0\0\0\2\4\0\0\0" H4 "\4\0\0\0" G4), MZ_R_GROUP_LIMIT, 0, most, 0);
	with_groups(0, 0);
	meet("of a network without groups", MZ_DIR_INGRESS, host_says(PEER, MZ_OPT_F_GROUP, PEER), MZ_R_INNER_MULTICAST, 0);
	// Told of no group, it teaches nothing either.
	struct row no_path = { .path = NO_PATH };

	with_groups(0, MZ_NET_F_MULTICAST);
	meet("of no group", MZ_DIR_INGRESS, TUNNEL(.oam = 1, .flags = MZ_OPT_F_GROUP), MZ_R_GENEVE_CONTROL, 0);
	check_path(&no_path);
}

// A described packet is decided, but copies nothing, and notes nobody.
void test_group_described(void **state)
{
	(void)state;
	struct run run = { .dir = MZ_DIR_EGRESS, .frame = TO_GROUP(), .trace = true };
	struct run report = { .dir = MZ_DIR_EGRESS, .frame = IGMP(0x16, G4), .trace = true };
	struct mz_trace t = { 0 };
	uint32_t zero = 0, had;
	bool told = false;

	if (!has_groups())
		return;
	with_groups(W_SELF_BOUNCER, MZ_NET_F_MULTICAST);
	put_rows("mz_groups", addr4(GROUP), IF_B, IF_C, 0);
	put_rows("mz_group_hosts", addr4(GROUP), PEER, BACKUP, 0);
	put("mz_trace", &zero, &t);
	had = T->copies(0, NULL, NULL);
	assert_int_equal(T->run(&run), 0);
	assert_int_equal(T->copies(0, NULL, NULL), had);
	assert_int_equal(T->lookup("mz_trace", &zero, &t), 0);
	assert_int_equal(t.reason, MZ_R_GROUP_COPIED);
	for (uint32_t i = 0; i < t.used; i++)
		told = told || (t.note[i].stage == MZ_ST_GROUP && t.note[i].object == MZ_OBJ_PORT && t.note[i].id == 2);
	assert_true(told);
	assert_int_equal(T->run(&report), 0);
	assert_int_equal(stands("mz_groups", addr4(GROUP), T->ifindex), 0);
}
