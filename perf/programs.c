// SPDX-License-Identifier: Apache-2.0
// Row 29: how large each program is, and how long the kernel takes to verify it.
//   programs FOLDER      (the build's bpf/)
// Prints {"PROGRAM": {"instructions": N, "machine_bytes": N, "verified": N, "ms": [N, ...]}, ...}
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
