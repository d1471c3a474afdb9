/* SPDX-License-Identifier: Apache-2.0
 * The end of an eStargz layer that is written: the landmark, the table of contents as an entry
 * of the tar in a gzip member of its own, and the footer.
 */
#ifndef TOOLS_CHUNKED_STARGZ_END_H
#define TOOLS_CHUNKED_STARGZ_END_H

#include <jansson.h>

#include "store/digest.h"
#include "tools/chunked/packed_text.h"

#define STARGZ_END_NAME     "stargz.index.json"
#define STARGZ_END_LANDMARK ".no.prefetch.landmark"
#define STARGZ_END_PREFETCH ".prefetch.landmark"
#define STARGZ_END_MARK     0x0f /* the content of a landmark */

/* Appends the header of the landmark; *ret_entry: its row of the table, the caller owns it. */
int stargz_end_landmark(struct buf *out, json_t **ret_entry, struct err *err) MUST_CHECK;

struct stargz_end;

/* TEXT: the table, complete. AT: where in the blob it goes. DIFF gets the bytes of the tar.
 * Borrows all. */
int stargz_end_open(const struct packed_text *text, uint64_t at, struct hasher *diff,
		    struct stargz_end **ret, struct err *err) MUST_CHECK;
void stargz_end_close(struct stargz_end *e); /* NULL is ignored */

/* The next bytes of the blob; *ret_len 0: the end. */
int stargz_end_read(struct stargz_end *e, void *data, size_t cap, size_t *ret_len,
		    struct err *err) MUST_CHECK;

/* At the end: bytes of the tar, and the digest of the table. */
uint64_t stargz_end_size(const struct stargz_end *e, struct digest *ret_table);

#endif
