// SPDX-License-Identifier: Apache-2.0
// Policy: which rule decides, which flows are judged by which list, and when again.
#include "selftests/bpf/rows.h"

#include <arpa/inet.h>
#include <string.h>

#include "selftests/bpf/policies.h"
#include "selftests/bpf/row.h"
#include "selftests/bpf/vips.h"

#define OUT MZ_DIR_EGRESS
#define IN  MZ_DIR_INGRESS

// Label sets of senders, and the group that EP_A is in.
enum { WEB = 101, DB = 102, STRANGER = 103, NEWCOMER = 104, SELF_LABEL = 0xabc, GROUP_A = 5, GROUP_B = 6, GROUP_NEW = 7 };
#define IN_A_LIST  MZ_POLICY_LIST(GROUP_A, MZ_POLICY_IN)
#define TO_A_LIST MZ_POLICY_LIST(GROUP_A, MZ_POLICY_TO)
#define OUT_A_LIST MZ_POLICY_LIST(GROUP_A, MZ_POLICY_OUT)
#define IN_B_LIST  MZ_POLICY_LIST(GROUP_B, MZ_POLICY_IN)

// From port 1000 (the default) to 2000, and back.
#define BACK .sport = 2000, .dport = 1000
#define FROM_R(label_, ...)  TUNNEL(.in = { .src = EP_R, .dst = EP_A, ##__VA_ARGS__ }, .label = (label_))
#define FROM_R6(label_, ...) TUNNEL(.in = { .v6 = 1, .src6 = EP6_R, .dst6 = EP6_A, ##__VA_ARGS__ }, .label = (label_))
#define FROM_OUT(...) TUNNEL(.in = { .src = IP4(203, 0, 113, 9), .dst = EP_A, ##__VA_ARGS__ })
#define TO_R(...) INNER(.dst = EP_R, ##__VA_ARGS__)
#define TCP(flags_) .proto = 6, .flags = (flags_)
#define FIRST .frag = 0x2000
#define LATER .frag = 0x0002
#define NOTHING ((struct frame){ .len = 0 })

static void in(const char *name, struct frame f, enum mz_reason why)
{
	pass(name, IN, f, why, NOTHING);
}
static void out(const char *name, struct frame f, enum mz_reason why)
{
	pass(name, OUT, f, why, NOTHING);
}

// This host knows these label sets; EP_A's own is SELF_LABEL.
static void policy_world(void)
{
	build_world(W_PATH);
	judged_by(GROUP_A);
	for (uint32_t label = WEB; label <= STRANGER; label++)
		put_label(MZ_POLICY_KNOWN(VNI), label, 0);
	put_label(MZ_POLICY_KNOWN(VNI), SELF_LABEL, 0);
}

static uint64_t hits_of(uint32_t list, uint32_t at)
{
	struct mz_policy_rule_key k = { .list = list, .rule = at };
	struct mz_policy_rule r;

	assert_int_equal(T->lookup("mz_policy_rules", &k, &r), 0);
	return r.hits;
}

// Ends what was under way, so that the next packet begins.
static void forget(void)
{
	T->forget("mz_flows");
}

