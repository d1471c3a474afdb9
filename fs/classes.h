/* SPDX-License-Identifier: Apache-2.0
 * The classes of nodes, each defined in a file of its own (node.h says what they do), and
 * the directories that FIXED nodes hand over to them.
 */
#ifndef FS_CLASSES_H
#define FS_CLASSES_H

#include "fs/node.h"

extern const struct node_class fixed_class;       /* fixed.c */
extern const struct node_class trees_class;       /* trees.c */
extern const struct node_class content_class;     /* content.c */
extern const struct node_class fanout_class;      /* content.c */
extern const struct node_class images_dir_class;  /* images.c */
extern const struct node_class images_link_class; /* images.c */
extern const struct node_class stats_class;       /* stats.c */

/* chains/sha256 and layers/sha256. */
int digests_lookup(struct fs *fs, enum tree_owner owner, const char *name,
		   struct fuse_entry_param *ret, struct err *err) MUST_CHECK;
int digests_readdir(struct fs *fs, enum tree_owner owner, uint64_t offset,
		    struct listing *out, struct err *err) MUST_CHECK;

/* cache/sha256. */
int keys_lookup(struct fs *fs, const char *name, struct fuse_entry_param *ret,
		struct err *err) MUST_CHECK;
int keys_readdir(struct fs *fs, uint64_t offset, struct listing *out,
		 struct err *err) MUST_CHECK;

/* objects/. */
int fanout_lookup(struct fs *fs, const char *name, struct fuse_entry_param *ret,
		  struct err *err) MUST_CHECK;

/* images/. */
int images_lookup(struct fs *fs, uint64_t dir, const char *name,
		  struct fuse_entry_param *ret, struct err *err) MUST_CHECK;
int images_readdir(struct fs *fs, uint64_t dir, uint64_t offset, struct listing *out,
		   struct err *err) MUST_CHECK;

/* The stats file. */
int stats_lookup(struct fs *fs, struct fuse_entry_param *ret, struct err *err) MUST_CHECK;
int stats_render(void *fs, struct buf *out, struct err *err) MUST_CHECK;

/* A FIXED directory as an entry: what "..", from the top of what is below it, leads to. */
void fixed_entry(struct fs *fs, enum nodeid_fixed fixed, struct fuse_entry_param *ret);

/* The top of a tree as an entry of its digest directory; the kernel will hold it. */
int trees_root(struct fs *fs, const struct forest_tree *tree,
	       struct fuse_entry_param *ret, struct err *err) MUST_CHECK;

#endif
