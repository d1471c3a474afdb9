/* SPDX-License-Identifier: Apache-2.0
 * Nodes by class: what each class of node ids can do. ops.c takes a request, finds the
 * class of its node and calls one of these; it alone replies.
 *
 * All functions are called from any number of threads.
 */
#ifndef FS_NODE_H
#define FS_NODE_H

#include <fuse_lowlevel.h>
#include <stdbool.h>
#include <time.h>

#include "fs/nodeid.h"
#include "store/base/err.h"
#include "store/forest.h"
#include "store/object.h"
#include "store/store.h"

/* As good as for ever: about 30 years. */
#define NODE_FOREVER 1e9
/* A digest's name may lead to a tree for this long after the tree was removed. */
#define NODE_DIGEST_SECONDS 1.0
/* The kernel asks for a directory's attributes whenever a path leads through it. For those
 * of all digests they may be one clock tick old (less than a commit takes), or walking by
 * long paths would cost a request per file. */
#define NODE_TICK_SECONDS 0.001

/* Everything the daemon has. Immutable while it serves, what it points to is thread-safe. */
struct fs {
	struct store *store;
	struct objects *objects;
	struct ahead *ahead;
	struct forest *forest;
	struct names_cache *names;
	struct generations *generations;
	struct counters *counters;
	struct living *stats;
	struct buf readme;
	struct timespec started;
	uid_t uid;
	gid_t gid;
	bool opaque_user;
	bool share_objects;
	bool no_open, no_opendir; /* the kernel can do without */
};

/* Where a directory's entries go; listing.h. */
struct listing;

/* Returns > 0 to stop. */
typedef int node_xattr_fn(void *arg, const char *name, const void *value, size_t len);

struct node_class {
	/* The node by itself: attributes, timeouts. The caller gives it to the kernel if
	 * HOLD. ERR_STALE if it is gone. */
	int (*get)(struct fs *fs, uint64_t id, bool hold, struct fuse_entry_param *ret,
		   struct err *err);
	/* An entry of a directory, ".." included, "." not; the kernel will hold it. An answer
	 * of 0 with ret->ino 0 is a name that may be remembered as missing; ERR_NOTFOUND one
	 * that may not. */
	int (*lookup)(struct fs *fs, uint64_t dir, const char *name,
		      struct fuse_entry_param *ret, struct err *err);
	/* Adds entries from OFFSET on until the listing is full. */
	int (*readdir)(struct fs *fs, uint64_t dir, uint64_t offset, struct listing *out,
		       struct err *err);
	/* The link's target, appended to OUT. */
	int (*readlink)(struct fs *fs, uint64_t id, struct buf *out, struct err *err);
	int (*read)(struct fs *fs, uint64_t id, uint64_t off, void *data, size_t len,
		    size_t *ret_len, struct err *err);
	int (*xattr_each)(struct fs *fs, uint64_t id, node_xattr_fn *each, void *arg,
			  struct err *err);
	/* The kernel holds the node COUNT times less. */
	void (*forget)(struct fs *fs, uint64_t id, uint64_t count);
};

/* NULL for an id of no class. */
const struct node_class *node_class(uint64_t id);

/* Fills a directory or file that the daemon itself makes up: owner, times, no timeouts.
 * MODE has type and permissions. */
void node_fill(struct fs *fs, uint64_t id, mode_t mode, struct fuse_entry_param *ret);

/* Standard errors. */
int node_stale(struct err *err);
int node_missing(const char *name, struct err *err);

#endif
