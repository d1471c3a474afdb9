/* SPDX-License-Identifier: Apache-2.0
 * A layer onto a chain in up to three walks over the layer: hardlinks find their targets in
 * what is below, then all that the layer hides goes, then all that it has comes. So no
 * whiteout can hit what its own layer brings, even where links below lead two of its
 * directories to the same place. */
#include "store/tree_merge.h"

#include "store/nid_map.h"
#include "store/record.h"
#include "store/tree_walk.h"

#define SHOWN_MAX 200 /* bytes of a path in an error */

/* A directory of the layer and what it is in the chain. */
struct pair {
	uint64_t nid;
	tree_ref dir;
};

struct merge {
	struct tree_model *chain;
	const struct tree *layer;
	struct nid_map known; /* inodes of the layer that have several names */
	struct pair *todo;
	uint32_t todo_count, todo_cap;
	uint32_t dirs; /* walked over: never more than there are inodes */
	tree_ref dir;  /* in the chain, for the entries that are being told */
};

static int damaged(struct err *err)
{
	return err_set(err, ERR_CORRUPT, "damaged tree: its directories make no tree");
}

static int todo_push(struct merge *g, uint64_t nid, tree_ref dir, struct err *err)
{
	uint32_t cap = g->todo_cap ? 2 * g->todo_cap : 64;
	struct pair *todo;

	if (g->todo_count >= g->layer->inodes)
		return damaged(err);
	if (g->todo_count == g->todo_cap) {
		todo = reallocarray(g->todo, cap, sizeof(*todo));
		if (!todo)
			return err_nomem(err);
		g->todo = todo;
		g->todo_cap = cap;
	}
	g->todo[g->todo_count++] = (struct pair){nid, dir};
	return 0;
}

static bool is_dots(const char *name, size_t len)
{
	return name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.'));
}

/* Tells EACH the entries of the directories on the list, which EACH makes longer. */
static int walk(struct merge *g, tree_dirent_fn *each, struct err *err)
{
	int r = todo_push(g, TREE_ROOT_NID, TREE_ROOT, err);

	g->dirs = 0;
	while (r == 0 && g->todo_count) {
		struct pair p = g->todo[--g->todo_count];

		/* Another name of the layer may have taken its place meanwhile. */
		if (!g->chain->inodes[p.dir].names)
			continue;
		if (++g->dirs > g->layer->inodes)
			return damaged(err);
		g->dir = p.dir;
		r = tree_readdir(g->layer, p.nid, 0, each, g, err);
	}
	return r;
}

/* The directory of the chain that a directory of the layer goes into; TREE_NONE: into none
 * that is there. */
static tree_ref existing(struct merge *g, const struct tree_node *node, const char *name,
			 size_t len)
{
	tree_ref child = tree_model_lookup(g->chain, g->dir, name, len);

	if (child == TREE_NONE || tree_model_is_dir(g->chain, child))
		return child;
	if (node->flags & TREE_IMPLIED && S_ISLNK(g->chain->inodes[child].mode))
		return tree_walk_symlink(g->chain, g->dir, child);
	return TREE_NONE;
}

/* ---- hardlinks to what is below ---- */

/* A long path is cut so that the cause is still seen. */
static int bad_target(const char *path, size_t len, const char *cause, struct err *err)
{
	bool cut = len > SHOWN_MAX;

	return err_set(err, ERR_INVALID, "hardlink target '%.*s%s' %s",
		       (int)(cut ? SHOWN_MAX : len), path, cut ? "..." : "", cause);
}

static int resolve(struct merge *g, uint64_t nid, struct err *err)
{
	const char *path, *slash, *base;
	size_t len, dir_len;
	tree_ref dir, found = TREE_NONE;
	int r = tree_unresolved(g->layer, nid, &path, &len, err);

	if (r < 0)
		return r;
	slash = memrchr(path, '/', len);
	dir_len = slash ? (size_t)(slash + 1 - path) : 0;
	base = path + dir_len;
	dir = tree_walk_path(g->chain, TREE_ROOT, path, dir_len);
	if (dir != TREE_NONE)
		found = tree_model_lookup(g->chain, dir, base, len - dir_len);
	if (found == TREE_NONE)
		return bad_target(path, len, "does not exist", err);
	if (tree_model_is_dir(g->chain, found))
		return bad_target(path, len, "is a directory", err);
	return nid_map_set(&g->known, nid, found, err);
}

