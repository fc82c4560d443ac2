// SPDX-License-Identifier: Apache-2.0
// Row 29: how large each program is, and how long the kernel takes to verify it.
//   programs FOLDER         (the build's bpf/)
// Prints {"PROGRAM": {"instructions": N, "machine_bytes": N, "verified": N, "ms": [N, ...]}, ...}
//   programs FOLDER tables  what the kernel keeps for each table of a small host: {"TABLE": BYTES, ...}
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "selftests/bpf/programs.h"

#define ROUNDS 5

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, args) : 0;
}

static void die(const char *name, const char *what)
{
	fprintf(stderr, "programs: %s: %s\n", name, what);
	exit(1);
}

// Milliseconds of the verifier, of its own statistics.
static double load(const char *folder, const struct program_object *o, struct bpf_prog_info *info)
{
	static char log[1 << 16];
	const char *took;

	if (load_program(folder, o, 0, log, sizeof(log), info))
		die(o->file, "does not load");
	took = strstr(log, "verification time ");
	if (!took)
		die(o->file, "the kernel does not tell what verification took");
	return atof(took + strlen("verification time ")) / 1e3;
}

// Bytes that the kernel has taken for a map.
static unsigned long long taken(int fd)
{
	unsigned long long bytes = 0;
	char path[64], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "memlock: %llu", &bytes) == 1)
			break;
	if (f)
		fclose(f);
	return bytes;
}

// The program that has all tables carries them for the others (kernel_dataplane.cpp).
static int tables(const char *folder)
{
	char path[512];
	struct bpf_object *obj;
	struct bpf_map *m;
	int n = 0;

	snprintf(path, sizeof(path), "%s/uplink_deliver.bpf.o", folder);
	obj = bpf_object__open_file(path, NULL);
	if (!obj || set_constants(obj, 0))
		die(path, "cannot be opened");
	bpf_object__for_each_map(m, obj)
		bpf_map__set_pin_path(m, NULL);
	if (bpf_object__load(obj))
		die(path, "does not load");
	bpf_object__for_each_map(m, obj)
		if (!strncmp(bpf_map__name(m), "mz_", 3))
			printf("%s\"%s\": %llu", n++ ? ", " : "{", bpf_map__name(m), taken(bpf_map__fd(m)));
	printf("}\n");
	bpf_object__close(obj);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc < 2 || argc > 3 || (argc == 3 && strcmp(argv[2], "tables"))) {
		fprintf(stderr, "usage: programs FOLDER [tables]\n");
		return 2;
	}
	libbpf_set_print(quiet);
	if (argc == 3)
		return tables(argv[1]);
	for (size_t i = 0; i < PROGRAM_OBJECTS; i++) {
		const struct program_object *o = &program_objects[i];
		struct bpf_prog_info info;
		double ms[ROUNDS];

		for (int r = 0; r < ROUNDS; r++)
			ms[r] = load(argv[1], o, &info);
		printf("%s\"%s\": {\"instructions\": %u, \"machine_bytes\": %u, \"verified\": %u, \"ms\": [", i ? ", " : "{", o->file,
		       info.xlated_prog_len / 8, info.jited_prog_len, info.verified_insns);
		for (int r = 0; r < ROUNDS; r++)
			printf("%s%.3f", r ? ", " : "", ms[r]);
		printf("]}");
	}
	printf("}\n");
	return 0;
}
