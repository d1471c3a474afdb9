/* SPDX-License-Identifier: Apache-2.0
 * Where files lie in the trees of layers. Objects whose files have the same path, but for
 * numbers in it, come to lie together: the versions of a file. Around them is what is in the
 * same directory: who reads one of it reads the others, and they are alike.
 *
 * Measured on four image sets (516 MB in small files, 1 MiB frames, zstd 12): 137.7 MB in the
 * order of import, 122.8 by path; by extension and path 123.4, by extension and file name
 * 119.4, but then a directory is spread over as many frames as it has kinds of files.
 *
 * Large files come image by image (all that have the same layer at the bottom): who reads one
 * image else decodes the files of others as well. At zstd 4, the four sets whole: 582 MB and 1.6
 * times the decoded bytes of before; with large files by image 590 MB and 1.4 times; with all
 * files by image 604 MB and 1.3 times. */
#include <string.h>
#include <sys/stat.h>

#include "store/chunk_list.h"
#include "store/repack_private.h"
#include "store/tree_frames.h"
#include "store/tree_read.h"

#define TREE_MAX  ((size_t)2 << 30)
#define PATHS_MAX (64u << 20) /* of different directories; others do without */

struct dir {
	struct digest path; /* hash */
	uint32_t at, len;   /* in names.paths */
};

/* A layer, and the one at the bottom of a chain that it is in. */
struct bottom {
	struct digest diffid;
	uint32_t root; /* its number */
};

struct pending_dir {
	uint64_t nid;
	uint32_t dir;
};

struct names {
	struct gc_mark *mark;
	struct catalog_txn *txn;
	struct repack_name *of;
	struct digest_map bottoms; /* struct bottom */
	struct digest_map dirs;    /* struct dir */
	struct buf paths;
	/* of the tree that is read */
	struct tree tree;
	struct buf todo; /* struct pending_dir */
	uint32_t dir, root;
	/* scratch */
	struct buf image, path, raw;
};

/* ---- names ---- */

size_t repack_names_plain(const char *name, size_t len, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		bool digit = name[i] >= '0' && name[i] <= '9';

		if (digit && n && out[n - 1] == '0' && i && name[i - 1] >= '0' &&
		    name[i - 1] <= '9')
			continue;
		out[n++] = digit ? '0' : name[i];
	}
	return n;
}

static uint32_t hash_of(const char *name, size_t len)
{
	uint32_t h = 2166136261u; /* FNV-1a */

	for (size_t i = 0; i < len; i++)
		h = (h ^ (uint8_t)name[i]) * 16777619u;
	return h;
}

static uint64_t prefix_of(const char *name, size_t len)
{
	uint64_t v = 0;

	for (size_t i = 0; i < sizeof(v); i++)
		v = v << 8 | (i < len ? (uint8_t)name[i] : 0);
	return v;
}

static bool is_dot(const char *name, size_t len)
{
	return (len == 1 && name[0] == '.') ||
	       (len == 2 && name[0] == '.' && name[1] == '.');
}

/* ---- directories ---- */

static int dir_number(struct names *n, uint32_t *ret, struct err *err)
{
	struct digest key;
	struct dir *dir;
	int64_t known;
	int r;

	digest_of(n->path.data, n->path.len, &key);
	known = digest_map_find(&n->dirs, &key);
	*ret = (uint32_t)known;
	if (known >= 0)
		return 0;
	if (n->path.len > n->paths.max - n->paths.len) {
		*ret = REPACK_NO_DIR;
		return 0;
	}
	r = digest_map_add(&n->dirs, &key, ret, err);
	if (r < 0)
		return r;
	dir = digest_map_entry(&n->dirs, *ret);
	dir->at = (uint32_t)n->paths.len;
	dir->len = (uint32_t)n->path.len;
	return buf_append(&n->paths, n->path.data, n->path.len, err);
}

/* A directory below the one that is read. In a tree without loops there are fewer than
 * inodes. */
static int add_dir(struct names *n, const char *plain, size_t len, uint64_t nid,
		   struct err *err)
{
	struct pending_dir below = {.nid = nid, .dir = REPACK_NO_DIR};
	const struct dir *dir;
	int r = 0;

	if (n->todo.len / sizeof(below) >= n->tree.inodes)
		return 0;
	if (n->dir != REPACK_NO_DIR) {
		dir = digest_map_entry(&n->dirs, n->dir);
		buf_clear(&n->path);
		r = buf_append(&n->path, n->paths.data + dir->at, dir->len, err);
		if (r == 0)
			r = buf_append(&n->path, "/", 1, err);
		if (r == 0)
			r = buf_append(&n->path, plain, len, err);
		if (r == 0)
			r = dir_number(n, &below.dir, err);
	}
	return r < 0 ? r : buf_append(&n->todo, &below, sizeof(below), err);
}

