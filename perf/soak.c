// SPDX-License-Identifier: Apache-2.0
// What a CPU has left: runs for some seconds at the lowest priority there is, and says how much of them it got. Not
// by what it got done: how fast a virtual CPU is depends on who has the other half of the core.
//   soak SECONDS     prints {"left": SHARE}; what all others took, softirqs on their behalf with it, is the rest
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	const struct sched_param lowest = { 0 };
	double begin, mine, took = 0;

	if (argc != 2 || atof(argv[1]) <= 0) {
		fprintf(stderr, "usage: soak SECONDS\n");
		return 2;
	}
	if (sched_setscheduler(0, SCHED_IDLE, &lowest)) {
		perror("soak: SCHED_IDLE");
		return 1;
	}
	begin = now(CLOCK_MONOTONIC);
	mine = now(CLOCK_THREAD_CPUTIME_ID);
	while (took < atof(argv[1])) {
		for (volatile int i = 0; i < 1000; i++)
			;
		took = now(CLOCK_MONOTONIC) - begin;
	}
	printf("{\"left\": %.6f}\n", (now(CLOCK_THREAD_CPUTIME_ID) - mine) / took);
	return 0;
}
