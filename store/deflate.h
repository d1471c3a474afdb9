/* SPDX-License-Identifier: Apache-2.0
 * Plain bytes to compressed ones, as a stream, on all CPUs: the way out, as inflate.h is the
 * way in. Either new, or as another encoder made them. The output depends on the input, the
 * parameters and the library's version only, not on the number of threads.
 *
 * New: the input is cut every DEFLATE_UNIT_* bytes, and each piece is a gzip member without
 * name or time (deflate_gzip.c, the only user of libdeflate) or a zstd frame with content
 * size and checksum (deflate_zstd.c) of its own, so that pieces need not wait for each other.
 *
 * As another made them: one gzip member, see encoding.h. zlib's streams are made by zlib,
 * which has to be of a version that still does as the maker's did; those of Go programs by
 * encoders of our own (deflate_go.c, deflate_pgzip*.c). pigz and pgzip cut their input too,
 * so theirs are made on all CPUs; the others take one.
 */
#ifndef STORE_DEFLATE_H
#define STORE_DEFLATE_H

#include "store/base/buf.h"
#include "store/encoding.h"
#include "store/inflate.h"

#define DEFLATE_UNIT_GZIP (1u << 20)
#define DEFLATE_UNIT_ZSTD (4u << 20)

/* gzip 1: at most 1.10 times what `pigz -6` makes, in a sixth of its time. */
#define DEFLATE_LEVEL_GZIP 1
#define DEFLATE_LEVEL_ZSTD 3

/* Levels are 1 to this; ERR_INVALID otherwise. 0 for INFLATE_NONE. */
int deflate_level_max(enum inflate_kind kind);

/* Compresses IN, which belongs to the new stream, also on failure. KIND: INFLATE_NONE (IN
 * itself), INFLATE_GZIP or INFLATE_ZSTD. LEVEL 0: the default. THREADS 0: one per CPU. No
 * input gives one empty member or frame. */
int deflate_open(struct stream *in, enum inflate_kind kind, int level, unsigned threads,
		 struct stream **ret, struct err *err) MUST_CHECK;

/* Pieces that are cut by the caller, who is told how long each became. Both are called by the
 * thread that reads the stream, in the order of the pieces. */
struct deflate_pieces {
	size_t unit; /* a piece has at most so many bytes */
	/* Fills in the next piece; *ret_len 0: there is none. */
	int (*next)(void *arg, void *data, size_t cap, size_t *ret_len, struct err *err);
	/* The bytes that are read next are the next piece, LEN of them. */
	int (*packed)(void *arg, size_t len, struct err *err);
	void *arg;
};
int deflate_open_pieces(const struct deflate_pieces *pieces, enum inflate_kind kind,
			int level, unsigned threads, struct stream **ret,
			struct err *err) MUST_CHECK;

/* Appends one member or frame of all LEN bytes to OUT. LEVEL 0: the default. */
int deflate_append(enum inflate_kind kind, int level, const void *data, size_t len,
		   struct buf *out, struct err *err) MUST_CHECK;

/* The same with another encoder's ways, header included: what comes out is what it would
 * have made, if the guess was right. ERR_INVALID: a maker that is not known here. */
int deflate_open_as(struct stream *in, const struct encoding *encoding, unsigned threads,
		    struct stream **ret, struct err *err) MUST_CHECK;

#endif
