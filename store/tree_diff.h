/* SPDX-License-Identifier: Apache-2.0
 * Compares two trees from metadata alone (content by digest): what `diff A B` prints, in
 * path order, directories before what is in them.
 */
#ifndef STORE_TREE_DIFF_H
#define STORE_TREE_DIFF_H

#include "store/tree_read.h"

/* WHAT is 'A' added (each name in an added directory, too), 'D' deleted (once for a whole
 * directory; not at all for what was in a directory that became something else), 'C' changed
 * (type, mode, owner, mtime of non-directories, xattrs, link target, device, content;
 * whiteout or opaque in a layer). Hardlinks to lower layers are not there, as in layers/.
 * PATH begins with "/"; the root itself is "/". A and B: the nodes, NULL where there is
 * none. EACH returns > 0 to stop; that is returned. ERR_CORRUPT. */
typedef int tree_diff_fn(void *arg, char what, const char *path,
			 const struct tree_node *a, const struct tree_node *b,
			 struct err *err);
int tree_diff(const struct tree *a, const struct tree *b, tree_diff_fn *each, void *arg,
	      struct err *err) MUST_CHECK;

#endif
