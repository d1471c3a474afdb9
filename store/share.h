/* SPDX-License-Identifier: Apache-2.0
 * Reading one published store (share_format.h): a sealed index and what it says. Nothing is
 * mapped, locked or written, so it may lie on a network filesystem. What goes wrong is told
 * once per call and harms nobody else.
 *
 * Thread-safe after share_open. Places are as they are written there: in the publisher's own
 * pack numbers.
 */
#ifndef STORE_SHARE_H
#define STORE_SHARE_H

#include "store/catalog.h"

struct share;

/* What `current` says. */
struct share_current {
	char index[64];
	struct buf rest; /* the lines behind it, verbatim: the publisher's own */
};

/* Reads DIRFD's `current`. ERR_NOTFOUND: there is none; ERR_CORRUPT. The caller releases
 * REST. */
int share_current_read(int dirfd, struct share_current *ret, struct err *err) MUST_CHECK;

/* Opens the index NAME in the publisher's directory; all of its state is read. */
int share_open(int dirfd, const char *name, struct share **ret,
	       struct err *err) MUST_CHECK;
void share_close(struct share *s); /* NULL is ignored */

const char *share_index_name(const struct share *s);

/* ERR_NOTFOUND without a text. */
int share_object_get(struct share *s, const struct digest *d, struct object_place *ret,
		     struct err *err) MUST_CHECK;
/* As catalog_object_by_prefix. */
int share_object_by_prefix(struct share *s, uint64_t prefix, unsigned bits,
			   struct digest *ret, struct err *err) MUST_CHECK;

/* NULL: not there. Valid as long as the share. */
const struct record_layer *share_layer(const struct share *s,
				       const struct digest *diffid);
/* The same for RECORD_BLOB, RECORD_ENCODING, RECORD_CHAIN, RECORD_IMAGE and RECORD_KEY. */
const void *share_row(const struct share *s, enum record_type type,
		      const struct digest *d);

size_t share_key_count(const struct share *s);
const struct record_key *share_key(const struct share *s, size_t number);

/* Names, in byte order. */
size_t share_ref_count(const struct share *s);
const struct record_ref *share_ref(const struct share *s, size_t number);

#endif
