/* SPDX-License-Identifier: Apache-2.0
 * Directories of tree images: look up by binary search, list by position. */
#include <string.h>
#include <sys/stat.h>

#include "store/tree_read_private.h"

/* ---- blocks and entries ---- */

bool tree_block_open(const struct tree_data *d, uint64_t number, struct tree_block *ret)
{
	uint64_t at = number * TREE_BLOCK, left = d->size - at;
	struct tree_block b = {
		.bytes = at < d->whole ? d->blocks + at : d->tail,
		.len = left < TREE_BLOCK ? (uint32_t)left : TREE_BLOCK,
	};
	uint32_t names;

	if (b.len < TREE_DIRENT_SIZE)
		return false;
	names = get_le16(b.bytes + TREE_DIRENT_NAME);
	b.count = names / TREE_DIRENT_SIZE;
	if (b.count == 0 || names % TREE_DIRENT_SIZE || names >= b.len)
		return false;
	*ret = b;
	return true;
}

bool tree_block_entry(const struct tree_block *b, uint32_t i, struct tree_dirent *ret)
{
	const uint8_t *p = b->bytes + (size_t)i * TREE_DIRENT_SIZE;
	uint32_t at = get_le16(p + TREE_DIRENT_NAME), end = b->len, len;
	bool last = i + 1 == b->count;

	if (!last)
		end = get_le16(p + TREE_DIRENT_SIZE + TREE_DIRENT_NAME);
	if (at < b->count * TREE_DIRENT_SIZE || at >= end || end > b->len)
		return false;
	len = end - at;
	if (last)
		len = (uint32_t)strnlen((const char *)b->bytes + at, len);
	if (len == 0 || len > TREE_NAME_MAX)
		return false;
	*ret = (struct tree_dirent){
		.name = (const char *)b->bytes + at,
		.len = len,
		.nid = get_le64(p + TREE_DIRENT_NID),
		.type = p[TREE_DIRENT_TYPE],
	};
	return true;
}

int tree_name_cmp(const char *a, size_t a_len, const char *b, size_t b_len)
{
	int c = memcmp(a, b, a_len < b_len ? a_len : b_len);

	return c ? c : (a_len > b_len) - (a_len < b_len);
}

uint32_t tree_type_mode(uint8_t type)
{
	static const uint32_t modes[] = {
		[TREE_TYPE_FILE] = S_IFREG,    [TREE_TYPE_DIR] = S_IFDIR,
		[TREE_TYPE_CHAR] = S_IFCHR,    [TREE_TYPE_BLOCK] = S_IFBLK,
		[TREE_TYPE_FIFO] = S_IFIFO,    [TREE_TYPE_SOCKET] = S_IFSOCK,
		[TREE_TYPE_SYMLINK] = S_IFLNK,
	};

	return type < ARRAY_LEN(modes) ? modes[type] : 0;
}

static int bad_entries(uint64_t dir, struct err *err)
{
	return tree_damaged(dir, "damaged directory", err);
}

/* ---- lookup ---- */

/* The last block that begins with NAME or a name before it. False: damage. */
static bool find_block(const struct tree_data *d, const char *name, size_t len,
		       struct tree_block *ret)
{
	uint64_t low = 0, high = tree_data_blocks(d);
	struct tree_dirent e;

	while (high - low > 1) {
		uint64_t middle = low + (high - low) / 2;

		if (!tree_block_open(d, middle, ret) || !tree_block_entry(ret, 0, &e))
			return false;
		if (tree_name_cmp(e.name, e.len, name, len) <= 0)
			low = middle;
		else
			high = middle;
	}
	return tree_block_open(d, low, ret);
}

int tree_lookup(const struct tree *t, uint64_t dir, const char *name, size_t len,
		uint64_t *ret_nid, struct err *err)
{
	struct tree_stored i;
	struct tree_data d;
	struct tree_block b;
	uint32_t low = 0, high;
	int r = tree_stored_open(t, dir, &i, err);

	if (r < 0)
		return r;
	if (!tree_stored_is(&i, S_IFDIR))
		return err_set(err, ERR_NOTFOUND, "not a directory");
	r = tree_data_open(t, &i, &d, err);
	if (r < 0)
		return r;
	if (!find_block(&d, name, len, &b))
		return bad_entries(dir, err);
	for (high = b.count; low < high;) {
		uint32_t middle = low + (high - low) / 2;
		struct tree_dirent e;
		int c;

		if (!tree_block_entry(&b, middle, &e))
			return bad_entries(dir, err);
		c = tree_name_cmp(e.name, e.len, name, len);
		if (c == 0) {
			*ret_nid = e.nid;
			return 0;
		}
		if (c < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return err_set(err, ERR_NOTFOUND, "no '%.*s'", (int)(len < 255 ? len : 255),
		       name);
}

int tree_path(const struct tree *t, const char *path, uint64_t *ret_nid, struct err *err)
{
	uint64_t nid = TREE_ROOT_NID;

	while (*path) {
		size_t len = strcspn(path, "/");

		if (len) {
			int r = tree_lookup(t, nid, path, len, &nid, err);

			if (r < 0)
				return r;
		}
		path += len + (path[len] == '/');
	}
	*ret_nid = nid;
	return 0;
}

/* ---- listing ---- */

/* A position is where an entry stands in the data: block and entry. The one behind the last
 * entry of a block is the start of the next. */
static uint64_t position(uint64_t block, const struct tree_block *b, uint32_t entry)
{
	return entry == b->count ? (block + 1) * TREE_BLOCK
				 : block * TREE_BLOCK + entry * TREE_DIRENT_SIZE;
}

static int list_block(const struct tree *t, uint64_t dir, const struct tree_block *b,
		      uint64_t number, uint32_t first, tree_dirent_fn *each, void *arg,
		      struct err *err)
{
	for (uint32_t i = first; i < b->count; i++) {
		struct tree_dirent e;
		uint32_t mode;
		int r;

		if (!tree_block_entry(b, i, &e))
			return bad_entries(dir, err);
		mode = tree_type_mode(e.type);
		if (mode == 0 || e.nid < TREE_ROOT_NID || e.nid > t->len / TREE_SLOT)
			return bad_entries(dir, err);
		r = each(arg, e.name, e.len, e.nid, mode, position(number, b, i + 1),
			 err);
		if (r)
			return r;
	}
	return 0;
}

int tree_readdir(const struct tree *t, uint64_t dir, uint64_t offset,
		 tree_dirent_fn *each, void *arg, struct err *err)
{
	uint32_t first = (uint32_t)(offset % TREE_BLOCK) / TREE_DIRENT_SIZE;
	struct tree_stored i;
	struct tree_data d;
	int r = tree_stored_open(t, dir, &i, err);

	if (r < 0)
		return r;
	if (!tree_stored_is(&i, S_IFDIR))
		return err_set(err, ERR_INVALID, "not a directory");
	r = tree_data_open(t, &i, &d, err);
	for (uint64_t n = offset / TREE_BLOCK; r == 0 && n < tree_data_blocks(&d); n++) {
		struct tree_block b;

		if (!tree_block_open(&d, n, &b))
			return bad_entries(dir, err);
		r = list_block(t, dir, &b, n, first, each, arg, err);
		first = 0;
	}
	return r < 0 ? r : 0;
}
