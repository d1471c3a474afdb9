/* SPDX-License-Identifier: Apache-2.0
 * The entries of a layer's tar: the rules of OCI image layers. */
#include "store/tree_walk.h"

#define SHOWN_MAX 200 /* bytes of a path in an error */

#define PREFIX      ".wh."
#define PREFIX_LEN  4
#define META_PREFIX ".wh..wh."
#define OPAQUE      ".wh..wh..opq"
#define PLNK        ".wh..wh.plnk"

#define ESCAPED "trusted.overlay."
#define ESCAPE  "trusted.overlay.overlay."

/* A path, cleaned at its end: DIR (may end in a slash) and BASE, which is empty for the
 * root. */
struct split {
	const char *dir, *base;
	size_t dir_len, base_len;
};

static bool starts(const char *p, size_t len, const char *with)
{
	size_t n = strlen(with);

	return len >= n && memcmp(p, with, n) == 0;
}

static bool is(const char *p, size_t len, const char *what)
{
	return len == strlen(what) && memcmp(p, what, len) == 0;
}

/* Long paths are cut so that the cause is still seen. */
static int blame(int r, const char *what, const char *path, size_t len, struct err *err)
{
	size_t shown = len < SHOWN_MAX ? len : SHOWN_MAX;

	if (!err)
		return r;
	return err_wrap(err, "%s'%.*s%s'", what, (int)shown, path,
			shown < len ? "..." : "");
}

/* ---- paths ---- */

static int name_check(const char *p, size_t len, struct err *err)
{
	if (is(p, len, ".."))
		return err_set(err, ERR_INVALID, "'..' in the path");
	if (len > TREE_MODEL_NAME_MAX)
		return err_set(err, ERR_LIMIT, "a name is longer than %d bytes",
			       TREE_MODEL_NAME_MAX);
	return 0;
}

static int split_path(const char *path, size_t len, struct split *ret, struct err *err)
{
	const char *slash;

	if (len == 0)
		return err_set(err, ERR_INVALID, "the path is empty");
	if (len > TREE_MODEL_PATH_MAX)
		return err_set(err, ERR_LIMIT, "the path is longer than %d bytes",
			       TREE_MODEL_PATH_MAX);
	while (len && (path[len - 1] == '/' ||
		       (path[len - 1] == '.' && (len == 1 || path[len - 2] == '/'))))
		len--;
	slash = memrchr(path, '/', len);
	ret->dir = path;
	ret->dir_len = slash ? (size_t)(slash + 1 - path) : 0;
	ret->base = path + ret->dir_len;
	ret->base_len = len - ret->dir_len;
	return name_check(ret->base, ret->base_len, err);
}

/* Checks the names of the directory part. *ret_meta: it is in a directory of aufs. */
static int dir_check(const struct split *s, bool *ret_meta, struct err *err)
{
	const char *p = s->dir, *end = p + s->dir_len, *slash;
	bool meta = false;
	int r = 0;

	for (; r == 0 && p < end; p = slash + 1) {
		slash = memchr(p, '/', (size_t)(end - p));
		meta = meta || starts(p, (size_t)(slash - p), META_PREFIX);
		r = name_check(p, (size_t)(slash - p), err);
	}
	if (r == 0)
		*ret_meta = meta;
	return r;
}

/* Whether the directory part is just aufs's directory of hardlinked files. */
static bool in_plnk(const struct split *s)
{
	const char *p = s->dir;
	size_t len = s->dir_len;

	while (len && (*p == '/' || starts(p, len, "./")))
		p++, len--;
	while (len && p[len - 1] == '/')
		len--;
	return is(p, len, PLNK);
}

/* ---- directories ---- */

static int dir_make(struct tree_model *m, tree_ref dir, const char *name, size_t len,
		    uint32_t flags, tree_ref *ret, struct err *err)
{
	const struct tree_attr attr = {.mode = S_IFDIR | 0755, .flags = flags};
	tree_ref made;
	int r = tree_model_add(m, &attr, &made, err);

	if (r == 0)
		r = tree_model_link(m, dir, name, len, made, err);
	if (r == 0)
		*ret = made;
	return r;
}

static int too_many_links(struct err *err)
{
	return err_set(err, ERR_INVALID, "too many symbolic links in the path");
}

