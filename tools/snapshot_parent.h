/* SPDX-License-Identifier: Apache-2.0
 * What a snapshot lies on: the parent X of the command line, found and mapped.
 */
#ifndef TOOLS_SNAPSHOT_PARENT_H
#define TOOLS_SNAPSHOT_PARENT_H

#include "store/forest.h"
#include "store/object.h"

struct snapshot_parent {
	struct digest chainid;
	struct digest *diffids; /* bottom first */
	size_t count;
	bool is_image;
	struct record_image image; /* is_image: whose config goes on */
	struct forest *forest;
	struct forest_tree *tree;
	struct objects *objects;
};

/* Finds X and maps its tree. Released also after an error, and if it was only zeroed. */
int snapshot_parent_open(struct store *store, const char *text, const char *platform,
			 struct snapshot_parent *ret, struct err *err) MUST_CHECK;
void snapshot_parent_release(struct snapshot_parent *p);
#define auto_snapshot_parent __attribute__((cleanup(snapshot_parent_release)))

#endif
