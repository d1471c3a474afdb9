/* SPDX-License-Identifier: Apache-2.0
 * What of a layer the store or an alternate has: asked while the parts to fetch are planned,
 * and read again in the same order when the tar is put together.
 */
#ifndef TOOLS_CHUNKED_KNOWN_PARTS_H
#define TOOLS_CHUNKED_KNOWN_PARTS_H

#include "store/object.h"

struct known_parts {
	struct objects *objects;
	struct buf notes;
	size_t at;
};

/* Borrows OBJECTS. */
void known_parts_init(struct known_parts *k, struct objects *objects);
void known_parts_release(struct known_parts *k);

/* Whether there is content of this digest and SIZE. */
int known_parts_has(const struct known_parts *k, const struct digest *d, uint64_t size,
		    bool *ret, struct err *err) MUST_CHECK;

/* Notes are read in the order in which they were made. ERR_LIMIT: there are too many. */
int known_parts_note(struct known_parts *k, uint8_t note, struct err *err) MUST_CHECK;
uint8_t known_parts_next(struct known_parts *k);

/* Content that known_parts_has found, from OFF on. *ret_len is never 0. */
int known_parts_read(const struct known_parts *k, const struct digest *d, uint64_t off,
		     void *data, size_t cap, size_t *ret_len, struct err *err) MUST_CHECK;

#endif
