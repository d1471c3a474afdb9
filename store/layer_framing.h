/* SPDX-License-Identifier: Apache-2.0
 * Brings together what a scan tells at different times: the framing of a tar (which runs
 * ahead of its entries by as much as the scanner has buffered) and the digests of its
 * files (known once their content has been read), and feeds the recipe in tar order.
 */
#ifndef STORE_LAYER_FRAMING_H
#define STORE_LAYER_FRAMING_H

#include "store/base/fifo.h"
#include "store/recipe.h"

struct layer_framing {
	struct recipe_writer *recipe;
	struct fifo items;   /* literals and payload that wait for a digest */
	struct fifo digests; /* of files whose payload may still be told */
	struct buf literals; /* bytes of the queued literals */
	size_t literals_used;
};

/* RECIPE is borrowed. */
void layer_framing_init(struct layer_framing *f, struct recipe_writer *recipe);
void layer_framing_release(struct layer_framing *f);

/* In tar order (tar_scan's framing calls). */
int layer_framing_literal(struct layer_framing *f, const void *data, size_t len,
			  struct err *err) MUST_CHECK;
int layer_framing_payload(struct layer_framing *f, uint64_t ordinal, uint64_t off,
			  uint64_t len, struct err *err) MUST_CHECK;

/* The content of entry ORDINAL, a file that is not empty; in the order of entries. HOLE: no
 * byte of it is stored in the tar. */
int layer_framing_digest(struct layer_framing *f, uint64_t ordinal,
			 const struct digest *d, bool hole, struct err *err) MUST_CHECK;

/* Everything was told. ERR_INVALID if payload is left that belongs to no file. */
int layer_framing_finish(struct layer_framing *f, struct err *err) MUST_CHECK;

#endif
