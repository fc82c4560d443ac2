// SPDX-License-Identifier: Apache-2.0
// Congestion marks through tunnels: all of RFC 6040, figures 3 and 4, for each family of
// tenants' packets over each of the underlay's. DSCPs stay on their side.
#include "selftests/bpf/rows.h"

#include "selftests/bpf/row.h"

enum { NOT, ECT1, ECT0, CE }; // as they stand in the header
#define INNER_DSCP 0x28
#define OUTER_DSCP 0xb8

#define ENCAPSULATION(X) \
	X("Not-ECT", NOT) \
	X("ECT(0)", ECT0) \
	X("ECT(1)", ECT1) \
	X("CE", CE)

// X(name, outer, inner, what the endpoint gets)
#define DECAPSULATION(X) \
	X("Not-ECT, outside Not-ECT: Not-ECT", NOT, NOT, NOT) \
	X("Not-ECT, outside ECT(0): Not-ECT", ECT0, NOT, NOT) \
	X("Not-ECT, outside ECT(1): Not-ECT", ECT1, NOT, NOT) \
	X("ECT(0), outside Not-ECT: ECT(0)", NOT, ECT0, ECT0) \
	X("ECT(0), outside ECT(0): ECT(0)", ECT0, ECT0, ECT0) \
	X("ECT(0), outside ECT(1): ECT(1)", ECT1, ECT0, ECT1) \
	X("ECT(0), outside CE: CE", CE, ECT0, CE) \
	X("ECT(1), outside Not-ECT: ECT(1)", NOT, ECT1, ECT1) \
	X("ECT(1), outside ECT(0): ECT(1)", ECT0, ECT1, ECT1) \
	X("ECT(1), outside ECT(1): ECT(1)", ECT1, ECT1, ECT1) \
	X("ECT(1), outside CE: CE", CE, ECT1, CE) \
	X("CE, outside Not-ECT: CE", NOT, CE, CE) \
	X("CE, outside ECT(0): CE", ECT0, CE, CE) \
	X("CE, outside ECT(1): CE", ECT1, CE, CE) \
	X("CE, outside CE: CE", CE, CE, CE)

#define OUT4(mark) .src = EP_A, .dst = EP_R, .smac = MAC_A, .tos = INNER_DSCP | (mark)
#define OUT6(mark) .v6 = 1, .src6 = EP6_A, .dst6 = EP6_R, .smac = MAC_A, .tos = INNER_DSCP | (mark)
#define OVER4 .src = SELF_IP, .dst = PEER_IP
#define OVER6 .u6 = 1, .src6 = SELF6, .dst6 = PEER6
#define ENCAP(text, world_, inner, outer, mark)                                                              \
	{ text, W_PATH | (world_), INNER(inner), SENT, MZ_R_DIRECT,                                          \
	  .out = TUNNEL(.in = { inner }, outer, .tos = (mark), .dmac = MAC_NEXT, .smac = MAC_SELF, .label = 0xabc, \
			.qos_class = 9, .origin = SELF, .sender = SELF) },

void test_ecn_out(void **state)
{
	(void)state;
	const struct row rows[] = {
#define X(name, mark) ENCAP("6040 4.1 IPv4 over IPv4: " name, 0, OUT4(mark), OVER4, mark)
		ENCAPSULATION(X)
#undef X
#define X(name, mark) ENCAP("6040 4.1 IPv6 over IPv4: " name, 0, OUT6(mark), OVER4, mark)
		ENCAPSULATION(X)
#undef X
#define X(name, mark) ENCAP("6040 4.1 IPv4 over IPv6: " name, W_UNDERLAY6, OUT4(mark), OVER6, mark)
		ENCAPSULATION(X)
#undef X
#define X(name, mark) ENCAP("6040 4.1 IPv6 over IPv6: " name, W_UNDERLAY6, OUT6(mark), OVER6, mark)
		ENCAPSULATION(X)
#undef X
	};

	RUN_TABLE(rows, MZ_DIR_EGRESS);
}

#define IN4(mark) .src = EP_R, .dst = EP_A, .tos = INNER_DSCP | (mark)
#define IN6(mark) .v6 = 1, .src6 = EP6_R, .dst6 = EP6_A, .tos = INNER_DSCP | (mark)
#define COMES(v6_, mark, ...) TUNNEL(.u6 = (v6_), .tos = OUTER_DSCP | (mark), .in = { __VA_ARGS__ })
#define DECAP(text, world_, comes, ...) \
	{ text, world_, comes, DELIVERED, MZ_R_DELIVERED, .out = as_delivered(INNER(__VA_ARGS__), MAC_A) },
#define LOST(text, world_, comes) { text ": Not-ECT, outside CE: drop", world_, comes, DROPPED, MZ_R_ECN_LOST },

void test_ecn_in(void **state)
{
	(void)state;
	const struct row rows[] = {
#define X(name, outer, inner, left) DECAP("6040 4.2 IPv4 over IPv4: " name, 0, COMES(0, outer, IN4(inner)), IN4(left))
		DECAPSULATION(X)
#undef X
#define X(name, outer, inner, left) DECAP("6040 4.2 IPv6 over IPv4: " name, 0, COMES(0, outer, IN6(inner)), IN6(left))
		DECAPSULATION(X)
#undef X
#define X(name, outer, inner, left) \
	DECAP("6040 4.2 IPv4 over IPv6: " name, W_UNDERLAY6, COMES(1, outer, IN4(inner)), IN4(left))
		DECAPSULATION(X)
#undef X
#define X(name, outer, inner, left) \
	DECAP("6040 4.2 IPv6 over IPv6: " name, W_UNDERLAY6, COMES(1, outer, IN6(inner)), IN6(left))
		DECAPSULATION(X)
#undef X
		LOST("6040 4.2 IPv4 over IPv4", 0, COMES(0, CE, IN4(NOT)))
		LOST("6040 4.2 IPv6 over IPv4", 0, COMES(0, CE, IN6(NOT)))
		LOST("6040 4.2 IPv4 over IPv6", W_UNDERLAY6, COMES(1, CE, IN4(NOT)))
		LOST("6040 4.2 IPv6 over IPv6", W_UNDERLAY6, COMES(1, CE, IN6(NOT)))
	};

	RUN_TABLE(rows, MZ_DIR_INGRESS);
}