static int resolve_entry(void *arg, const char *name, size_t len, uint64_t nid,
			 uint32_t type, uint64_t next, struct err *err)
{
	struct merge *g = arg;
	struct tree_node node;
	int r;

	(void)next;
	if (is_dots(name, len))
		return 0;
	if (S_ISDIR(type))
		return todo_push(g, nid, TREE_ROOT, err);
	r = tree_node(g->layer, nid, &node, err);
	if (r < 0 || !(node.flags & TREE_UNRESOLVED))
		return r;
	return resolve(g, nid, err);
}

/* ---- what the layer hides ---- */

static int hide_entry(void *arg, const char *name, size_t len, uint64_t nid,
		      uint32_t type, uint64_t next, struct err *err)
{
	struct merge *g = arg;
	struct tree_node node;
	tree_ref dir;
	int r;

	(void)next;
	if (is_dots(name, len) || (!S_ISDIR(type) && !S_ISCHR(type)))
		return 0;
	r = tree_node(g->layer, nid, &node, err);
	if (r < 0)
		return r;
	if (node.flags & TREE_WHITEOUT)
		tree_model_unlink(g->chain, g->dir, name, len);
	if (!S_ISDIR(type))
		return 0;
	dir = existing(g, &node, name, len);
	if (dir == TREE_NONE)
		return 0;
	if (!(node.flags & TREE_OPAQUE))
		return todo_push(g, nid, dir, err);
	tree_model_clear(g->chain, dir);
	return 0;
}

static int hide(struct merge *g, const struct tree_node *root, struct err *err)
{
	if (root->flags & TREE_OPAQUE)
		tree_model_clear(g->chain, TREE_ROOT);
	/* Nothing is hidden where nothing is: the first layer of a chain. */
	if (tree_model_count(g->chain) == 1)
		return 0;
	return walk(g, hide_entry, err);
}

/* ---- what the layer has ---- */

static int take_xattr(void *arg, const char *prefix, const char *name, size_t name_len,
		      const void *value, size_t value_len, struct err *err)
{
	return tree_xattrs_add(arg, prefix, name, name_len, value, value_len, err);
}

/* What the layer says of an inode; marks that only mean something in layers are dropped. */
static int attr_take(struct merge *g, const struct tree_node *node,
		     struct tree_attr *attr, struct err *err)
{
	struct tree_xattrs *x = &g->chain->xattrs;
	const char *link;
	size_t len;
	int r;

	*attr = (struct tree_attr){
		.mode = node->mode,
		.uid = node->uid,
		.gid = node->gid,
		.mtime = node->mtime,
		.mtime_nsec = node->mtime_nsec,
		.rdev_major = node->rdev_major,
		.rdev_minor = node->rdev_minor,
		.size = node->size,
		.flags = node->flags & TREE_DEVICE_ZERO,
	};
	if (S_ISREG(node->mode) && node->size)
		attr->digest = node->digest;
	if (S_ISLNK(node->mode)) {
		r = tree_readlink(g->layer, node->nid, &link, &len, err);
		if (r < 0)
			return r;
		if (len == 0 || memchr(link, '\0', len))
			return err_set(err, ERR_CORRUPT, "damaged tree: a bad symlink");
		attr->link = tree_arena_string(&g->chain->arena, link, len);
		if (!attr->link)
			return err_nomem(err);
	}
	tree_xattrs_clear(x);
	r = tree_xattr_each(g->layer, node->nid, false, take_xattr, x, err);
	if (r < 0)
		return r;
	tree_xattrs_finish(x);
	attr->xattrs = x->items;
	attr->xattr_count = x->count;
	return 0;
}

