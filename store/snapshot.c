/* SPDX-License-Identifier: Apache-2.0
 * A directory as a tar stream, made as it is read: nothing is kept on disk. */
#include "store/snapshot_private.h"

#include <fnmatch.h>
#include <string.h>
#include <sys/stat.h>

#include "store/base/io.h"
#include "store/tar_write.h"

#define LEVELS_MAX  (WALK_PATH_MAX * sizeof(struct snapshot_level))
#define PENDING_MAX (64u << 20)

/* A device number that no file has: inodes of the parent's tree that inodes of the host were
 * found to be, among these. */
#define CLAIMED (UINT64_MAX - 1)

/* ---- entries ---- */

int snapshot_put_entry(struct snapshot *s, struct buf *out, struct tar_entry *e,
		       const char *path, const struct walk_stat *st, struct err *err)
{
	e->path = *path ? path : ".";
	e->path_len = strlen(e->path);
	e->link = e->link ? e->link : "";
	e->link_len = e->link_len ? e->link_len : strlen(e->link);
	e->mode = st->mode & 07777;
	e->uid = st->uid;
	e->gid = st->gid;
	e->mtime = st->mtime;
	e->mtime_nsec = st->mtime_nsec;
	if (e->mtime >= s->options->epoch) {
		e->mtime = s->options->epoch;
		e->mtime_nsec = 0;
	}
	if (e->type != TAR_HARDLINK) {
		e->xattrs = s->xattrs.items;
		e->xattr_count = s->xattrs.count;
	}
	return tar_write_entry(out, e, err);
}

int snapshot_put_whiteout(struct snapshot *s, const char *dir, size_t dir_len,
			  const char *name, struct err *err)
{
	struct tar_entry e = {.type = TAR_FILE, .link = ""};
	auto_buf struct buf path;
	int r;

	buf_init(&path, 2 * WALK_PATH_MAX);
	r = buf_printf(&path, err, "%.*s%s.wh.%s", (int)dir_len, dir, dir_len ? "/" : "",
		       name);
	if (r == 0)
		r = buf_append_u8(&path, '\0', err);
	if (r < 0)
		return r;
	e.path = (const char *)path.data;
	e.path_len = path.len - 1;
	return tar_write_entry(&s->out, &e, err);
}

void snapshot_put_object(struct snapshot *s, const struct digest *d, uint64_t size,
			 const char *path)
{
	s->object = *d;
	s->left = s->size = size;
	s->stats->bytes += size;
	snprintf(s->path, sizeof(s->path), "%s", path);
}

int snapshot_changed(const char *path, struct err *err)
{
	return err_set(err, ERR_FAILED, "'%s' changes while it is read", path);
}

bool snapshot_excluded(const struct snapshot *s, const char *path)
{
	if (!s->options->excludes || !*path)
		return false;
	for (const char *const *p = s->options->excludes; *p; p++)
		if (fnmatch(*p, path, 0) == 0)
			return true;
	return false;
}

/* What sits on a mount point belongs to another filesystem: only its place is kept. */
static int put_mount_point(struct snapshot *s, const struct walk_entry *e,
			   const struct snapshot_place *p, struct err *err)
{
	struct tar_entry entry = {.type = S_ISDIR(e->stat.mode) ? TAR_DIR : TAR_FILE};

	if (!s->exact && p->below && (p->node.mode & S_IFMT) == (e->stat.mode & S_IFMT))
		return 0;
	s->xattrs.count = 0;
	return snapshot_put_entry(s, &s->out, &entry, e->path, &e->stat, err);
}

enum tar_type snapshot_type(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return TAR_FILE;
	case S_IFDIR:
		return TAR_DIR;
	case S_IFLNK:
		return TAR_SYMLINK;
	case S_IFCHR:
		return TAR_CHAR;
	case S_IFBLK:
		return TAR_BLOCK;
	default:
		return TAR_FIFO;
	}
}

/* Xattrs and, of a symlink, the target. */
static int read_special(struct snapshot *s, const struct walk_entry *e,
			const struct snapshot_place *p, char target[WALK_PATH_MAX],
			struct err *err)
{
	struct snapshot_upper upper;
	char path[320];
	int r;

