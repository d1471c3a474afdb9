/* SPDX-License-Identifier: Apache-2.0
 * Compression of frames: zstd, or raw where zstd gains nothing. The only user of libzstd
 * inside the store's own frames (inflate_zstd.c uses it too, for foreign layers).
 *
 * Every zstd frame is written with its content checksum and content size, so decoding
 * detects damage by itself; a pack frame's own checksum covers raw bodies.
 */
#ifndef STORE_CODEC_H
#define STORE_CODEC_H

#include "store/base/buf.h"
#include "store/base/err.h"

enum codec_method {
	CODEC_RAW = 0,
	CODEC_ZSTD = 1,
};

/* Default level for new frames: see README, "Measured". */
#define CODEC_LEVEL_DEFAULT 3

/* Reusable compression and decompression contexts. One per thread. */
struct codec;

int codec_new(struct codec **ret, struct err *err) MUST_CHECK;
void codec_free(struct codec *c); /* NULL is ignored */

AUTO_DEFINE(codec, struct codec, codec_free)
#define auto_codec AUTO(codec)

/* Appends the encoding of SRC to OUT and tells the method. Bodies that a cheap probe finds
 * incompressible, or that shrink by less than 1/32, are appended raw. The output depends
 * only on the input, LEVEL and the zstd version. */
int codec_compress(struct codec *c, const void *src, size_t len, int level,
		   struct buf *out, enum codec_method *ret_method,
		   struct err *err) MUST_CHECK;

/* Decodes to exactly DST_LEN bytes. Anything else (bad stream, other length, bad checksum,
 * unknown method) is ERR_CORRUPT. */
int codec_decompress(struct codec *c, enum codec_method method, const void *src,
		     size_t src_len, void *dst, size_t dst_len,
		     struct err *err) MUST_CHECK;

/* The same for zstd frames that others made, one or more, of which none need say its size. */
int codec_decompress_foreign(struct codec *c, const void *src, size_t src_len, void *dst,
			     size_t dst_len, struct err *err) MUST_CHECK;

#endif
