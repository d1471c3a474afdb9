/* SPDX-License-Identifier: Apache-2.0
 * The list of a chunked object's chunks: a slice of a PACK_CHUNKS frame.
 *
 *	list  := entry+
 *	entry := SHA-256 of the chunk (32) | u64 where it ends in the content
 *
 * Ends grow strictly; the last one is the content's size. A zero digest is a hole: that
 * range is zeros and stored nowhere, however long. Any other range is a whole object of the
 * catalog with exactly that length. Ends rather than lengths make the list its own search
 * tree: a reader needs no prefix sums.
 *
 * Reading: pure functions of untrusted bytes, borrowed by struct chunk_list. No state.
 */
#ifndef STORE_CHUNK_LIST_H
#define STORE_CHUNK_LIST_H

#include "store/base/buf.h"
#include "store/digest.h"
#include "store/pack_format.h"

#define CHUNK_LIST_ENTRY_SIZE 40
/* Of one list: it has to fit a frame's body. */
#define CHUNK_LIST_ENTRIES_MAX (PACK_BODY_MAX / CHUNK_LIST_ENTRY_SIZE)

struct chunk_list {
	const uint8_t *entries;
	size_t count; /* > 0 */
};

struct chunk_range {
	struct digest digest;
	uint64_t off, len; /* in the content; len > 0 */
	bool hole;
};

/* Takes the bytes as a list. ERR_CORRUPT: empty, or not a whole number of entries. */
int chunk_list_open(const uint8_t *bytes, size_t len, struct chunk_list *ret,
		    struct err *err) MUST_CHECK;

/* The content's size. */
uint64_t chunk_list_size(const struct chunk_list *list);

/* Entry I (< count). ERR_CORRUPT if its end does not lie behind its start, or a chunk is
 * longer than a frame's body. */
int chunk_list_get(const struct chunk_list *list, size_t i, struct chunk_range *ret,
		   struct err *err) MUST_CHECK;

/* The entry that OFF (< size) lies in. On a list whose ends do not grow: some entry. */
size_t chunk_list_find(const struct chunk_list *list, uint64_t off);

/* Appends an entry; END as in the list. A hole behind a hole extends it. */
int chunk_list_append(struct buf *buf, const struct digest *chunk, uint64_t end,
		      struct err *err) MUST_CHECK;

#endif
