/* SPDX-License-Identifier: Apache-2.0
 * A tree as one tar: what a chain's layers leave, in a single layer. Entries come directory
 * by directory in byte order of the names, parents first; of several names of a file the
 * first one holds the content. The bytes are a pure function of the tree.
 */
#ifndef STORE_FLATTEN_H
#define STORE_FLATTEN_H

#include "store/base/stream.h"
#include "store/object.h"
#include "store/tree_read.h"

/* TREE and OBJECTS are borrowed and outlive the stream. */
int flatten_open(const struct tree *tree, struct objects *objects, struct stream **ret,
		 struct err *err) MUST_CHECK;

#endif
