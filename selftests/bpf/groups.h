// SPDX-License-Identifier: Apache-2.0
// Groups in rows: who is in one, packets to it, and which copies of them left.
#pragma once

#include "selftests/bpf/row.h"

#define GROUP IP4(239, 1, 2, 3)
#define GROUP6 A6(0xff02, 0x33)
#define IF_B 2u // interfaces of members beside the sender's own
#define IF_C 3u
#define NETWORK 0u // its first shard row

extern const uint8_t mac4[6], mac6[6]; // of GROUP and GROUP6

// ---- the world ----------------------------------------------------------------

struct mz_group_key key_of(struct mz_addr group);
// A group with up to three rows, and an empty one among them.
void put_rows(const char *table, struct mz_addr group, uint32_t a, uint32_t b, uint32_t c);
// A's network has these MZ_NET_F_*, and there are members beside A.
void with_groups(uint32_t world, uint32_t flags);
// False, and no row to run, on a target that cannot copy.
int has_groups(void);

// ---- running ------------------------------------------------------------------

#define ANY UINT64_MAX

// Copies that policy denied to members, by the last packet.
extern struct denied {
	uint32_t ingress, egress, closed, fragment, label, cut;
} denied;
#define DENIED(...) assert_memory_equal(&denied, (&(struct denied){ __VA_ARGS__ }), sizeof(denied))

// One packet: the reason it ends with, alone, how many copies left, and how many did not.
struct frame meet_run(const char *name, struct run run, enum mz_reason why, uint32_t copies, uint64_t losses);
// ... of which policy may deny some, by DENIED;
struct frame judged(const char *name, enum mz_dir dir, struct frame in, enum mz_reason why, uint32_t copies);
// ... of which it denies none.
struct frame meet(const char *name, enum mz_dir dir, struct frame in, enum mz_reason why, uint32_t copies);

void same(struct frame got, struct frame want, int tunnel);
// The copy of that number.
void copy_is(uint32_t i, uint32_t ifindex, struct frame want, int tunnel);

// ---- frames -------------------------------------------------------------------

// The frame with other MAC addresses: `off` bytes in.
struct frame with_mac(struct frame f, uint32_t off, const uint8_t *dst, int src);

#define TO_GROUP(...)  with_mac(INNER(.dst = GROUP, .ttl = 1, ##__VA_ARGS__), 0, mac4, 0)
#define TO_GROUP6(...) with_mac(INNER(.v6 = 1, .dst6 = GROUP6, .ttl = 1, ##__VA_ARGS__), 0, mac6, 0)
#define AT_MEMBER(f, mac) with_mac(f, 0, mac, MAC_GW)
// As it comes from PEER, of its endpoint R.
#define FROM_PEER(...) \
	with_mac(TUNNEL(.in = { .src = EP_R, .dst = GROUP, .ttl = 1 }, ##__VA_ARGS__), MZ_OUTER_LEN4, mac4, 0)
#define FROM_PEER6(...) \
	with_mac(TUNNEL(.in = { .v6 = 1, .src6 = EP6_R, .dst6 = GROUP6, .ttl = 1 }, ##__VA_ARGS__), MZ_OUTER_LEN4, mac6, 0)
