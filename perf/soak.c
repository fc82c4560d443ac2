// SPDX-License-Identifier: Apache-2.0
// What a CPU has left: counts loops for some seconds at the lowest priority there is, so that
// everything else on the CPU, the kernel's softirqs too, takes from the count.
//   soak SECONDS     prints {"loops": N}; `idle` runs of the same CPU say what all of it is
#define _GNU_SOURCE
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	const struct sched_param lowest = { 0 };
	uint64_t loops = 0;
	double end;

	if (argc != 2 || atof(argv[1]) <= 0) {
		fprintf(stderr, "usage: soak SECONDS\n");
		return 2;
	}
	if (sched_setscheduler(0, SCHED_IDLE, &lowest)) {
		perror("soak: SCHED_IDLE");
		return 1;
	}
	end = now() + atof(argv[1]);
	while (now() < end) {
		for (volatile int i = 0; i < 1000; i++)
			;
		loops++;
	}
	printf("{\"loops\": %lu}\n", loops);
	return 0;
}
