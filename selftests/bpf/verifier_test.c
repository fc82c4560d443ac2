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
#include <unistd.h>

#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/abi/tables.h"
#include "selftests/bpf/bpffs.h"
#include "selftests/bpf/kernel.h"
#include "selftests/bpf/programs.h"

#define FLAGS 31u // bits of mz_cfg.flags in use
#define MAX_INSNS    9216u   // functions off the usual way, answers in a program of their own
#define MAX_VERIFIED 163840u // a sixth of what the kernel allows
#define MAX_OLD      786432u // three quarters: kernels before 6.12 find fewer ways alike

static const char *folder;
static unsigned budget = MAX_VERIFIED;
static const char *some; // VERIFIER_FLAGS, "0 31": these alone; NULL: all

static void load_one(const struct program_object *o, unsigned flags)
{
	char path[256], pins[128];
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info);
	struct bpf_object *obj;
	struct bpf_map *m;

	snprintf(path, sizeof(path), "%s/bpf/%s.bpf.o", folder, o->file);
	snprintf(pins, sizeof(pins), BPFFS "/mz-verify-%d", getpid());
	LIBBPF_OPTS(bpf_object_open_opts, opts, .pin_root_path = pins);
	obj = bpf_object__open_file(path, &opts);
	assert_non_null(obj);
	assert_int_equal(set_constants(obj, flags), 0);
	assert_int_equal(bpf_object__load(obj), 0);
	assert_int_equal(bpf_obj_get_info_by_fd(
				 bpf_program__fd(bpf_object__find_program_by_name(obj, o->program)), &info, &len), 0);
	print_message("# %s flags %u: %u instructions, %u bytes of machine code, %u verified\n", o->file,
		      flags, info.xlated_prog_len / 8, info.jited_prog_len, info.verified_insns);
	bpf_object__for_each_map(m, obj)
		if (bpf_map__is_pinned(m))
			bpf_map__unpin(m, NULL);
	rmdir(pins);
	assert_in_range(info.xlated_prog_len / 8, 1, MAX_INSNS);
	assert_in_range(info.verified_insns, 1, budget);
	bpf_object__close(obj);
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
	folder = getenv("O") ? getenv("O") : "build";
	some = getenv("VERIFIER_FLAGS");
	uname(&u);
	printf("# kernel %s\n", u.release);
	if (kernel_before(6, 12))
		budget = MAX_OLD;
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
