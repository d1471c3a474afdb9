/* SPDX-License-Identifier: Apache-2.0
 * Reads a long JSON text value by value, so that no more than one of its values is in memory.
 * For text from outside: a value that is not JSON, or is larger than JSON_READER_VALUE_MAX, is
 * an error.
 */
#ifndef TOOLS_CHUNKED_JSON_READER_H
#define TOOLS_CHUNKED_JSON_READER_H

#include <jansson.h>

#include "store/base/buf.h"
#include "store/base/stream.h"

#define JSON_READER_VALUE_MAX (16u << 20)

struct json_reader {
	struct stream *in; /* owned */
	struct buf window;
	size_t pos;
	uint64_t left; /* bytes that the text may still have */
	bool at_end;
};

/* IN belongs to R, also on failure. SIZE: the text has no more bytes; more are ERR_INVALID. */
void json_reader_init(struct json_reader *r, struct stream *in, uint64_t size);
void json_reader_release(struct json_reader *r);

/* The next byte that is no white space, which stays; 0 at the end. */
int json_reader_peek(struct json_reader *r, char *ret, struct err *err) MUST_CHECK;

/* Takes the next byte that is no white space. ERR_INVALID: it is not C. */
int json_reader_take(struct json_reader *r, char c, struct err *err) MUST_CHECK;

/* The next value; the caller owns it. ERR_INVALID. */
int json_reader_value(struct json_reader *r, json_t **ret, struct err *err) MUST_CHECK;

#endif