void test_policy_match(void **state)
{
	(void)state;
	policy_world();
	in("the group has no rows yet: closed", FROM_R(WEB), MZ_R_POLICY_CLOSED);
	put_group(GROUP_A, MZ_POLICY_IN, (struct mz_policy_list){ 1, 1, 1, 2 });
	in("... its vectors have none", FROM_R(WEB), MZ_R_POLICY_INGRESS);
	VECTOR(1, 0);
	in("... its rule has none", FROM_R(WEB), MZ_R_POLICY_INGRESS);

	// 0: WEB to TCP 2000..2003; 1: DB to everything; 2: nobody.
	policy_world();
	VECTOR(1, 2);
	VECTOR(2, 0, 2);
	VECTOR(3, 1, 2);
	VECTOR(4, 0, 1, 2);
	put_group(GROUP_A, MZ_POLICY_IN, (struct mz_policy_list){ .label = 1, .block = 4, .port = 3, .rules = 3 });
	put_label(IN_A_LIST, WEB, 2);
	put_label(IN_A_LIST, DB, 3);
	put_ports(IN_A_LIST, IPPROTO_TCP, 2000, 14, 4);
	put_rule(IN_A_LIST, 0, MZ_POLICY_ALLOW, 0);
	put_rule(IN_A_LIST, 1, MZ_POLICY_ALLOW, 0);
	put_rule(IN_A_LIST, 2, MZ_POLICY_DENY, 0);
	in("label set and port fit", FROM_R(WEB, TCP(2)), MZ_R_DELIVERED);
	in("the range's last port", FROM_R(WEB, TCP(2), .dport = 2003), MZ_R_DELIVERED);
	in("the port behind it", FROM_R(WEB, TCP(2), .dport = 2004), MZ_R_POLICY_INGRESS);
	in("the port before it", FROM_R(WEB, TCP(2), .dport = 1999), MZ_R_POLICY_INGRESS);
	in("another protocol", FROM_R(WEB, .dport = 2001), MZ_R_POLICY_INGRESS);
	in("a rule without ports: every one", FROM_R(DB, .dport = 7), MZ_R_DELIVERED);
	in("... every protocol", FROM_R(DB, .proto = 132, .dport = 7), MZ_R_DELIVERED);
	in("... and pings", FROM_R(DB, .proto = 1, .sport = 0x0800, .dport = 0), MZ_R_DELIVERED);
	in("pings fit no rule of ports", FROM_R(WEB, .proto = 1, .sport = 0x0800, .dport = 0), MZ_R_POLICY_INGRESS);
	in("a label set no rule names", FROM_R(STRANGER, TCP(2)), MZ_R_POLICY_INGRESS);
	in("no label set", FROM_R(0, TCP(2)), MZ_R_POLICY_INGRESS);
	in("IPv6: fits", FROM_R6(WEB, TCP(2)), MZ_R_DELIVERED);
	in("IPv6: another port", FROM_R6(WEB, TCP(2), .dport = 80), MZ_R_POLICY_INGRESS);
	in("IPv6: no label set", FROM_R6(0, TCP(2)), MZ_R_POLICY_INGRESS);
	assert_int_equal(hits_of(IN_A_LIST, 0), 3);
	assert_int_equal(hits_of(IN_A_LIST, 1), 3);
	assert_int_equal(hits_of(IN_A_LIST, 2), 8);
}

void test_policy_blocks(void **state)
{
	struct mz_addr net = addr4(IP4(198, 18, 1, 0)), net6 = addr6(A6(1, 0));

	(void)state;
	policy_world();
	VECTOR(1, 1);
	VECTOR(2, 0, 1);
	put_group(GROUP_A, MZ_POLICY_IN, (struct mz_policy_list){ .label = 2, .block = 1, .port = 2, .rules = 2 });
	put_rule(IN_A_LIST, 0, MZ_POLICY_ALLOW, 0);
	put_rule(IN_A_LIST, 1, MZ_POLICY_DENY, 0);
	in("no block holds it", FROM_R(WEB), MZ_R_POLICY_INGRESS);
	put_block(IN_A_LIST, net, 96 + 24, 2);
	in("a block holds it", FROM_R(WEB), MZ_R_DELIVERED);
	forget();
	put_block(IN_A_LIST, addr4(EP_R), 128, 1);
	in("but for this part", FROM_R(WEB), MZ_R_POLICY_INGRESS);
	in("IPv6: no block", FROM_R6(WEB), MZ_R_POLICY_INGRESS);
	put_block(IN_A_LIST, net6, 64, 2);
	in("IPv6: a block", FROM_R6(WEB), MZ_R_DELIVERED);
	forget();
	put_block(MZ_POLICY_LIST(GROUP_B, MZ_POLICY_IN), net6, 64, 1);
	in("another group's block is none of its", FROM_R6(WEB), MZ_R_DELIVERED);
}

// Rules of any place in 4,096, and words that look alike from outside.
void test_policy_many(void **state)
{
	(void)state;
	policy_world();
	VECTOR(1, 1, 64, 4095);
	VECTOR(2, 0, 65, 4095);
	VECTOR(3, 2, 66, 4094, 4095);
	put_group(GROUP_A, MZ_POLICY_IN, (struct mz_policy_list){ .label = 1, .block = 2, .port = 3, .rules = 4096 });
	put_rule(IN_A_LIST, 4095, MZ_POLICY_ALLOW, 0);
	in("the last rule, behind words that have no bit in common", FROM_R(WEB), MZ_R_DELIVERED);
	assert_int_equal(hits_of(IN_A_LIST, 4095), 1);
	forget();
	VECTOR(1, 1, 64, 4094, 4095);
	VECTOR(2, 0, 65, 4094, 4095);
	put_rule(IN_A_LIST, 4094, MZ_POLICY_DENY, 0);
	in("the first of two", FROM_R(WEB), MZ_R_POLICY_INGRESS);
	VECTOR(1, 1);
	VECTOR(2, 65);
	in("none: closed", FROM_R(WEB), MZ_R_POLICY_INGRESS);
}