static void add_file(struct names *n, const char *plain, size_t len,
		     const struct digest *content)
{
	int64_t i = gc_mark_find(n->mark, content);

	if (i < 0 || n->dir == REPACK_NO_DIR || n->of[i].dir != REPACK_NO_DIR)
		return;
	n->of[i] = (struct repack_name){
		.prefix = prefix_of(plain, len),
		.hash = hash_of(plain, len),
		.root = n->root,
		.dir = n->dir,
	};
}

static int on_entry(void *arg, const char *name, size_t len, uint64_t nid, uint32_t type,
		    uint64_t next, struct err *err)
{
	struct names *n = arg;
	struct tree_node node;
	char plain[256];

	(void)next;
	if (is_dot(name, len) || len > sizeof(plain))
		return 0;
	len = repack_names_plain(name, len, plain);
	if (S_ISDIR(type))
		return add_dir(n, plain, len, nid, err);
	if (S_ISREG(type) && tree_node(&n->tree, nid, &node, NULL) == 0 && node.size)
		add_file(n, plain, len, &node.digest);
	return 0;
}

static int walk(struct names *n, struct err *err)
{
	struct pending_dir root = {.nid = TREE_ROOT_NID};
	int r;

	buf_clear(&n->path);
	buf_clear(&n->todo);
	r = dir_number(n, &root.dir, err);
	if (r == 0)
		r = buf_append(&n->todo, &root, sizeof(root), err);
	for (size_t i = 0; r == 0 && i < n->todo.len / sizeof(root); i++) {
		struct pending_dir at;

		memcpy(&at, n->todo.data + i * sizeof(at), sizeof(at));
		n->dir = at.dir;
		r = tree_readdir(&n->tree, at.nid, 0, on_entry, n, err);
	}
	return r;
}

static uint32_t root_of(const struct names *n, const struct digest *diffid)
{
	int64_t i = digest_map_find(&n->bottoms, diffid);
	const struct bottom *b =
		i < 0 ? NULL : digest_map_entry(&n->bottoms, (uint32_t)i);

	return b ? b->root : UINT32_MAX;
}

static int bottom_number(struct names *n, const struct digest *diffid, uint32_t *ret,
			 struct err *err)
{
	int64_t i = digest_map_find(&n->bottoms, diffid);
	struct bottom *b;
	int r;

	*ret = (uint32_t)i;
	if (i >= 0)
		return 0;
	r = digest_map_add(&n->bottoms, diffid, ret, err);
	if (r < 0)
		return r;
	b = digest_map_entry(&n->bottoms, *ret);
	b->root = *ret;
	return 0;
}

/* Who reads an image reads nothing of those with another bottom. */
static int on_chain(void *arg, const struct record_chain *chain, struct err *err)
{
	struct record_chain at = *chain;
	struct names *n = arg;
	uint32_t top, bottom;
	struct bottom *b;
	int r = 0;

	while (r == 0 && !digest_is_zero(&at.parent))
		r = catalog_chain_get(n->txn, &at.parent, &at, err);
	if (r == 0)
		r = bottom_number(n, &at.diffid, &bottom, err);
	if (r == 0)
		r = bottom_number(n, &chain->diffid, &top, err);
	if (r < 0)
		return r == -ERR_NOTFOUND ? 0 : r;
	b = digest_map_entry(&n->bottoms, top);
	b->root = bottom;
	return 0;
}

/* A tree that is missing or damaged leaves its files without a name: they can be repacked all
 * the same. */
static int on_layer(void *arg, const struct record_layer *layer, struct err *err)
{
	struct packs *packs;
	struct names *n = arg;
	int r;

	if (!layer->tree.pack)
		return 0;
	n->root = root_of(n, &layer->diffid);
	packs = store_packs(n->mark->store);
	buf_clear(&n->image);
	r = tree_frames_get(packs, &layer->tree, &n->image, err);
	if (r == 0)
		r = tree_open(&n->tree, n->image.data, n->image.len, err);
	if (r == 0)
		r = walk(n, err);
	return r == -ERR_CORRUPT || r == -ERR_NOTFOUND ? 0 : r;
}

/* ---- chunks ---- */

