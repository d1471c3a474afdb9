/* SPDX-License-Identifier: Apache-2.0
 * A tree as one tar. */
#include "store/flatten.h"

#include <string.h>
#include <sys/stat.h>

#include "store/nid_map.h"
#include "store/tar_write.h"
#include "store/tree_model.h"

#define DEPTH_MAX   2048 /* as many names fit in a path */
#define PATH_SIZE   4097
#define HEADERS_MAX (4u << 20)
#define PATHS_MAX   (1u << 30) /* of files with several names */
#define XATTRS_MAX  (1u << 20)
#define XATTR_COUNT 4096

struct level {
	uint64_t dir, next; /* the directory; where to go on in it */
	uint32_t path_len;
};

struct flatten {
	struct stream base;
	const struct tree *tree;
	struct objects *objects;
	struct level *levels;
	uint32_t depth;
	char path[PATH_SIZE];
	uint32_t path_len;
	bool begun, done;

	struct buf out; /* headers and padding to be read */
	size_t out_at;
	struct digest content; /* of the file whose header is in OUT */
	uint64_t at, size;

	struct nid_map
		named; /* file with several names: where its first one is in PATHS */
	struct buf paths;
	struct buf names; /* of xattrs */
	struct tar_xattr *xattrs;
	size_t xattr_count;
};

static void close_flatten(struct stream *s)
{
	struct flatten *f = (struct flatten *)s;

	nid_map_release(&f->named);
	buf_release(&f->paths);
	buf_release(&f->names);
	buf_release(&f->out);
	free(f->xattrs);
	free(f->levels);
	free(f);
}

/* ---- one entry ---- */

/* Trees keep what overlays would obey under another name (FORMAT.md). */
static int add_xattr(void *arg, const char *prefix, const char *name, size_t len,
		     const void *value, size_t value_len, struct err *err)
{
	static const char escaped[] = "overlay.overlay.";
	struct flatten *f = arg;
	size_t skip = 0, start = f->names.len;
	int r;

	if (strcmp(prefix, "trusted.") == 0 && len > strlen(escaped) &&
	    memcmp(name, escaped, strlen(escaped)) == 0)
		skip = strlen("overlay.");
	if (f->xattr_count == XATTR_COUNT)
		return err_set(err, ERR_CORRUPT, "an inode has too many xattrs");
	r = buf_append(&f->names, prefix, strlen(prefix), err);
	if (r == 0)
		r = buf_append(&f->names, name + skip, len - skip, err);
	if (r == 0)
		r = buf_append_u8(&f->names, 0, err);
	if (r < 0)
		return r;
	/* The buffer may move: names are set when all are there. */
	f->xattrs[f->xattr_count++] =
		(struct tar_xattr){.name_len = f->names.len - start - 1,
				   .value = value,
				   .value_len = value_len};
	return 0;
}

static int gather_xattrs(struct flatten *f, uint64_t nid, struct err *err)
{
	size_t at = 0;
	int r;

	f->xattr_count = 0;
	buf_clear(&f->names);
	r = tree_xattr_each(f->tree, nid, false, add_xattr, f, err);
	for (size_t i = 0; i < f->xattr_count && r == 0; i++) {
		f->xattrs[i].name = (const char *)f->names.data + at;
		at += f->xattrs[i].name_len + 1;
	}
	return r;
}

static int type_of(const struct tree_node *n, enum tar_type *ret, struct err *err)
{
	switch (n->mode & S_IFMT) {
	case S_IFREG:
		*ret = TAR_FILE;
		return 0;
	case S_IFDIR:
		*ret = TAR_DIR;
		return 0;
	case S_IFLNK:
		*ret = TAR_SYMLINK;
		return 0;
	case S_IFCHR:
		*ret = TAR_CHAR;
		return 0;
	case S_IFBLK:
		*ret = TAR_BLOCK;
		return 0;
	case S_IFIFO:
		*ret = TAR_FIFO;
		return 0;
	}
	return err_set(err, ERR_INVALID, "no tar can have an inode of mode %o", n->mode);
}

/* Of a file with several names: the first one, if this is another. */
static int first_name(struct flatten *f, const struct tree_node *n, const char **ret,
		      struct err *err)
{
	uint32_t at;
	int r;

	*ret = NULL;
	if (S_ISDIR(n->mode) || n->nlink < 2)
		return 0;
	at = nid_map_get(&f->named, n->nid);
	if (at != UINT32_MAX) {
		*ret = (const char *)f->paths.data + at;
		return 0;
	}
	r = nid_map_set(&f->named, n->nid, (uint32_t)f->paths.len, err);
	return r < 0 ? r : buf_append(&f->paths, f->path, f->path_len + 1, err);
}

/* A symlink's target, "" of all others. */
static int read_link(struct flatten *f, const struct tree_node *n, char link[PATH_SIZE],
		     size_t *ret_len, struct err *err)
{
	const char *target = "";
	size_t len = 0;
	int r = S_ISLNK(n->mode) ? tree_readlink(f->tree, n->nid, &target, &len, err) : 0;

	if (r == 0 && len >= PATH_SIZE)
		r = err_set(err, ERR_CORRUPT, "a symlink is too long");
	if (r < 0)
		return r;
	memcpy(link, target, len);
	link[len] = '\0';
	*ret_len = len;
	return 0;
}

