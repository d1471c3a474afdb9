/* SPDX-License-Identifier: Apache-2.0
 * Reads the table of contents of a zstd:chunked layer, entry by entry. All of it is from
 * outside and is checked: the chunks of a file cover it, and lie in the blob one behind the
 * other, in the order of the table.
 */
#ifndef TOOLS_CHUNKED_TOC_READ_H
#define TOOLS_CHUNKED_TOC_READ_H

#include "store/digest.h"

/* Bytes of a chunk, compressed or not: it is decoded in memory. */
#define TOC_CHUNK_MAX (16u << 20)

struct toc_chunk {
	struct digest digest;
	uint64_t len;     /* of its content */
	uint64_t at, end; /* in the blob; of zeros nothing is there */
	bool zeros;
};

/* An entry of the tar. Valid until the next one is read. */
struct toc_entry {
	const char *name; /* as the tar has it */
	uint64_t size;    /* of its content; 0 for all that are no files */
	struct digest digest;
	const struct toc_chunk *chunks; /* of a file with content */
	size_t count;
};

struct toc_read;

/* Borrows the LEN compressed bytes. SIZE: of the text. BLOB_SIZE: chunks lie before that. */
int toc_read_open(const void *packed, size_t len, uint64_t size, uint64_t blob_size,
		  struct toc_read **ret, struct err *err) MUST_CHECK;
void toc_read_close(struct toc_read *r); /* NULL is ignored */

AUTO_DEFINE(toc_read, struct toc_read, toc_read_close)
#define auto_toc_read AUTO(toc_read)

/* *ret NULL: the end. ERR_INVALID, ERR_LIMIT. */
int toc_read_next(struct toc_read *r, const struct toc_entry **ret,
		  struct err *err) MUST_CHECK;

/* After the end: what the table says is the digest of tar-split, or zero. */
const struct digest *toc_read_split(const struct toc_read *r);

#endif
