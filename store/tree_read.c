/* SPDX-License-Identifier: Apache-2.0
 * Opens images and decodes inodes and what hangs on them. */
#include "store/tree_read.h"

#include <sys/stat.h>

#include "store/tree_model.h"
#include "store/tree_read_private.h"
#include "store/tree_write.h"

#define FIRST_INODE (TREE_SUPER_OFFSET + TREE_SUPER_SIZE)

_Static_assert(TREE_ROOT_NID *TREE_SLOT == FIRST_INODE, "the root comes first");

int tree_damaged(uint64_t nid, const char *what, struct err *err)
{
	return err_set(err, ERR_CORRUPT, "damaged tree: inode %llu: %s",
		       (unsigned long long)nid, what);
}

/* ---- the image ---- */

static int bad_image(const char *what, struct err *err)
{
	return err_set(err, ERR_CORRUPT, "damaged tree: %s", what);
}

static int check_super(const uint8_t *p, uint64_t len, uint32_t inodes, struct err *err)
{
	if (get_le32(p + TREE_SUPER_AT_MAGIC) != TREE_SUPER_MAGIC ||
	    p[TREE_SUPER_AT_BITS] != TREE_BLOCK_BITS ||
	    get_le32(p + TREE_SUPER_AT_COMPAT) != TREE_SUPER_COMPAT ||
	    get_le32(p + TREE_SUPER_AT_INCOMPAT) != TREE_SUPER_INCOMPAT)
		return bad_image("not our kind of EROFS superblock", err);
	if (get_le16(p + TREE_SUPER_AT_ROOT) != TREE_ROOT_NID ||
	    get_le64(p + TREE_SUPER_AT_INODES) != inodes ||
	    get_le32(p + TREE_SUPER_AT_BLOCKS) != len / TREE_BLOCK)
		return bad_image("superblock and header disagree", err);
	return 0;
}

int tree_open(struct tree *t, const void *bytes, uint64_t len, struct err *err)
{
	const uint8_t *p = bytes;
	uint64_t blocks;
	uint32_t version, inodes;
	int r;

	if (len < TREE_BLOCK || len % TREE_BLOCK ||
	    memcmp(p + TREE_HEADER_MAGIC, TREE_MAGIC, 8) != 0)
		return bad_image("no header", err);
	version = get_le32(p + TREE_HEADER_VERSION);
	if (version == 0 || version > TREE_WRITER_VERSION)
		return err_set(err, ERR_CORRUPT, "tree of unknown version %u", version);
	inodes = get_le32(p + TREE_HEADER_INODES);
	blocks = get_le64(p + TREE_HEADER_BLOCKS);
	if (get_le64(p + TREE_HEADER_LENGTH) != len)
		return bad_image("wrong length", err);
	if (len / TREE_SLOT > UINT32_MAX || blocks > len || blocks % TREE_BLOCK ||
	    blocks < FIRST_INODE || inodes == 0 ||
	    inodes > (blocks - FIRST_INODE) / TREE_INODE_CORE)
		return bad_image("impossible sizes", err);
	r = check_super(p + TREE_SUPER_OFFSET, len, inodes, err);
	if (r == 0)
		*t = (struct tree){
			.bytes = p,
			.len = len,
			.inodes = inodes,
			.flags = get_le32(p + TREE_HEADER_FLAGS),
		};
	return r;
}

/* ---- inodes ---- */

static bool inside(const struct tree *t, uint64_t off, uint64_t len)
{
	return off <= t->len && len <= t->len - off;
}

static bool flags_fit(uint32_t mode, uint32_t flags)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return (flags & ~(uint32_t)(TREE_OPAQUE | TREE_IMPLIED)) == 0;
	case S_IFCHR:
		return flags == 0 || flags == TREE_WHITEOUT || flags == TREE_DEVICE_ZERO;
	case S_IFREG:
		return flags == 0 || flags == TREE_UNRESOLVED;
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:
	case S_IFLNK:
		return flags == 0;
	default:
		return false;
	}
}

