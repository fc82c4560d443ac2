// SPDX-License-Identifier: Apache-2.0
// The programs that transitd loads, and the constants it gives them, for who loads them as it does.
#pragma once

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/abi/tables.h"
#include "selftests/bpf/bpffs.h"

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
		struct mz_cfg cfg = { .self_id = 1, .flags = flags, .services = 2, .outside = 3, .inner_mtu = 1434, .outside_mtu = 1500, .host = 5, .host_ports = { 80, 81 }, .second = 250, .answers = 100, .group_packets = 100,
				      .home_shift = 49 };
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

// Loads o of FOLDER and takes it away again, and what libbpf pinned for it, also where the kernel
// refuses it; `log`, of `bytes`: what the verifier says of its work (BPF_LOG_STATS), NULL: not asked.
// -1: it does not load.
static inline int load_program(const char *folder, const struct program_object *o, unsigned flags, char *log, size_t bytes,
			       struct bpf_prog_info *info)
{
	char path[512], pins[64];
	__u32 len = sizeof(*info);
	struct bpf_program *prog;
	struct bpf_object *obj;
	struct bpf_map *m;
	int rc = -1;

	snprintf(path, sizeof(path), "%s/%s.bpf.o", folder, o->file);
	snprintf(pins, sizeof(pins), BPFFS "/mz-load-%d", getpid());
	LIBBPF_OPTS(bpf_object_open_opts, opts, .pin_root_path = pins);
	obj = bpf_object__open_file(path, &opts);
	if (!obj)
		return -1;
	memset(info, 0, sizeof(*info));
	prog = bpf_object__find_program_by_name(obj, o->program);
	if (prog && log) {
		bpf_program__set_log_level(prog, 4);
		bpf_program__set_log_buf(prog, log, bytes);
	}
	if (prog && !set_constants(obj, flags) && !bpf_object__load(obj))
		rc = bpf_obj_get_info_by_fd(bpf_program__fd(prog), info, &len);
	bpf_object__for_each_map(m, obj)
		if (bpf_map__is_pinned(m))
			bpf_map__unpin(m, NULL);
	rmdir(pins);
	bpf_object__close(obj);
	return rc ? -1 : 0;
}
