/* SPDX-License-Identifier: Apache-2.0
 * A compact hash map keyed by digest. Entries lie side by side in the order they were
 * added, so the map costs little over the entries themselves (about 8 bytes each) and can
 * be handed on as an array.
 *
 * An entry is any structure that begins with its struct digest. Not thread-safe.
 */
#ifndef STORE_DIGEST_MAP_H
#define STORE_DIGEST_MAP_H

#include "store/digest.h"

struct digest_map {
	uint8_t *entries;
	size_t entry_size;
	uint32_t count, capacity;
	uint32_t *slots; /* entry number + 1; 0: free */
	unsigned slot_bits;
	uint64_t seed;
};

/* Makes an empty map of entries of ENTRY_SIZE bytes. Allocates nothing. */
void digest_map_init(struct digest_map *m, size_t entry_size);
void digest_map_release(struct digest_map *m);

/* The entry's number, or -1. */
int64_t digest_map_find(const struct digest_map *m, const struct digest *d);

/* Adds a zeroed entry for a digest that is not there; its number is the count of entries
 * before. ERR_NOMEM; ERR_LIMIT above 2^31 entries. */
int digest_map_add(struct digest_map *m, const struct digest *d, uint32_t *ret,
		   struct err *err) MUST_CHECK;

/* Valid until the next digest_map_add. */
static inline void *digest_map_entry(const struct digest_map *m, uint32_t number)
{
	return m->entries + (size_t)number * m->entry_size;
}

#endif
