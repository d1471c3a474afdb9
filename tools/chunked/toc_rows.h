/* SPDX-License-Identifier: Apache-2.0
 * The rows of a table of contents, as zstd:chunked and eStargz have it: a document of JSON with
 * a list `entries`, of which one row after the other is in memory.
 */
#ifndef TOOLS_CHUNKED_TOC_ROWS_H
#define TOOLS_CHUNKED_TOC_ROWS_H

#include "store/digest.h"
#include "tools/chunked/json_reader.h"

struct toc_rows {
	struct json_reader json;
	json_t *next;        /* an object; NULL: the end, and all is as it should be */
	struct digest split; /* at the end: what `tarSplitDigest` says, or zero */
	bool any;
};

/* Sets `next` to the first row. IN belongs to R, also on failure; release R in any case.
 * SIZE: the text has no more bytes. ERR_INVALID. */
int toc_rows_init(struct toc_rows *r, struct stream *in, uint64_t size,
		  struct err *err) MUST_CHECK;
void toc_rows_release(struct toc_rows *r);

/* Sets `next` to the row behind it; who wants to keep it takes it out. ERR_INVALID. */
int toc_rows_next(struct toc_rows *r, struct err *err) MUST_CHECK;

/* "" if it is no text. */
const char *toc_rows_text(const json_t *row, const char *key);

/* Absent: 0. ERR_INVALID: no number, or less than 0. */
int toc_rows_number(const json_t *row, const char *key, uint64_t *ret,
		    struct err *err) MUST_CHECK;

/* ERR_INVALID: also if it is absent. */
int toc_rows_digest(const json_t *row, const char *key, struct digest *ret,
		    struct err *err) MUST_CHECK;

/* ERR_INVALID: "a table of contents with WHAT". */
int toc_rows_bad(struct err *err, const char *what);

#endif
