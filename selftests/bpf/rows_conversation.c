// SPDX-License-Identifier: Apache-2.0
// Levels of conversations: by the rule that allowed them, by their service, and as the other
// end's host says. EP_A's own level is 9.
#include "selftests/bpf/rows.h"

#include <arpa/inet.h>

#include "selftests/bpf/policies.h"
#include "selftests/bpf/row.h"
#include "selftests/bpf/vips.h"

// Rows name what differs from the usual packet.
#pragma GCC diagnostic ignored "-Woverride-init"

#define OUT MZ_DIR_EGRESS
#define IN  MZ_DIR_INGRESS
#define NOTHING ((struct frame){ .len = 0 })

enum { WEB = 101, GROUP = 5, OTHER_GROUP = 6 };
#define PREMIUM   MZ_LEVEL(MZ_CLASS_PREMIUM, 0)
#define EXPEDITED MZ_LEVEL(MZ_CLASS_EXPEDITED, 1)
#define TOLD(level) ((level) | MZ_LEVEL_TOLD)

#define FROM_R(...)  TUNNEL(.in = { R_TO_A }, .label = WEB, ##__VA_ARGS__)
#define FROM_R6(...) TUNNEL(.in = { .v6 = 1, .src6 = EP6_R, .dst6 = EP6_A }, .label = WEB, ##__VA_ARGS__)
#define ANSWER       INNER(A_TO(EP_R), .sport = 2000, .dport = 1000)
#define ANSWER6      INNER(.v6 = 1, .src6 = EP6_A, .dst6 = EP6_R, .smac = MAC_A, .sport = 2000, .dport = 1000)
// What this host makes of it, as a packet of that level.
#define AT(level, ...)                                                                        \
	TUNNEL(.in = { __VA_ARGS__ }, .src = SELF_IP, .dst = PEER_IP, .dmac = MAC_NEXT,       \
	       .smac = MAC_SELF, .label = 0xabc, .qos_class = (level), .origin = SELF, .sender = SELF)

static void arrives(const char *name, struct frame f)
{
	pass(name, IN, f, MZ_R_DELIVERED, NOTHING);
}

static void answers(const char *name, uint8_t level)
{
	pass(name, OUT, ANSWER, MZ_R_DIRECT, AT(level, .src = EP_A, .dst = EP_R, .sport = 2000, .dport = 1000));
}

static void put_level_rule(uint32_t group, enum mz_policy_kind kind, uint8_t level)
{
	struct mz_policy_rule_key k = { .list = MZ_POLICY_LIST(group, kind) };
	struct mz_policy_rule r = { .verdict = MZ_POLICY_ALLOW, .level = level };

	put_verdict(group, kind, MZ_POLICY_ALLOW);
	put("mz_policy_rules", &k, &r);
}

static void begin(void)
{
	build_world(W_PATH);
	put_label(MZ_POLICY_KNOWN(VNI), WEB, 0);
	put_label(MZ_POLICY_KNOWN(VNI), 0xabc, 0);
	judged_by(0);
}

// A rule of the receiver's host: its answers have the level, and tell the other host so.
void test_level_rule(void **state)
{
	(void)state;
	begin();
	judged_by(GROUP);
	put_level_rule(GROUP, MZ_POLICY_IN, 0);
	arrives("a rule that says no level", FROM_R());
	answers("its own", 9);
	T->forget("mz_flows");
	put_level_rule(GROUP, MZ_POLICY_IN, PREMIUM);
	arrives("a rule with a level allows it", FROM_R());
	answers("... the first answer", TOLD(PREMIUM));
	answers("... and those of a settled flow", TOLD(PREMIUM));
	pass("a flow of its own: no rule allowed that", OUT, INNER(A_TO(EP_R), .sport = 7), MZ_R_DIRECT,
	     SENT_TO(PEER_IP, .src = EP_A, .dst = EP_R, .sport = 7));
	arrives("IPv6", FROM_R6());
	pass("... its answer", OUT, ANSWER6, MZ_R_DIRECT, AT(TOLD(PREMIUM), .v6 = 1, .src6 = EP6_A, .dst6 = EP6_R, .sport = 2000, .dport = 1000));

	put_level_rule(OTHER_GROUP, MZ_POLICY_IN, EXPEDITED);
	judged_by(OTHER_GROUP);
	arrives("another policy, another level", FROM_R());
	answers("... at once", TOLD(EXPEDITED));
	judged_by(0);
	arrives("no policy any more", FROM_R());
	answers("... no level", 9);
}

// Of two lists that allow a flow the receiver's own speaks first.
void test_level_lists(void **state)
{
	(void)state;
	begin();
	judged_by(GROUP);
	put_level_rule(GROUP, MZ_POLICY_IN, EXPEDITED);
	put_level_rule(GROUP, MZ_POLICY_TO, PREMIUM);
	arrives("both say one", FROM_R());
	answers("... the receiver's", TOLD(EXPEDITED));
	T->forget("mz_flows");
	put_level_rule(GROUP, MZ_POLICY_IN, 0);
	arrives("the sender's egress rule alone says one", FROM_R());
	answers("... that", TOLD(PREMIUM));
}

// What the other end's host tells.
void test_level_heard(void **state)
{
	(void)state;
	begin();
	arrives("of R's own level", FROM_R(.qos_class = EXPEDITED));
	answers("is not heard", 9);
	arrives("of the conversation's level", FROM_R(.qos_class = TOLD(EXPEDITED)));
	answers("is heard, and not told back", EXPEDITED);
	arrives("another one", FROM_R(.qos_class = TOLD(PREMIUM)));
	answers("is heard", PREMIUM);
	arrives("of none any more", FROM_R(.qos_class = EXPEDITED));
	answers("is forgotten", 9);
	T->forget("mz_flows");
	arrives("a first packet that tells", FROM_R(.qos_class = TOLD(PREMIUM)));
	answers("is heard", PREMIUM);
	T->forget("mz_flows");
	judged_by(GROUP);
	put_level_rule(GROUP, MZ_POLICY_IN, EXPEDITED);
	arrives("told, and a rule of this host says another", FROM_R(.qos_class = TOLD(PREMIUM)));
	answers("its own rule's", TOLD(EXPEDITED));
}

#define TO_BACKEND .src = EP_A, .dst = EP_R, .dport = 2001, .sums = 1

// A service's level: of the client's packets from the first on.
void test_level_service(void **state)
{
	(void)state;
	begin();
	serve_by_r(EXPEDITED);
	for (int i = 0; i < 3; i++)
		pass("to a service with a level", OUT, INNER(A_TO(VIP), .sums = 1), MZ_R_DIRECT,
		     AT(TOLD(EXPEDITED), TO_BACKEND));
	arrives("its answer", TUNNEL(.in = { R_TO_A, .sport = 2001, .dport = 1000, .sums = 1 }));
	pass("... and on", OUT, INNER(A_TO(VIP), .sums = 1), MZ_R_DIRECT,
	     AT(TOLD(EXPEDITED), TO_BACKEND));
	serve_by_r(0);
	pass("a flow that begins later: none any more", OUT, INNER(A_TO(VIP), .sport = 5, .sums = 1), MZ_R_DIRECT,
	     AT(9, TO_BACKEND, .sport = 5));
}
