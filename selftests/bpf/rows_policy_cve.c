// SPDX-License-Identifier: Apache-2.0
// Policy: what got past it elsewhere, by number. Those that need hosts: selftests/topo/policy_cve_test.sh.
#include "selftests/bpf/rows.h"

#include <stdio.h>
#include <string.h>

#include "selftests/bpf/policies.h"
#include "selftests/bpf/row.h"

enum { WEB = 101, CLOSED = 5, OPEN = 6 };

// Protocols without ports, or with none that anybody listens to: 0, IPv4, IPv6, GRE, ESP, unassigned.
static const uint8_t odd[] = { 0, 4, 41, 47, 50, 255 };

// The group says that verdict to everybody, in all of its lists.
static void says(uint32_t group, enum mz_policy_verdict verdict)
{
	for (int kind = 0; kind < MZ_POLICY_KINDS; kind++)
		put_verdict(group, kind, verdict);
}

// What was under way is judged anew.
static void begins(void (*judged)(uint32_t group), uint32_t group)
{
	judged(group);
	T->forget("mz_flows");
}

static void row(const char *name, uint8_t proto, int dir, struct frame f, enum mz_reason why)
{
	char text[128];

	snprintf(text, sizeof(text), "%s: protocol %u", name, proto);
	pass(text, dir, f, why, (struct frame){ .len = 0 });
}

// A protocol of number 0 is what a field left out gives, too.
static struct frame with_proto(struct frame f, int v6, uint32_t l3, uint8_t proto)
{
	uint8_t *ip = f.b + l3;

	if (v6) {
		ip[6] = proto;
		return f;
	}
	ip[9] = proto;
	put_checksum(ip + 10, ip, 20, 0);
	return f;
}

#define ETH 14

static struct frame from_r(uint8_t proto, int v6)
{
	struct frame f = v6 ? INNER(.v6 = 1, .src6 = EP6_R, .dst6 = EP6_A, .smac = MAC_GW, .dmac = MAC_A)
			    : INNER(.src = EP_R, .dst = EP_A, .smac = MAC_GW, .dmac = MAC_A);

	f = with_proto(f, v6, ETH, proto);
	return TUNNEL(.frame = &f, .label = WEB);
}

static struct frame to_b(uint8_t proto, int v6)
{
	struct frame f = v6 ? INNER(.v6 = 1, .src6 = EP6_A, .dst6 = EP6_B) : INNER(.src = EP_A, .dst = EP_B);

	return with_proto(f, v6, ETH, proto);
}

// One lets nobody in, the other everybody; label sets are known.
static void two_groups(void)
{
	build_world(W_PATH);
	put_label(MZ_POLICY_KNOWN(VNI), WEB, 0);
	put_label(MZ_POLICY_KNOWN(VNI), 0xabc, 0); // EP_A's own
	says(CLOSED, MZ_POLICY_DENY);
	says(OPEN, MZ_POLICY_ALLOW);
}

// OVS CVE-2023-1668 and CVE-2016-10377: what has no ports, or no known protocol, is judged.
void test_policy_odd_protocols(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(odd); i++)
		for (int v6 = 0; v6 < 2; v6++) {
			if (v6 && odd[i] == 0)
				continue; // there it is an extension header
			two_groups();
			begins(judged_by, OPEN);
			row("CVE-2023-1668: open, let in", odd[i], MZ_DIR_INGRESS, from_r(odd[i], v6), MZ_R_DELIVERED);
			begins(judged_by, CLOSED);
			row("CVE-2023-1668: default deny", odd[i], MZ_DIR_INGRESS, from_r(odd[i], v6), MZ_R_POLICY_INGRESS);
			two_groups();
			begins(b_judged_by, OPEN);
			row("CVE-2023-1668: open, on this host", odd[i], MZ_DIR_EGRESS, to_b(odd[i], v6), MZ_R_LOCAL);
			begins(b_judged_by, CLOSED);
			row("CVE-2023-1668: default deny, on this host", odd[i], MZ_DIR_EGRESS, to_b(odd[i], v6),
			    MZ_R_POLICY_INGRESS);
		}

	// What one protocol may, lets no other in: 0 is none that stands for all.
	two_groups();
	VECTOR(1, 1);
	VECTOR(2, 0, 1);
	put_group(CLOSED, MZ_POLICY_IN, (struct mz_policy_list){ .label = 2, .block = 2, .port = 1, .rules = 2 });
	put_rule(MZ_POLICY_LIST(CLOSED, MZ_POLICY_IN), 0, MZ_POLICY_ALLOW, 0);
	put_rule(MZ_POLICY_LIST(CLOSED, MZ_POLICY_IN), 1, MZ_POLICY_DENY, 0);
	put_group(CLOSED, MZ_POLICY_TO, (struct mz_policy_list){ 0 });
	put_ports(MZ_POLICY_LIST(CLOSED, MZ_POLICY_IN), 0, 0, 0, 2);
	begins(judged_by, CLOSED);
	row("CVE-2023-1668: 0 alone is allowed", 0, MZ_DIR_INGRESS, from_r(0, 0), MZ_R_DELIVERED);
	for (int other = 1; other < 256; other++) {
		if (other == 1 || other == 2 || other == 6)
			continue; // what is there is none of their headers
		row("CVE-2023-1668: ... and no other", (uint8_t)other, MZ_DIR_INGRESS, from_r((uint8_t)other, 0),
		    MZ_R_POLICY_INGRESS);
	}
}

