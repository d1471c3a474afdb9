/* SPDX-License-Identifier: Apache-2.0
 * Foreign compressed bytes to plain bytes, as a stream: gzip by ISA-L (inflate_gzip.c, the
 * only user of ISA-L; all members, CRC and size of each checked), zstd (inflate_zstd.c; all
 * frames, skippable ones skipped, checksums checked), plain. Other filters that `tar:`
 * accepts (xz, bzip2, lzma, lz4, compress) are libarchive's (tar_filter.h).
 *
 * What follows the last member: zero bytes are accepted (tape padding), anything else is
 * ERR_INVALID. A truncated stream is ERR_INVALID ("ends early"). Output is made only as it
 * is read, so a bomb costs no memory; the caller bounds the bytes it takes. A window or
 * dictionary of more than 128 MiB is ERR_LIMIT, more than 1000 members without content in
 * a row ERR_INVALID. Reads of 64 KiB and more are decoded in place.
 */
#ifndef STORE_INFLATE_H
#define STORE_INFLATE_H

#include "store/base/stream.h"

enum inflate_kind {
	INFLATE_NONE = 0,
	INFLATE_GZIP = 1,
	INFLATE_ZSTD = 2,
	INFLATE_OTHER = 3,
};

/* Looks at the first bytes of IN (magic, never a media type) and wraps it. Owns IN from
 * here on, also on failure. OTHERS: accept what libarchive can decode too; else that is
 * ERR_INVALID. */
int inflate_open(struct stream *in, bool others, enum inflate_kind *ret_kind,
		 struct stream **ret, struct err *err) MUST_CHECK;

/* A thread that reads SOURCE ahead into a bounded ring of buffers (`count` > 1 buffers of
 * `size` bytes), so that decoding overlaps with what the reader does. Owns SOURCE, also on
 * failure. An error comes behind all bytes that were read before it. Closing waits for the
 * read that is under way, except that one of a pipe is broken off. */
int stream_ahead(struct stream *source, size_t size, unsigned count, struct stream **ret,
		 struct err *err) MUST_CHECK;

#endif
