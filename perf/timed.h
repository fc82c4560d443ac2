// SPDX-License-Identifier: Apache-2.0
// Programs timed by BPF_PROG_TEST_RUN, all of them in turn, round after round. Time is this
// thread's CPU time, so that other processes do not count.
#ifndef MZ_PERF_TIMED_H
#define MZ_PERF_TIMED_H

#include <bpf/libbpf.h>
#include <stdbool.h>

#include "bpf/abi/reasons.h"
#include "bpf/abi/tables.h"
#include "perf/bench_abi.h"
#include "selftests/bpf/frame.h"

#define MAX_ROUNDS 32

// One timed program: where its keys come from, and how its packets must end.
struct timed {
	const char *name, *program; // program NULL: ns[0] is a figure, and nothing is run
	struct bpf_object *obj;
	struct mz_bench *bench;
	struct mz_bench keys;   // bases and masks
	struct frame in;
	enum mz_reason reason;  // 0: not a pipeline
	enum mz_dir dir;
	const char *after;      // a program for the same keys behind it, not timed; NULL: none
	bool in_a_row;          // its parts are not taken in turn with others': what it finds is what it has left
	double ns[MAX_ROUNDS];
	uint64_t ended; // of this round's packets: as they must
	uint32_t seed;  // where the next part goes on
};

// A case more. `name` is kept; `bench` is the object's own, written before each run.
struct timed *add(const char *name, const char *program, struct bpf_object *obj, struct mz_bench *bench, struct frame in,
		  struct mz_bench keys);
// A figure beside them, the same in each round.
void add_value(const char *name, double value);
int case_count(void);
// Runs all cases, `repeat` packets of each in a round, and writes the nanoseconds of every round as
// JSON: {"NAME": [..], ...}
void run_cases(int rounds, int repeat);

// Keys of `dsts` destinations and `srcs` sources, powers of two, and what `head` begins with.
struct mz_bench keys_of(uint32_t dst, uint32_t dsts, uint32_t src, uint32_t srcs, struct frame head);

// Names that stay.
const char *joined(const char *a, const char *b);
const char *joined3(const char *a, const char *b, const char *c);

_Noreturn void die(const char *what); // says errno
int map_fd(struct bpf_object *obj, const char *name);
// Its tables are its own: no pins. Before it is loaded.
void unpin(struct bpf_object *obj);

#endif