void test_policy_tiers(void **state)
{
	(void)state;
	policy_world();
	// 0 and 1 Admin, 2 and 3 NetworkPolicy, 4 Baseline.
	VECTOR(1, 0, 1, 2, 3, 4);
	put_group(GROUP_A, MZ_POLICY_IN, (struct mz_policy_list){ 1, 1, 1, 5 });
	put_rule(IN_A_LIST, 0, MZ_POLICY_PASS, 2);
	put_rule(IN_A_LIST, 1, MZ_POLICY_DENY, 0);
	put_rule(IN_A_LIST, 2, MZ_POLICY_ALLOW, 0);
	put_rule(IN_A_LIST, 4, MZ_POLICY_DENY, 0);
	in("passed on to the next tier", FROM_R(WEB), MZ_R_DELIVERED);
	assert_int_equal(hits_of(IN_A_LIST, 0), 1);
	assert_int_equal(hits_of(IN_A_LIST, 1), 0);
	assert_int_equal(hits_of(IN_A_LIST, 2), 1);
	forget();
	put_rule(IN_A_LIST, 2, MZ_POLICY_PASS, 4);
	in("... and to the one behind", FROM_R(WEB), MZ_R_POLICY_INGRESS);
	put_rule(IN_A_LIST, 4, MZ_POLICY_PASS, 0);
	in("passed on by the last one: closed", FROM_R(WEB), MZ_R_POLICY_INGRESS);
	VECTOR(1, 0, 1, 64, 70, 71);
	put_rule(IN_A_LIST, 0, MZ_POLICY_PASS, 70);
	put_rule(IN_A_LIST, 64, MZ_POLICY_DENY, 0);
	put_rule(IN_A_LIST, 70, MZ_POLICY_ALLOW, 0);
	in("... to another word", FROM_R(WEB), MZ_R_DELIVERED);
	forget();
	put_rule(IN_A_LIST, 0, MZ_POLICY_PASS, 4096);
	in("... and to where nothing is", FROM_R(WEB), MZ_R_POLICY_INGRESS);
}

