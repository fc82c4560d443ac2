// SPDX-License-Identifier: Apache-2.0
// A row of the packet tables: name, world, input, expectation. Checked for each:
// the verdict, the bytes that come out, that exactly one counter moved (the
// reason's, of the right VPC and direction, by one packet of the right size), the
// learned path and the events.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bpf/abi/hash.h"
#include "selftests/bpf/target.h"

#define VNI      7u
#define VPC_SLOT 3u
#define SELF     1u
#define PEER     2u
#define BOUNCER  3u
#define BACKUP   4u
#define DIVIDER  5u
#define PATH_TTL 30000u
#define HINT_INTERVAL 1000u
#define FLOW_TIMEOUT(timer) (100000u + (timer)) // one of its own for each
#define ANSWERS  5u // an endpoint's a second
#define HOST_PORT 8080u // the host may reach it, and the next one
#define GROUP_PACKETS 50u // the same, to groups
#define SLOTS    4u // VPC slots looked at

// The world a row runs in.
enum {
	W_PATH = 1 << 0,         // EP_R was seen on PEER just now
	W_OLD_PATH = 1 << 1,     // ... longer ago than the TTL
	W_BOUNCER_DOWN = 1 << 2,
	W_IS_BOUNCER = 1 << 3,   // EP_R stands in the endpoints table, on PEER
	W_IS_DIVIDER = 1 << 4,
	W_SELF_BOUNCER = 1 << 5, // this host is the primary of every bucket
	W_SELF_DIVIDER = 1 << 6,
	W_NO_VPC = 1 << 7,
	W_NO_NETWORK = 1 << 8,
	W_NO_SHARD = 1 << 9,     // the network's table names nobody
	W_NO_NEXTHOP = 1 << 10,
	W_NO_PORT = 1 << 11,
	W_PORT_TAKEN = 1 << 12,  // the slot is another interface's
	W_NO_HOSTS = 1 << 13,
	W_FAR = 1 << 14,         // next hops leave by another interface
	W_PENDING = 1 << 15,     // EP_R is ours but not connected yet
	W_SMALL_MTU = 1 << 16,
	W_BOUNCED_LONG = 1 << 17, // W_PATH, and its last hint is long ago
	W_TAP = 1 << 18,          // EP_B is a tap
	W_UNDERLAY6 = 1 << 19,    // every host's address is IPv6
	W_PEER6 = 1 << 20,        // PEER's is
	W_NO_IP6 = 1 << 21,       // the endpoint has no IPv6 address
	W_EUI64 = 1 << 22,        // ... or one made of its MAC
	W_MTU_500 = 1 << 23,      // the endpoint's MTU is 500
	W_MTU_1280 = 1 << 24,
	W_NO_GATEWAY = 1 << 25,   // a network too small for one
	W_ANSWERED_OUT = 1 << 26, // the endpoint had its answers of this second
	W_LINK6 = 1 << 27,        // it asked for DHCPv6 from LL6_A
	W_NO_IP4 = 1 << 28,       // the endpoint has no IPv4 address
	W_BACKUP_DOWN = 1 << 29,
	W_FULL_LINES = 1 << 30,   // another VPC's endpoints fill all lines of mz_homes
};

extern const struct target *T; // the target rows run on
extern bool reached[MZ_REASON_COUNT]; // by a row on it
extern bool skipped[MZ_REASON_COUNT]; // a row would, on newer kernels

enum act { SENT, DELIVERED, ANSWERED, DROPPED, PASSED };

#define ANY_PATH 0u
#define NO_PATH  0xffffffffu

struct row {
	const char *name;
	uint32_t world;
	struct frame in;
	enum act act;
	enum mz_reason why;
	uint32_t no_vpc;    // counted under no VPC
	struct frame out;   // compared when its len is not 0
	uint32_t path;      // host of the path to EP_R afterwards, or NO_PATH
	bool path6;         // ... to EP6_R
	uint32_t event;     // MZ_EVENT_* expected, 0 = none
	uint32_t gso_size;
	bool no_room;
	bool reply;         // comes from the services' namespace
	bool returned;      // comes from a function's interface
	bool far;           // leaves by another interface than it came
};

struct counts {
	struct mz_count c[SLOTS * MZ_DIRS * MZ_REASON_SLOTS];
};
void read_counts(struct counts *all);

void put(const char *map, const void *key, const void *value);
void build_world(uint32_t world);
void check_path(const struct row *r);
void run_row(const struct row *r, enum mz_dir dir);

// One packet in the world as it is, the reason it ends with, and, if its len is not 0,
// what comes out. `gateway`: GW_OUT, GW_IN, or NO_GATEWAY and `dir`.
enum verdict pass_by(const char *name, int gateway, enum mz_dir dir, struct frame in, enum mz_reason why,
		     struct frame out);
void pass(const char *name, enum mz_dir dir, struct frame in, enum mz_reason why, struct frame out);

// The endpoint behind `ifindex` has functions at `point`: one, which lets all pass.
void with_function(struct mz_addr ip, uint32_t ifindex, enum mz_function_point point);
// What that one was told of the last packet.
void saw(uint32_t src, uint16_t sport, uint32_t dst, uint16_t dport);

#define RUN_TABLE(rows, dir)                                               \
	do {                                                               \
		for (size_t i_ = 0; i_ < sizeof(rows) / sizeof((rows)[0]); i_++) \
			run_row(&(rows)[i_], dir);                         \
	} while (0)

// What this host makes of a tenant's packet from EP_A towards host `dst_ip`.
#define SENT_TO(dst_ip, ...)                                                             \
	TUNNEL(.in = { __VA_ARGS__ }, .src = SELF_IP, .dst = (dst_ip), .dmac = MAC_NEXT, \
	       .smac = MAC_SELF, .label = 0xabc, .qos_class = 9, .origin = SELF, .sender = SELF)

#define A_TO(dst_) .src = EP_A, .dst = (dst_), .smac = MAC_A

#define R_TO_A .src = EP_R, .dst = EP_A
#define DELIVERED_A(...) as_delivered(INNER(R_TO_A, ##__VA_ARGS__), MAC_A)

// A tunnel packet that a hop sends on.
#define HOP_TO(dst_ip, hops_, ...)                                                          \
	TUNNEL(.in = { __VA_ARGS__ }, .src = SELF_IP, .dst = (dst_ip), .dmac = MAC_NEXT,    \
	       .smac = MAC_SELF, .hops = (hops_), .sender = SELF, .ttl = 63)
#define FROM_BOUNCER .src = BOUNCE_IP, .sender = BOUNCER, .origin = BOUNCER
#define A_TO_R .in = { .src = EP_A, .dst = EP_R }
