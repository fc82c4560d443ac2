// SPDX-License-Identifier: Apache-2.0
// Groups of policy, row by row of their tables.
#pragma once

#include "selftests/bpf/row.h"

// One list of the group; the others stay.
void put_group(uint32_t group, enum mz_policy_kind kind, struct mz_policy_list list);
// The set of these rules, the last of them negative.
void put_vector(uint32_t id, const int *rules);
#define VECTOR(id, ...) put_vector(id, (const int[]){ __VA_ARGS__, -1 })
void put_rule(uint32_t list, uint32_t at, enum mz_policy_verdict verdict, uint32_t next);
void put_label(uint32_t list, uint32_t label, uint32_t vector);
void put_block(uint32_t list, struct mz_addr ip, uint32_t bits, uint32_t vector);
// `bits` of the port, in the host's order.
void put_ports(uint32_t list, uint16_t proto, uint16_t port, uint32_t bits, uint32_t vector);
// A list with one rule: that verdict, to everybody.
void put_verdict(uint32_t group, enum mz_policy_kind kind, enum mz_policy_verdict verdict);

// EP_A lives on the interface that rows are run on, and is judged by `policy`.
void judged_by(uint32_t policy);
// EP_B, on the same host, is.
void b_judged_by(uint32_t policy);
