/* SPDX-License-Identifier: Apache-2.0
 * What the parts of the tree model share: tree_model.c (inodes), tree_model_names.c (names),
 * tree_walk.c (paths), tree_model_apply.c (the entries of a tar) and tree_merge.c. Included
 * by these only.
 */
#ifndef STORE_TREE_MODEL_PRIVATE_H
#define STORE_TREE_MODEL_PRIVATE_H

#include <string.h>
#include <sys/stat.h>

#include "store/tree_arena.h"
#include "store/tree_model.h"
#include "store/tree_xattrs.h"

/* Set in an inode's flags beside enum tree_inode_flags, never told. */
#define TREE_MODEL_OVERLAY_XATTRS (1u << 15)
#define TREE_MODEL_KEPT           (1u << 14) /* by tree_model_remember */

/* In place of a directory: names of aufs's hardlink directory, reachable by no path. */
#define TREE_MODEL_PLNK (UINT32_MAX - 1)

typedef uint32_t name_ref;

struct tree_inode {
	uint64_t size;
	int64_t mtime;
	const struct tree_xattr *xattrs;
	uint32_t xattr_count;
	uint32_t uid, gid, mtime_nsec;
	uint32_t names; /* how many it has; the root has one */
	uint16_t mode, flags;
	union {
		struct digest digest; /* S_IFREG */
		const char *link;     /* S_IFLNK, TREE_UNRESOLVED */
		tree_ref next_recycled;
		struct {
			uint32_t major, minor;
		} rdev; /* S_IFCHR, S_IFBLK */
		struct {
			name_ref first;   /* child; TREE_NONE */
			uint32_t count;   /* children */
			uint32_t subdirs; /* of these, directories */
			uint32_t path_len;
			name_ref self;   /* its own name; TREE_NONE */
			tree_ref doomed; /* list of directories being emptied */
		} dir;                   /* S_IFDIR */
	};
};

/* A name that was taken away keeps its place, so that it is found by who searches past it
 * and used again when the name comes back. */
struct tree_name {
	const char *name;
	uint32_t len;
	tree_ref dir;
	tree_ref inode;      /* TREE_NONE: taken away */
	name_ref next, prev; /* children of the same directory */
};

struct name_slot {
	uint32_t hash;
	uint32_t name; /* name_ref + 1; 0: free */
};

struct tree_model {
	struct tree_inode *inodes;
	uint32_t inode_count, inode_cap;
	uint32_t reachable;
	tree_ref recycled; /* the first of a list; TREE_NONE */

	struct tree_name *names;
	uint32_t name_count, name_cap;

	struct name_slot *slots;
	uint32_t slot_bits;
	uint64_t seed;

	struct tree_arena arena;
	struct tree_xattrs xattrs; /* scratch */

	/* Where the entry before was: most entries share their parent with it. */
	char parent_path[TREE_MODEL_PATH_MAX]; /* as spelled */
	size_t parent_len;
	tree_ref parent; /* TREE_NONE: forget it */
};

static inline bool tree_model_is_dir(const struct tree_model *m, tree_ref r)
{
	return S_ISDIR(m->inodes[r].mode);
}

/* ---- tree_model.c ---- */

/* Room for that many more inodes and names at once. */
int tree_model_reserve(struct tree_model *m, uint32_t inodes, uint32_t names,
		       struct err *err) MUST_CHECK;
/* As tree_model_inode, with attr->link already in the arena. */
int tree_model_add(struct tree_model *m, const struct tree_attr *attr, tree_ref *ret,
		   struct err *err) MUST_CHECK;

/* ERR_LIMIT if names, links and xattrs take more than any image has. */
int tree_model_text_check(const struct tree_model *m, struct err *err) MUST_CHECK;
/* INODE was replaced by a later entry of the same name. If it has no other name, nothing can
 * lead to it any more (what is asked for by tree_model_set_digest comes in order): the next
 * inode takes its place. Never a directory. */
void tree_model_recycle(struct tree_model *m, tree_ref inode);

/* ---- tree_model_names.c ---- */

int tree_model_names_reserve(struct tree_model *m, uint32_t more,
			     struct err *err) MUST_CHECK;
/* Takes away all names in DIR. */
void tree_model_clear(struct tree_model *m, tree_ref dir);
/* Remembers an inode in TREE_MODEL_PLNK, where it is not part of the tree. */
int tree_model_remember(struct tree_model *m, const char *name, size_t len,
			tree_ref inode, struct err *err) MUST_CHECK;
/* Appends the directory's path without a leading slash (nothing for the root). ERR_LIMIT. */
int tree_model_path(const struct tree_model *m, tree_ref dir, struct buf *path,
		    struct err *err) MUST_CHECK;

#endif
