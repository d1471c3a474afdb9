/* SPDX-License-Identifier: Apache-2.0
 * How a gzip blob was made: encoder, level and header, a few bytes from which deflate.h
 * makes it again out of the plain bytes. It is a guess until the whole was made once and had
 * the blob's digest.
 */
#ifndef STORE_ENCODING_H
#define STORE_ENCODING_H

#include "store/base/stream.h"

enum encoding_maker {
	ENCODING_ZLIB = 1,  /* deflate() over all; variant: memory level */
	ENCODING_PIGZ = 2,  /* pigz; variant 1: --independent */
	ENCODING_GO = 3,    /* Go's compress/flate, levels 4 to 9 */
	ENCODING_PGZIP = 4, /* github.com/klauspost/pgzip at level 5, its default;
			     variant 1: 1.15.0 to 1.15.9 of its compressor */
};

/* Longer ones (a name, a comment, extra fields) are not looked at. */
#define ENCODING_HEADER_MAX 512

struct encoding {
	uint32_t maker; /* enum encoding_maker; 0: none */
	uint32_t level;
	uint32_t variant;
	uint32_t header_len;
	uint8_t header[ENCODING_HEADER_MAX]; /* of the gzip member, as it was */
};

#define ENCODING_NAME_SIZE 32

/* "pgzip", "zlib -9": for people. NAME has room for ENCODING_NAME_SIZE. Returns NAME. */
const char *encoding_name(const struct encoding *e, char *name);

/* The first bytes of a blob, to guess by: more than a piece of pigz, even of noise. */
#define ENCODING_SAMPLE (320u << 10)

/* Guesses the encoder of a blob that starts with these LEN bytes, by encoding what is in
 * them again in all ways that the header allows. WHOLE: they are all of it. *RET->maker is 0
 * if none fits; *ret_sure if the very same bytes came out of a WHOLE one. */
int encoding_guess(const uint8_t *bytes, size_t len, bool whole, struct encoding *ret,
		   bool *ret_sure, struct err *err) MUST_CHECK;

#endif