/* Walks to the directory of an entry and makes what is missing. What takes the place of a
 * non-directory of this layer, be it a whiteout, shows nothing from below. */
static int parents_make(struct tree_model *m, const struct split *s, tree_ref *ret,
			struct err *err)
{
	struct tree_walk w;
	const char *name;
	size_t len;
	int r = 0;

	tree_walk_init(&w, m, TREE_ROOT, s->dir, s->dir_len);
	while (r == 0 && tree_walk_next(&w, &name, &len)) {
		tree_ref child = tree_model_lookup(m, w.dir, name, len);

		if (child == TREE_NONE)
			r = dir_make(m, w.dir, name, len, TREE_IMPLIED, &w.dir, err);
		else if (tree_model_is_dir(m, child))
			w.dir = child;
		else if (!S_ISLNK(m->inodes[child].mode))
			r = dir_make(m, w.dir, name, len, TREE_OPAQUE, &w.dir, err);
		else if (!tree_walk_follow(&w, child))
			r = too_many_links(err);
	}
	if (r == 0)
		*ret = w.dir;
	return r;
}

/* The directory of an entry; *ret_meta: it belongs to aufs and is not made. */
static int parent_get(struct tree_model *m, const struct split *s, tree_ref *ret,
		      bool *ret_meta, struct err *err)
{
	int r;

	*ret_meta = false;
	if (m->parent != TREE_NONE && m->parent_len == s->dir_len &&
	    memcmp(m->parent_path, s->dir, s->dir_len) == 0) {
		*ret = m->parent;
		return 0;
	}
	r = dir_check(s, ret_meta, err);
	if (r < 0 || *ret_meta)
		return r;
	r = parents_make(m, s, ret, err);
	if (r < 0)
		return r;
	memcpy(m->parent_path, s->dir, s->dir_len);
	m->parent_len = s->dir_len;
	m->parent = *ret;
	return 0;
}

/* ---- attributes ---- */

static int attr_xattrs(struct tree_model *m, const struct tar_entry *e,
		       struct tree_attr *attr, struct err *err)
{
	struct tree_xattrs *x = &m->xattrs;
	int r = 0;

	if (!e->xattr_count)
		return 0;
	tree_xattrs_clear(x);
	for (size_t i = 0; r == 0 && i < e->xattr_count; i++) {
		const struct tar_xattr *from = &e->xattrs[i];
		size_t skip =
			starts(from->name, from->name_len, ESCAPED) ? strlen(ESCAPED) : 0;

		r = tree_xattrs_add(x, skip ? ESCAPE : "", from->name + skip,
				    from->name_len - skip, from->value, from->value_len,
				    err);
	}
	if (r < 0)
		return r;
	tree_xattrs_finish(x);
	attr->xattrs = x->items;
	attr->xattr_count = x->count;
	return 0;
}

static int attr_link(struct tree_model *m, const struct tar_entry *e,
		     struct tree_attr *attr, struct err *err)
{
	if (e->link_len == 0)
		return err_set(err, ERR_INVALID, "a symlink without a target");
	if (e->link_len >= TREE_MODEL_PATH_MAX)
		return err_set(err, ERR_LIMIT, "a symlink's target of %d bytes or more",
			       TREE_MODEL_PATH_MAX);
	attr->link = tree_arena_string(&m->arena, e->link, e->link_len);
	return attr->link ? 0 : err_nomem(err);
}

static int attr_make(struct tree_model *m, const struct tar_entry *e,
		     const struct digest *digest, struct tree_attr *attr, struct err *err)
{
	static const uint32_t types[] = {
		[TAR_FILE] = S_IFREG, [TAR_DIR] = S_IFDIR,   [TAR_SYMLINK] = S_IFLNK,
		[TAR_CHAR] = S_IFCHR, [TAR_BLOCK] = S_IFBLK, [TAR_FIFO] = S_IFIFO,
		[TAR_HARDLINK] = 0,
	};

	*attr = (struct tree_attr){
		.mode = types[e->type] | (e->mode & 07777),
		.uid = e->uid,
		.gid = e->gid,
		.mtime = e->mtime,
		.mtime_nsec = e->mtime_nsec,
	};
	if (e->type == TAR_FILE && e->size) {
		attr->size = e->size;
		attr->digest = *digest;
	} else if (e->type == TAR_CHAR || e->type == TAR_BLOCK) {
		attr->rdev_major = e->rdev_major;
		attr->rdev_minor = e->rdev_minor;
		if (e->type == TAR_CHAR && !e->rdev_major && !e->rdev_minor)
			attr->flags = TREE_DEVICE_ZERO;
	} else if (e->type == TAR_SYMLINK) {
		int r = attr_link(m, e, attr, err);

		if (r < 0)
			return r;
	}
	return attr_xattrs(m, e, attr, err);
}