int tree_stored_open(const struct tree *t, uint64_t nid, struct tree_stored *ret,
		     struct err *err)
{
	struct tree_stored i = {.nid = nid};
	uint32_t format, words;
	uint64_t off;

	if (nid < TREE_ROOT_NID || nid > t->len / TREE_SLOT ||
	    !inside(t, nid * TREE_SLOT, TREE_INODE_CORE))
		return tree_damaged(nid, "not inside the image", err);
	off = nid * TREE_SLOT;
	i.core = t->bytes + off;
	format = get_le16(i.core + TREE_INODE_FORMAT);
	i.layout = format >> 1;
	i.mode = get_le16(i.core + TREE_INODE_MODE);
	i.flags = get_le32(i.core + TREE_INODE_FLAGS);
	i.size = get_le64(i.core + TREE_INODE_SIZE);
	if (!(format & 1) || (i.layout != TREE_PLAIN && i.layout != TREE_INLINE &&
			      i.layout != TREE_CHUNKS))
		return tree_damaged(nid, "unknown form", err);
	if (!flags_fit(i.mode, i.flags))
		return tree_damaged(nid, "impossible mode or flags", err);
	words = get_le16(i.core + TREE_INODE_XATTRS);
	i.xattr_len = words ? TREE_XATTR_HEADER + 4 * (words - 1) : 0;
	off += TREE_INODE_CORE;
	if (!inside(t, off, i.xattr_len))
		return tree_damaged(nid, "xattrs beyond the end", err);
	i.xattrs = t->bytes + off;
	i.behind = i.xattrs + i.xattr_len;
	i.room = t->len - off - i.xattr_len;
	*ret = i;
	return 0;
}

/* ---- what trees keep for themselves ---- */

struct item {
	const uint8_t *name, *value;
	uint32_t prefix, name_len, value_len;
};

/* Takes the entry at *OFF of the area. False: it does not fit. */
static bool item_next(const struct tree_stored *i, uint32_t *off, struct item *ret)
{
	const uint8_t *p = i->xattrs + *off;
	uint32_t left = i->xattr_len - *off, size;

	if (left < TREE_XATTR_ENTRY)
		return false;
	ret->name_len = p[0];
	ret->prefix = p[1];
	ret->value_len = get_le16(p + 2);
	ret->name = p + TREE_XATTR_ENTRY;
	ret->value = ret->name + ret->name_len;
	size = tree_xattr_size(ret->name_len, ret->value_len);
	if (size > left)
		return false;
	*off += size;
	return true;
}

static bool is_own(const struct item *item, const char *name)
{
	size_t len = strlen(name);

	return item->prefix == TREE_PREFIX_TRUSTED && item->name_len == len &&
	       memcmp(item->name, name, len) == 0;
}

/* The first xattr, which must be the tree's own NAME. */
static bool own_first(const struct tree_stored *i, const char *name, struct item *ret)
{
	uint32_t off = TREE_XATTR_HEADER;

	return i->xattr_len > off && item_next(i, &off, ret) && is_own(ret, name);
}

static bool digest_from_redirect(const struct tree_stored *i, struct digest *ret)
{
	struct item item;
	char hex[2 * DIGEST_SIZE];

	if (i->layout != TREE_CHUNKS || !own_first(i, TREE_REDIRECT, &item) ||
	    item.value_len != TREE_REDIRECT_LENGTH || item.value[0] != '/' ||
	    item.value[3] != '/')
		return false;
	memcpy(hex, item.value + 1, 2);
	memcpy(hex + 2, item.value + 4, 62);
	return digest_parse_hex(hex, sizeof(hex), ret, NULL) == 0;
}

/* How many of the first xattrs are the tree's own. */
static unsigned own_count(const struct tree_stored *i)
{
	if (tree_stored_is(i, S_IFREG) && i->size > 0)
		return 2;
	return i->flags & (TREE_OPAQUE | TREE_UNRESOLVED) ? 1 : 0;
}

