/* SPDX-License-Identifier: Apache-2.0
 * Foreign compressed bytes to plain bytes, as a stream: gzip by ISA-L (all members, CRC and
 * size of each checked), zstd (all frames, skippable ones skipped, checksums checked),
 * plain. Other filters that `tar:` accepts (xz, bzip2, lzma, lz4, compress) are libarchive's
 * (tar_filter.c). The only user of ISA-L.
 *
 * What follows the last member: zero bytes are accepted (tape padding), anything else is
 * ERR_INVALID. A truncated stream is ERR_INVALID. Output is made only as it is read, so a
 * bomb costs no memory; the caller bounds the bytes it takes.
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
 * here on, also on failure. OTHERS: accept what libarchive can decode too. */
int inflate_open(struct stream *in, bool others, enum inflate_kind *ret_kind,
		 struct stream **ret, struct err *err) MUST_CHECK;

/* A thread that reads SOURCE ahead into a bounded ring of buffers (`count` buffers of
 * `size` bytes), so that decoding overlaps with what the reader does. Owns SOURCE. */
int stream_ahead(struct stream *source, size_t size, unsigned count, struct stream **ret,
		 struct err *err) MUST_CHECK;

#endif
