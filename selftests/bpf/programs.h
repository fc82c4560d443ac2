// SPDX-License-Identifier: Apache-2.0
// The programs that transitd loads, and the constants it gives them, for who loads them as it does.
#pragma once

#include <stddef.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "bpf/abi/tables.h"

struct program_object {
	const char *file, *program;
};

static const struct program_object program_objects[] = {
	{ "endpoint_egress", "mz_endpoint_egress" },
	{ "endpoint_answer", "mz_endpoint_answer" },
	{ "group_copy", "mz_group_copy" },
	{ "group_member", "mz_group_member_tc" },
	{ "uplink_deliver", "mz_uplink_deliver" },
	{ "uplink_hop", "mz_uplink_hop" },
	{ "services_reply", "mz_services_reply" },
	{ "gateway_out", "mz_gateway_out_tc" },
	{ "gateway_in", "mz_gateway_in_tc" },
	{ "function_reply", "mz_function_reply" },
	{ "function_resume", "mz_function_resume" },
	{ "hop_resume", "mz_hop_resume" },
	{ "clock", "mz_clock" },
};

#define PROGRAM_OBJECTS (sizeof(program_objects) / sizeof(program_objects[0]))

// As of a host with everything; `flags`: mz_cfg.flags. Before the object is loaded. -1: libbpf
// refuses them.
static inline int set_constants(struct bpf_object *obj, unsigned flags)
{
	struct bpf_map *m;

	bpf_object__for_each_map(m, obj) {
		struct mz_cfg cfg = { .self_id = 1, .flags = flags, .services = 2, .outside = 3, .inner_mtu = 1434, .outside_mtu = 1500, .host = 5, .host_ports = { 80, 81 }, .second = 250, .answers = 100, .group_packets = 100 };
		size_t size = 0;
		const void *old = bpf_map__initial_value(m, &size);
		char data[256] = { 0 };

		if (!strstr(bpf_map__name(m), ".rodata") || size < sizeof(cfg) || size > sizeof(data))
			continue;
		// mz_cfg is the only all-zero constant that large: find its place.
		memcpy(data, old, size);
		for (size_t at = 0; at + sizeof(cfg) <= size; at += 4) {
			const char zero[sizeof(cfg)] = { 0 };

			if (memcmp(data + at, zero, sizeof(cfg)))
				continue;
			memcpy(data + at, &cfg, sizeof(cfg));
			if (bpf_map__set_initial_value(m, data, size))
				return -1;
			break;
		}
	}
	return 0;
}
