/* SPDX-License-Identifier: Apache-2.0
 * What an input of a build step had in it: per entry a line with all that counts for its
 * content digest. Text, of which every byte is in FORMAT.md, "Content listings"; a pure
 * function of what counts, so equal inputs have equal listings.
 */
#ifndef STORE_CONTENT_LISTING_H
#define STORE_CONTENT_LISTING_H

#include "store/base/buf.h"
#include "store/digest.h"
#include "store/xattr_list.h"

#define CONTENT_LISTING_MAX (1u << 30)

/* Not terminated; points into the listing or to what the caller has. */
struct content_text {
	const char *at;
	size_t len;
};

struct content_entry {
	struct digest digest; /* of a directory: with all that is in it */
	char type;            /* as in a tar: '0' file, '5', '2' link, '3', '4', '6' */
	uint32_t mode;        /* permissions only */
	uint32_t uid, gid;
	uint64_t size; /* of regular files, else 0 */
	uint32_t major, minor;
	struct content_text path; /* below the input; "" is the input itself */
	struct content_text link;
	struct content_text xattrs; /* of a decoded one: for content_listing_xattr */
};

/* Empties LISTING and writes its head. */
int content_listing_start(struct buf *listing, struct err *err) MUST_CHECK;
/* Adds an entry. XATTRS: those that count, sorted; e->xattrs is not looked at. *ret_digest:
 * where its digest is, for content_listing_set_digest. */
int content_listing_add(struct buf *listing, const struct content_entry *e,
			const struct xattr_list *xattrs, size_t *ret_digest,
			struct err *err) MUST_CHECK;
void content_listing_set_digest(struct buf *listing, size_t at, const struct digest *d);

/* Checks the head; *ret is what content_listing_next reads on from. ERR_CORRUPT. */
int content_listing_begin(const void *bytes, size_t len, struct cursor *ret,
			  struct err *err) MUST_CHECK;

/* The next entry, *ret_more false when there is none. A directory comes before what is in it;
 * the names of one directory come in byte order. ERR_CORRUPT. A pure function of the bytes: a
 * fuzz target. */
int content_listing_next(struct cursor *c, struct content_entry *ret, bool *ret_more,
			 struct err *err) MUST_CHECK;

/* The xattr at AT (begins as entry->xattrs, is moved on): its name and the SHA-256 of its
 * value. False when there is none left. */
bool content_listing_xattr(struct content_text *at, struct content_text *ret_name,
			   struct digest *ret_value);

/* The order of paths in a listing: part by part, each bytewise. */
int content_listing_cmp(const struct content_text *a, const struct content_text *b);

#endif