/* ---- attributes ---- */

static void device_decode(uint32_t device, struct tree_node *ret)
{
	ret->rdev_major = device >> 8 & TREE_DEVICE_MAJOR_MAX;
	ret->rdev_minor = (device & 0xff) | (device >> 12 & 0xfff00);
}

/* Devices. False: the flags do not go with the number. */
static bool device_of(const struct tree_stored *i, struct tree_node *ret)
{
	uint32_t device = get_le32(i->core + TREE_INODE_UNION);
	bool character = tree_stored_is(i, S_IFCHR);

	if (character && (device == 0) != (i->flags == TREE_WHITEOUT))
		return false;
	if (i->flags == TREE_DEVICE_ZERO) {
		if (device != TREE_ZERO_DEVICE)
			return false;
		device = 0;
	}
	device_decode(device, ret);
	return true;
}

int tree_node(const struct tree *t, uint64_t nid, struct tree_node *ret, struct err *err)
{
	struct tree_stored i;
	struct tree_node n;
	int r = tree_stored_open(t, nid, &i, err);

	if (r < 0)
		return r;
	n = (struct tree_node){
		.nid = nid,
		.mode = i.mode,
		.uid = get_le32(i.core + TREE_INODE_UID),
		.gid = get_le32(i.core + TREE_INODE_GID),
		.nlink = get_le32(i.core + TREE_INODE_NLINK),
		.size = i.size,
		.mtime = (int64_t)get_le64(i.core + TREE_INODE_MTIME),
		.mtime_nsec = get_le32(i.core + TREE_INODE_MTIME_NSEC),
		.flags = i.flags,
	};
	if (n.mtime_nsec > 999999999)
		return tree_damaged(nid, "impossible time", err);
	if (tree_stored_is(&i, S_IFREG)) {
		if (i.size > TREE_FILE_MAX || (i.size > 0 && i.flags) ||
		    (i.size > 0 && !digest_from_redirect(&i, &n.digest)))
			return tree_damaged(nid, "file without a digest", err);
	} else if (tree_stored_is(&i, S_IFCHR) || tree_stored_is(&i, S_IFBLK)) {
		if (!device_of(&i, &n))
			return tree_damaged(nid, "impossible device", err);
	}
	*ret = n;
	return 0;
}

bool tree_next_file(const struct tree *t, uint64_t *nid, unsigned *tries,
		    struct tree_node *ret)
{
	uint64_t at = *nid;
	struct tree_stored i;
	bool found = false;

	/* Between two inodes there may be tails of directories, and gaps. */
	while (!found && *tries > 0 && at < t->len / TREE_SLOT) {
		--*tries;
		if (tree_stored_open(t, at, &i, NULL) == 0)
			at += (TREE_INODE_CORE + i.xattr_len + TREE_SLOT - 1) / TREE_SLOT;
		else
			at++;
		found = tree_node(t, at, ret, NULL) == 0 && S_ISREG(ret->mode) &&
			ret->size > 0;
	}
	*nid = at;
	return found;
}

/* ---- data ---- */

int tree_data_open(const struct tree *t, const struct tree_stored *i,
		   struct tree_data *ret, struct err *err)
{
	uint32_t tail = i->layout == TREE_INLINE ? (uint32_t)(i->size % TREE_BLOCK) : 0;
	uint64_t at = (uint64_t)get_le32(i->core + TREE_INODE_UNION) * TREE_BLOCK;
	uint64_t whole = i->size - tail;
	uint64_t tail_at = t->len - i->room;

	if (i->layout == TREE_CHUNKS || i->size == 0 ||
	    (i->layout == TREE_INLINE && tail == 0))
		return tree_damaged(i->nid, "impossible layout", err);
	if (tail > i->room || (tail && tail_at % TREE_BLOCK + tail > TREE_BLOCK) ||
	    (whole && !inside(t, at, whole)))
		return tree_damaged(i->nid, "data beyond the end", err);
	*ret = (struct tree_data){
		.blocks = whole ? t->bytes + at : NULL,
		.tail = i->behind,
		.size = i->size,
		.whole = whole,
	};
	return 0;
}

