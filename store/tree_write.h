/* SPDX-License-Identifier: Apache-2.0
 * Writes a tree as an EROFS image without file data (tree_format.h, FORMAT.md "Trees").
 *
 * The image is a pure function of the tree: same tree, same bytes, whatever the order in
 * which it was built. fsck.erofs accepts it, the kernel mounts it. Regular files with
 * content are chunk-based inodes of holes with the xattrs trusted.overlay.metacopy (empty)
 * and trusted.overlay.redirect ("/<2 hex>/<62 hex>" of the content's SHA-256); empty files
 * have neither.
 */
#ifndef STORE_TREE_WRITE_H
#define STORE_TREE_WRITE_H

#include "store/tree_model.h"

/* Grows with every change of the bytes that a given tree becomes. */
#define TREE_WRITER_VERSION 1

/* Appends the image to OUT (empty) and uses M up: all that may follow is tree_model_free. ERR_LIMIT with the path for what EROFS cannot hold (an
 * xattr value over 65,535 bytes, 262,148 bytes of xattrs on one inode, ...). */
int tree_write(struct tree_model *m, struct buf *out, struct err *err) MUST_CHECK;

#endif
