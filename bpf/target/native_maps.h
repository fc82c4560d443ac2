/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* In-memory tables with the semantics of the BPF maps they stand for: what
 * unit tests, the fuzzer and instruction counts of the native build use.
 * Not thread-safe; values stay where they are until removed. */
#ifndef MZ_TARGET_NATIVE_MAPS_H
#define MZ_TARGET_NATIVE_MAPS_H

#include <stddef.h>
#include <stdint.h>

enum mz_native_kind { MZ_NATIVE_ARRAY, MZ_NATIVE_HASH, MZ_NATIVE_LRU_HASH, MZ_NATIVE_LPM_TRIE, MZ_NATIVE_PERCPU_ARRAY };

struct mz_native_entry;

struct mz_native_map {
	const char *name;
	enum mz_native_kind kind;
	uint32_t key_size, value_size, max_entries;
	uint32_t used;                    /* hash kinds */
	uint8_t *values;                  /* array kinds, made when first touched */
	struct mz_native_entry **buckets; /* hash kinds */
};

/* All as bpf(2) on the map of that kind: NULL or 0/-errno. */
void *mz_native_lookup(struct mz_native_map *m, const void *key);
int mz_native_update(struct mz_native_map *m, const void *key, const void *value);
int mz_native_delete(struct mz_native_map *m, const void *key);
/* Empties the map and gives its memory back. */
void mz_native_clear(struct mz_native_map *m);

#endif