void test_policy_flows(void **state)
{
	(void)state;
	policy_world();
	put_verdict(GROUP_A, MZ_POLICY_IN, MZ_POLICY_DENY);
	in("denied", FROM_R(WEB), MZ_R_POLICY_INGRESS);
	out("A begins: its own policy of ingress says nothing", TO_R(), MZ_R_DIRECT);
	in("... and the reply passes, UDP too", FROM_R(WEB, BACK), MZ_R_DELIVERED);
	in("... from another port it is none", FROM_R(WEB, .sport = 2001, .dport = 1000), MZ_R_POLICY_INGRESS);
	in("an ICMP error about it passes", in_tunnel(make_error(TO_R(), 28, 3, EP_R, EP_A)), MZ_R_DELIVERED);
	in("another ICMP error does not", in_tunnel(make_error(TO_R(.sport = 7), 28, 3, EP_R, EP_A)), MZ_R_POLICY_INGRESS);
	in("a ping does not", FROM_R(WEB, .proto = 1, .sport = 0x0800), MZ_R_POLICY_INGRESS);
	in("nor an echo reply nobody asked for", FROM_R(WEB, .proto = 1, .zero_sport = 1), MZ_R_POLICY_INGRESS);
	in("nor an RST of no connection", FROM_R(WEB, TCP(4)), MZ_R_POLICY_INGRESS);
	in("nor the middle of one", FROM_R(WEB, TCP(16)), MZ_R_POLICY_INGRESS);
	in("nor a SYN ACK nobody waits for", FROM_R(WEB, TCP(18)), MZ_R_POLICY_INGRESS);
	in("nor the rest of a datagram whose beginning was not seen", FROM_R(WEB, LATER), MZ_R_POLICY_FRAGMENT);
	out("... sent neither", TO_R(LATER), MZ_R_POLICY_FRAGMENT);
	in("the first fragment of the reply", FROM_R(WEB, BACK, FIRST), MZ_R_DELIVERED);
	in("... and the rest", FROM_R(WEB, BACK, LATER), MZ_R_DELIVERED);

	policy_world();
	put_verdict(GROUP_A, MZ_POLICY_IN, MZ_POLICY_ALLOW);
	in("allowed", FROM_R(WEB), MZ_R_DELIVERED);
	in("another packet of it", FROM_R(WEB), MZ_R_DELIVERED);
	assert_int_equal(hits_of(IN_A_LIST, 0), 1);
	out("the answer", TO_R(BACK), MZ_R_DIRECT);
	in("the sender's labels change: judged again", FROM_R(DB), MZ_R_DELIVERED);
	assert_int_equal(hits_of(IN_A_LIST, 0), 2);
	in("... once", FROM_R(DB), MZ_R_DELIVERED);
	assert_int_equal(hits_of(IN_A_LIST, 0), 2);
	put_verdict(GROUP_NEW, MZ_POLICY_IN, MZ_POLICY_DENY);
	judged_by(GROUP_NEW);
	in("another policy: denied from the next packet on", FROM_R(DB), MZ_R_POLICY_INGRESS);
	out("... its answers too", TO_R(BACK), MZ_R_POLICY_INGRESS);
	in("... each", FROM_R(DB), MZ_R_POLICY_INGRESS);
	judged_by(GROUP_A);
	in("the first one again: goes on", FROM_R(DB), MZ_R_DELIVERED);
	VECTOR(2, 0, 1);
	VECTOR(3, 1);
	put_group(GROUP_NEW, MZ_POLICY_IN, (struct mz_policy_list){ .label = 3, .block = 2, .port = 2, .rules = 2 });
	put_label(MZ_POLICY_LIST(GROUP_NEW, MZ_POLICY_IN), DB, 2);
	put_rule(MZ_POLICY_LIST(GROUP_NEW, MZ_POLICY_IN), 0, MZ_POLICY_ALLOW, 0);
	put_rule(MZ_POLICY_LIST(GROUP_NEW, MZ_POLICY_IN), 1, MZ_POLICY_DENY, 0);
	judged_by(GROUP_NEW);
	out("an answer is judged by the label set of who asked", TO_R(BACK), MZ_R_DIRECT);

	policy_world();
	put_verdict(GROUP_A, MZ_POLICY_IN, MZ_POLICY_DENY);
	out("A accepts what nobody has asked", TO_R(BACK, TCP(18)), MZ_R_DIRECT);
	in("... which opens nothing", FROM_R(0, TCP(16)), MZ_R_POLICY_INGRESS);

	policy_world();
	put_verdict(GROUP_A, MZ_POLICY_IN, MZ_POLICY_DENY);
	out("a connection by A", TO_R(TCP(2)), MZ_R_DIRECT);
	in("is answered", FROM_R(WEB, BACK, TCP(18)), MZ_R_DELIVERED);
	out("and made", TO_R(TCP(16)), MZ_R_DIRECT);
	put_verdict(GROUP_NEW, MZ_POLICY_IN, MZ_POLICY_DENY);
	judged_by(GROUP_NEW);
	in("another policy of ingress leaves it", FROM_R(WEB, BACK, TCP(16)), MZ_R_DELIVERED);
	out("... both ways", TO_R(TCP(16)), MZ_R_DIRECT);
	judged_by(0);
	in("none at all, too", FROM_R(STRANGER, BACK, TCP(16)), MZ_R_DELIVERED);
	in("... and who will may begin", FROM_R(STRANGER, TCP(2), .dport = 1), MZ_R_DELIVERED);
}

static void outside_is_there(void)
{
	struct mz_net_key k = { .prefixlen = 32 + 96, .vni = htonl(VNI), .ip = addr4(0) };

	put("mz_networks", &k, &(struct mz_network){ .shard = 0, .vpc = VPC_SLOT, .flags = MZ_NET_F_OUTSIDE });
}

