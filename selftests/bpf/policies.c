// SPDX-License-Identifier: Apache-2.0
#include "selftests/bpf/policies.h"

#include <arpa/inet.h>

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