	target[0] = '\0';
	walk_proc_path(s->walk, path);
	r = xattr_list_read(&s->xattrs, -1, path, e->path, err);
	if (r == 0 && s->options->upper)
		r = snapshot_upper_sort(s, p, &upper, err);
	if (r == 0 && S_ISLNK(e->stat.mode))
		r = walk_read_link(s->walk, target, err);
	return r;
}

static int remember_special(struct snapshot *s, const struct walk_entry *e,
			    const char *target, struct err *err)
{
	struct stat_cache_known known = {0};
	int r;

	if (!s->options->cache)
		return 0;
	if (*target)
		digest_of(target, strlen(target), &known.content);
	r = xattr_list_digest(&s->xattrs, &known.xattrs, err);
	return r < 0 ? r : stat_cache_add(s->options->cache, &e->stat, &known, err);
}

static int same_special(struct snapshot *s, const struct walk_entry *e,
			const struct snapshot_place *p, const char *target,
			bool *ret_same, struct err *err)
{
	const char *other;
	size_t len;
	int r;

	*ret_same = false;
	if (!snapshot_same_inode(s, &e->stat, p))
		return 0;
	if (S_ISLNK(e->stat.mode)) {
		r = tree_readlink(s->options->parent, p->below, &other, &len, err);
		if (r < 0 || len != strlen(target) || memcmp(other, target, len) != 0)
			return r;
	}
	r = snapshot_other_xattrs(s, p->below, err);
	*ret_same = r == 0 && xattr_list_equal(&s->xattrs, &s->others);
	return r;
}

static int put_special(struct snapshot *s, const struct walk_entry *e,
		       const struct snapshot_place *p, enum snapshot_fate *ret,
		       struct err *err)
{
	struct tar_entry entry = {.type = snapshot_type(e->stat.mode)};
	char target[WALK_PATH_MAX];
	struct err why;
	bool same = false;
	int r = read_special(s, e, p, target, &why);

	*ret = SNAPSHOT_GONE;
	if (r == -ERR_NOTFOUND)
		return snapshot_gone(e, p, err);
	if (r < 0)
		return err_copy(err, &why);
	*ret = SNAPSHOT_SAME;
	r = remember_special(s, e, target, err);
	if (r == 0)
		r = same_special(s, e, p, target, &same, err);
	if (r < 0 || same)
		return r;
	*ret = SNAPSHOT_KEPT;
	entry.link = target;
	if (entry.type == TAR_CHAR || entry.type == TAR_BLOCK) {
		entry.rdev_major = e->stat.rdev_major;
		entry.rdev_minor = e->stat.rdev_minor;
	}
	return snapshot_put_entry(s, &s->out, &entry, e->path, &e->stat, err);
}

/* A further name of a file that was seen already. It is told unless the first was not, and
 * both are names of one file in the parent, too. *ret_done false: this is the first. */
static int put_link(struct snapshot *s, const struct walk_entry *e,
		    const struct snapshot_place *p, bool *ret_done, struct err *err)
{
	uint64_t dev = (uint64_t)e->stat.dev_major << 32 | e->stat.dev_minor, same = 0;
	struct tar_entry entry = {.type = TAR_HARDLINK};

	entry.link = link_map_find(&s->links, dev, e->stat.ino, &same);
	*ret_done = entry.link;
	if (!entry.link || (same && same == p->below))
		return 0;
	return snapshot_put_entry(s, &s->out, &entry, e->path, &e->stat, err);
}

static int remember_link(struct snapshot *s, const struct walk_entry *e,
			 const struct snapshot_place *p, enum snapshot_fate fate,
			 struct err *err)
{
	uint64_t dev = (uint64_t)e->stat.dev_major << 32 | e->stat.dev_minor;
	const char *first;
	int r = link_map_add(&s->links, dev, e->stat.ino, e->path, &first, err);

	if (r == 0 && fate == SNAPSHOT_SAME && p->below) {
		link_map_note(&s->links, dev, e->stat.ino, p->below);
		r = link_map_add(&s->links, CLAIMED, p->below, e->path, &first, err);
	}
	return r;
}

