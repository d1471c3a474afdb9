/* SPDX-License-Identifier: Apache-2.0
 * Reads tree images (EROFS metadata) in place: bounds-checked, no allocation, no locks, any
 * number of threads. The filesystem daemon answers from this and never asks LMDB for
 * metadata. A damaged image gives ERR_CORRUPT, never a wild read.
 *
 * An inode is named by its nid: (offset of the inode) / 32. The root's is TREE_ROOT_NID.
 */
#ifndef STORE_TREE_READ_H
#define STORE_TREE_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "store/digest.h"

#define TREE_ROOT_NID 36u

struct tree {
	const uint8_t *bytes; /* borrowed: a mapped file or memory */
	uint64_t len;
	uint32_t inodes; /* how many the image has */
	uint32_t flags;  /* enum layer_flags of a layer's tree, 0 of a chain's */
};

/* Checks superblock and our header (writer version, sizes); the rest is checked as it is
 * read. ERR_CORRUPT. */
int tree_open(struct tree *t, const void *bytes, uint64_t len,
	      struct err *err) MUST_CHECK;

struct tree_node {
	uint64_t nid;
	uint32_t mode; /* S_IFMT and permissions */
	uint32_t uid, gid, nlink;
	uint64_t size;
	int64_t mtime;
	uint32_t mtime_nsec;
	uint32_t rdev_major, rdev_minor;
	uint32_t flags;       /* enum tree_inode_flags */
	struct digest digest; /* files with size > 0 */
};

/* err may be NULL in all of these: the hot path of the daemon makes no text. */
int tree_node(const struct tree *t, uint64_t nid, struct tree_node *ret,
	      struct err *err) MUST_CHECK;

/* A file with content that stands behind *NID in the image; *NID becomes its own. Tries at
 * most *TRIES places, and counts them down. For readahead only: what it finds looks like an
 * inode, which in a damaged image is all that can be said. */
bool tree_next_file(const struct tree *t, uint64_t *nid, unsigned *tries,
		    struct tree_node *ret);

/* Binary search in a directory. ERR_NOTFOUND. */
int tree_lookup(const struct tree *t, uint64_t dir, const char *name, size_t len,
		uint64_t *ret_nid, struct err *err) MUST_CHECK;

/* Entries of a directory from position OFFSET (0: the first) on, "." and ".." included, in
 * byte order. NEXT is the position after the entry; positions never change. EACH returns
 * > 0 to stop. TYPE is S_IFMT bits. */
typedef int tree_dirent_fn(void *arg, const char *name, size_t len, uint64_t nid,
			   uint32_t type, uint64_t next, struct err *err);
int tree_readdir(const struct tree *t, uint64_t dir, uint64_t offset,
		 tree_dirent_fn *each, void *arg, struct err *err) MUST_CHECK;

/* Symlink target, not NUL-terminated, valid as long as the image. */
int tree_readlink(const struct tree *t, uint64_t nid, const char **ret, size_t *ret_len,
		  struct err *err) MUST_CHECK;

/* All xattrs of an inode in stored order, bookkeeping ones (metacopy, redirect, ours)
 * included only with ALL. PREFIX is the part that EROFS stores as a number ("user.",
 * "trusted.", "security.", "system.posix_acl_access", ...), NAME the rest. EACH returns
 * > 0 to stop. */
typedef int tree_xattr_fn(void *arg, const char *prefix, const char *name,
			  size_t name_len, const void *value, size_t value_len,
			  struct err *err);
int tree_xattr_each(const struct tree *t, uint64_t nid, bool all, tree_xattr_fn *each,
		    void *arg, struct err *err) MUST_CHECK;

/* TREE_UNRESOLVED: the path of the hardlink's target. */
int tree_unresolved(const struct tree *t, uint64_t nid, const char **ret, size_t *ret_len,
		    struct err *err) MUST_CHECK;

/* Walks from PATH (relative to the root; "" is the root) without following links. */
int tree_path(const struct tree *t, const char *path, uint64_t *ret_nid,
	      struct err *err) MUST_CHECK;

/* Checks everything in the image (verify): every inode reachable, directories sorted and
 * free of cycles, link counts right, nothing out of bounds. */
int tree_check(const struct tree *t, struct err *err) MUST_CHECK;

#endif
