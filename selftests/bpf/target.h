// SPDX-License-Identifier: Apache-2.0
// One packet table, three targets: TC and XDP by BPF_PROG_TEST_RUN, native by
// a call. A target hides where its tables are and what its verdicts look like.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bpf/abi/functions.h"
#include "bpf/abi/reasons.h"
#include "bpf/abi/tables.h"
#include "selftests/bpf/frame.h"

enum verdict { V_DROP, V_PASS, V_TX /* out of the way it came */, V_REDIRECT };

struct run {
	enum mz_dir dir;
	struct frame frame; // in and out
	uint32_t gso_size;
	bool no_room;       // headers cannot be added or removed
	bool trace;
	bool reply;         // from the services' namespace
	enum { NO_GATEWAY, GW_OUT, GW_IN } gateway; // which of its programs
	bool returned;      // from a function's interface
	enum verdict verdict; // out
	uint64_t departure;   // out: ns, 0 = at once
	uint32_t priority;    // out
};

struct target {
	const char *name;
	// The interface packets enter by: TEST_RUN's default is the loopback's.
	uint32_t ifindex;
	bool has_fib; // asks the kernel where the hosts table has no next hop
	// What a redirect out of `ifindex` looks like.
	enum verdict same_interface;
	int (*open)(void);
	void (*close)(void);
	void (*reset)(void); // all tables empty
	void (*forget)(const char *map); // everything in it; a hash
	int (*update)(const char *map, const void *key, const void *value);
	int (*lookup)(const char *map, const void *key, void *value);
	int (*run)(struct run *r);
	uint32_t (*events)(union mz_any_event *last); // since reset
	bool endpoint_functions, hop_functions; // which points it has
	// Puts a function that returns `verdict` in a slot (of hops: MZ_FUNCTIONS and on),
	// whatever is there.
	int (*function)(uint32_t slot, int verdict);
	struct mz_function_packet (*seen)(uint32_t slot); // what it was last given
	// Copies of packets to groups since it was opened; copy `i` and the interface it left
	// by, if these are not NULL. NULL: it cannot copy.
	uint32_t (*copies)(uint32_t i, uint32_t *ifindex, struct frame *f);
	int (*answers)(bool there); // whether the program of answers is; NULL: always
	int (*keep_flows)(bool keep); // whether MZ_CFG_F_KEEP_FLOWS is set; it is not after a reset
	uint32_t (*now)(void);                     // clock of mz_path, jiffies
	uint64_t (*ns)(void);                      // clock of departure times; NULL: it has none
};

extern const struct target target_tc, target_xdp, target_native;

// PACKET_ONLY_TC is set: a short run, for where the verifier is slow.
bool only_tc(void);

// Every target's gateway leaves by an interface of this number, MTU and MAC_SELF, to
// MAC_NEXT for OUT_R, OUT_R2 and OUT6_R, and has no other routes.
#define OUTSIDE     77u
#define OUTSIDE_MTU 1400u

// The configuration every target runs with.
struct mz_cfg test_cfg(void);
#define TEST_HOME_LINES 16u // of mz_homes: few, so that lines are shared

struct mz_addr addr4(uint32_t host_order);
