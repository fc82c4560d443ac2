/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The pipeline as a library: both orders of stages over the native target. */
#include <string.h>

#include "bpf/target/native.h"

#include "bpf/lib/answer.h"
#include "bpf/lib/egress.h"
#include "bpf/lib/gateway_in.h"
#include "bpf/lib/gateway_out.h"
#include "bpf/lib/group_copy.h"
#include "bpf/lib/group_member.h"
#include "bpf/lib/ingress.h"
#include "bpf/lib/reply.h"
#include "bpf/lib/resume.h"
#include "bpf/lib/returned.h"

int mz_native_egress(struct mz_native_packet *pkt)
{
	return mz_egress(pkt);
}

int mz_native_ingress(struct mz_native_packet *pkt)
{
	return mz_ingress(pkt);
}

int mz_native_reply(struct mz_native_packet *pkt)
{
	return mz_reply(pkt);
}

int mz_native_gateway_out(struct mz_native_packet *pkt)
{
	return mz_gateway_out(pkt);
}

int mz_native_gateway_in(struct mz_native_packet *pkt)
{
	return mz_gateway_in(pkt);
}

static int mz_native_jump(mz_ctx_t *ctx, __u32 slot, int hop)
{
	__u32 kind = (__u32)hop;
	struct mz_function_packet *packet = mz_lookup(mz_function_packets, &kind);

	if (slot == MZ_FUNCTION_ANSWER)
		return mz_answer(ctx);
	if (slot != MZ_FUNCTION_RESUME)
		packet->verdict = (__u32)mz_native_functions[slot](ctx, packet);
	return mz_resume(ctx, kind);
}

static int mz_native_jump_group(mz_ctx_t *ctx, __u32 slot)
{
	return slot == MZ_GROUP_MEMBER ? mz_group_member(ctx) : mz_group_packet(ctx);
}

uint32_t mz_native_copy_count(uint32_t i, struct mz_native_copy *copy)
{
	if (copy)
		*copy = mz_native_copies[i % MZ_NATIVE_COPIES];
	return mz_native_copied;
}

int mz_native_returned(struct mz_native_packet *pkt)
{
	return mz_returned(pkt);
}

void mz_native_set_function(uint32_t slot, mz_native_function function)
{
	mz_native_functions[slot % MZ_FUNCTIONS] = function;
}

void mz_native_configure(const struct mz_cfg *cfg)
{
	mz_cfg = *cfg;
}

void mz_native_set_clock(uint32_t now)
{
	mz_native_clock = now;
}

void mz_native_set_ns(uint64_t now)
{
	mz_native_ns = now;
}

static struct mz_native_map *const tables[] = {
	&mz_ports, &mz_endpoints, &mz_homes, &mz_paths, &mz_networks, &mz_vpcs, &mz_shards, &mz_hosts,
	&mz_host_ids, &mz_counters, &mz_flows, &mz_flow_use, &mz_frags, &mz_flow_stats,
	&mz_answered, &mz_links6, &mz_trace, &mz_vips, &mz_vip_rows, &mz_backends, &mz_stickies, &mz_entries,
	&mz_insides, &mz_outsides, &mz_pools, &mz_mappings,
	&mz_groups, &mz_group_hosts, &mz_new_group, &mz_group_use, &mz_group_sent, &mz_group_work,
	&mz_function_ports, &mz_function_vpcs, &mz_function_chains, &mz_function_slots,
	&mz_function_counts, &mz_function_packets, &mz_function_states,
	&mz_policies, &mz_policy_labels, &mz_policy_blocks, &mz_policy_ports, &mz_policy_vectors, &mz_policy_rules,
	&mz_judging,
	&mz_levels, &mz_shapers, &mz_clocks, &mz_shaped, &mz_sparse, &mz_shapings,
};

struct mz_native_map *mz_native_table(const char *name)
{
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		if (!strcmp(tables[i]->name, name))
			return tables[i];
	return NULL;
}

uint32_t mz_native_event_count(union mz_any_event *last)
{
	if (last)
		*last = mz_native_last_event;
	return mz_native_events;
}

void mz_native_reset(void)
{
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		mz_native_clear(tables[i]);
	memset(&mz_native_last_event, 0, sizeof(mz_native_last_event));
	memset(&mz_cfg, 0, sizeof(mz_cfg));
	memset(mz_native_functions, 0, sizeof(mz_native_functions));
	mz_native_events = 0;
	mz_native_copied = 0;
	mz_native_clock = 0;
	mz_native_ns = 0;
}