// The egress rules of who sends, at the receiver's host; of who leaves the VPC, at its own.
void test_policy_egress(void **state)
{
	(void)state;
	policy_world();
	put_verdict(GROUP_A, MZ_POLICY_IN, MZ_POLICY_ALLOW);
	VECTOR(2, 0, 1);
	VECTOR(3, 1);
	put_group(GROUP_A, MZ_POLICY_TO, (struct mz_policy_list){ .label = 2, .block = 2, .port = 2, .rules = 2 });
	put_label(TO_A_LIST, DB, 3);
	put_rule(TO_A_LIST, 0, MZ_POLICY_ALLOW, 0);
	put_rule(TO_A_LIST, 1, MZ_POLICY_DENY, 0);
	in("whose egress is free", FROM_R(WEB), MZ_R_DELIVERED);
	in("whose egress is not", FROM_R(DB, .sport = 3000), MZ_R_POLICY_EGRESS);
	forget();
	VECTOR(2, 1);
	put_block(TO_A_LIST, addr4(EP_A), 128, 4);
	VECTOR(4, 0, 1);
	in("a block of egress is of the receiver", FROM_R(WEB), MZ_R_POLICY_EGRESS);
	put_label(TO_A_LIST, WEB, 4);
	put_ports(TO_A_LIST, IPPROTO_UDP, 2000, 16, 4);
	in("... its own address's", FROM_R(WEB), MZ_R_DELIVERED);

	policy_world();
	put_verdict(GROUP_A, MZ_POLICY_OUT, MZ_POLICY_DENY);
	out("inside the VPC: asked there", TO_R(), MZ_R_DIRECT);
	outside_is_there();
	out("to the outside", INNER(.dst = IP4(203, 0, 113, 9)), MZ_R_POLICY_EGRESS);
	VECTOR(2, 0);
	VECTOR(3, 1);
	VECTOR(5, 0, 1);
	put_group(GROUP_A, MZ_POLICY_OUT, (struct mz_policy_list){ .label = 5, .block = 3, .port = 5, .rules = 2 });
	put_block(OUT_A_LIST, addr4(IP4(203, 0, 113, 0)), 96 + 24, 2);
	put_rule(OUT_A_LIST, 0, MZ_POLICY_ALLOW, 0);
	put_rule(OUT_A_LIST, 1, MZ_POLICY_DENY, 0);
	out("... to a part that is open", INNER(.dst = IP4(203, 0, 113, 9)), MZ_R_TO_GATEWAY);
	out("... and one that is not", INNER(.dst = IP4(203, 0, 114, 9)), MZ_R_POLICY_EGRESS);
	forget();
	put_ports(OUT_A_LIST, IPPROTO_UDP, 1000, 16, 3);
	put_ports(OUT_A_LIST, IPPROTO_UDP, 2001, 16, 3);
	out("ports are those it goes to", INNER(.dst = IP4(203, 0, 113, 9)), MZ_R_TO_GATEWAY);
	out("... and closed ones are", INNER(.dst = IP4(203, 0, 113, 9), .dport = 2001), MZ_R_POLICY_EGRESS);
	in("what it may not begin outside it may be asked", FROM_R(WEB, .sport = 77), MZ_R_DELIVERED);
	put_verdict(GROUP_NEW, MZ_POLICY_OUT, MZ_POLICY_DENY);
	judged_by(GROUP_NEW);
	out("closed meanwhile", INNER(.dst = IP4(203, 0, 113, 9)), MZ_R_POLICY_EGRESS);
	in("... and its answers", FROM_OUT(BACK), MZ_R_POLICY_EGRESS);
}

// Both ends on one host: the same verdicts.
void test_policy_local(void **state)
{
	struct mz_port port;

	(void)state;
	policy_world();
	b_judged_by(GROUP_B);
	put_verdict(GROUP_A, MZ_POLICY_OUT, MZ_POLICY_DENY);
	VECTOR(2, 0, 1);
	VECTOR(3, 1);
	put_group(GROUP_B, MZ_POLICY_IN, (struct mz_policy_list){ .label = 3, .block = 2, .port = 2, .rules = 2 });
	put_rule(IN_B_LIST, 0, MZ_POLICY_ALLOW, 0);
	put_rule(IN_B_LIST, 1, MZ_POLICY_DENY, 0);
	out("B does not take A's label set", INNER(.dst = EP_B), MZ_R_POLICY_INGRESS);
	put_label(IN_B_LIST, SELF_LABEL, 2);
	out("B does", INNER(.dst = EP_B), MZ_R_LOCAL);
	judged_by(0);
	out("the rest of a datagram whose beginning was not seen, from who has no policy", INNER(.dst = EP_B, LATER), MZ_R_POLICY_FRAGMENT);
	b_judged_by(0);
	out("... to whom has none", INNER(.dst = EP_B, LATER), MZ_R_LOCAL);

	policy_world();
	put_verdict(GROUP_A, MZ_POLICY_IN, MZ_POLICY_DENY);
	assert_int_equal(T->lookup("mz_ports", &T->ifindex, &port), 0);
	port.flags |= MZ_EP_F_VIPS;
	put("mz_ports", &T->ifindex, &port);
	put_backend(1, addr4(EP_A), 2001, 0);
	put_vip(addr4(VIP), VIP_SIZE, 0);
	put_vip_rows(ROWS_OF(1));
	out("an endpoint reaches itself by its own service", INNER(.dst = VIP, .sums = 1), MZ_R_LOCAL);
}

