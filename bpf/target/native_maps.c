/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "bpf/target/native_maps.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 4096u

struct mz_native_entry {
	struct mz_native_entry *next;
	uint8_t *value;
	uint8_t key[];
};

static int is_array(const struct mz_native_map *m)
{
	return m->kind == MZ_NATIVE_ARRAY || m->kind == MZ_NATIVE_PERCPU_ARRAY;
}

static uint32_t bucket_of(const struct mz_native_map *m, const void *key)
{
	const uint8_t *k = key;
	uint32_t h = 2166136261u; /* FNV-1a */

	for (uint32_t i = 0; i < m->key_size; i++)
		h = (h ^ k[i]) * 16777619u;
	return h % BUCKETS;
}

static void *array_slot(struct mz_native_map *m, const void *key)
{
	uint32_t index;

	memcpy(&index, key, sizeof(index));
	if (index >= m->max_entries)
		return NULL;
	if (!m->values)
		m->values = calloc(m->max_entries, m->value_size);
	return m->values ? m->values + (size_t)index * m->value_size : NULL;
}

static struct mz_native_entry *find(struct mz_native_map *m, const void *key)
{
	if (!m->buckets)
		return NULL;
	for (struct mz_native_entry *e = m->buckets[bucket_of(m, key)]; e; e = e->next)
		if (!memcmp(e->key, key, m->key_size))
			return e;
	return NULL;
}

static int prefix_matches(const uint8_t *entry, const uint8_t *key, uint32_t bits)
{
	uint32_t whole = bits / 8, rest = bits % 8;

	if (memcmp(entry, key, whole))
		return 0;
	return !rest || !((entry[whole] ^ key[whole]) >> (8 - rest));
}

/* Longest match: keys begin with their length in bits. */
static void *lpm_lookup(struct mz_native_map *m, const void *key)
{
	void *best = NULL;
	uint32_t best_len = 0, len, limit;

	if (!m->buckets)
		return NULL;
	memcpy(&limit, key, sizeof(limit));
	for (uint32_t b = 0; b < BUCKETS; b++) {
		for (struct mz_native_entry *e = m->buckets[b]; e; e = e->next) {
			memcpy(&len, e->key, sizeof(len));
			if (len > limit || (best && len < best_len) ||
			    !prefix_matches(e->key + 4, (const uint8_t *)key + 4, len))
				continue;
			best = e->value;
			best_len = len;
		}
	}
	return best;
}

void *mz_native_lookup(struct mz_native_map *m, const void *key)
{
	struct mz_native_entry *e;

	if (is_array(m))
		return array_slot(m, key);
	if (m->kind == MZ_NATIVE_LPM_TRIE)
		return lpm_lookup(m, key);
	e = find(m, key);
	return e ? e->value : NULL;
}

/* The kernel's LRU evicts some old entry; here the first one found. */
static void evict_one(struct mz_native_map *m)
{
	for (uint32_t b = 0; b < BUCKETS; b++) {
		if (m->buckets[b]) {
			mz_native_delete(m, m->buckets[b]->key);
			return;
		}
	}
}

static int insert(struct mz_native_map *m, const void *key, const void *value)
{
	struct mz_native_entry *e;
	uint32_t b = bucket_of(m, key);

	if (!m->buckets)
		m->buckets = calloc(BUCKETS, sizeof(*m->buckets));
	if (!m->buckets)
		return -ENOMEM;
	if (m->used >= m->max_entries) {
		if (m->kind != MZ_NATIVE_LRU_HASH)
			return -E2BIG;
		evict_one(m);
	}
	e = calloc(1, sizeof(*e) + m->key_size);
	if (e)
		e->value = malloc(m->value_size);
	if (!e || !e->value) {
		free(e);
		return -ENOMEM;
	}
	memcpy(e->key, key, m->key_size);
	memcpy(e->value, value, m->value_size);
	e->next = m->buckets[b];
	m->buckets[b] = e;
	m->used++;
	return 0;
}

int mz_native_update(struct mz_native_map *m, const void *key, const void *value)
{
	void *slot = is_array(m) ? array_slot(m, key) : NULL;
	struct mz_native_entry *e;

	if (is_array(m)) {
		if (!slot)
			return -E2BIG;
		memcpy(slot, value, m->value_size);
		return 0;
	}
	e = find(m, key);
	if (!e)
		return insert(m, key, value);
	memcpy(e->value, value, m->value_size);
	return 0;
}

int mz_native_delete(struct mz_native_map *m, const void *key)
{
	struct mz_native_entry **at, *e;

	if (is_array(m))
		return -EINVAL;
	if (!m->buckets)
		return -ENOENT;
	for (at = &m->buckets[bucket_of(m, key)]; (e = *at); at = &e->next) {
		if (memcmp(e->key, key, m->key_size))
			continue;
		*at = e->next;
		free(e->value);
		free(e);
		m->used--;
		return 0;
	}
	return -ENOENT;
}

void mz_native_clear(struct mz_native_map *m)
{
	struct mz_native_entry *e, *next;

	for (uint32_t b = 0; m->buckets && b < BUCKETS; b++) {
		for (e = m->buckets[b]; e; e = next) {
			next = e->next;
			free(e->value);
			free(e);
		}
	}
	free(m->buckets);
	free(m->values);
	m->buckets = NULL;
	m->values = NULL;
	m->used = 0;
}
