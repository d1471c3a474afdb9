/* SPDX-License-Identifier: Apache-2.0
 * Readahead from file to file: whoever reads the files of a tree in its order (tar, cp -a,
 * grep -r) finds the next ones decoded. Inside a file the kernel reads ahead by itself.
 *
 * Called after each first read of a file. Looks only as far as the window reaches, at each
 * file once, and starts nothing while the readahead thread is busy.
 */
#ifndef FS_AHEAD_H
#define FS_AHEAD_H

#include "store/forest.h"
#include "store/object.h"

struct ahead;

int ahead_new(struct objects *o, struct ahead **ret, struct err *err) MUST_CHECK;
void ahead_free(struct ahead *a); /* NULL is ignored */

/* The file NID of the tree, SIZE bytes long, is being read. Never waits, never fails. */
void ahead_note(struct ahead *a, const struct forest_tree *t, uint64_t nid,
		uint64_t size);

#endif
