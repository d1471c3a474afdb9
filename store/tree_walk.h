/* SPDX-License-Identifier: Apache-2.0
 * Walks along a path through a tree model, as the kernel would inside a chroot: symlinks
 * are followed, ".." stops at the root. What to do about a name is the caller's choice;
 * links that were entered lie on a stack, so nothing is copied and nothing recurses.
 */
#ifndef STORE_TREE_WALK_H
#define STORE_TREE_WALK_H

#include "store/tree_model_private.h"

#define TREE_WALK_LINKS_MAX 40

struct tree_walk {
	struct tree_model *m;
	tree_ref dir; /* where the walk is */
	unsigned depth, links, steps;
	struct {
		const char *p;
		size_t len;
	} rest[TREE_WALK_LINKS_MAX + 1]; /* still to walk, innermost last */
};

/* From DIR; from the root if PATH begins with a slash. PATH must live as long as the walk. */
void tree_walk_init(struct tree_walk *w, struct tree_model *m, tree_ref dir,
		    const char *path, size_t len);
/* The next name to look up in w->dir; "." and ".." are done by the way. False: at the end,
 * w->dir is what the path leads to. */
bool tree_walk_next(struct tree_walk *w, const char **ret, size_t *ret_len);
/* Goes on with the target of a symlink in w->dir. False: too many links. */
bool tree_walk_follow(struct tree_walk *w, tree_ref symlink);
/* Appends the way from the root to NAME in w->dir and all that is still to walk (".." may
 * be in that). ERR_LIMIT. */
int tree_walk_spell(const struct tree_walk *w, const char *name, size_t len,
		    struct buf *path, struct err *err) MUST_CHECK;

/* The directory that a path, or a symlink in DIR, leads to; TREE_NONE if it leads to none. */
tree_ref tree_walk_path(struct tree_model *m, tree_ref dir, const char *path, size_t len);
tree_ref tree_walk_symlink(struct tree_model *m, tree_ref dir, tree_ref symlink);

#endif
