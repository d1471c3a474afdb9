/* SPDX-License-Identifier: Apache-2.0
 * Checks every byte of a tree image that anything is ever read from. Unlike the reader it
 * needs memory: two bits per 32 bytes of the image, and 4 bytes per directory entry whose inode
 * has several. */
#include <string.h>
#include <sys/stat.h>

#include "store/base/buf.h"
#include "store/tree_model.h"
#include "store/tree_read_private.h"

struct check {
	const struct tree *t;
	uint64_t blocks_at;
	uint8_t *used;     /* a bit per slot */
	uint8_t *starts;   /* the same: an inode begins here */
	struct buf shared; /* u32 nid: once for every entry that names it */
	struct buf dirs;   /* struct pending, first in first out from `next` on */
	size_t next;
	uint64_t inodes;
};

struct pending {
	uint32_t nid, parent;
};

/* ---- what is used by whom ---- */

/* Marks the slots of [off, off + len). False: something else is there. */
static bool claim(struct check *c, uint64_t off, uint64_t len)
{
	uint64_t end = (off + len + TREE_SLOT - 1) / TREE_SLOT;

	for (uint64_t i = off / TREE_SLOT; i < end; i++) {
		uint8_t bit = (uint8_t)(1u << i % 8);

		if (c->used[i / 8] & bit)
			return false;
		c->used[i / 8] |= bit;
	}
	return true;
}

static bool is_checked(const struct check *c, uint64_t nid)
{
	return c->starts[nid / 8] & 1u << nid % 8;
}

/* ---- one inode ---- */

static int on_xattr(void *arg, const char *prefix, const char *name, size_t name_len,
		    const void *value, size_t value_len, struct err *err)
{
	(void)arg;
	(void)prefix;
	(void)name;
	(void)name_len;
	(void)value;
	(void)value_len;
	(void)err;
	return 0;
}

/* Bytes of the inode behind its xattrs. */
static int check_map(const struct tree_stored *i, uint64_t *ret_len, struct err *err)
{
	uint32_t bits = get_le32(i->core + TREE_INODE_UNION);
	uint64_t count;

	if (bits > TREE_CHUNK_BITS_MAX)
		return tree_damaged(i->nid, "impossible chunk size", err);
	count = ((i->size - 1) >> (bits + TREE_BLOCK_BITS)) + 1;
	if (count > i->room / 4)
		return tree_damaged(i->nid, "chunk map beyond the end", err);
	for (uint64_t n = 0; n < count; n++)
		if (get_le32(i->behind + n * 4) != TREE_HOLE)
			return tree_damaged(i->nid, "file with data in the tree", err);
	*ret_len = count * 4;
	return 0;
}

static int check_data(struct check *c, const struct tree_stored *i, uint64_t *ret_len,
		      struct err *err)
{
	struct tree_data d;
	int r = tree_data_open(c->t, i, &d, err);

	if (r < 0)
		return r;
	if (d.whole && ((uint64_t)(d.blocks - c->t->bytes) < c->blocks_at ||
			!claim(c, (uint64_t)(d.blocks - c->t->bytes), d.whole)))
		return tree_damaged(i->nid, "its blocks are used twice", err);
	*ret_len = d.size - d.whole;
	return 0;
}

static int check_link(struct check *c, const struct tree_stored *i, struct err *err)
{
	const char *target;
	size_t len;
	int r = tree_readlink(c->t, i->nid, &target, &len, err);

	if (r == 0 && memchr(target, '\0', len))
		r = tree_damaged(i->nid, "target with a NUL", err);
	return r;
}

/* What hangs on an inode; *ret_len: bytes behind its xattrs. */
static int check_body(struct check *c, const struct tree_stored *i, uint64_t *ret_len,
		      struct err *err)
{
	const char *path;
	size_t len;
	int r = 0;

	*ret_len = 0;
	if (i->flags & TREE_UNRESOLVED)
		r = tree_unresolved(c->t, i->nid, &path, &len, err);
	else if (tree_stored_is(i, S_IFLNK))
		r = check_link(c, i, err);
	if (r < 0)
		return r;
	if (tree_stored_is(i, S_IFDIR) || tree_stored_is(i, S_IFLNK))
		return check_data(c, i, ret_len, err);
	if (tree_stored_is(i, S_IFREG) && i->size > 0)
		return check_map(i, ret_len, err);
	return i->layout == TREE_PLAIN && i->size == 0
		       ? 0
		       : tree_damaged(i->nid, "impossible layout", err);
}

static int check_inode(struct check *c, uint64_t nid, struct tree_node *ret,
		       struct err *err)
{
	struct tree_stored i;
	uint64_t behind, len;
	int r = tree_node(c->t, nid, ret, err);

	if (r == 0)
		r = tree_stored_open(c->t, nid, &i, err);
	if (r == 0)
		r = tree_xattr_each(c->t, nid, true, on_xattr, NULL, err);
	if (r == 0)
		r = check_body(c, &i, &behind, err);
	if (r < 0)
		return r;
	len = TREE_INODE_CORE + i.xattr_len + behind;
	if (nid * TREE_SLOT + len > c->blocks_at || !claim(c, nid * TREE_SLOT, len))
		return tree_damaged(nid, "overlaps", err);
	c->starts[nid / 8] |= (uint8_t)(1u << nid % 8);
	c->inodes++;
	return 0;
}

/* ---- one entry ---- */

static bool name_is(const struct tree_dirent *e, const char *name)
{
	return e->len == strlen(name) && memcmp(e->name, name, e->len) == 0;
}

