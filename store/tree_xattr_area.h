/* SPDX-License-Identifier: Apache-2.0
 * Encodes the xattr area of one inode of a tree image (tree_format.h): first what the tree
 * keeps for itself, then the file's own, sorted by name. Used by tree_write.c only.
 */
#ifndef STORE_TREE_XATTR_AREA_H
#define STORE_TREE_XATTR_AREA_H

#include "store/tree_model.h"

/* One xattr as EROFS has it. */
struct tree_xattr_area_item {
	const struct tree_xattr *from;
	const char *name; /* without its prefix */
	uint8_t prefix;   /* enum tree_xattr_prefix */
	uint8_t name_len;
};

/* Reusable for any number of inodes. Not thread-safe. */
struct tree_xattr_area {
	struct buf items;
	const struct tree_attr *attr;
};

void tree_xattr_area_init(struct tree_xattr_area *x);
void tree_xattr_area_release(struct tree_xattr_area *x);

/* Takes the xattrs of ATTR (borrowed until encoded), whose `flags` and `mode` are those of
 * the image; *ret_len is the length of the area, 0 if there are none. Of several with one
 * name the last counts, as setxattr would have it. ERR_LIMIT: EROFS cannot hold them;
 * ERR_INVALID: an overlayfs instruction that was not escaped. */
int tree_xattr_area_take(struct tree_xattr_area *x, const struct tree_attr *attr,
			 uint32_t *ret_len, struct err *err) MUST_CHECK;

/* Writes the area: *ret_len bytes, zeros before. */
void tree_xattr_area_encode(const struct tree_xattr_area *x, uint8_t *area);

#endif
