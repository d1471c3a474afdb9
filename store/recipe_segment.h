/* SPDX-License-Identifier: Apache-2.0
 * The two decoders of recipe bytes (recipe_format.h) in pull form, and what else is needed to
 * go through a recipe frame by frame: recipe_read.c, gc, layers that are adopted. The decoders
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
	struct pack_place at;
};

/* AT: of the index's own frame; its segments lie in packs beside that (pack_place_beside). */
int recipe_index_open(struct recipe_index *x, const uint8_t *bytes, size_t len,
		      const struct pack_place *at, struct err *err) MUST_CHECK;

/* Reads an index or a segment into RAW. SCRATCH is overwritten. ERR_CORRUPT for any other
 * frame; ERR_NOTFOUND: its pack is not there. */
int recipe_frame_read(struct packs *packs, const struct pack_place *at,
		      struct codec *codec, struct buf *scratch, struct buf *raw,
		      struct err *err) MUST_CHECK;

/* Writes an index in memory anew for segments that move: MOVE is told the place of each, in
 * order, and says the new one in it. */
typedef int recipe_move_fn(void *arg, struct pack_place *segment, struct err *err);
int recipe_index_move(struct buf *index, const struct pack_place *at,
		      recipe_move_fn *move, void *arg, struct err *err) MUST_CHECK;

/* The next segment: where it is, which tar bytes [at, end) it covers. */
int recipe_index_next(struct recipe_index *x, struct pack_place *ret, uint64_t *ret_at,
		      uint64_t *ret_end, bool *ret_more, struct err *err) MUST_CHECK;

#endif