static int name_chunks(struct names *n, size_t i, const uint8_t *bytes, size_t len)
{
	struct chunk_list list;
	int r = chunk_list_open(bytes, len, &list, NULL);

	for (size_t k = 0; r == 0 && k < list.count; k++) {
		struct chunk_range range;
		int64_t chunk;

		r = chunk_list_get(&list, k, &range, NULL);
		chunk = r < 0 || range.hole ? -1 : gc_mark_find(n->mark, &range.digest);
		if (chunk < 0 || n->of[chunk].ord || n->of[chunk].dir != REPACK_NO_DIR)
			continue;
		n->of[chunk] = n->of[i];
		n->of[chunk].ord = (uint32_t)k + 1;
	}
	return r;
}

static int open_list(struct names *n, size_t i, struct err *err)
{
	struct gc_mark *m = n->mark;
	enum pack_frame_type type;
	struct object_place at;
	struct digest d;
	int r = catalog_object_by_prefix(n->txn, m->keys[i], 64, &d, err);

	if (r == 0)
		r = catalog_object_get(n->txn, &d, &at, err);
	if (r == 0)
		r = pack_read_body(store_packs(m->store), &at.frame, m->codec,
				   &m->frame_bytes, &n->raw, &type, err);
	if (r == 0 && at.off <= n->raw.len && at.len <= n->raw.len - at.off)
		r = name_chunks(n, i, n->raw.data + at.off, at.len);
	return r;
}

/* Of a list that cannot be read the chunks do without a name. */
static int name_all_chunks(struct names *n, struct err *err)
{
	const struct gc_mark *m = n->mark;
	int r = 0;

	for (size_t i = 0; i < m->count && r == 0; i++) {
		if (!(m->flags[i] & GC_CHUNKED) || n->of[i].dir == REPACK_NO_DIR)
			continue;
		r = open_list(n, i, err);
		if (r == -ERR_CORRUPT || r == -ERR_NOTFOUND || r == -ERR_FAILED)
			r = 0;
	}
	return r;
}

/* ---- the order of paths ---- */

static int by_path(const void *a, const void *b, void *arg)
{
	const struct names *n = arg;
	const struct dir *x = digest_map_entry(&n->dirs, *(const uint32_t *)a);
	const struct dir *y = digest_map_entry(&n->dirs, *(const uint32_t *)b);
	uint32_t len = x->len < y->len ? x->len : y->len;
	int c = len ? memcmp(n->paths.data + x->at, n->paths.data + y->at, len) : 0;

	return c ? c : (x->len > y->len) - (x->len < y->len);
}

static int rank_dirs(struct names *n, struct err *err)
{
	auto_free uint32_t *order = calloc(n->dirs.count + 1, sizeof(*order));
	auto_free uint32_t *rank = calloc(n->dirs.count + 1, sizeof(*rank));

	if (!order || !rank)
		return err_nomem(err);
	for (uint32_t i = 0; i < n->dirs.count; i++)
		order[i] = i;
	qsort_r(order, n->dirs.count, sizeof(*order), by_path, n);
	for (uint32_t i = 0; i < n->dirs.count; i++)
		rank[order[i]] = i;
	for (size_t i = 0; i < n->mark->count; i++)
		if (n->of[i].dir != REPACK_NO_DIR)
			n->of[i].dir = rank[n->of[i].dir];
	return 0;
}

/* ---- all ---- */

static int read_all(struct names *n, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	int r = catalog_begin(store_catalog(n->mark->store), false, &t, err);

	n->txn = t;
	if (r == 0)
		r = catalog_chain_each(t, NULL, on_chain, n, err);
	if (r == 0)
		r = catalog_layer_each(t, NULL, on_layer, n, err);
	if (r == 0)
		r = name_all_chunks(n, err);
	return r < 0 ? r : rank_dirs(n, err);
}

int repack_names_read(struct gc_mark *m, struct repack_name **ret, struct err *err)
{
	struct names n = {.mark = m};
	int r;

	n.of = calloc(m->count + 1, sizeof(*n.of));
	if (!n.of)
		return err_nomem(err);
	for (size_t i = 0; i < m->count; i++)
		n.of[i] =
			(struct repack_name){.prefix = m->frame[i], .dir = REPACK_NO_DIR};
	digest_map_init(&n.bottoms, sizeof(struct bottom));
	digest_map_init(&n.dirs, sizeof(struct dir));
	buf_init(&n.paths, PATHS_MAX);
	buf_init(&n.todo, TREE_MAX);
	buf_init(&n.image, TREE_MAX);
	buf_init(&n.path, PATHS_MAX);
	buf_init(&n.raw, PACK_BODY_MAX);
	r = read_all(&n, err);
	digest_map_release(&n.bottoms);
	digest_map_release(&n.dirs);
	buf_release(&n.paths);
	buf_release(&n.todo);
	buf_release(&n.image);
	buf_release(&n.path);
	buf_release(&n.raw);
	if (r < 0)
		free(n.of);
	else
		*ret = n.of;
	return r;
}
