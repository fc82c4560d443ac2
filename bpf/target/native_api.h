/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the native build offers to its callers. Not thread-safe: one pipeline,
 * one set of tables a process. */
#ifndef MZ_TARGET_NATIVE_API_H
#define MZ_TARGET_NATIVE_API_H

#include <stdint.h>

#include "bpf/abi/functions.h"
#include "bpf/abi/tables.h"
#include "bpf/target/native_maps.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mz_native_packet {
	uint8_t *data;     /* in: frame; out: frame, moved by what was added or removed */
	uint32_t len;      /* bytes at data */
	uint32_t headroom; /* free bytes in front of data */
	uint32_t tailroom; /* free bytes behind data + len */
	uint32_t ifindex;  /* where it came from */
	uint32_t gso_size; /* superpacket: payload bytes a segment, else 0 */
	uint8_t  trace;    /* described only: counts and teaches nothing */
	uint8_t  fixed_head; /* headers cannot be removed (tests) */
	const struct bpf_fib_lookup *fib; /* what the FIB answers, NULL: no route */
	int fib_rc;           /* ... and returns */
	uint32_t out_ifindex; /* out */
	uint32_t reason;      /* out: MZ_R_* */
	uint64_t departure;   /* out: when it may leave, ns; untouched: at once */
	uint32_t priority;    /* out: skb->priority */
};

/* What a program is that bpf/abi/function.h makes: in slot 0..7, for endpoints and hops alike. */
typedef int (*mz_native_function)(struct mz_native_packet *pkt, const struct mz_function_packet *described);
void mz_native_set_function(uint32_t slot, mz_native_function function);

/* What packets to groups became: the last MZ_NATIVE_COPIES copies. Interfaces from
 * MZ_NATIVE_NO_DEVICE on do not take any. */
#define MZ_NATIVE_COPIES    16u
#define MZ_NATIVE_NO_DEVICE 1000000u
struct mz_native_copy {
	uint32_t ifindex, len;
	uint8_t frame[2048];
};
/* Copies since the last reset; copy `i` of them in `copy`, if that is not NULL. */
uint32_t mz_native_copy_count(uint32_t i, struct mz_native_copy *copy);

/* All return an enum mz_act. */
int mz_native_egress(struct mz_native_packet *pkt);
int mz_native_ingress(struct mz_native_packet *pkt);
int mz_native_reply(struct mz_native_packet *pkt);
int mz_native_gateway_out(struct mz_native_packet *pkt);
int mz_native_gateway_in(struct mz_native_packet *pkt);
int mz_native_returned(struct mz_native_packet *pkt);

void mz_native_configure(const struct mz_cfg *cfg);
/* The clock ages are measured with, jiffies. */
void mz_native_set_clock(uint32_t now);
/* The clock of departure times, ns. */
void mz_native_set_ns(uint64_t now);
/* The table of that name ("mz_endpoints"), or NULL. */
struct mz_native_map *mz_native_table(const char *name);
/* Events so far; the last one in `last` if not NULL. */
uint32_t mz_native_event_count(union mz_any_event *last);
/* Empties every table, forgets events, sets clock and configuration to 0. */
void mz_native_reset(void);

#ifdef __cplusplus
}
#endif
#endif
