/* SPDX-License-Identifier: Apache-2.0
 * Nodes inside trees: everything below chains/sha256/<ChainID> and layers/sha256/<DiffID>.
 *
 * A tree never changes under its number, so the kernel may keep whatever it is told, missing
 * names included, for ever. Answers come from the mapped tree alone.
 */
#include <limits.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "fs/ahead.h"
#include "fs/classes.h"
#include "fs/counters.h"
#include "fs/listing.h"
#include "fs/xattrs.h"
#include "store/record.h"
#include "store/tree_model.h"

/* A tree while a request looks at it. */
struct view {
	struct fs *fs;
	struct forest_tree *tree;
	uint64_t nid;
};

static void view_close(struct view *v)
{
	forest_put(v->fs->forest, v->tree);
}

#define auto_view __attribute__((cleanup(view_close)))

static int view_open(struct fs *fs, uint64_t id, struct view *v, struct err *err)
{
	int rc;

	v->fs = fs;
	v->tree = NULL;
	v->nid = nodeid_tree_nid(id);
	rc = forest_get(fs->forest, nodeid_tree_number(id), &v->tree, err);
	return rc == -ERR_NOTFOUND ? node_stale(err) : rc;
}

static int damaged(const struct forest_tree *t, struct err *err)
{
	char text[DIGEST_TEXT_SIZE];

	return err_set(err, ERR_CORRUPT, "tree of %s '%s' is damaged",
		       t->owner == TREE_OF_CHAIN ? "chain" : "layer",
		       digest_format(&t->id, text));
}

/* The readers of trees are called without an error to fill: a missing name is no error and
 * must cost nothing. */
static int tree_error(const struct forest_tree *t, int rc, struct err *err)
{
	return rc == -ERR_CORRUPT ? damaged(t, err)
				  : err_set(err, (enum err_code) - rc,
					    "cannot read tree %u", t->number);
}

static int view_node(const struct view *v, uint64_t nid, struct tree_node *ret,
		     struct err *err)
{
	int rc = tree_node(&v->tree->tree, nid, ret, NULL);

	return rc ? tree_error(v->tree, rc, err) : 0;
}

/* Hardlinks to files of layers below are nothing that a layer alone could show. */
static bool is_hidden(const struct tree_node *node)
{
	return node->flags & TREE_UNRESOLVED;
}

static uint64_t node_id(const struct forest_tree *t, uint64_t nid)
{
	return nodeid_tree(t->number, nid);
}

static void fill(const struct forest_tree *t, const struct tree_node *node,
		 struct fuse_entry_param *ret)
{
	bool zero = node->flags & (TREE_WHITEOUT | TREE_DEVICE_ZERO);

	memset(ret, 0, sizeof(*ret));
	ret->ino = node_id(t, node->nid);
	ret->generation = t->generation;
	ret->entry_timeout = ret->attr_timeout = NODE_FOREVER;
	ret->attr.st_ino = ret->ino;
	ret->attr.st_mode = zero ? S_IFCHR | (node->mode & ~(mode_t)S_IFMT) : node->mode;
	ret->attr.st_nlink = node->nlink;
	ret->attr.st_uid = node->uid;
	ret->attr.st_gid = node->gid;
	ret->attr.st_size = (off_t)node->size;
	ret->attr.st_blocks = (blkcnt_t)(node->size / 512 + (node->size % 512 != 0));
	ret->attr.st_blksize = 4096;
	if (!zero)
		ret->attr.st_rdev = makedev(node->rdev_major, node->rdev_minor);
	ret->attr.st_mtim.tv_sec = node->mtime;
	ret->attr.st_mtim.tv_nsec = node->mtime_nsec;
	ret->attr.st_atim = ret->attr.st_ctim = ret->attr.st_mtim;
}

int trees_root(struct fs *fs, const struct forest_tree *tree,
	       struct fuse_entry_param *ret, struct err *err)
{
	struct tree_node node;
	int rc;

	if (tree->number > NODEID_TREE_MAX)
		return err_set(err, ERR_LIMIT, "tree number %u is too large",
			       tree->number);
	rc = tree_node(&tree->tree, TREE_ROOT_NID, &node, NULL);
	if (rc)
		return tree_error(tree, rc, err);
	fill(tree, &node, ret);
	ret->entry_timeout = NODE_DIGEST_SECONDS;
	counters_hold(fs->counters, tree->number, 1);
	return 0;
}

static int trees_get(struct fs *fs, uint64_t id, bool hold, struct fuse_entry_param *ret,
		     struct err *err)
{
	auto_view struct view v;
	struct tree_node node;
	int rc = view_open(fs, id, &v, err);

	if (!rc)
		rc = view_node(&v, v.nid, &node, err);
	if (rc)
		return rc;
	if (is_hidden(&node))
		return node_stale(err);
	fill(v.tree, &node, ret);
	if (hold)
		counters_hold(fs->counters, v.tree->number, 1);
	return 0;
}

/* The FIXED directory that a tree hangs below. */
static enum nodeid_fixed above(const struct forest_tree *t)
{
	return t->owner == TREE_OF_CHAIN ? NODEID_CHAINS_SHA256 : NODEID_LAYERS_SHA256;
}

static int trees_lookup(struct fs *fs, uint64_t dir, const char *name,
			struct fuse_entry_param *ret, struct err *err)
{
	auto_view struct view v;
	struct tree_node node;
	uint64_t nid;
	int rc = view_open(fs, dir, &v, err);

