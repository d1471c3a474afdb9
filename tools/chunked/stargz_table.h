/* SPDX-License-Identifier: Apache-2.0
 * The end of an eStargz layer: an entry of the tar with the table of contents, and the footer
 * that tells where it begins.
 */
#ifndef TOOLS_CHUNKED_STARGZ_TABLE_H
#define TOOLS_CHUNKED_STARGZ_TABLE_H

#include "tools/oci/source.h"

struct stargz_table {
	uint64_t at;   /* of the entry, in the blob */
	uint8_t *tail; /* the blob from there on */
	size_t len;
	uint64_t size; /* bytes of the text */
};

/* Asks for the end of the blob. The text has the digest that D says. ERR_INVALID,
 * ERR_LIMIT: no good end; ERR_FAILED: it cannot be had. Release T in any case. */
int stargz_table_get(struct stargz_table *t, struct source *source,
		     const struct descriptor *d, struct err *err) MUST_CHECK;
void stargz_table_release(struct stargz_table *t);

/* The text; borrows T. */
int stargz_table_text(const struct stargz_table *t, struct stream **ret,
		      struct err *err) MUST_CHECK;

/* The end of the tar, from the entry on; borrows T. */
int stargz_table_tar(const struct stargz_table *t, struct stream **ret,
		     struct err *err) MUST_CHECK;

#endif
