/* SPDX-License-Identifier: Apache-2.0
 * Compressed bytes on their way into a decoder: one buffer, refilled from a stream. It lets
 * a decoder look at the next few bytes before it takes them, which streams cannot.
 */
#ifndef STORE_INFLATE_INPUT_H
#define STORE_INFLATE_INPUT_H

#include "store/base/stream.h"

/* Measured: 64 KiB to 256 KiB make no difference to the decoders. */
#define INFLATE_INPUT_SIZE (128u << 10)

struct inflate_input {
	struct stream *stream; /* owned */
	size_t pos, len;       /* the bytes data[pos .. len) wait to be taken */
	bool at_end;           /* nothing comes behind them */
	uint8_t data[INFLATE_INPUT_SIZE];
};

/* Owns STREAM from here on, also on failure. */
int inflate_input_new(struct stream *stream, struct inflate_input **ret,
		      struct err *err) MUST_CHECK;
void inflate_input_free(struct inflate_input *in); /* NULL is ignored */

AUTO_DEFINE(inflate_input, struct inflate_input, inflate_input_free)
#define auto_inflate_input AUTO(inflate_input)

/* Makes COUNT (at most INFLATE_INPUT_SIZE) bytes wait in one piece; fewer are there only at
 * the end. What waits already stays, its address may change. */
int inflate_input_want(struct inflate_input *in, size_t count,
		       struct err *err) MUST_CHECK;

/* Reads to the end: what follows the last member may only be zero bytes. */
int inflate_input_finish(struct inflate_input *in, struct err *err) MUST_CHECK;

static inline const uint8_t *inflate_input_data(const struct inflate_input *in)
{
	return in->data + in->pos;
}

static inline size_t inflate_input_left(const struct inflate_input *in)
{
	return in->len - in->pos;
}

#endif
