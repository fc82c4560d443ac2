// SPDX-License-Identifier: Apache-2.0
// Passes transit-linerate's frames from one interface to another, but for some:
//   linerate_dut IN OUT drop|change|cut|police N
// each N-th is dropped, changed in its last byte or cut by it; police: N a millisecond pass.
// Prints "passing" when it does, and at SIGTERM "seen N hit N".
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "selftests/topo/linerate_dut.h" // before the skeleton, which names its types

#include "selftests/topo/linerate_dut.skel.h"

static void die(const char *what)
{
	fprintf(stderr, "linerate_dut: %s: %s\n", what, strerror(errno));
	exit(1);
}

static __u32 fault_of(const char *word)
{
	static const char *const words[] = { "drop", "police", "change", "cut" };

	for (__u32 i = 0; i < 4; i++)
		if (!strcmp(word, words[i]))
			return i;
	errno = EINVAL;
	die(word);
	return 0;
}

static __u32 interface(const char *name)
{
	__u32 i = if_nametoindex(name);

	if (!i)
		die(name);
	return i;
}

static void nothing(int signal)
{
	(void)signal;
}

int main(int argc, char **argv)
{
	LIBBPF_OPTS(bpf_link_create_opts, native, .flags = XDP_FLAGS_DRV_MODE);
	struct mz_linerate_dut *d;
	sigset_t none, term;

	if (argc != 5 || atoi(argv[4]) < 1) {
		fprintf(stderr, "usage: linerate_dut IN OUT drop|change|cut|police N\n");
		return 2;
	}
	d = mz_linerate_dut__open_and_load();
	if (!d)
		die("program");
	d->bss->dut.out = interface(argv[2]);
	d->bss->dut.fault = fault_of(argv[3]);
	d->bss->dut.n = (__u32)atoi(argv[4]);
	/* It goes with this process. */
	if (bpf_link_create(bpf_program__fd(d->progs.pass_some), (int)interface(argv[1]), BPF_XDP, &native) < 0)
		die("attach");
	sigemptyset(&none);
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	signal(SIGTERM, nothing);
	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("passing");
	sigsuspend(&none);
	printf("seen %llu hit %llu\n", (unsigned long long)d->bss->dut.seen, (unsigned long long)d->bss->dut.hit);
	return 0;
}
