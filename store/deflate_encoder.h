/* SPDX-License-Identifier: Apache-2.0
 * What an encoder gives to deflate.c: pieces compressed one by one. Included by deflate*.c
 * only.
 */
#ifndef STORE_DEFLATE_ENCODER_H
#define STORE_DEFLATE_ENCODER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/base/err.h"

struct deflate_piece {
	const uint8_t *data; /* the bytes before it are the end of the piece before */
	size_t len, before;
	bool last;
};

/* Concrete encoders embed it as their first member. One thread each. */
struct deflate_encoder {
	/* Bytes that a piece of LEN bytes may become at most. */
	size_t (*bound)(struct deflate_encoder *e, size_t len);
	/* OUT has room for that much. */
	int (*encode)(struct deflate_encoder *e, const struct deflate_piece *piece,
		      uint8_t *out, size_t cap, size_t *ret_len, struct err *err);
	void (*free)(struct deflate_encoder *e);
};

/* How the stream is cut for an encoder. */
struct deflate_plan {
	size_t unit;   /* bytes of a piece; the last may have fewer, the only one none */
	size_t before; /* bytes of the piece before that it wants to see */
	bool serial;   /* one encoder gets all pieces in order */
	int (*make)(const struct deflate_plan *plan, struct deflate_encoder **ret,
		    struct err *err);
	int level;
	unsigned variant;
};

/* Whole gzip members and zstd frames: pieces that know nothing of each other. */
int deflate_gzip_new(const struct deflate_plan *plan, struct deflate_encoder **ret,
		     struct err *err) MUST_CHECK;
int deflate_zstd_new(const struct deflate_plan *plan, struct deflate_encoder **ret,
		     struct err *err) MUST_CHECK;

/* One deflate stream over all pieces, as others make it: zlib in one go, pigz, Go's
 * compress/flate, and pgzip with its compressor. */
int deflate_zlib_new(const struct deflate_plan *plan, struct deflate_encoder **ret,
		     struct err *err) MUST_CHECK;
int deflate_pigz_new(const struct deflate_plan *plan, struct deflate_encoder **ret,
		     struct err *err) MUST_CHECK;
int deflate_go_new(const struct deflate_plan *plan, struct deflate_encoder **ret,
		   struct err *err) MUST_CHECK;
int deflate_pgzip_new(const struct deflate_plan *plan, struct deflate_encoder **ret,
		      struct err *err) MUST_CHECK;

#define DEFLATE_GZIP_MAX 12
#define DEFLATE_ZSTD_MAX 19

/* CRC-32 as gzip has it, of more bytes. */
uint32_t deflate_gzip_crc(uint32_t crc, const void *data, size_t len);

#endif
