/* SPDX-License-Identifier: Apache-2.0
 * The order in which a tree becomes an image: every directory's entries sorted by bytes, its
 * new inodes numbered in that order, then the same for the directories among them. A pure
 * function of the tree. Used by tree_write.c only.
 */
#ifndef STORE_TREE_ORDER_H
#define STORE_TREE_ORDER_H

#include "store/tree_model.h"

/* One name in a directory, "." and ".." included. */
struct tree_order_entry {
	const char *name; /* the model's, not terminated */
	uint32_t len;
	uint32_t inode; /* number in `inodes` */
};

struct tree_order_inode {
	union {
		tree_ref ref; /* the model's */
		uint32_t nid; /* for the writer, who needs the model's no more */
	};
	uint32_t entry; /* where it was first met, in `entries` */
	uint32_t nlink; /* how many entries name it */
	uint32_t mode;
};

struct tree_order_dir {
	uint32_t inode, parent;
	uint32_t first, count; /* its entries, in `entries` */
	uint64_t size;         /* for the writer: bytes of its data */
	uint64_t tail;         /* for the writer: offset of its inline tail, 0: none */
};

struct tree_order {
	struct tree_order_entry *entries;
	struct tree_order_inode *inodes; /* [0] is the root */
	struct tree_order_dir *dirs;     /* ordered by inode */
	uint32_t entry_count, inode_count, dir_count;
	/* what these arrays live in */
	struct buf entry_buf, inode_buf, dir_buf;
};

/* RET is released with tree_order_release in any case. ERR_INVALID: a directory with two
 * names. */
int tree_order_make(struct tree_model *m, struct tree_order *ret,
		    struct err *err) MUST_CHECK;
void tree_order_release(struct tree_order *o);

/* Path of an inode for error texts, "/" and names; "..." in front if it is too long. */
#define TREE_ORDER_PATH_SIZE 4200
const char *tree_order_path(const struct tree_order *o, uint32_t inode,
			    char text[TREE_ORDER_PATH_SIZE]);

#endif
