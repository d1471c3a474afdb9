/* SPDX-License-Identifier: Apache-2.0
 * SHA-256 names: parsing, text, streaming hash. The only user of OpenSSL.
 *
 * A digest is 32 bytes from the edge of the program inwards; its text never becomes part
 * of a path except through digest_hex.
 */
#ifndef STORE_DIGEST_H
#define STORE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "store/base/err.h"

struct stream;

#define DIGEST_SIZE      32
#define DIGEST_HEX_SIZE  65 /* 64 digits and NUL */
#define DIGEST_TEXT_SIZE 72 /* "sha256:", 64 digits and NUL */

struct digest {
	uint8_t bytes[DIGEST_SIZE];
};

static inline int digest_cmp(const struct digest *a, const struct digest *b)
{
	return memcmp(a->bytes, b->bytes, DIGEST_SIZE);
}

static inline bool digest_equal(const struct digest *a, const struct digest *b)
{
	return digest_cmp(a, b) == 0;
}

/* All zero: "no digest". */
static inline bool digest_is_zero(const struct digest *d)
{
	static const struct digest zero;

	return digest_equal(d, &zero);
}

/* Parses exactly "sha256:<64 lower-case hex>". ERR_INVALID. TEXT need not be terminated. */
int digest_parse(const char *text, size_t len, struct digest *ret,
		 struct err *err) MUST_CHECK;

/* Parses exactly 64 lower-case hex digits. ERR_INVALID. */
int digest_parse_hex(const char *hex, size_t len, struct digest *ret,
		     struct err *err) MUST_CHECK;

/* Write text; both return their buffer. */
const char *digest_format(const struct digest *d, char text[DIGEST_TEXT_SIZE]);
const char *digest_hex(const struct digest *d, char hex[DIGEST_HEX_SIZE]);

/* SHA-256 of bytes in memory. Cannot fail (aborts if OpenSSL has no SHA-256). */
void digest_of(const void *data, size_t len, struct digest *ret);

/* SHA-256 of all that IN still gives. IN is borrowed. */
int digest_of_stream(struct stream *in, struct digest *ret, struct err *err) MUST_CHECK;

/* A running hash. One thread at a time; reusable after hasher_final. */
struct hasher;

int hasher_new(struct hasher **ret, struct err *err) MUST_CHECK;
void hasher_free(struct hasher *h); /* NULL is ignored */
void hasher_update(struct hasher *h, const void *data, size_t len);
/* Gives the digest and starts over. */
void hasher_final(struct hasher *h, struct digest *ret);

AUTO_DEFINE(hasher, struct hasher, hasher_free)
#define auto_hasher AUTO(hasher)

/* OCI ChainID: of a single layer its DiffID, else SHA-256 of the text
 * "<parent ChainID> <DiffID>". PARENT NULL or zero: the first layer. */
void digest_chain(const struct digest *parent, const struct digest *diffid,
		  struct digest *ret);

#endif
