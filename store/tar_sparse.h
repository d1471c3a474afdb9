/* SPDX-License-Identifier: Apache-2.0
 * Where the stored bytes of a sparse file belong: the map that GNU tar writes in one of
 * four ways, each added here as it is read. Strict: extents come in order and do not overlap.
 */
#ifndef STORE_TAR_SPARSE_H
#define STORE_TAR_SPARSE_H

#include "store/base/buf.h"
#include "store/tar_block.h"

struct tar_extent {
	uint64_t off;
	uint64_t len;
};

struct tar_sparse {
	struct buf extents; /* struct tar_extent, none empty, neighbours joined */
	uint64_t given;     /* extents read, empty ones too */
	uint64_t end;       /* end of the last one */
	uint64_t stored;    /* sum of their lengths */

	/* The text form at the head of the data (PAX 1.0), while it is being read. */
	uint64_t text; /* bytes read */
	uint64_t number;
	unsigned digits;
	uint64_t numbers; /* read so far; the first is the count of extents */
	uint64_t count, off;
};

void tar_sparse_init(struct tar_sparse *s);
void tar_sparse_release(struct tar_sparse *s);
void tar_sparse_clear(struct tar_sparse *s);

static inline const struct tar_extent *tar_sparse_extents(const struct tar_sparse *s,
							  size_t *ret_count)
{
	*ret_count = s->extents.len / sizeof(struct tar_extent);
	return (const struct tar_extent *)(const void *)s->extents.data;
}

/* ERR_INVALID: out of order. ERR_LIMIT: too many. */
int tar_sparse_add(struct tar_sparse *s, uint64_t off, uint64_t len,
		   struct err *err) MUST_CHECK;

/* Old GNU form: COUNT fields of a header or extension block. EXTENDED: more blocks follow,
 * so all fields must be used. */
int tar_sparse_fields(struct tar_sparse *s, const struct tar_extent_field *f,
		      size_t count, bool extended, struct err *err) MUST_CHECK;

/* PAX 0.1: "off,len,off,len". */
int tar_sparse_list(struct tar_sparse *s, const char *text, size_t len,
		    struct err *err) MUST_CHECK;

/* PAX 1.0: takes bytes of the text at the head of the data. *ret_used is less than LEN only
 * when the text is complete (*ret_done), which still is to be padded to a full block. */
int tar_sparse_text(struct tar_sparse *s, const uint8_t *data, size_t len,
		    size_t *ret_used, bool *ret_done, struct err *err) MUST_CHECK;

/* Does the map belong to a file of SIZE bytes with STORED of them in the tar? */
bool tar_sparse_fits(const struct tar_sparse *s, uint64_t size, uint64_t stored);

#endif