static int put_other(struct snapshot *s, const struct walk_entry *e,
		     struct snapshot_place *p, struct err *err)
{
	uint64_t note;
	enum snapshot_fate fate = SNAPSHOT_SAME;
	bool linked = e->stat.nlink > 1, done = false;
	int r = linked ? put_link(s, e, p, &done, err) : 0;

	if (r < 0 || done)
		return r;
	/* Another inode is that file already: this one is a file of its own. */
	if (linked && p->below && link_map_find(&s->links, CLAIMED, p->below, &note))
		p->node.nlink = 0;
	r = snapshot_recognise(s, e, p, &done, err);
	if (r == 0 && !done)
		r = S_ISREG(e->stat.mode) ? snapshot_put_file(s, e, p, &fate, err)
					  : put_special(s, e, p, &fate, err);
	if (r == 0 && linked && fate != SNAPSHOT_GONE)
		r = remember_link(s, e, p, fate, err);
	return r;
}

int snapshot_put_removed(struct snapshot *s, const struct walk_entry *e,
			 const struct snapshot_place *p, struct err *err)
{
	size_t name = (size_t)(e->name - e->path);

	if (!p->below)
		return 0;
	return snapshot_put_whiteout(s, e->path, name ? name - 1 : 0, e->name, err);
}

static int put_next(struct snapshot *s, const struct walk_entry *e, struct err *err)
{
	struct snapshot_place p;
	int r = snapshot_place_find(s, e, &p, err);

	if (r < 0)
		return r;
	if (snapshot_excluded(s, e->path)) {
		walk_skip(s->walk);
		return 0;
	}
	if (strncmp(e->name, ".wh.", 4) == 0)
		return err_set(err, ERR_INVALID,
			       "'%s': a layer cannot hold a name that begins with '.wh.'",
			       e->path);
	if (S_ISSOCK(e->stat.mode)) {
		s->stats->sockets_skipped++;
		return snapshot_put_removed(s, e, &p, err);
	}
	if (s->options->upper && S_ISCHR(e->stat.mode) && !e->stat.rdev_major &&
	    !e->stat.rdev_minor)
		return snapshot_put_removed(s, e, &p, err);
	if (e->stat.mount_point && (S_ISDIR(e->stat.mode) || S_ISREG(e->stat.mode)))
		return put_mount_point(s, e, &p, err);
	return S_ISDIR(e->stat.mode) ? snapshot_put_dir(s, e, &p, err)
				     : put_other(s, e, &p, err);
}

/* ---- the stream ---- */

static int walk_on(struct snapshot *s, struct err *err)
{
	struct walk_entry e = {0};
	bool more;
	int r = walk_next(s->walk, &e, &more, err);

	if (r == 0)
		r = snapshot_leave(s, more ? e.depth : 0, err);
	if (r < 0)
		return r;
	if (more)
		return put_next(s, &e, err);
	s->ended = true;
	return tar_write_end(&s->out, err);
}

/* Makes some more output; sets `ended` after the last of it. */
static int advance(struct snapshot *s, struct err *err)
{
	int r;

	buf_clear(&s->before);
	buf_clear(&s->out);
	s->before_used = s->out_used = 0;
	s->tell = false;
	if (s->moved.len)
		r = snapshot_moved_next(s, err);
	else
		r = walk_on(s, err);
	if (r < 0 || s->pending.len == 0 || s->ended || (!s->tell && s->out.len == 0))
		return r;
	/* What was made now lies in these directories. */
	r = buf_append(&s->before, s->pending.data, s->pending.len, err);
	buf_clear(&s->pending);
	return r;
}

/* More content of the present file. */
static int content_read(struct snapshot *s, void *data, size_t cap, size_t *ret_len,
			struct err *err)
{
	size_t want = cap < s->left ? cap : (size_t)s->left;
	struct walk_stat after;
	int r;

