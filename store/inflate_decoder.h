/* SPDX-License-Identifier: Apache-2.0
 * What a decoder of one compression is to inflate.c, which makes a stream of it and alone
 * calls these functions.
 *
 * A concrete decoder embeds struct inflate_decoder as its first member.
 */
#ifndef STORE_INFLATE_DECODER_H
#define STORE_INFLATE_DECODER_H

#include "store/inflate_input.h"

/* A member (frame) without content costs time and yields nothing to stop at, so only so
 * many may follow each other. */
#define INFLATE_EMPTY_MAX 1000u

struct inflate_decoder {
	/* Writes up to CAP (> 0) bytes to OUT; 0 bytes and success: the end, all of the input
	 * was read and checked. *ret_len is always set: an error comes behind that many good
	 * bytes. Not called again after an error or the end. */
	int (*decode)(struct inflate_decoder *d, uint8_t *out, size_t cap,
		      size_t *ret_len, struct err *err);
	void (*free)(struct inflate_decoder *d);
};

/* Each borrows IN, which lives longer than the decoder. */
int inflate_gzip_new(struct inflate_input *in, struct inflate_decoder **ret,
		     struct err *err) MUST_CHECK;
int inflate_zstd_new(struct inflate_input *in, struct inflate_decoder **ret,
		     struct err *err) MUST_CHECK;

#endif
