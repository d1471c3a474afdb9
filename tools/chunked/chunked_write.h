/* SPDX-License-Identifier: Apache-2.0
 * A layer's tar as a zstd:chunked blob, whose single files can be had by range requests: frames
 * of zstd cut at files and chunks, then, in frames that other readers skip, a table of
 * contents and tar-split. Decompressed it is the very tar. The bytes depend on the tar and the
 * level only, not on the number of threads.
 *
 * Some tars cannot have a table that other readers accept (two entries of one name, names
 * that are no UTF-8, sparse files): these become plain zstd.
 */
#ifndef TOOLS_CHUNKED_CHUNKED_WRITE_H
#define TOOLS_CHUNKED_CHUNKED_WRITE_H

#include "store/base/stream.h"
#include "tools/oci/descriptor.h"

struct chunked_write;

/* Borrows TAR. LEVEL 0: the default. THREADS 0: one per CPU. */
int chunked_write_open(struct stream *tar, int level, unsigned threads,
		       struct chunked_write **ret, struct err *err) MUST_CHECK;
void chunked_write_close(struct chunked_write *w); /* NULL is ignored */

AUTO_DEFINE(chunked_write, struct chunked_write, chunked_write_close)
#define auto_chunked_write AUTO(chunked_write)

/* The blob; it lives as long as W. */
struct stream *chunked_write_stream(struct chunked_write *w);

/* Once all was read: where the table is. Not `given`: it has none, *ret_why says why. */
const struct descriptor_toc *chunked_write_toc(const struct chunked_write *w,
					       const char **ret_why);

#endif