/* ---- kinds of entries ---- */

/* A new inode takes the name from OLD, which may be TREE_NONE. */
static int replace(struct tree_model *m, tree_ref dir, const struct split *s,
		   const struct tree_attr *attr, tree_ref old, tree_ref *ret,
		   struct err *err)
{
	int r = tree_model_add(m, attr, ret, err);

	if (r == 0)
		r = tree_model_link(m, dir, s->base, s->base_len, *ret, err);
	if (r == 0 && old != TREE_NONE)
		tree_model_recycle(m, old);
	return r;
}

static int apply_dir(struct tree_model *m, tree_ref dir, const struct split *s,
		     struct tree_attr *attr, tree_ref *ret, struct err *err)
{
	tree_ref old =
		s->base_len ? tree_model_lookup(m, dir, s->base, s->base_len) : TREE_ROOT;

	if (old != TREE_NONE && tree_model_is_dir(m, old)) {
		attr->flags = m->inodes[old].flags & TREE_OPAQUE;
		*ret = old;
		return tree_model_set(m, old, attr, err);
	}
	if (old != TREE_NONE)
		attr->flags = TREE_OPAQUE;
	return replace(m, dir, s, attr, old, ret, err);
}

static int apply_whiteout(struct tree_model *m, tree_ref dir, const struct split *s,
			  struct err *err)
{
	const struct tree_attr attr = {.mode = S_IFCHR, .flags = TREE_WHITEOUT};
	const char *name = s->base + PREFIX_LEN;
	size_t len = s->base_len - PREFIX_LEN;
	tree_ref old, made;
	int r;

	if (len == 0 || is(name, len, ".") || is(name, len, ".."))
		return err_set(err, ERR_INVALID, "a whiteout of no name");
	old = tree_model_lookup(m, dir, name, len);
	if (old == TREE_NONE) {
		r = tree_model_add(m, &attr, &made, err);
		return r < 0 ? r : tree_model_link(m, dir, name, len, made, err);
	}
	if (tree_model_is_dir(m, old)) {
		m->inodes[old].flags |= TREE_OPAQUE;
		m->inodes[old].flags &= ~(uint32_t)TREE_IMPLIED;
	}
	return 0;
}

/* An entry that aufs left behind. Only its files that have hardlinks are of use. */
static int apply_meta(struct tree_model *m, const struct tar_entry *e,
		      const struct split *s, const struct digest *digest, tree_ref *ret,
		      struct err *err)
{
	struct tree_attr attr;
	int r;

	if (e->type != TAR_FILE || !in_plnk(s))
		return 0;
	r = attr_make(m, e, digest, &attr, err);
	if (r == 0)
		r = tree_model_add(m, &attr, ret, err);
	return r < 0 ? r : tree_model_remember(m, s->base, s->base_len, *ret, err);
}

/* ---- hardlinks ---- */

/* Stands for a path of a layer below: the way to NAME in w->dir, what is left to walk, and
 * the base name. */
static int unresolved_make(struct tree_model *m, const struct tree_walk *w,
			   const char *name, size_t len, const struct split *s,
			   tree_ref *ret, struct err *err)
{
	struct tree_attr attr = {.mode = S_IFREG, .flags = TREE_UNRESOLVED};
	auto_buf struct buf path;
	int r;

	buf_init(&path, TREE_MODEL_PATH_MAX);
	r = tree_walk_spell(w, name, len, &path, err);
	if (r == 0 && path.len)
		r = buf_append_u8(&path, '/', err);
	if (r == 0)
		r = buf_append(&path, s->base, s->base_len, err);
	if (r < 0)
		return r;
	attr.link = tree_arena_string(&m->arena, (const char *)path.data, path.len);
	return attr.link ? tree_model_add(m, &attr, ret, err) : err_nomem(err);
}

