/* SPDX-License-Identifier: Apache-2.0
 * A layer as an eStargz blob, whose single files can be had by range requests: gzip members
 * cut at files and chunks, a landmark that says that nothing is to be fetched in advance, a
 * table of contents and a footer that tells where it is. Landmark and table are entries of
 * the tar, so its DiffID is another; all entries before them stay what they are, byte for
 * byte. A table that the tar has from before is replaced. The bytes depend on the tar and the
 * level only, not on the number of threads.
 *
 * Some tars cannot have a table that other readers accept (two entries of one name, names
 * that are no UTF-8, sparse files, hardlinks to lower layers): these become plain gzip of the
 * very tar.
 */
#ifndef TOOLS_CHUNKED_STARGZ_WRITE_H
#define TOOLS_CHUNKED_STARGZ_WRITE_H

#include "store/base/stream.h"
#include "tools/oci/descriptor.h"

struct stargz_write;

/* Borrows TAR. LEVEL 0: the default. THREADS 0: one per CPU. */
int stargz_write_open(struct stream *tar, int level, unsigned threads,
		      struct stargz_write **ret, struct err *err) MUST_CHECK;
void stargz_write_close(struct stargz_write *w); /* NULL is ignored */

AUTO_DEFINE(stargz_write, struct stargz_write, stargz_write_close)
#define auto_stargz_write AUTO(stargz_write)

/* The blob; it lives as long as W. */
struct stream *stargz_write_stream(struct stargz_write *w);

/* Once all was read: what the descriptor says of the table, and the DiffID. Not `given`: it
 * has none, *ret_why says why. */
const struct descriptor_stargz *stargz_write_toc(const struct stargz_write *w,
						 struct digest *ret_diffid,
						 const char **ret_why);

#endif