// The same tunnel packet by another label set: of no checksum.
static struct frame by(struct frame f, uint32_t label)
{
	label = htonl(label);
	memcpy(f.b + 54, &label, sizeof(label));
	return f;
}

// A label set that this host does not know may be one that a rule denies.
void test_policy_known(void **state)
{
	struct run run = { .dir = IN, .trace = true, .frame = FROM_R(NEWCOMER) };
	struct mz_trace notes;
	uint32_t zero = 0;

	(void)state;
	policy_world();
	put_verdict(GROUP_A, MZ_POLICY_IN, MZ_POLICY_ALLOW);
	in("known", FROM_R(WEB), MZ_R_DELIVERED);
	in("not known", FROM_R(NEWCOMER), MZ_R_POLICY_LABEL);
	in("IPv6: not known", FROM_R6(NEWCOMER), MZ_R_POLICY_LABEL);
	in("a ping by one that is not", FROM_R(NEWCOMER, .proto = 1, .sport = 0x0800), MZ_R_POLICY_LABEL);
	in("an ICMP error about nothing by one", by(in_tunnel(make_error(TO_R(), 28, 3, EP_R, EP_A)), NEWCOMER), MZ_R_POLICY_LABEL);
	in("its host has no number for it", FROM_R(MZ_LABEL_UNKNOWN), MZ_R_POLICY_LABEL);
	in("no label set, as from outside", FROM_R(0), MZ_R_DELIVERED);
	put_label(MZ_POLICY_KNOWN(VNI + 1), NEWCOMER, 0);
	in("another VPC's is not this one's", FROM_R(NEWCOMER), MZ_R_POLICY_LABEL);
	put_label(IN_A_LIST, NEWCOMER, 1);
	in("nor does a row of a list make it known", FROM_R(NEWCOMER), MZ_R_POLICY_LABEL);
	put_label(MZ_POLICY_KNOWN(VNI), NEWCOMER, 0);
	in("known by now", FROM_R(NEWCOMER), MZ_R_DELIVERED);

	T->forget("mz_policy_labels");
	in("known no more: what was allowed stays", FROM_R(NEWCOMER), MZ_R_DELIVERED);
	out("... its answers too", TO_R(BACK), MZ_R_DIRECT);
	in("... and another flow is not", FROM_R(NEWCOMER, .sport = 7), MZ_R_POLICY_LABEL);
	put_verdict(GROUP_NEW, MZ_POLICY_IN, MZ_POLICY_ALLOW);
	judged_by(GROUP_NEW);
	in("... until the group changes", FROM_R(NEWCOMER), MZ_R_POLICY_LABEL);
	out("... its answers too", TO_R(BACK), MZ_R_POLICY_LABEL);
	judged_by(GROUP_A);
	in("the first group again", FROM_R(NEWCOMER), MZ_R_DELIVERED);
	in("... or the sender's labels", FROM_R(NEWCOMER + 1), MZ_R_POLICY_LABEL);

	policy_world();
	put_verdict(GROUP_A, MZ_POLICY_IN, MZ_POLICY_DENY);
	out("A begins: what answers need not be known", TO_R(), MZ_R_DIRECT);
	in("... the reply", FROM_R(NEWCOMER, BACK), MZ_R_DELIVERED);
	put_group(GROUP_NEW, MZ_POLICY_OUT, (struct mz_policy_list){ 1, 1, 1, 1 });
	judged_by(GROUP_NEW);
	in("a group without rules for what it receives: its senders may have some", FROM_R(NEWCOMER, .sport = 7), MZ_R_POLICY_LABEL);
	judged_by(0);
	in("no policy", FROM_R(NEWCOMER, .sport = 7), MZ_R_DELIVERED);

	policy_world();
	b_judged_by(GROUP_B);
	put_verdict(GROUP_B, MZ_POLICY_IN, MZ_POLICY_ALLOW);
	out("to an endpoint of the same host", INNER(.dst = EP_B), MZ_R_LOCAL);
	forget();
	T->forget("mz_policy_labels");
	out("... from one that is not known", INNER(.dst = EP_B), MZ_R_POLICY_LABEL);
	put_verdict(GROUP_A, MZ_POLICY_OUT, MZ_POLICY_ALLOW);
	outside_is_there();
	out("what leaves the VPC needs no number", INNER(.dst = IP4(203, 0, 113, 9)), MZ_R_TO_GATEWAY);

	policy_world();
	put_verdict(GROUP_A, MZ_POLICY_IN, MZ_POLICY_ALLOW);
	put("mz_trace", &zero, &(struct mz_trace){ 0 });
	assert_int_equal(T->run(&run), 0);
	assert_int_equal(T->lookup("mz_trace", &zero, &notes), 0);
	assert_int_equal(notes.reason, MZ_R_POLICY_LABEL);
	assert_int_equal(notes.note[notes.used - 1].stage, MZ_ST_POLICY);
	assert_int_equal(notes.note[notes.used - 1].object, MZ_OBJ_MISS);
	assert_int_equal(notes.note[notes.used - 1].id, NEWCOMER);
	assert_int_equal(notes.note[notes.used - 1].value, VNI);
}

