/* SPDX-License-Identifier: Apache-2.0
 * Reads the table of contents of an eStargz layer, stretch by stretch. A stretch is what the
 * blob has between two offsets of the table; decompressed it is content (mostly one file or a
 * chunk of one), padding, and the headers of what follows. The table has no headers, only what
 * they say: they are told as Go's archive/tar would write them (go_header.h), so a stretch
 * can be known without reading it. Where they are others, a table that we wrote tells where
 * in the blob they are (`headersOffset` in the row of the content behind them).
 *
 * All of it is from outside and is checked: the chunks of a file cover it, and lie in the blob
 * one behind the other, in the order of the table.
 */
#ifndef TOOLS_CHUNKED_STARGZ_TOC_H
#define TOOLS_CHUNKED_STARGZ_TOC_H

#include "store/base/buf.h"
#include "store/base/stream.h"
#include "store/digest.h"

/* Bytes of a piece, of the headers in a stretch, and of a stretch in the blob. */
#define STARGZ_PART_MAX (16u << 20)

/* A file, or a chunk of one. A digest that the table does not have is zero. */
struct stargz_piece {
	struct digest file, chunk;
	uint64_t file_size;
	uint64_t off, len;
	size_t framing; /* bytes of the stretch's framing that follow it */
};

/* Valid until the next one is read. */
struct stargz_stretch {
	uint64_t at, end;
	const struct stargz_piece *pieces; /* the first stretch has none */
	size_t count;
	const struct buf *framing;
	uint64_t len; /* of all, decompressed */
	/* Where in it the first header of the layer's own stands; `len`: there is none. */
	uint64_t header;
	bool last; /* what else follows is not in the table */
	/* Its headers are not told: they are at `headers_at` .. `end` of the blob, with what
	 * else follows its only piece. */
	bool untold;
	uint64_t headers_at;
};

struct stargz_toc;

/* IN: the text, SIZE bytes at most; belongs to it, also on failure. END: of all stretches. */
int stargz_toc_open(struct stream *in, uint64_t size, uint64_t end,
		    struct stargz_toc **ret, struct err *err) MUST_CHECK;
void stargz_toc_close(struct stargz_toc *t); /* NULL is ignored */

AUTO_DEFINE(stargz_toc, struct stargz_toc, stargz_toc_close)
#define auto_stargz_toc AUTO(stargz_toc)

/* GNU: the headers are told as for entries that were GNU tar's. *ret NULL: the end.
 * ERR_INVALID, ERR_LIMIT. */
int stargz_toc_next(struct stargz_toc *t, bool gnu, const struct stargz_stretch **ret,
		    struct err *err) MUST_CHECK;

#endif
