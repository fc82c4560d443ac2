// SPDX-License-Identifier: Apache-2.0
#include "selftests/bpf/policies.h"

#include <arpa/inet.h>
#include <string.h>

void put_group(uint32_t group, enum mz_policy_kind kind, struct mz_policy_list list)
{
	struct mz_policy p = { 0 };

	T->lookup("mz_policies", &group, &p);
	p.list[kind] = list;
	put("mz_policies", &group, &p);
}

void put_vector(uint32_t id, const int *rules)
{
	struct mz_policy_vector v = { 0 };

	for (; *rules >= 0; rules++) {
		v.word[*rules / 64] |= 1ull << (*rules % 64);
		v.words |= 1ull << (*rules / 64);
	}
	put("mz_policy_vectors", &id, &v);
}

void put_rule(uint32_t list, uint32_t at, enum mz_policy_verdict verdict, uint32_t next)
{
	struct mz_policy_rule_key k = { .list = list, .rule = at };
	struct mz_policy_rule r = { .verdict = verdict, .next = next };

	put("mz_policy_rules", &k, &r);
}

void put_label(uint32_t list, uint32_t label, uint32_t vector)
{
	struct mz_policy_label_key k = { .list = list, .label = label };

	put("mz_policy_labels", &k, &vector);
}

void put_block(uint32_t list, struct mz_addr ip, uint32_t bits, uint32_t vector)
{
	struct mz_policy_block_key k = { .prefixlen = 32 + bits, .list = htonl(list), .ip = ip };

	put("mz_policy_blocks", &k, &vector);
}

void put_ports(uint32_t list, uint16_t proto, uint16_t port, uint32_t bits, uint32_t vector)
{
	struct mz_policy_port_key k = { .prefixlen = 32 + 16 + bits, .list = htonl(list), .proto = htons(proto),
					.port = htons(port) };

	put("mz_policy_ports", &k, &vector);
}

void put_verdict(uint32_t group, enum mz_policy_kind kind, enum mz_policy_verdict verdict)
{
	VECTOR(1, 0);
	put_group(group, kind, (struct mz_policy_list){ 1, 1, 1, 1 });
	put_rule(MZ_POLICY_LIST(group, kind), 0, verdict, 0);
}

void judged_by(uint32_t policy)
{
	struct mz_ep_key a4 = { .vni = VNI, .ip = addr4(EP_A) }, a6 = { .vni = VNI, .ip = addr6(EP6_A) };
	struct mz_endpoint e = { .host = SELF, .ifindex = T->ifindex, .vpc = VPC_SLOT, .policy = policy };
	struct mz_port port;

	memcpy(e.mac, mac_bytes(MAC_A), 6);
	put("mz_endpoints", &a4, &e);
	put("mz_endpoints", &a6, &e);
	assert_int_equal(T->lookup("mz_ports", &T->ifindex, &port), 0);
	port.policy = policy;
	put("mz_ports", &T->ifindex, &port);
}

void b_judged_by(uint32_t policy)
{
	struct mz_ep_key keys[] = { { .vni = VNI, .ip = addr4(EP_B) }, { .vni = VNI, .ip = addr6(EP6_B) } };
	struct mz_endpoint e;

	for (int i = 0; i < 2; i++) {
		assert_int_equal(T->lookup("mz_endpoints", &keys[i], &e), 0);
		e.policy = policy;
		put("mz_endpoints", &keys[i], &e);
	}
}