static int note_shared(struct check *c, uint64_t nid, struct err *err)
{
	const uint32_t value = (uint32_t)nid;

	return buf_append(&c->shared, &value, sizeof(value), err);
}

static int check_child(struct check *c, const struct pending *dir,
		       const struct tree_dirent *e, struct err *err)
{
	const struct pending child = {(uint32_t)e->nid, dir->nid};
	struct tree_node node;
	bool seen;
	int r;

	if (e->nid < TREE_ROOT_NID || e->nid >= c->blocks_at / TREE_SLOT)
		return tree_damaged(dir->nid, "entry that leads nowhere", err);
	seen = is_checked(c, e->nid);
	r = seen ? tree_node(c->t, e->nid, &node, err)
		 : check_inode(c, e->nid, &node, err);
	if (r < 0)
		return r;
	if (tree_type_mode(e->type) != (node.mode & S_IFMT))
		return tree_damaged(e->nid, "its type is not as its directory says", err);
	if (seen && (S_ISDIR(node.mode) || node.nlink == 1))
		return tree_damaged(e->nid, "one name too many", err);
	if (S_ISDIR(node.mode))
		r = buf_append(&c->dirs, &child, sizeof(child), err);
	return r == 0 && node.nlink != 1 ? note_shared(c, e->nid, err) : r;
}

static int check_entry(struct check *c, const struct pending *dir,
		       const struct tree_dirent *e, unsigned *dots, struct err *err)
{
	bool self = name_is(e, "."), up = name_is(e, "..");

	if (memchr(e->name, '/', e->len) || memchr(e->name, '\0', e->len))
		return tree_damaged(dir->nid, "impossible name", err);
	if (!self && !up)
		return check_child(c, dir, e, err);
	if (e->nid != (self ? dir->nid : dir->parent) || e->type != TREE_TYPE_DIR)
		return tree_damaged(dir->nid, "'.' or '..' leads astray", err);
	++*dots;
	return note_shared(c, e->nid, err);
}

/* ---- one directory ---- */

static int check_dir(struct check *c, const struct pending *dir, struct err *err)
{
	struct tree_dirent e, before = {.len = 0};
	struct tree_stored i;
	struct tree_data d;
	unsigned dots = 0;
	int r = tree_stored_open(c->t, dir->nid, &i, err);

	if (r == 0)
		r = tree_data_open(c->t, &i, &d, err);
	for (uint64_t n = 0; r == 0 && n < tree_data_blocks(&d); n++) {
		struct tree_block b;

		if (!tree_block_open(&d, n, &b))
			return tree_damaged(dir->nid, "damaged directory", err);
		for (uint32_t k = 0; r == 0 && k < b.count; k++) {
			if (!tree_block_entry(&b, k, &e) ||
			    (before.len &&
			     tree_name_cmp(before.name, before.len, e.name, e.len) >= 0))
				return tree_damaged(dir->nid, "damaged directory", err);
			before = e;
			r = check_entry(c, dir, &e, &dots, err);
		}
	}
	if (r == 0 && dots != 2)
		r = tree_damaged(dir->nid, "no '.' or '..'", err);
	return r;
}

/* ---- all of it ---- */

static int compare_nids(const void *left, const void *right)
{
	const uint32_t *a = left, *b = right;

	return (*a > *b) - (*a < *b);
}

/* Every inode with another link count than 1 has as many entries as it says. */
static int check_links(struct check *c, struct err *err)
{
	uint32_t *nids = (uint32_t *)(void *)c->shared.data;
	size_t count = c->shared.len / sizeof(*nids), end;

	qsort(nids, count, sizeof(*nids), compare_nids);
	for (size_t i = 0; i < count; i = end) {
		struct tree_node node;
		int r = tree_node(c->t, nids[i], &node, err);

		if (r < 0)
			return r;
		for (end = i; end < count && nids[end] == nids[i]; end++)
			;
		if (node.nlink != end - i)
			return tree_damaged(nids[i], "wrong link count", err);
	}
	return 0;
}

static int check_all(struct check *c, struct err *err)
{
	struct pending dir = {TREE_ROOT_NID, TREE_ROOT_NID};
	struct tree_node node;
	int r = check_inode(c, TREE_ROOT_NID, &node, err);

	if (r == 0 && !S_ISDIR(node.mode))
		r = tree_damaged(TREE_ROOT_NID, "the root is no directory", err);
	if (r == 0)
		r = buf_append(&c->dirs, &dir, sizeof(dir), err);
	while (r == 0 && c->next < c->dirs.len) {
		memcpy(&dir, c->dirs.data + c->next, sizeof(dir));
		c->next += sizeof(dir);
		r = check_dir(c, &dir, err);
	}
	if (r == 0)
		r = check_links(c, err);
	if (r == 0 && c->inodes != c->t->inodes)
		r = err_set(err, ERR_CORRUPT,
			    "damaged tree: %llu of %u inodes can be reached",
			    (unsigned long long)c->inodes, c->t->inodes);
	return r;
}

int tree_check(const struct tree *t, struct err *err)
{
	struct check c = {
		.t = t,
		.blocks_at = get_le64(t->bytes + TREE_HEADER_BLOCKS),
	};
	size_t map = (size_t)(t->len / TREE_SLOT / 8 + 1);
	auto_free uint8_t *maps = calloc(2, map);
	int r;

	if (!maps)
		return err_nomem(err);
	c.used = maps;
	c.starts = maps + map;
	buf_init(&c.shared, SIZE_MAX / 4);
	buf_init(&c.dirs, SIZE_MAX / 4);
	r = check_all(&c, err);
	buf_release(&c.shared);
	buf_release(&c.dirs);
	return r;
}