	if (rc)
		return rc;
	if (v.nid == TREE_ROOT_NID && strcmp(name, "..") == 0)
		return fixed_class.get(fs, above(v.tree), true, ret, err);
	rc = tree_lookup(&v.tree->tree, v.nid, name, strlen(name), &nid, NULL);
	if (!rc)
		rc = view_node(&v, nid, &node, err);
	else if (rc != -ERR_NOTFOUND)
		return tree_error(v.tree, rc, err);
	if (rc == -ERR_NOTFOUND || (!rc && is_hidden(&node))) {
		memset(ret, 0, sizeof(*ret));
		ret->entry_timeout = NODE_FOREVER;
		return 0;
	}
	if (rc)
		return rc;
	fill(v.tree, &node, ret);
	counters_hold(fs->counters, v.tree->number, 1);
	return 0;
}

struct filling {
	const struct view *view;
	struct listing *out;
};

static bool is_dots(const char *name, size_t len)
{
	return name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.'));
}

static int add_entry(void *arg, const char *name, size_t len, uint64_t nid, uint32_t type,
		     uint64_t next, struct err *err)
{
	struct filling *f = arg;
	const struct forest_tree *t = f->view->tree;
	struct fuse_entry_param entry;
	struct tree_node node;
	char text[NAME_MAX + 1];
	int rc;

	if (len > NAME_MAX)
		return damaged(t, err);
	memcpy(text, name, len);
	text[len] = '\0';
	if (is_dots(name, len)) {
		bool top = f->view->nid == TREE_ROOT_NID && len == 2;

		return !listing_add(f->out, text, top ? above(t) : node_id(t, nid),
				    S_IFDIR, next);
	}
	if (!f->out->plus && !(t->tree.flags & LAYER_UNRESOLVED_LINKS))
		return !listing_add(f->out, text, node_id(t, nid), type, next);
	rc = view_node(f->view, nid, &node, err);
	if (rc)
		return rc;
	if (is_hidden(&node))
		return 0;
	if (!f->out->plus)
		return !listing_add(f->out, text, node_id(t, nid), type, next);
	fill(t, &node, &entry);
	if (!listing_add_full(f->out, text, &entry, next))
		return 1;
	f->out->held++;
	return 0;
}

static int trees_readdir(struct fs *fs, uint64_t dir, uint64_t offset,
			 struct listing *out, struct err *err)
{
	auto_view struct view v;
	struct filling filling = {.view = &v, .out = out};
	int rc = view_open(fs, dir, &v, err);

	if (rc)
		return rc;
	rc = tree_readdir(&v.tree->tree, v.nid, offset, add_entry, &filling, err);
	if (rc < 0)
		return rc;
	counters_hold(fs->counters, v.tree->number, out->held);
	/* The empty answer comes after all others. */
	if (out->plus && out->used == 0 && offset > 0)
		ahead_listed(fs->ahead, v.tree, v.nid);
	return 0;
}

static int trees_readlink(struct fs *fs, uint64_t id, struct buf *out, struct err *err)
{
	auto_view struct view v;
	const char *target;
	size_t len;
	int rc = view_open(fs, id, &v, err);

	if (!rc)
		rc = tree_readlink(&v.tree->tree, v.nid, &target, &len, err);
	return rc ? rc : buf_append(out, target, len, err);
}

static int read_node(struct fs *fs, uint64_t id, uint64_t off, void *data, size_t len,
		     size_t *ret_len, struct err *err)
{
	auto_view struct view v;
	struct tree_node node;
	char text[DIGEST_TEXT_SIZE];
	int rc;

	rc = view_open(fs, id, &v, err);
	if (!rc)
		rc = view_node(&v, v.nid, &node, err);
	if (rc)
		return rc;
	if (!S_ISREG(node.mode))
		return err_set(err, ERR_INVALID, "not a regular file");
	if (off >= node.size) {
		*ret_len = 0;
		return 0;
	}
	if (len > node.size - off)
		len = (size_t)(node.size - off);
	rc = objects_read(fs->objects, &node.digest, off, data, len, ret_len, err);
	if (rc == -ERR_NOTFOUND || (!rc && *ret_len != len))
		return err_set(err, ERR_CORRUPT, "content '%s' of a file is %s",
			       digest_format(&node.digest, text),
			       rc ? "missing" : "short");
	if (!rc && off == 0)
		ahead_read(fs->ahead, v.tree, v.nid);
	return rc;
}

static int trees_read(struct fs *fs, uint64_t id, uint64_t off, void *data, size_t len,
		      size_t *ret_len, struct err *err)
{
	int rc;

	ahead_begin(fs->ahead);
	rc = read_node(fs, id, off, data, len, ret_len, err);
	ahead_end(fs->ahead);
	return rc;
}

static int trees_xattr_each(struct fs *fs, uint64_t id, node_xattr_fn *each, void *arg,
			    struct err *err)
{
	auto_view struct view v;
	struct tree_node node;
	int rc = view_open(fs, id, &v, err);

	if (!rc)
		rc = view_node(&v, v.nid, &node, err);
	if (rc)
		return rc;
	rc = xattrs_each(&v.tree->tree, &node, v.tree->owner == TREE_OF_LAYER,
			 fs->opaque_user, each, arg);
	return rc ? tree_error(v.tree, rc, err) : 0;
}

static void trees_forget(struct fs *fs, uint64_t id, uint64_t count)
{
	counters_hold(fs->counters, nodeid_tree_number(id), -(int64_t)count);
}

const struct node_class trees_class = {
	.get = trees_get,
	.lookup = trees_lookup,
	.readdir = trees_readdir,
	.readlink = trees_readlink,
	.read = trees_read,
	.xattr_each = trees_xattr_each,
	.forget = trees_forget,
};
