/* SPDX-License-Identifier: Apache-2.0
 * The directories that every mount has, from one table.
 */
#include <string.h>

#include "fs/classes.h"
#include "fs/generations.h"
#include "fs/listing.h"

enum fixed_content {
	FIXED_TABLE,  /* entries are other rows, and that never changes */
	FIXED_FILE,   /* the README */
	FIXED_CHAINS, /* the rest changes with the store's generation */
	FIXED_LAYERS,
	FIXED_KEYS,
	FIXED_NAMES,
	FIXED_OBJECTS,
};

struct fixed {
	const char *name;
	uint64_t parent;
	enum fixed_content content;
};

#define STATS_NAME "stats"

static const struct fixed table[] = {
	[NODEID_ROOT] = {"", NODEID_ROOT, FIXED_TABLE},
	[NODEID_README] = {"README", NODEID_ROOT, FIXED_FILE},
	[NODEID_CACHE] = {"cache", NODEID_ROOT, FIXED_TABLE},
	[NODEID_CACHE_SHA256] = {"sha256", NODEID_CACHE, FIXED_KEYS},
	[NODEID_CHAINS] = {"chains", NODEID_ROOT, FIXED_TABLE},
	[NODEID_CHAINS_SHA256] = {"sha256", NODEID_CHAINS, FIXED_CHAINS},
	[NODEID_IMAGES] = {"images", NODEID_ROOT, FIXED_NAMES},
	[NODEID_LAYERS] = {"layers", NODEID_ROOT, FIXED_TABLE},
	[NODEID_LAYERS_SHA256] = {"sha256", NODEID_LAYERS, FIXED_LAYERS},
	[NODEID_OBJECTS] = {"objects", NODEID_ROOT, FIXED_OBJECTS},
};

static const struct fixed *row(uint64_t id)
{
	return id >= NODEID_ROOT && id < ARRAY_LEN(table) ? &table[id] : NULL;
}

static mode_t mode_of(const struct fs *fs, const struct fixed *f)
{
	switch (f->content) {
	case FIXED_FILE:
		return S_IFREG | 0444;
	case FIXED_OBJECTS:
		return S_IFDIR | (fs->share_objects ? 0755 : 0700);
	default:
		return S_IFDIR | 0755;
	}
}

static bool is_living(const struct fixed *f)
{
	return f->content != FIXED_TABLE && f->content != FIXED_FILE &&
	       f->content != FIXED_OBJECTS;
}

static double attr_timeout_of(const struct fixed *f)
{
	if (!is_living(f))
		return NODE_FOREVER;
	return f->content == FIXED_NAMES ? 0 : NODE_TICK_SECONDS;
}

void fixed_entry(struct fs *fs, enum nodeid_fixed id, struct fuse_entry_param *ret)
{
	const struct fixed *f = &table[id];

	node_fill(fs, id, mode_of(fs, f), ret);
	ret->entry_timeout = NODE_FOREVER;
	ret->attr_timeout = attr_timeout_of(f);
	if (f->content == FIXED_FILE)
		ret->attr.st_size = (off_t)fs->readme.len;
}

static int fixed_get(struct fs *fs, uint64_t id, bool hold, struct fuse_entry_param *ret,
		     struct err *err)
{
	const struct fixed *f = row(id);

	(void)hold;
	if (!f)
		return node_stale(err);
	fixed_entry(fs, (enum nodeid_fixed)id, ret);
	if (!is_living(f))
		return 0;
	int rc = generations_mtime(fs->generations, &ret->attr.st_mtim, err);

	ret->attr.st_ctim = ret->attr.st_mtim;
	return rc;
}

static int table_lookup(struct fs *fs, uint64_t dir, const char *name,
			struct fuse_entry_param *ret, struct err *err)
{
	for (uint64_t id = NODEID_ROOT + 1; id < ARRAY_LEN(table); id++)
		if (table[id].parent == dir && strcmp(table[id].name, name) == 0)
			return fixed_get(fs, id, true, ret, err);
	if (dir == NODEID_ROOT && strcmp(name, STATS_NAME) == 0)
		return stats_lookup(fs, ret, err);
	return node_missing(name, err);
}

static int fixed_lookup(struct fs *fs, uint64_t dir, const char *name,
			struct fuse_entry_param *ret, struct err *err)
{
	const struct fixed *f = row(dir);

	if (!f)
		return node_stale(err);
	if (strcmp(name, "..") == 0)
		return fixed_get(fs, f->parent, true, ret, err);
	switch (f->content) {
	case FIXED_TABLE:
		return table_lookup(fs, dir, name, ret, err);
	case FIXED_CHAINS:
		return digests_lookup(fs, TREE_OF_CHAIN, name, ret, err);
	case FIXED_LAYERS:
		return digests_lookup(fs, TREE_OF_LAYER, name, ret, err);
	case FIXED_KEYS:
		return keys_lookup(fs, name, ret, err);
	case FIXED_NAMES:
		return images_lookup(fs, dir, name, ret, err);
	case FIXED_OBJECTS:
		return fanout_lookup(fs, name, ret, err);
	default:
		return node_missing(name, err);
	}
}

/* Positions are row numbers; the living file comes behind the last row. */
static void table_readdir(struct fs *fs, uint64_t dir, uint64_t offset,
			  struct listing *out)
{
	uint64_t id = offset < LISTING_FIRST ? 0 : offset - LISTING_FIRST + 1;

	for (; id < ARRAY_LEN(table); id++) {
		if (id == NODEID_ROOT || !table[id].name || table[id].parent != dir)
			continue;
		if (!listing_add(out, table[id].name, id, mode_of(fs, &table[id]),
				 LISTING_FIRST + id))
			return;
	}
	if (dir == NODEID_ROOT && id == ARRAY_LEN(table))
		listing_add(out, STATS_NAME, nodeid_make(NODEID_LIVING, 0), S_IFREG,
			    LISTING_FIRST + id);
}

static int fixed_readdir(struct fs *fs, uint64_t dir, uint64_t offset,
			 struct listing *out, struct err *err)
{
	const struct fixed *f = row(dir);

	if (!f)
		return node_stale(err);
	if (!listing_add_dots(out, dir, f->parent, offset))
		return 0;
	switch (f->content) {
	case FIXED_TABLE:
		table_readdir(fs, dir, offset, out);
		return 0;
	case FIXED_CHAINS:
		return digests_readdir(fs, TREE_OF_CHAIN, offset, out, err);
	case FIXED_LAYERS:
		return digests_readdir(fs, TREE_OF_LAYER, offset, out, err);
	case FIXED_KEYS:
		return keys_readdir(fs, offset, out, err);
	case FIXED_NAMES:
		return images_readdir(fs, dir, offset, out, err);
	default:
		return 0;
	}
}

static int fixed_read(struct fs *fs, uint64_t id, uint64_t off, void *data, size_t len,
		      size_t *ret_len, struct err *err)
{
	size_t left = off < fs->readme.len ? fs->readme.len - off : 0;

	if (id != NODEID_README)
		return node_stale(err);
	*ret_len = len < left ? len : left;
	if (*ret_len)
		memcpy(data, fs->readme.data + off, *ret_len);
	return 0;
}

const struct node_class fixed_class = {
	.get = fixed_get,
	.lookup = fixed_lookup,
	.readdir = fixed_readdir,
	.read = fixed_read,
};