	if (s->fd >= 0)
		r = io_read(s->fd, data, want, ret_len, s->path, err);
	else
		r = objects_read(s->options->objects, &s->object, s->size - s->left, data,
				 want, ret_len, err);
	if (r < 0)
		return r;
	if (*ret_len < want)
		return snapshot_changed(s->path, err);
	s->left -= want;
	if (s->left > 0)
		return 0;
	if (s->fd >= 0) {
		r = walk_fstat(s->fd, s->path, &after, err);
		if (r < 0)
			return r;
		if (!walk_stat_equal(&s->start, &after))
			return snapshot_changed(s->path, err);
		close(steal_fd(&s->fd));
	}
	buf_clear(&s->before);
	buf_clear(&s->out);
	s->before_used = s->out_used = 0;
	return buf_append_zeros(&s->out, tar_write_padding(s->size), err);
}

/* Gives what is in a buffer and not read yet. */
static size_t drain(const struct buf *b, size_t *used, void *data, size_t cap)
{
	size_t n = b->len - *used;

	n = n < cap ? n : cap;
	if (n)
		memcpy(data, b->data + *used, n);
	*used += n;
	return n;
}

static int snapshot_read(struct stream *base, void *data, size_t cap, size_t *ret_len,
			 struct err *err)
{
	struct snapshot *s = (struct snapshot *)base;
	int r;

	for (;;) {
		*ret_len = drain(&s->before, &s->before_used, data, cap);
		if (*ret_len == 0)
			*ret_len = drain(&s->out, &s->out_used, data, cap);
		if (*ret_len)
			return 0;
		if (s->left)
			return content_read(s, data, cap, ret_len, err);
		if (s->ended)
			return 0;
		r = advance(s, err);
		if (r < 0)
			return r;
	}
}

static void snapshot_close(struct stream *base)
{
	struct snapshot *s = (struct snapshot *)base;

	walk_close(s->walk);
	link_map_release(&s->links);
	xattr_list_release(&s->xattrs);
	xattr_list_release(&s->others);
	buf_release(&s->levels);
	buf_release(&s->pending);
	buf_release(&s->before);
	buf_release(&s->out);
	buf_release(&s->moved);
	if (s->fd >= 0)
		close(s->fd);
	free(s);
}

static int snapshot_open(const char *dir, const struct snapshot_options *options,
			 struct snapshot_stats *stats, struct stream **ret,
			 struct err *err)
{
	struct snapshot *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_nomem(err);
	s->base = (struct stream){snapshot_read, snapshot_close};
	s->options = options;
	s->stats = stats;
	s->fd = -1;
	link_map_init(&s->links);
	xattr_list_init(&s->xattrs);
	xattr_list_init(&s->others);
	buf_init(&s->levels, LEVELS_MAX);
	buf_init(&s->pending, PENDING_MAX);
	buf_init(&s->before, PENDING_MAX);
	buf_init(&s->out, (size_t)1 << 30);
	buf_init(&s->moved, (size_t)1 << 30);
	r = walk_open(dir, &s->walk, err);
	if (r < 0) {
		snapshot_close(&s->base);
		return r;
	}
	*ret = &s->base;
	return 0;
}

int snapshot_take(struct session *session, const char *dir,
		  const struct snapshot_options *options, struct layer *ret,
		  struct snapshot_stats *stats, struct err *err)
{
	static const struct snapshot_options plain = {.epoch = INT64_MAX};
	struct snapshot_stats counted = {0};
	struct stream *in = NULL;
	char name[300];
	int r = snapshot_open(dir, options ? options : &plain, &counted, &in, err);

	snprintf(name, sizeof(name), "snapshot of '%s'", dir);
	if (r < 0)
		return r;
	r = layer_ingest(session, in, name, NULL, NULL, NULL, NULL, ret, err);
	if (r == 0 && stats)
		*stats = counted;
	return r;
}

int snapshot_compare(const char *dir, const struct snapshot_options *options,
		     bool *ret_same, struct snapshot_stats *stats, struct err *err)
{
	struct snapshot_stats counted = {0};
	auto_stream struct stream *in = NULL;
	struct snapshot *s;
	bool same = true;
	int r = snapshot_open(dir, options, &counted, &in, err);

	if (r < 0)
		return r;
	s = (struct snapshot *)in;
	s->exact = true;
	while (r == 0 && same && !s->ended) {
		r = advance(s, err);
		same = s->ended || (!s->tell && s->out.len == 0);
	}
	if (r < 0)
		return r;
	*ret_same = same;
	*stats = counted;
	return 0;
}
