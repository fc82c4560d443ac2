// SPDX-License-Identifier: Apache-2.0
// Every program loads with every flag both ways, within its budget: what the
// verifier had to look at, and instructions. The numbers are printed, so a
// change that makes a program grow is seen in the log.
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include <cmocka.h>

#include "selftests/bpf/bpffs.h"
#include "selftests/bpf/kernel.h"
#include "selftests/bpf/programs.h"

// bits of mz_cfg.flags in use
#define FLAGS (MZ_CFG_F_NO_XDP_TX | MZ_CFG_F_NO_FLOWS | MZ_CFG_F_HOP_FUNCTIONS | MZ_CFG_F_KEEP_FLOWS)
#define MAX_INSNS    9216u   // functions off the usual way, answers in a program of their own
#define MAX_VERIFIED 163840u // a sixth of what the kernel allows
#define MAX_OLD      786432u // three quarters: kernels before 6.12 find fewer ways alike

static char folder[256]; // of the objects
static unsigned budget = MAX_VERIFIED;
static const char *some; // VERIFIER_FLAGS, "0 15": these alone; NULL: all

static void load_one(const struct program_object *o, unsigned flags)
{
	struct bpf_prog_info info;

	assert_int_equal(load_program(folder, o, flags, NULL, 0, &info), 0);
	print_message("# %s flags %u: %u instructions, %u bytes of machine code, %u verified\n", o->file,
		      flags, info.xlated_prog_len / 8, info.jited_prog_len, info.verified_insns);
	assert_in_range(info.xlated_prog_len / 8, 1, MAX_INSNS);
	assert_in_range(info.verified_insns, 1, budget);
}

static bool asked_for(unsigned flags)
{
	char *end;

	if (!some)
		return true;
	for (const char *at = some; *at; at = end + (*end == ' '))
		if (strtoul(at, &end, 10) == flags)
			return true;
		else if (end == at)
			return false;
	return false;
}

static void test_all(void **state)
{
	(void)state;
	for (size_t i = 0; i < PROGRAM_OBJECTS; i++)
		for (unsigned flags = 0; flags <= FLAGS; flags++)
			if (asked_for(flags))
				load_one(&program_objects[i], flags);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_all) };
	struct utsname u;

	if (geteuid() != 0) {
		printf("1..0 # SKIP needs root: it loads BPF programs\n");
		return 4;
	}
	if (!bpffs_there("verifier_test"))
		return 1;
	snprintf(folder, sizeof(folder), "%s/bpf", getenv("O") ? getenv("O") : "build");
	some = getenv("VERIFIER_FLAGS");
	uname(&u);
	printf("# kernel %s\n", u.release);
	if (kernel_before(6, 12))
		budget = MAX_OLD;
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
