/* SPDX-License-Identifier: Apache-2.0
 * The two decoders of recipe bytes (recipe_format.h) in pull form, for recipe_read.c. They
 * work in place: no allocation, every bound checked, ERR_CORRUPT for anything wrong.
 */
#ifndef STORE_RECIPE_SEGMENT_H
#define STORE_RECIPE_SEGMENT_H

#include "store/recipe.h"

struct recipe_segment {
	struct cursor ops;
	const uint8_t *objects; /* COUNT digests */
	uint32_t count, used;
	uint64_t at; /* tar offset of the next op */
};

/* BYTES stay in use until the last recipe_segment_next. AT: tar offset of its first byte. */
int recipe_segment_open(struct recipe_segment *g, const uint8_t *bytes, size_t len,
			uint64_t at, struct err *err) MUST_CHECK;

/* The next op; *ret_more false at the end, once all objects are used. */
int recipe_segment_next(struct recipe_segment *g, struct recipe_step *ret, bool *ret_more,
			struct err *err) MUST_CHECK;

struct recipe_index {
	const uint8_t *entries;
	uint32_t count, next;
	uint64_t tar_size;
};

int recipe_index_open(struct recipe_index *x, const uint8_t *bytes, size_t len,
		      struct err *err) MUST_CHECK;

/* The next segment: where it is, which tar bytes [at, end) it covers. */
int recipe_index_next(struct recipe_index *x, struct pack_place *ret, uint64_t *ret_at,
		      uint64_t *ret_end, bool *ret_more, struct err *err) MUST_CHECK;

#endif
