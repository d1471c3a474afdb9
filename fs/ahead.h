/* SPDX-License-Identifier: Apache-2.0
 * Readahead from file to file: whoever reads the files of a tree in its order (tar, cp -a,
 * grep -r) finds the next ones decoded, and small ones in the kernel's page cache already,
 * where reading them is no request at all. Inside a file the kernel reads ahead by itself.
 *
 * Decoding is done by a thread of its own. Content is given to the kernel
 * (FUSE_NOTIFY_STORE) by the thread that answers a request, before it answers: the kernel
 * locks the pages for that, and waits if somebody is reading them just then. The one whose
 * request it is cannot be; while other reads are under way nothing is given, and only one
 * thread gives at a time, so there is always a thread left to answer what it waits for.
 */
#ifndef FS_AHEAD_H
#define FS_AHEAD_H

#include <fuse_lowlevel.h>

#include "store/forest.h"
#include "store/object.h"

struct ahead;

/* Takes content given to the kernel into account. */
typedef void ahead_given_fn(void *arg, uint64_t bytes);

int ahead_new(struct objects *o, struct forest *f, struct ahead **ret,
	      struct err *err) MUST_CHECK;
void ahead_free(struct ahead *a); /* NULL is ignored */

/* The session whose kernel content is given to; NULL for none any more. While no request is
 * being answered. */
void ahead_serve(struct ahead *a, struct fuse_session *session, ahead_given_fn *given,
		 void *arg);

/* Around each read of content, up to when it is answered or about to be. Never wait. */
void ahead_begin(struct ahead *a);
void ahead_end(struct ahead *a);

/* Between the two: the file NID of the tree is being read from its beginning. Never
 * fails. */
void ahead_read(struct ahead *a, const struct forest_tree *t, uint64_t nid);

/* The kernel has the whole directory NID with the attributes of its entries. */
void ahead_listed(struct ahead *a, const struct forest_tree *t, uint64_t nid);

#endif