static int inode_take(struct merge *g, const struct tree_node *node, tree_ref *ret,
		      struct err *err)
{
	struct tree_attr attr;
	int r = attr_take(g, node, &attr, err);

	return r < 0 ? r : tree_model_add(g->chain, &attr, ret, err);
}

static int dir_take(struct merge *g, const struct tree_node *node, tree_ref dir,
		    struct err *err)
{
	struct tree_attr attr;
	int r;

	if (node->flags & TREE_IMPLIED)
		return 0;
	r = attr_take(g, node, &attr, err);
	return r < 0 ? r : tree_model_set(g->chain, dir, &attr, err);
}

static int add_dir(struct merge *g, const char *name, size_t len,
		   const struct tree_node *node, struct err *err)
{
	tree_ref dir = existing(g, node, name, len);
	int r;

	if (dir != TREE_NONE) {
		r = dir_take(g, node, dir, err);
	} else {
		r = inode_take(g, node, &dir, err);
		if (r == 0)
			r = tree_model_link(g->chain, g->dir, name, len, dir, err);
	}
	return r < 0 ? r : todo_push(g, node->nid, dir, err);
}

static int add_other(struct merge *g, const char *name, size_t len,
		     const struct tree_node *node, struct err *err)
{
	bool shared = node->nlink > 1;
	tree_ref inode = TREE_NONE;
	int r = 0;

	if (shared || node->flags & TREE_UNRESOLVED)
		inode = nid_map_get(&g->known, node->nid);
	if (inode == TREE_NONE && node->flags & TREE_UNRESOLVED)
		return err_set(
			err, ERR_CORRUPT,
			"damaged tree: a hardlink that its header does not tell of");
	if (inode == TREE_NONE) {
		r = inode_take(g, node, &inode, err);
		if (r == 0 && shared)
			r = nid_map_set(&g->known, node->nid, inode, err);
	}
	return r < 0 ? r : tree_model_link(g->chain, g->dir, name, len, inode, err);
}

static int add_entry(void *arg, const char *name, size_t len, uint64_t nid, uint32_t type,
		     uint64_t next, struct err *err)
{
	struct merge *g = arg;
	struct tree_node node;
	int r;

	(void)next;
	if (len == 0 || memchr(name, '/', len) || memchr(name, '\0', len))
		return err_set(err, ERR_CORRUPT, "damaged tree: a bad name");
	if (is_dots(name, len))
		return 0;
	r = tree_node(g->layer, nid, &node, err);
	if (r < 0 || node.flags & TREE_WHITEOUT)
		return r;
	if (S_ISDIR(node.mode) != S_ISDIR(type))
		return damaged(err);
	return S_ISDIR(type) ? add_dir(g, name, len, &node, err)
			     : add_other(g, name, len, &node, err);
}

/* ---- all of it ---- */

static int reserve(struct merge *g, struct err *err)
{
	const struct tree *t = g->layer;

	/* What the image says of itself, unless it is too small for that. */
	if (t->inodes > t->len / 32)
		return damaged(err);
	return tree_model_reserve(g->chain, t->inodes, t->inodes, err);
}

static int merge(struct merge *g, struct err *err)
{
	struct tree_node root;
	int r = tree_node(g->layer, TREE_ROOT_NID, &root, err);

	if (r == 0)
		r = reserve(g, err);
	if (r == 0 && g->layer->flags & LAYER_UNRESOLVED_LINKS)
		r = walk(g, resolve_entry, err);
	if (r == 0)
		r = hide(g, &root, err);
	if (r == 0)
		r = dir_take(g, &root, TREE_ROOT, err);
	if (r == 0)
		r = walk(g, add_entry, err);
	if (r == 0)
		g->chain->inodes[TREE_ROOT].flags &= ~(uint32_t)TREE_IMPLIED;
	return r;
}

int tree_merge(struct tree_model *chain, const struct tree *layer, struct err *err)
{
	struct merge g = {.chain = chain, .layer = layer};
	int r = merge(&g, err);

	nid_map_release(&g.known);
	free(g.todo);
	return r;
}