static int target_find(struct tree_model *m, const struct split *s, tree_ref *ret,
		       struct err *err)
{
	struct tree_walk w;
	const char *name;
	tree_ref child;
	size_t len;

	tree_walk_init(&w, m, TREE_ROOT, s->dir, s->dir_len);
	while (tree_walk_next(&w, &name, &len)) {
		child = tree_model_lookup(m, w.dir, name, len);
		if (child != TREE_NONE && tree_model_is_dir(m, child))
			w.dir = child;
		else if (child == TREE_NONE || !S_ISLNK(m->inodes[child].mode))
			return unresolved_make(m, &w, name, len, s, ret, err);
		else if (!tree_walk_follow(&w, child))
			return too_many_links(err);
	}
	child = tree_model_lookup(m, w.dir, s->base, s->base_len);
	if (child == TREE_NONE || m->inodes[child].flags & TREE_WHITEOUT)
		return unresolved_make(m, &w, "", 0, s, ret, err);
	if (tree_model_is_dir(m, child))
		return err_set(err, ERR_INVALID, "a hardlink to a directory");
	*ret = child;
	return 0;
}

/* Before the entry's own place is made: that may replace the target. */
static int hardlink_target(struct tree_model *m, const struct tar_entry *e, tree_ref *ret,
			   struct err *err)
{
	struct split s;
	bool meta;
	int r = split_path(e->link, e->link_len, &s, err);

	if (r == 0)
		r = dir_check(&s, &meta, err);
	if (r < 0)
		return blame(r, "hardlink target ", e->link, e->link_len, err);
	if (s.base_len == 0)
		return err_set(err, ERR_INVALID, "a hardlink to a directory");
	if (meta && in_plnk(&s)) {
		*ret = tree_model_lookup(m, TREE_MODEL_PLNK, s.base, s.base_len);
		if (*ret != TREE_NONE)
			return 0;
	}
	return target_find(m, &s, ret, err);
}

/* ---- an entry ---- */

static int apply_at(struct tree_model *m, const struct tar_entry *e, tree_ref dir,
		    const struct split *s, const struct digest *digest, tree_ref *made,
		    struct err *err)
{
	struct tree_attr attr;
	int r;

	if (e->type == TAR_HARDLINK)
		return tree_model_link(m, dir, s->base, s->base_len, *made, err);
	r = attr_make(m, e, digest, &attr, err);
	if (r < 0)
		return r;
	if (e->type == TAR_DIR)
		return apply_dir(m, dir, s, &attr, made, err);
	return replace(m, dir, s, &attr, tree_model_lookup(m, dir, s->base, s->base_len),
		       made, err);
}

static int apply(struct tree_model *m, const struct tar_entry *e,
		 const struct digest *digest, tree_ref *made, struct err *err)
{
	tree_ref dir = TREE_ROOT;
	struct split s;
	bool special, opaque, meta = false;
	int r = split_path(e->path, e->path_len, &s, err);

	if (r < 0)
		return r;
	if (s.base_len == 0 && e->type != TAR_DIR)
		return err_set(err, ERR_INVALID, "the root is a directory");
	special = starts(s.base, s.base_len, PREFIX);
	opaque = special && is(s.base, s.base_len, OPAQUE);
	if (special && !opaque && starts(s.base, s.base_len, META_PREFIX))
		return dir_check(&s, &meta, err);
	if (e->type == TAR_HARDLINK && !special)
		r = hardlink_target(m, e, made, err);
	if (r == 0)
		r = parent_get(m, &s, &dir, &meta, err);
	if (r < 0)
		return r;
	if (meta) {
		*made = TREE_NONE;
		return apply_meta(m, e, &s, digest, made, err);
	}
	if (opaque) {
		m->inodes[dir].flags |= TREE_OPAQUE;
		return 0;
	}
	return special ? apply_whiteout(m, dir, &s, err)
		       : apply_at(m, e, dir, &s, digest, made, err);
}

int tree_model_apply(struct tree_model *m, const struct tar_entry *e,
		     const struct digest *digest, tree_ref *ret, struct err *err)
{
	tree_ref made = TREE_NONE;
	int r = apply(m, e, digest, &made, err);

	if (r < 0)
		return blame(r, "", e->path, e->path_len, err);
	if (ret)
		*ret = made;
	return 0;
}
