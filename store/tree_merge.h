/* SPDX-License-Identifier: Apache-2.0
 * Merges a layer's tree onto a chain, as OCI defines it (DESIGN.md section 6): what
 * applying the layer's tar entries in order to the rootfs below would give.
 *
 *  - whiteouts and opaque directories hide what is below, never the layer's own entries;
 *    none remain in the result;
 *  - a directory with an entry of its own replaces attributes of a directory below and any
 *    non-directory below (also a symlink); an implied one keeps what is below, follows a
 *    symlink below that leads to a directory inside the root (40 links at most, ".." stops
 *    at the root), and replaces any other non-directory;
 *  - unresolved hardlinks are looked up in the tree below before the layer changes it;
 *    a missing target or a directory is ERR_INVALID ("hardlink target 'x' does not exist").
 */
#ifndef STORE_TREE_MERGE_H
#define STORE_TREE_MERGE_H

#include "store/tree_model.h"
#include "store/tree_read.h"

/* Applies LAYER onto CHAIN (tree_model_new for the first layer). After an error the model
 * can only be freed. */
int tree_merge(struct tree_model *chain, const struct tree *layer,
	       struct err *err) MUST_CHECK;

#endif
