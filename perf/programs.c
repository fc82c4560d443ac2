// SPDX-License-Identifier: Apache-2.0
// Row 29: how large each program is, and how long the kernel takes to verify it.
//   programs FOLDER      (the build's bpf/)
// Prints {"PROGRAM": {"instructions": N, "machine_bytes": N, "verified": N, "ms": [N, ...]}, ...}
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "selftests/bpf/programs.h"

#define ROUNDS 5

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, args) : 0;
}

static void die(const char *what)
{
	fprintf(stderr, "programs: %s\n", what);
	exit(1);
}

// Milliseconds of the verifier, of its own statistics.
static double load(const char *path, const char *name, struct bpf_prog_info *info)
{
	struct bpf_object *obj;
	struct bpf_program *prog;
	struct bpf_map *map;
	static char log[1 << 16];
	__u32 len = sizeof(*info);
	const char *took;
	char pins[64];
	double ms;

	snprintf(pins, sizeof(pins), "/sys/fs/bpf/mz-programs-%d", getpid());
	LIBBPF_OPTS(bpf_object_open_opts, opts, .pin_root_path = pins);
	obj = bpf_object__open_file(path, &opts);
	if (!obj)
		die(path);
	if (set_constants(obj, 0))
		die("constants");
	memset(info, 0, len);
	prog = bpf_object__find_program_by_name(obj, name);
	bpf_program__set_log_level(prog, 4); // BPF_LOG_STATS
	bpf_program__set_log_buf(prog, log, sizeof(log));
	if (bpf_object__load(obj) || bpf_obj_get_info_by_fd(bpf_program__fd(prog), info, &len))
		die(path);
	took = strstr(log, "verification time ");
	if (!took)
		die("the kernel does not tell what verification took");
	ms = atof(took + strlen("verification time ")) / 1e3;
	bpf_object__for_each_map(map, obj)
		if (bpf_map__is_pinned(map))
			bpf_map__unpin(map, NULL);
	rmdir(pins);
	bpf_object__close(obj);
	return ms;
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: programs FOLDER\n");
		return 2;
	}
	libbpf_set_print(quiet);
	for (size_t i = 0; i < PROGRAM_OBJECTS; i++) {
		const struct program_object *o = &program_objects[i];
		struct bpf_prog_info info;
		double ms[ROUNDS];
		char path[512];

		snprintf(path, sizeof(path), "%s/%s.bpf.o", argv[1], o->file);
		for (int r = 0; r < ROUNDS; r++)
			ms[r] = load(path, o->program, &info);
		printf("%s\"%s\": {\"instructions\": %u, \"machine_bytes\": %u, \"verified\": %u, \"ms\": [", i ? ", " : "{", o->file,
		       info.xlated_prog_len / 8, info.jited_prog_len, info.verified_insns);
		for (int r = 0; r < ROUNDS; r++)
			printf("%s%.3f", r ? ", " : "", ms[r]);
		printf("]}");
	}
	printf("}\n");
	return 0;
}
