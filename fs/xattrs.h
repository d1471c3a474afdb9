/* SPDX-License-Identifier: Apache-2.0
 * The xattrs of a tree's node as the mount shows them: overlayfs may take instructions only
 * from us, never from what a tar brought along.
 *
 *  - what trees keep for themselves (trusted.overlay.redirect, ...) is hidden;
 *  - a layer's opaque directory has trusted.overlay.opaque=y, or with OPAQUE_USER
 *    user.overlay.opaque=y, never both;
 *  - trusted.overlay.X of a tar is trusted.overlay.overlay.X (stored so), and with
 *    OPAQUE_USER user.overlay.X is user.overlay.overlay.X, which overlayfs un-escapes.
 */
#ifndef FS_XATTRS_H
#define FS_XATTRS_H

#include "fs/node.h"
#include "store/tree_read.h"

/* LAYER: the tree is a layer's. 0, or a negative error code of tree_xattr_each. */
int xattrs_each(const struct tree *t, const struct tree_node *node, bool layer,
		bool opaque_user, node_xattr_fn *each, void *arg) MUST_CHECK;

#endif
