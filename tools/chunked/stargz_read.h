/* SPDX-License-Identifier: Apache-2.0
 * The tar of an eStargz layer, put together from what the store has and the parts of the blob
 * that it lacks:
 *
 *	1. footer and table of contents, from the end of the blob
 *	2. stretches (stargz_toc.h) with content that the store or an alternate lacks are asked
 *	   for; of the others the headers are told, or asked for alone
 *	3. what comes is checked: content against its digest, headers against what was told, so
 *	   that a layer whose headers cannot be told is given up soon
 *
 * That the tar is the layer's is up to the reader, who knows the DiffID. The blob's own digest
 * is never seen.
 */
#ifndef TOOLS_CHUNKED_STARGZ_READ_H
#define TOOLS_CHUNKED_STARGZ_READ_H

#include "store/object.h"
#include "tools/oci/source.h"

struct stargz_read;

/* Gets the table and decides what to ask for. SOURCE has open_range, D a digest of a table
 * (stargz.given). Borrows SOURCE, D and OBJECTS. ERR_INVALID, ERR_LIMIT: a bad table, or it
 * is better to read the blob as a whole; ERR_FAILED: parts cannot be had. */
int stargz_read_open(struct source *source, const struct descriptor *d,
		     struct objects *objects, struct stargz_read **ret,
		     struct err *err) MUST_CHECK;
void stargz_read_close(struct stargz_read *r); /* NULL is ignored */

AUTO_DEFINE(stargz_read, struct stargz_read, stargz_read_close)
#define auto_stargz_read AUTO(stargz_read)

/* The tar; what is closed is only this stream. R lives longer. */
struct stream *stargz_read_stream(struct stargz_read *r);

/* Bytes of the blob that are asked for altogether. */
uint64_t stargz_read_bytes(const struct stargz_read *r);

/* Bytes of all files in the tar. */
uint64_t stargz_read_content(const struct stargz_read *r);

#endif