// Where flows are kept, what was allowed once is not judged again.
void test_policy_kept(void **state)
{
	(void)state;
	policy_world();
	assert_int_equal(T->keep_flows(true), 0);
	put_verdict(GROUP_A, MZ_POLICY_IN, MZ_POLICY_ALLOW);
	put_verdict(GROUP_NEW, MZ_POLICY_IN, MZ_POLICY_DENY);
	in("allowed", FROM_R(WEB), MZ_R_DELIVERED);
	in("... a connection, too", FROM_R(WEB, TCP(2)), MZ_R_DELIVERED);
	in("... and another", FROM_R(WEB, TCP(2), .sport = 7), MZ_R_DELIVERED);
	judged_by(GROUP_NEW);
	in("another policy: kept", FROM_R(WEB), MZ_R_DELIVERED);
	out("... its answers too", TO_R(BACK), MZ_R_DIRECT);
	out("... a connection is made", TO_R(BACK, TCP(18)), MZ_R_DIRECT);
	in("... and goes on", FROM_R(WEB, TCP(16)), MZ_R_DELIVERED);
	in("the sender's labels change: kept", FROM_R(DB), MZ_R_DELIVERED);
	in("... to what is not known", FROM_R(NEWCOMER), MZ_R_DELIVERED);
	in("... and it closes", FROM_R(DB, TCP(17), .sport = 7), MZ_R_DELIVERED);
	in("what begins now is judged", FROM_R(WEB, .sport = 8), MZ_R_POLICY_INGRESS);
	assert_int_equal(hits_of(IN_A_LIST, 0), 3);
	in("a connection ends", FROM_R(WEB, TCP(4)), MZ_R_DELIVERED);
	in("... and its ports' next one is judged", FROM_R(WEB, TCP(2)), MZ_R_POLICY_INGRESS);
	assert_int_equal(T->keep_flows(false), 0);
	in("kept no more: judged by the policy that stands", FROM_R(WEB), MZ_R_POLICY_INGRESS);
	judged_by(GROUP_A);
	in("... which had allowed it", FROM_R(WEB), MZ_R_DELIVERED);
	in("... and the other one, of these labels", FROM_R(WEB, TCP(16), .sport = 7), MZ_R_DELIVERED);
	assert_int_equal(hits_of(IN_A_LIST, 0), 3);

	policy_world();
	assert_int_equal(T->keep_flows(true), 0);
	judged_by(0);
	put_verdict(GROUP_NEW, MZ_POLICY_IN, MZ_POLICY_DENY);
	in("begun while there is no policy", FROM_R(WEB), MZ_R_DELIVERED);
	in("... a connection, too", FROM_R(WEB, TCP(2)), MZ_R_DELIVERED);
	out("... or one whose beginning was not seen", TO_R(TCP(18), .sport = 2000, .dport = 7), MZ_R_DIRECT);
	judged_by(GROUP_NEW);
	in("kept", FROM_R(WEB), MZ_R_DELIVERED);
	out("... its answers", TO_R(BACK), MZ_R_DIRECT);
	out("... a connection is made", TO_R(BACK, TCP(18)), MZ_R_DIRECT);
	in("... the other one, too", FROM_R(WEB, TCP(16), .sport = 7), MZ_R_DELIVERED);
	in("what begins now is judged", FROM_R(WEB, .sport = 8), MZ_R_POLICY_INGRESS);
	out("A accepts what nobody has asked", TO_R(TCP(18), .sport = 2000, .dport = 9), MZ_R_DIRECT);
	in("... which nobody has judged yet", FROM_R(WEB, TCP(16), .sport = 9), MZ_R_POLICY_INGRESS);
	put_verdict(GROUP_A, MZ_POLICY_IN, MZ_POLICY_ALLOW);
	judged_by(GROUP_A);
	in("... until it is allowed", FROM_R(WEB, TCP(16), .sport = 9), MZ_R_DELIVERED);
	judged_by(GROUP_NEW);
	in("... and then kept", FROM_R(WEB, TCP(16), .sport = 9), MZ_R_DELIVERED);

	policy_world();
	assert_int_equal(T->keep_flows(true), 0);
	outside_is_there();
	put_verdict(GROUP_A, MZ_POLICY_OUT, MZ_POLICY_ALLOW);
	put_verdict(GROUP_NEW, MZ_POLICY_OUT, MZ_POLICY_DENY);
	out("what leaves the VPC", INNER(.dst = IP4(203, 0, 113, 9)), MZ_R_TO_GATEWAY);
	judged_by(GROUP_NEW);
	out("... is kept", INNER(.dst = IP4(203, 0, 113, 9)), MZ_R_TO_GATEWAY);
	in("... and its answers", FROM_OUT(BACK), MZ_R_DELIVERED);
	out("another is not", INNER(.dst = IP4(203, 0, 113, 9), .sport = 7), MZ_R_POLICY_EGRESS);
}

