/* SPDX-License-Identifier: Apache-2.0
 * The tar of a zstd:chunked layer, put together from what the store has and the parts of the
 * blob that it lacks:
 *
 *	1. table of contents and tar-split, where the manifest says they are
 *	2. content whose digest the store or an alternate has, is not asked for
 *	3. the rest, by range requests; every chunk is checked against its digest
 *
 * That the tar is the layer's is up to the reader, who knows the DiffID. The blob's own digest
 * is never seen.
 */
#ifndef TOOLS_CHUNKED_CHUNKED_READ_H
#define TOOLS_CHUNKED_CHUNKED_READ_H

#include "store/object.h"
#include "tools/oci/source.h"

struct chunked_read;

/* Gets the table and decides what to ask for. SOURCE has open_range, D a table (toc.given).
 * Borrows SOURCE, D and OBJECTS. ERR_INVALID, ERR_LIMIT: a bad table, or it is better to read
 * the blob as a whole; ERR_FAILED: parts cannot be had. */
int chunked_read_open(struct source *source, const struct descriptor *d,
		      struct objects *objects, struct chunked_read **ret,
		      struct err *err) MUST_CHECK;
void chunked_read_close(struct chunked_read *r); /* NULL is ignored */

AUTO_DEFINE(chunked_read, struct chunked_read, chunked_read_close)
#define auto_chunked_read AUTO(chunked_read)

/* The tar; what is closed is only this stream. R lives longer. */
struct stream *chunked_read_stream(struct chunked_read *r);

/* Bytes of the blob that are asked for altogether. */
uint64_t chunked_read_bytes(const struct chunked_read *r);

/* Bytes of all files in the tar. */
uint64_t chunked_read_content(const struct chunked_read *r);

#endif
