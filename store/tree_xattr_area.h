/* SPDX-License-Identifier: Apache-2.0
 * Encodes the xattr area of one inode of a tree image (tree_format.h): first what the tree
 * keeps for itself, then the file's own in the model's order, which is that of names. Used
 * by tree_write.c only.
 */
#ifndef STORE_TREE_XATTR_AREA_H
#define STORE_TREE_XATTR_AREA_H

#include "store/tree_model.h"

/* Bytes of the area, 0 if there are no xattrs. Mode and flags of ATTR are those of the
 * image. ERR_LIMIT: EROFS cannot hold them; ERR_INVALID: an overlayfs instruction that was
 * not escaped. */
int tree_xattr_area_size(const struct tree_attr *attr, uint32_t *ret,
			 struct err *err) MUST_CHECK;

/* Writes the area of that many bytes, zeros before. */
void tree_xattr_area_encode(const struct tree_attr *attr, uint8_t *area);

#endif
