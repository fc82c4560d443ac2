// SPDX-License-Identifier: Apache-2.0
// The three paths cut after each stage (stages.h), timed: {"hop.0": [..], "hop.1": [..], ...}
#include <bpf/bpf.h>
#include <stdio.h>
#include <stdlib.h>

#include "perf/fill.h"
#include "perf/timed.h"

#include "perf/stages_tc.skel.h"
#include "perf/stages_xdp.skel.h"

enum { HOP_CUTS = 10, DELIVER_CUTS = 10, ENCAP_CUTS = 11 };

static void add_cuts(const char *path, int cuts, struct bpf_object *obj, struct mz_bench *live, struct frame in, struct mz_bench keys)
{
	for (int i = 0; i <= cuts; i++) {
		char number[8];

		snprintf(number, sizeof(number), "%d", i);
		add(joined3(path, ".", joined(number, "")), joined3("op_", joined(path, "_"), number), obj, live, in, keys);
	}
}

static void add_hop(void)
{
	struct frame in = TUNNEL(.in.payload = 100);
	struct mz_stages_xdp *x = mz_stages_xdp__open();

	if (!x)
		die("open");
	unpin(x->obj);
	x->rodata->mz_cfg = config();
	if (mz_stages_xdp__load(x))
		die("load");
	fill_hosts(x->obj);
	fill_endpoints(x->obj, 1024, 0, 0);
	add_cuts("hop", HOP_CUTS, x->obj, &x->data->bench, in, keys_of(ENDPOINTS, 1024, REMOTES, PATHS, in));
}

static void add_host(void)
{
	struct frame inner = INNER(.payload = 100), answer = ANSWER(), outer = TUNNEL(.in.payload = 100, .label = 1);
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = inner.b, .data_size_in = inner.len, .repeat = 1);
	struct mz_stages_tc *t = mz_stages_tc__open();

	if (!t)
		die("open");
	unpin(t->obj);
	t->rodata->mz_cfg = config();
	if (mz_stages_tc__load(t))
		die("load");
	bpf_prog_test_run_opts(bpf_program__fd(t->progs.op_clock), &o);
	fill_hosts(t->obj);
	fill_endpoints(t->obj, 1024, 1, 1);
	fill_paths(t->obj, o.retval);
	fill_port(t->obj, ENDPOINTS, 0, 1);
	fill_policy(t->obj, 1, 1);
	add_cuts("deliver", DELIVER_CUTS, t->obj, &t->data->bench, inner, keys_of(ENDPOINTS, 1, REMOTES, SPREAD + 1, outer));
	add_cuts("encap", ENCAP_CUTS, t->obj, &t->data->bench, answer, keys_of(REMOTES, SPREAD + 1, ENDPOINTS, 1, answer));
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 9, repeat = argc > 2 ? atoi(argv[2]) : 200000;

	if (rounds < 1 || rounds > MAX_ROUNDS || repeat < 1) {
		fprintf(stderr, "usage: stages [ROUNDS [REPEAT]]\n");
		return 2;
	}
	add_hop();
	add_host();
	run_cases(rounds, repeat);
	return 0;
}
