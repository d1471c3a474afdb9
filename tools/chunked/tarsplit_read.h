/* SPDX-License-Identifier: Apache-2.0
 * Reads tar-split (tarsplit_write.h), line by line. From outside: checked.
 */
#ifndef TOOLS_CHUNKED_TARSPLIT_READ_H
#define TOOLS_CHUNKED_TARSPLIT_READ_H

#include "tools/chunked/json_reader.h"

struct tarsplit_line {
	bool file;        /* an entry of the tar, with SIZE bytes of content */
	const char *name; /* of the entry; valid until the next line */
	uint64_t size;
	const struct buf *bytes; /* else: the bytes of the tar that stand here */
};

struct tarsplit_read;

/* Borrows the LEN compressed bytes. SIZE: of the text. */
int tarsplit_read_open(const void *packed, size_t len, uint64_t size,
		       struct tarsplit_read **ret, struct err *err) MUST_CHECK;
void tarsplit_read_close(struct tarsplit_read *r); /* NULL is ignored */

AUTO_DEFINE(tarsplit_read, struct tarsplit_read, tarsplit_read_close)
#define auto_tarsplit_read AUTO(tarsplit_read)

/* *ret_end: there is no more. ERR_INVALID, ERR_LIMIT. */
int tarsplit_read_next(struct tarsplit_read *r, struct tarsplit_line *ret, bool *ret_end,
		       struct err *err) MUST_CHECK;

#endif
