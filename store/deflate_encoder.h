/* SPDX-License-Identifier: Apache-2.0
 * What an encoder gives to deflate.c: pieces compressed one by one. Included by deflate*.c
 * only.
 */
#ifndef STORE_DEFLATE_ENCODER_H
#define STORE_DEFLATE_ENCODER_H

#include <stddef.h>

#include "store/base/err.h"

/* Concrete encoders embed it as their first member. One thread each. */
struct deflate_encoder {
	/* Bytes that LEN bytes may take at most. */
	size_t (*bound)(struct deflate_encoder *e, size_t len);
	/* Makes a whole member or frame of a piece; OUT has room for bound(LEN). */
	int (*encode)(struct deflate_encoder *e, const void *data, size_t len, void *out,
		      size_t cap, size_t *ret_len, struct err *err);
	void (*free)(struct deflate_encoder *e);
};

int deflate_gzip_new(int level, struct deflate_encoder **ret, struct err *err) MUST_CHECK;
int deflate_zstd_new(int level, struct deflate_encoder **ret, struct err *err) MUST_CHECK;

#define DEFLATE_GZIP_MAX 12
#define DEFLATE_ZSTD_MAX 19

#endif