// What is told of a denial; a described packet tells nothing, and is noted.
void test_policy_told(void **state)
{
	struct run run = { .dir = IN, .trace = true, .frame = FROM_R(WEB) };
	union mz_any_event last = { 0 };
	struct mz_trace notes;
	uint32_t zero = 0, seen = 0;

	(void)state;
	policy_world();
	put_verdict(GROUP_A, MZ_POLICY_IN, MZ_POLICY_DENY);
	assert_int_equal(T->run(&run), 0);
	assert_int_equal(T->events(NULL), 0);
	assert_int_equal(hits_of(IN_A_LIST, 0), 0);
	assert_int_equal(T->lookup("mz_trace", &zero, &notes), 0);
	assert_int_equal(notes.reason, MZ_R_POLICY_INGRESS);
	for (uint32_t i = 0; i < notes.used; i++)
		if (notes.note[i].stage == MZ_ST_POLICY) {
			seen++;
			assert_int_equal(notes.note[i].object, MZ_OBJ_RULE);
			assert_int_equal(notes.note[i].id, IN_A_LIST);
			assert_int_equal(notes.note[i].value, 0);
		}
	assert_int_equal(seen, 1);
	in("denied", FROM_R(WEB, TCP(2)), MZ_R_POLICY_INGRESS);
	assert_int_equal(T->events(&last), 1);
	assert_int_equal(last.event.type, MZ_EVENT_DENIED);
	assert_int_equal(last.denial.list, IN_A_LIST);
	assert_int_equal(last.denial.rule, 0);
	assert_int_equal(last.denial.label, WEB);
	assert_int_equal(last.denial.flow.vni, VNI);
	assert_int_equal(last.denial.flow.proto, IPPROTO_TCP);
	assert_int_equal(last.denial.flow.local_port, htons(2000));
	assert_int_equal(last.denial.flow.remote_port, htons(1000));
	for (uint32_t i = 0; i < 4 * MZ_DENIALS; i++)
		in("again", FROM_R(WEB, TCP(2)), MZ_R_POLICY_INGRESS);
	assert_in_range(T->events(NULL), MZ_DENIALS, 2 * MZ_DENIALS); // another second may begin
}
