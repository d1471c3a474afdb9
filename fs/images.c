/* SPDX-License-Identifier: Apache-2.0
 * images/: directories of hosts and repositories, links from tags to chains.
 */
#include <string.h>

#include "fs/classes.h"
#include "fs/generations.h"
#include "fs/listing.h"
#include "fs/names_cache.h"

static int fill(struct fs *fs, const struct names_node *node,
		struct fuse_entry_param *ret, struct err *err)
{
	if (node->target) {
		node_fill(fs, node->id, S_IFLNK | 0777, ret);
		ret->attr.st_size = (off_t)strlen(node->target);
		/* The id stands for this target, so the link itself never changes. */
		ret->attr_timeout = NODE_FOREVER;
		return 0;
	}
	node_fill(fs, node->id, S_IFDIR | 0755, ret);
	int rc = generations_mtime(fs->generations, &ret->attr.st_mtim, err);

	ret->attr.st_ctim = ret->attr.st_mtim;
	return rc;
}

static int images_get(struct fs *fs, uint64_t id, bool hold, struct fuse_entry_param *ret,
		      struct err *err)
{
	auto_names struct names *names = NULL;
	const struct names_node *node;
	int rc = names_cache_get(fs->names, &names, err);

	(void)hold;
	if (rc)
		return rc;
	node = names_get(names, id);
	return node ? fill(fs, node, ret, err) : node_stale(err);
}

/* The directory above, 0 if DIR is gone; images/ itself is a FIXED node. */
static uint64_t parent_of(const struct names *names, uint64_t dir)
{
	const struct names_node *node;

	if (dir == NODEID_IMAGES)
		return NODEID_ROOT;
	node = names_get(names, dir);
	return node ? node->parent : 0;
}

int images_lookup(struct fs *fs, uint64_t dir, const char *name,
		  struct fuse_entry_param *ret, struct err *err)
{
	auto_names struct names *names = NULL;
	const struct names_node *node;
	uint64_t parent;
	int rc = names_cache_get(fs->names, &names, err);

	if (rc)
		return rc;
	parent = parent_of(names, dir);
	if (!parent)
		return node_stale(err);
	if (strcmp(name, "..") != 0)
		node = names_lookup(names, dir, name);
	else if (parent == NODEID_IMAGES)
		return fixed_class.get(fs, parent, true, ret, err);
	else
		node = names_get(names, parent);
	return node ? fill(fs, node, ret, err) : node_missing(name, err);
}

int images_readdir(struct fs *fs, uint64_t dir, uint64_t offset, struct listing *out,
		   struct err *err)
{
	auto_names struct names *names = NULL;
	uint64_t place = offset < LISTING_FIRST ? 0 : offset - LISTING_FIRST + 1;
	int rc = names_cache_get(fs->names, &names, err);

	if (rc)
		return rc;
	for (const struct names_node *node = names_first(names, dir, place); node;
	     node = names_next(names, node))
		if (!listing_add(out, node->name, node->id,
				 node->target ? S_IFLNK : S_IFDIR,
				 LISTING_FIRST + node->place))
			break;
	return 0;
}

static int images_dir_readdir(struct fs *fs, uint64_t dir, uint64_t offset,
			      struct listing *out, struct err *err)
{
	auto_names struct names *names = NULL;
	uint64_t parent;
	int rc = names_cache_get(fs->names, &names, err);

	if (rc)
		return rc;
	parent = parent_of(names, dir);
	if (!parent)
		return node_stale(err);
	if (!listing_add_dots(out, dir, parent, offset))
		return 0;
	return images_readdir(fs, dir, offset, out, err);
}

static int images_readlink(struct fs *fs, uint64_t id, struct buf *out, struct err *err)
{
	auto_names struct names *names = NULL;
	const struct names_node *node;
	int rc = names_cache_get(fs->names, &names, err);

	if (rc)
		return rc;
	node = names_get(names, id);
	if (!node || !node->target)
		return node_stale(err);
	return buf_append(out, node->target, strlen(node->target), err);
}

const struct node_class images_dir_class = {
	.get = images_get,
	.lookup = images_lookup,
	.readdir = images_dir_readdir,
};

const struct node_class images_link_class = {
	.get = images_get,
	.readlink = images_readlink,
};