static int put_node(struct flatten *f, const struct tree_node *n, struct err *err)
{
	struct tar_entry e = {
		.path = f->path_len ? f->path : ".",
		.path_len = f->path_len ? f->path_len : 1,
		.mode = n->mode & 07777,
		.uid = n->uid,
		.gid = n->gid,
		.mtime = n->mtime,
		.mtime_nsec = n->mtime_nsec,
	};
	char link[PATH_SIZE];
	const char *first = NULL;
	int r = type_of(n, &e.type, err);

	if (r == 0)
		r = first_name(f, n, &first, err);
	if (r < 0)
		return r;
	if (first) {
		e.type = TAR_HARDLINK;
		e.link = first;
		e.link_len = strlen(first);
		return tar_write_entry(&f->out, &e, err);
	}
	r = read_link(f, n, link, &e.link_len, err);
	if (r == 0)
		r = gather_xattrs(f, n->nid, err);
	if (r < 0)
		return r;
	e.link = link;
	e.xattrs = f->xattrs;
	e.xattr_count = f->xattr_count;
	if (e.type == TAR_FILE) {
		e.size = f->size = n->size;
		f->content = n->digest;
		f->at = 0;
	} else if ((e.type == TAR_CHAR || e.type == TAR_BLOCK) &&
		   !(n->flags & TREE_DEVICE_ZERO)) {
		e.rdev_major = n->rdev_major;
		e.rdev_minor = n->rdev_minor;
	}
	return tar_write_entry(&f->out, &e, err);
}

/* ---- the walk ---- */

struct found {
	struct flatten *f;
	uint64_t nid, next;
	bool any;
};

/* Takes the next name that is not "." or "..", and stops. */
static int take_name(void *arg, const char *name, size_t len, uint64_t nid, uint32_t type,
		     uint64_t next, struct err *err)
{
	struct found *found = arg;
	struct flatten *f = found->f;
	size_t at = f->levels[f->depth - 1].path_len;

	(void)type;
	if ((len == 1 && name[0] == '.') || (len == 2 && memcmp(name, "..", 2) == 0))
		return 0;
	if (at + 1 + len >= PATH_SIZE)
		return err_set(err, ERR_LIMIT, "a path is too long");
	if (at)
		f->path[at++] = '/';
	memcpy(f->path + at, name, len);
	f->path_len = (uint32_t)(at + len);
	f->path[f->path_len] = '\0';
	found->nid = nid;
	found->next = next;
	found->any = true;
	return 1;
}

static int enter(struct flatten *f, uint64_t dir, struct err *err)
{
	if (f->depth == DEPTH_MAX)
		return err_set(err, ERR_CORRUPT, "directories are too deep");
	f->levels[f->depth++] = (struct level){dir, 0, f->path_len};
	return 0;
}

static int put_inode(struct flatten *f, uint64_t nid, struct err *err)
{
	struct tree_node n;
	int r = tree_node(f->tree, nid, &n, err);

	if (r == 0)
		r = put_node(f, &n, err);
	return r == 0 && S_ISDIR(n.mode) ? enter(f, nid, err) : r;
}

/* Makes the header of the next entry, or the end of the archive. */
static int step(struct flatten *f, struct err *err)
{
	struct found found = {.f = f};
	struct level *top;
	int r;

	if (!f->begun) {
		f->begun = true;
		return put_inode(f, TREE_ROOT_NID, err);
	}
	if (f->depth == 0) {
		f->done = true;
		return tar_write_end(&f->out, err);
	}
	top = &f->levels[f->depth - 1];
	r = tree_readdir(f->tree, top->dir, top->next, take_name, &found, err);
	if (r < 0)
		return r;
	if (!found.any) {
		f->depth--;
		return 0;
	}
	top->next = found.next;
	return put_inode(f, found.nid, err);
}

/* ---- the stream ---- */

static int read_content(struct flatten *f, void *data, size_t cap, size_t *ret_len,
			struct err *err)
{
	uint64_t left = f->size - f->at;
	int r;

	r = objects_read(f->objects, &f->content, f->at, data,
			 left < cap ? (size_t)left : cap, ret_len, err);
	if (r == -ERR_NOTFOUND || (r == 0 && *ret_len == 0))
		return err_set(err, ERR_CORRUPT, "content of '%s' is missing", f->path);
	if (r < 0)
		return r;
	f->at += *ret_len;
	return f->at < f->size
		       ? 0
		       : buf_append_zeros(&f->out, tar_write_padding(f->size), err);
}

static int read_flatten(struct stream *s, void *data, size_t cap, size_t *ret_len,
			struct err *err)
{
	struct flatten *f = (struct flatten *)s;
	size_t n;

	while (f->out_at == f->out.len) {
		int r;

		buf_clear(&f->out);
		f->out_at = 0;
		if (f->at < f->size)
			return read_content(f, data, cap, ret_len, err);
		if (f->done) {
			*ret_len = 0;
			return 0;
		}
		r = step(f, err);
		if (r < 0)
			return r;
	}
	n = f->out.len - f->out_at;
	n = n < cap ? n : cap;
	memcpy(data, f->out.data + f->out_at, n);
	f->out_at += n;
	*ret_len = n;
	return 0;
}

int flatten_open(const struct tree *tree, struct objects *objects, struct stream **ret,
		 struct err *err)
{
	struct flatten *f = calloc(1, sizeof(*f));

	if (!f)
		return err_nomem(err);
	f->base = (struct stream){read_flatten, close_flatten};
	f->tree = tree;
	f->objects = objects;
	buf_init(&f->out, HEADERS_MAX);
	buf_init(&f->paths, PATHS_MAX);
	buf_init(&f->names, XATTRS_MAX);
	f->levels = calloc(DEPTH_MAX, sizeof(*f->levels));
	f->xattrs = calloc(XATTR_COUNT, sizeof(*f->xattrs));
	if (!f->levels || !f->xattrs) {
		close_flatten(&f->base);
		return err_nomem(err);
	}
	*ret = &f->base;
	return 0;
}
