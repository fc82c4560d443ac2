// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "perf/timed.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "perf/fill.h"

_Noreturn void die(const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
	exit(1);
}

void unpin(struct bpf_object *obj)
{
	struct bpf_map *m;

	bpf_object__for_each_map(m, obj)
		bpf_map__set_pin_path(m, NULL);
}

int map_fd(struct bpf_object *obj, const char *name)
{
	return bpf_map__fd(bpf_object__find_map_by_name(obj, name));
}

void put(struct bpf_object *obj, const char *map, const void *key, const void *value)
{
	if (bpf_map_update_elem(map_fd(obj, map), key, value, BPF_ANY))
		die(map);
}

void put_batch(struct bpf_object *obj, const char *map, const void *keys, const void *values, uint32_t n)
{
	LIBBPF_OPTS(bpf_map_batch_opts, o);

	if (bpf_map_update_batch(map_fd(obj, map), keys, values, &n, &o))
		die(map);
}

static struct timed cases[256];
static int count;

static uint64_t counted(struct timed *c)
{
	uint32_t slot = (1 * MZ_DIRS + c->dir) * MZ_REASON_SLOTS + c->reason;
	struct mz_count each[64];
	uint64_t sum = 0;

	if (bpf_map_lookup_elem(map_fd(c->obj, "mz_counters"), &slot, each))
		die("mz_counters");
	for (int i = 0; i < libbpf_num_possible_cpus(); i++)
		sum += each[i].packets;
	return sum;
}

static double cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

#define PARTS 5
#define WARM  3 /* a part is so many times what is run before it */

static void run_program(struct timed *c, const char *program, int repeat)
{
	struct bpf_program *p = bpf_object__find_program_by_name(c->obj, program);
	uint8_t out[1024];
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = c->in.b, .data_size_in = c->in.len, .data_out = out,
		    .data_size_out = sizeof(out), .repeat = repeat);

	if (!p || bpf_prog_test_run_opts(bpf_program__fd(p), &o))
		die(program);
}

/* One part of a round. What else the machine does makes some longer, and nothing makes one shorter:
 * the best counts, of parts that all cases have in turn. What the others have put out of the caches
 * comes back before. */
static void time_part(struct timed *c, int round, int part, int repeat)
{
	uint32_t seed = part ? c->seed : c->bench->seed ? c->bench->seed : 2463534242u;
	uint64_t before;
	double start, took;

	*c->bench = c->keys;
	c->bench->seed = seed;
	run_program(c, c->program, repeat / WARM);
	before = c->reason ? counted(c) : 0;
	start = cpu_ns();
	run_program(c, c->program, repeat);
	took = (cpu_ns() - start) / repeat;
	c->seed = c->bench->seed;
	c->ended = (part ? c->ended : 0) + (c->reason ? counted(c) - before : 0);
	if (!part || took < c->ns[round])
		c->ns[round] = took;
	if (c->bench->wrong) {
		fprintf(stderr, "%s: %s: %llu verdicts are wrong\n", program_invocation_short_name, c->name, (unsigned long long)c->bench->wrong);
		exit(1);
	}
	if (c->after) {
		c->bench->seed = seed;
		run_program(c, c->after, repeat / WARM + repeat);
	}
}

/* One in many may meet a flow whose ports are its own (FLOW_CLASH). */
static void check_ends(const struct timed *c, uint64_t packets)
{
	if (!c->reason || c->ended >= packets - packets / 50000)
		return;
	fprintf(stderr, "%s: %s: %lu of %lu packets ended as they should\n", program_invocation_short_name, c->name,
		(unsigned long)c->ended, (unsigned long)packets);
	exit(1);
}

struct timed *add(const char *name, const char *program, struct bpf_object *obj,
			 struct mz_bench *bench, struct frame in, struct mz_bench keys)
{
	struct timed *c = &cases[count];

	if (count++ == sizeof(cases) / sizeof(cases[0]))
		die("too many cases");

	*c = (struct timed){ .name = name, .program = program, .obj = obj, .bench = bench, .in = in,
			     .keys = keys };
	c->keys.host_base = PEER;
	c->keys.host_mask = c->keys.host_mask ? c->keys.host_mask : HOSTS - 1;
	return c;
}

void add_value(const char *name, double value)
{
	if (count == sizeof(cases) / sizeof(cases[0]))
		die("too many cases");
	cases[count++] = (struct timed){ .name = name, .ns[0] = value };
}

struct mz_bench keys_of(uint32_t dst, uint32_t dsts, uint32_t src, uint32_t srcs, struct frame head)
{
	struct mz_bench b = { .dst_base = dst, .dst_mask = dsts - 1, .src_base = src, .src_mask = srcs - 1 };

	memcpy(b.frame, head.b, head.len < sizeof(b.frame) ? head.len : sizeof(b.frame));
	return b;
}

const char *joined3(const char *a, const char *b, const char *c)
{
	static char names[512][48];
	static int used;

	if (used == sizeof(names) / sizeof(names[0]))
		die("too many names");
	snprintf(names[used], sizeof(names[used]), "%s%s%s", a, b, c);
	return names[used++];
}

const char *joined(const char *a, const char *b)
{
	return joined3(a, b, "");
}

static void print(int rounds)
{
	printf("{");
	for (int i = 0; i < count; i++) {
		printf("%s\"%s\": [", i ? ",\n " : "", cases[i].name);
		for (int r = 0; r < (cases[i].program ? rounds : 1); r++)
			printf("%s%.2f", r ? ", " : "", cases[i].ns[r]);
		printf("]");
	}
	printf("}\n");
}

/* Cases stand in the order in which one makes what the next one finds. */
static void warm_up(int repeat)
{
	for (int i = 0; i < count; i++)
		for (int part = 0; cases[i].program && part < PARTS; part++)
			time_part(&cases[i], 0, part, repeat);
}

static void take_turn(struct timed *c, int round, int turn, int repeat)
{
	if (!c->in_a_row)
		time_part(c, round, turn, repeat);
	for (int part = 0; c->in_a_row && !turn && part < PARTS; part++)
		time_part(c, round, part, repeat);
}

static void run_round(int round, int repeat)
{
	for (int turn = 0; turn < PARTS; turn++)
		for (int i = 0; i < count; i++)
			if (cases[i].program)
				take_turn(&cases[i], round, turn, repeat);
	for (int i = 0; i < count; i++)
		check_ends(&cases[i], (uint64_t)repeat * PARTS);
}

void run_cases(int rounds, int repeat)
{
	repeat = repeat / PARTS > WARM ? repeat / PARTS : WARM;
	warm_up(repeat);
	for (int r = 0; r < rounds; r++)
		run_round(r, repeat);
	print(rounds);
}

int case_count(void)
{
	return count;
}
