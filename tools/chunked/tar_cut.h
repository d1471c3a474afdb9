/* SPDX-License-Identifier: Apache-2.0
 * Cuts a tar into the pieces of a zstd:chunked layer: a file's content, or a chunk of it where
 * it is a large one, is a piece of its own, and what stands between are others. Large files
 * are cut where the store cuts them, so that a chunk's digest is that of one of its objects.
 */
#ifndef TOOLS_CHUNKED_TAR_CUT_H
#define TOOLS_CHUNKED_TAR_CUT_H

#include "store/base/stream.h"
#include "store/chunk.h"
#include "store/tar_raw.h"

#define TAR_CUT_MAX CHUNK_MAX /* bytes of a piece */

/* What the tar consists of, in its order. */
struct tar_cut_sink {
	/* FRAMING: all bytes since the last content, or the last entry without any; the last
	 * HEADER_LEN of them are the headers of this entry. *ret_refused: it, and all that
	 * follows, is only cut into equal pieces, and nothing more is told. */
	int (*entry)(void *arg, const struct tar_raw_entry *e, const uint8_t *framing,
		     size_t len, size_t header_len, bool *ret_refused, struct err *err);
	/* A chunk of its content; LAST: there is no more of it. */
	int (*content)(void *arg, const void *data, size_t len, bool last,
		       struct err *err);
	/* Bytes that belong to no entry. */
	int (*rest)(void *arg, const void *data, size_t len, struct err *err);
	void *arg;
};

struct tar_cut;

/* Borrows TAR, which is a whole and valid one. */
int tar_cut_new(struct stream *tar, const struct tar_cut_sink *sink, struct tar_cut **ret,
		struct err *err) MUST_CHECK;
void tar_cut_free(struct tar_cut *c); /* NULL is ignored */

/* Fills in the next piece; *ret_len 0: the end. *ret_content: it is a chunk. */
int tar_cut_next(struct tar_cut *c, uint8_t data[TAR_CUT_MAX], size_t *ret_len,
		 bool *ret_content, struct err *err) MUST_CHECK;

#endif
