/* SPDX-License-Identifier: Apache-2.0
 * Xattrs of one inode while they are gathered: names from parts, in any order, even twice.
 * Used again for the next inode without allocating.
 */
#ifndef STORE_TREE_XATTRS_H
#define STORE_TREE_XATTRS_H

#include "store/base/buf.h"

struct tree_xattr;

struct tree_xattrs {
	struct tree_xattr *items; /* names are valid after tree_xattrs_finish */
	uint32_t count, cap;
	struct buf names;
};

void tree_xattrs_init(struct tree_xattrs *x);
void tree_xattrs_release(struct tree_xattrs *x);

static inline void tree_xattrs_clear(struct tree_xattrs *x)
{
	x->count = 0;
	buf_clear(&x->names);
}

/* Adds PREFIX and NAME as one name (copied); VALUE is borrowed. ERR_INVALID: a NUL in the
 * name; ERR_LIMIT. */
int tree_xattrs_add(struct tree_xattrs *x, const char *prefix, const char *name,
		    size_t name_len, const void *value, size_t value_len,
		    struct err *err) MUST_CHECK;

/* Sorts the items by name; of equal names the last stays. */
void tree_xattrs_finish(struct tree_xattrs *x);

#endif
