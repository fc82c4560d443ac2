// SPDX-License-Identifier: Apache-2.0
// Policy of copies to groups: each member's own, and of who sends.
#include "selftests/bpf/rows.h"

#include <netinet/in.h>

#include "selftests/bpf/groups.h"
#include "selftests/bpf/policies.h"

enum { POLICY_B = 5, POLICY_C = 6, STRANGER = 102 };

static void member_judged(uint32_t member, uint32_t policy)
{
	put("mz_ports", &member, &(struct mz_port){ .ifindex = member, .vni = VNI, .policy = policy });
}

// A list with this verdict for `label` and UDP port 2000 alone, from EP_A's or EP_R's
// address, and the other for all else.
static void a_list(uint32_t policy, enum mz_policy_kind kind, uint32_t label, enum mz_policy_verdict verdict)
{
	const uint32_t list = MZ_POLICY_LIST(policy, kind), some = 1, rest = 2;

	put_group(policy, kind, (struct mz_policy_list){ .label = rest, .block = some, .port = rest, .rules = 2 });
	VECTOR(some, 0, 1);
	VECTOR(rest, 1);
	put_label(list, label, some);
	put_ports(list, IPPROTO_UDP, 2000, 16, some);
	put_rule(list, 0, verdict, 0);
	put_rule(list, 1, verdict == MZ_POLICY_ALLOW ? MZ_POLICY_DENY : MZ_POLICY_ALLOW, 0);
}

// Each copy is judged for its member: the receiver's rules, and those of who sends.
void test_group_policy(void **state)
{
	(void)state;
	const uint32_t label = 0xabc; // EP_A's, and of tunnels
	uint32_t n;

	if (!has_groups())
		return;
	with_groups(0, MZ_NET_F_MULTICAST);
	put_rows("mz_groups", addr4(GROUP), IF_B, IF_C, 0);
	put_rows("mz_groups", addr6(GROUP6), IF_B, IF_C, 0);
	put_label(MZ_POLICY_KNOWN(VNI), label, 0);
	put_label(MZ_POLICY_KNOWN(VNI), STRANGER, 0);
	member_judged(IF_C, POLICY_C);
	judged("its policy does not stand yet: closed", MZ_DIR_EGRESS, TO_GROUP(), MZ_R_GROUP_SENT, 1);
	DENIED(.closed = 1);
	a_list(POLICY_C, MZ_POLICY_IN, label, MZ_POLICY_ALLOW);
	n = T->copies(0, NULL, NULL);
	judged("allowed", MZ_DIR_EGRESS, TO_GROUP(), MZ_R_GROUP_SENT, 2);
	DENIED(0);
	copy_is(n, IF_B, AT_MEMBER(TO_GROUP(), mac4), 0);
	copy_is(n + 1, IF_C, AT_MEMBER(TO_GROUP(), mac4), 0);
	judged("to another port", MZ_DIR_EGRESS, TO_GROUP(.dport = 2001), MZ_R_GROUP_SENT, 1);
	DENIED(.ingress = 1);
	judged("by another protocol", MZ_DIR_EGRESS, TO_GROUP(.proto = 132), MZ_R_GROUP_SENT, 1);
	DENIED(.ingress = 1);
	judged("IPv6", MZ_DIR_EGRESS, TO_GROUP6(), MZ_R_GROUP_SENT, 2);
	DENIED(0);
	judged("IPv6, another port", MZ_DIR_EGRESS, TO_GROUP6(.dport = 2001), MZ_R_GROUP_SENT, 1);
	DENIED(.ingress = 1);
	judged("ports that cannot be read", MZ_DIR_EGRESS, TO_GROUP(.total_delta = -11), MZ_R_GROUP_SENT, 1);
	DENIED(.cut = 1);
	judged("the rest of a datagram whose beginning was not seen", MZ_DIR_EGRESS, TO_GROUP(.frag = 0x0002), MZ_R_GROUP_SENT, 1);
	DENIED(.fragment = 1);
	judged("a first fragment", MZ_DIR_EGRESS, TO_GROUP(.frag = 0x2000), MZ_R_GROUP_SENT, 2);
	DENIED(0);
	judged("... and the rest", MZ_DIR_EGRESS, TO_GROUP(.frag = 0x0002), MZ_R_GROUP_SENT, 2);
	DENIED(0);
	member_judged(IF_B, POLICY_B);
	a_list(POLICY_B, MZ_POLICY_TO, label, MZ_POLICY_DENY);
	judged("the sender's rules of egress", MZ_DIR_EGRESS, TO_GROUP(), MZ_R_GROUP_SENT, 1);
	DENIED(.egress = 1);
	judged("... which leave another port", MZ_DIR_EGRESS, TO_GROUP(.dport = 2001), MZ_R_GROUP_SENT, 1);
	DENIED(.ingress = 1);

	n = T->copies(0, NULL, NULL);
	judged("from another host", MZ_DIR_INGRESS, FROM_PEER(.flags = MZ_OPT_F_COPY, .label = label), MZ_R_GROUP_DELIVERED, 1);
	DENIED(.egress = 1);
	copy_is(n, IF_C, AT_MEMBER(INNER(.src = EP_R, .dst = GROUP, .ttl = 1), mac4), 0);
	judged("... by another label set", MZ_DIR_INGRESS, FROM_PEER(.label = STRANGER), MZ_R_GROUP_DELIVERED, 1);
	DENIED(.ingress = 1);
	n = T->events(NULL);
	judged("... by one that is not known", MZ_DIR_INGRESS, FROM_PEER(.flags = MZ_OPT_F_COPY, .label = 7), MZ_R_GROUP_DENIED, 0);
	DENIED(.label = 2);
	assert_int_equal(T->events(NULL), n); // members are here: nobody is told otherwise
	put_rows("mz_group_hosts", addr4(GROUP), BACKUP, 0, 0);
	judged("... goes on to other hosts nevertheless", MZ_DIR_INGRESS, FROM_PEER(.label = 7), MZ_R_GROUP_COPIED, 1);
	DENIED(.label = 2);
	member_judged(IF_B, 0);
	member_judged(IF_C, 0);
	judged("without policy", MZ_DIR_INGRESS, FROM_PEER(.flags = MZ_OPT_F_COPY, .label = 7), MZ_R_GROUP_DELIVERED, 2);
	DENIED(0);
}