int tree_readlink(const struct tree *t, uint64_t nid, const char **ret, size_t *ret_len,
		  struct err *err)
{
	struct tree_stored i;
	struct tree_data d;
	int r = tree_stored_open(t, nid, &i, err);

	if (r < 0)
		return r;
	if (!tree_stored_is(&i, S_IFLNK))
		return err_set(err, ERR_INVALID, "not a symlink");
	if (i.size > TREE_LINK_MAX)
		return tree_damaged(nid, "too long a target", err);
	r = tree_data_open(t, &i, &d, err);
	if (r < 0)
		return r;
	*ret = (const char *)(d.whole ? d.blocks : d.tail);
	*ret_len = (size_t)d.size;
	return 0;
}

int tree_unresolved(const struct tree *t, uint64_t nid, const char **ret, size_t *ret_len,
		    struct err *err)
{
	struct tree_stored i;
	struct item item;
	int r = tree_stored_open(t, nid, &i, err);

	if (r < 0)
		return r;
	if (!(i.flags & TREE_UNRESOLVED))
		return err_set(err, ERR_NOTFOUND, "not a hardlink to a lower layer");
	if (!own_first(&i, TREE_LINK_NAME, &item))
		return tree_damaged(nid, "hardlink without a target", err);
	*ret = (const char *)item.value;
	*ret_len = item.value_len;
	return 0;
}

/* ---- xattrs ---- */

/* NULL: no such prefix, or the name does not go with it. */
static const char *prefix_of(const struct item *item)
{
	switch (item->prefix) {
	case TREE_PREFIX_USER:
		return item->name_len ? "user." : NULL;
	case TREE_PREFIX_TRUSTED:
		return item->name_len ? "trusted." : NULL;
	case TREE_PREFIX_SECURITY:
		return item->name_len ? "security." : NULL;
	case TREE_PREFIX_ACL_ACCESS:
		return item->name_len ? NULL : "system.posix_acl_access";
	case TREE_PREFIX_ACL_DEFAULT:
		return item->name_len ? NULL : "system.posix_acl_default";
	default:
		return NULL;
	}
}

static bool own_is_right(const struct tree_stored *i, const struct item *item,
			 unsigned number)
{
	if (tree_stored_is(i, S_IFDIR))
		return is_own(item, TREE_OPAQUE_NAME);
	if (i->flags & TREE_UNRESOLVED)
		return is_own(item, TREE_LINK_NAME);
	return is_own(item, number == 0 ? TREE_REDIRECT : TREE_METACOPY);
}

int tree_xattr_each(const struct tree *t, uint64_t nid, bool all, tree_xattr_fn *each,
		    void *arg, struct err *err)
{
	uint32_t off = TREE_XATTR_HEADER;
	struct tree_stored i;
	unsigned own, number;
	int r = tree_stored_open(t, nid, &i, err);

	if (r < 0)
		return r;
	own = own_count(&i);
	if (i.xattr_len && i.xattrs[4] != 0)
		return tree_damaged(nid, "shared xattrs", err);
	for (number = 0; off < i.xattr_len; number++) {
		struct item item;
		const char *prefix;

		if (!item_next(&i, &off, &item) || !(prefix = prefix_of(&item)) ||
		    memchr(item.name, '\0', item.name_len) ||
		    (number < own && !own_is_right(&i, &item, number)))
			return tree_damaged(nid, "damaged xattrs", err);
		if (number < own && !all)
			continue;
		r = each(arg, prefix, (const char *)item.name, item.name_len, item.value,
			 item.value_len, err);
		if (r)
			return r < 0 ? r : 0;
	}
	return number < own ? tree_damaged(nid, "missing xattrs", err) : 0;
}
