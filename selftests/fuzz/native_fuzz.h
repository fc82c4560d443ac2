// SPDX-License-Identifier: Apache-2.0
// What fuzzers of the native pipeline share.
#pragma once

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "bpf/abi/reasons.h"
#include "bpf/abi/tables.h"
#include "bpf/target/native_api.h"
#include "selftests/bpf/frame.h"

#define HEADROOM 256u // in front of a frame

// VPC slots that a fuzzer's world has counters for.
#define FUZZ_VPCS 5u

// ---- a world: VNI 7, counter slot 3 ----

static inline struct mz_addr addr4(uint32_t v)
{
	return (struct mz_addr){ .w = { 0, 0, htonl(0xffff), htonl(v) } };
}

static inline void put(const char *table, const void *key, const void *value)
{
	if (mz_native_update(mz_native_table(table), key, value))
		abort();
}

// Behind `ifindex`.
static inline void put_host(uint32_t id, struct mz_addr ip, uint32_t ifindex)
{
	struct mz_host h = { .ip = ip, .flags = MZ_HOST_F_KNOWN | MZ_HOST_F_NEXTHOP, .ifindex = ifindex };

	put("mz_hosts", &id, &h);
	put("mz_host_ids", &h.ip, &id);
}

static inline void put_endpoint(struct mz_addr ip, uint32_t host, uint32_t ifindex)
{
	struct mz_ep_key k = { .vni = 7, .ip = ip };
	struct mz_endpoint e = { .host = host, .ifindex = ifindex, .vpc = 3, .flags = MZ_EP_F_PEER };

	put("mz_endpoints", &k, &e);
}

// ---- what has to hold ----

// The sum of all packets' counters, which it sets back; the last slot that had any.
static inline uint64_t counted(uint32_t *vpc)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < FUZZ_VPCS * MZ_DIRS * MZ_REASON_SLOTS; i++) {
		struct mz_count *c = mz_native_lookup(mz_native_table("mz_counters"), &i);

		sum += c->packets;
		if (c->packets)
			*vpc = i / (MZ_DIRS * MZ_REASON_SLOTS);
		c->packets = 0;
	}
	return sum;
}

// What has to hold for any input.
#define MUST(cond)                                                              \
	do {                                                                    \
		if (!(cond)) {                                                  \
			fprintf(stderr, "%s: does not hold: %s\n", __FILE__, #cond); \
			abort();                                                \
		}                                                               \
	} while (0)

// ---- seeds ----

// A frame behind a byte that says of which sort it is.
static inline void save(const char *dir, const char *name, int sort, struct frame f)
{
	char path[512];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	out = fopen(path, "wb");
	if (!out || fputc(sort, out) == EOF || fwrite(f.b, 1, f.len, out) != f.len || fclose(out))
		exit(1);
}