// What an endpoint says for itself: a tunnel packet of its own is a
// datagram like any other, whatever label it claims.
void test_policy_own_geneve(void **state)
{
	struct frame own = INNER(.src = EP_R, .dst = EP_A, .smac = MAC_GW, .dmac = MAC_A, .dport = 6081);

	(void)state;
	build_world(W_PATH);
	put_label(MZ_POLICY_KNOWN(VNI), WEB, 0);
	put_label(MZ_POLICY_KNOWN(VNI), 0xabc, 0);
	says(CLOSED, MZ_POLICY_DENY);
	put_rule(MZ_POLICY_LIST(CLOSED, MZ_POLICY_IN), 1, MZ_POLICY_ALLOW, 0);
	VECTOR(1, 0);
	VECTOR(2, 1);
	put_group(CLOSED, MZ_POLICY_IN, (struct mz_policy_list){ .label = 1, .block = 3, .port = 3, .rules = 2 });
	VECTOR(3, 0, 1);
	put_group(CLOSED, MZ_POLICY_TO, (struct mz_policy_list){ 0 });
	put_label(MZ_POLICY_LIST(CLOSED, MZ_POLICY_IN), WEB, 2);
	begins(judged_by, CLOSED);
	pass("WEB may", MZ_DIR_INGRESS, TUNNEL(.frame = &own, .in = { .src = EP_R, .dst = EP_A }, .label = WEB), MZ_R_DELIVERED,
	     (struct frame){ .len = 0 });
	T->forget("mz_flows");
	// Inside it a second tunnel packet, which claims WEB.
	own = TUNNEL(.in = { .src = EP_R, .dst = EP_A }, .src = EP_R, .dst = EP_A, .smac = MAC_GW, .dmac = MAC_A, .label = WEB);
	pass("who has none says WEB in a tunnel packet of its own", MZ_DIR_INGRESS,
	     TUNNEL(.frame = &own, .in = { .src = EP_R, .dst = EP_A }), MZ_R_POLICY_INGRESS, (struct frame){ .len = 0 });
	pass("a forged label from an underlay address nobody knows", MZ_DIR_INGRESS,
	     TUNNEL(.in = { .src = EP_R, .dst = EP_A }, .src = STRANGER_IP, .label = WEB), MZ_R_UNKNOWN_SENDER,
	     (struct frame){ .len = 0 });
	// Sent from here: the label is the endpoint's, the tunnel packet its payload.
	begins(judged_by, 0);
	own = TUNNEL(.in = { .src = EP_A, .dst = EP_R }, .src = EP_A, .dst = EP_R, .smac = MAC_A, .dmac = MAC_GW, .label = WEB);
	pass("sent on with its own label", MZ_DIR_EGRESS, own, MZ_R_DIRECT,
	     TUNNEL(.frame = &own, .in = { .src = EP_A, .dst = EP_R, .sport = own.b[34] << 8 | own.b[35], .dport = 6081 }, .src = SELF_IP,
		    .dst = PEER_IP, .dmac = MAC_NEXT, .smac = MAC_SELF, .label = 0xabc, .qos_class = 9, .origin = SELF, .sender = SELF));
}
