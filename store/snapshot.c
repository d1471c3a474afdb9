/* SPDX-License-Identifier: Apache-2.0
 * A directory as a tar stream, made as it is read: nothing is kept on disk. */
#include "store/snapshot.h"

#include <fnmatch.h>
#include <string.h>
#include <sys/stat.h>

#include "store/base/io.h"
#include "store/link_map.h"
#include "store/tar_write.h"
#include "store/walk.h"
#include "store/xattr_list.h"

/* Files up to this size are read whole before their header is told, so that one that
 * changes meanwhile can be read again. */
#define WHOLE_MAX (8u << 20)
#define TRIES     3

struct snapshot {
	struct stream base;
	const struct snapshot_options *options;
	struct snapshot_stats *stats;
	struct walk *walk;
	struct link_map links;
	struct xattr_list xattrs;
	struct buf out; /* made but not yet read */
	size_t out_used;
	bool ended;

	/* A large file whose content is being read. */
	int fd;
	uint64_t left;
	struct walk_stat before;
	char path[WALK_PATH_MAX];
};

/* ---- entries ---- */

static int put_entry(struct snapshot *s, struct tar_entry *e, const char *path,
		     const struct walk_stat *st, struct err *err)
{
	e->path = *path ? path : ".";
	e->path_len = strlen(e->path);
	e->link = e->link ? e->link : "";
	e->link_len = strlen(e->link);
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
	return tar_write_entry(&s->out, e, err);
}

static bool unchanged(const struct walk_stat *a, const struct walk_stat *b)
{
	return a->size == b->size && a->ino == b->ino && a->mtime == b->mtime &&
	       a->mtime_nsec == b->mtime_nsec && a->ctime == b->ctime &&
	       a->ctime_nsec == b->ctime_nsec;
}

static int changed(const char *path, struct err *err)
{
	return err_set(err, ERR_FAILED, "'%s' changes while it is read", path);
}

/* What is gone since it was listed was never there, unless other names will refer to it. */
static int gone(const struct walk_entry *e, struct err *err)
{
	if (!S_ISDIR(e->stat.mode) && e->stat.nlink > 1)
		return changed(e->path, err);
	return 0;
}

static int put_content(struct snapshot *s, int fd, const struct walk_entry *e,
		       uint64_t size, struct err *err)
{
	size_t n;
	int r = buf_reserve(&s->out, (size_t)size, err);

	if (r == 0)
		r = io_read(fd, s->out.data + s->out.len, (size_t)size, &n, e->path, err);
	if (r < 0)
		return r;
	if (n < size)
		memset(s->out.data + s->out.len + n, 0, (size_t)size - n);
	s->out.len += (size_t)size;
	return buf_append_zeros(&s->out, tar_write_padding(size), err);
}

/* One attempt at a regular file. *ret_done false: it changed meanwhile. */
static int put_file_once(struct snapshot *s, const struct walk_entry *e, bool *ret_done,
			 struct err *err)
{
	struct tar_entry entry = {.type = TAR_FILE};
	struct walk_stat before, after;
	auto_fd int fd = -1;
	int r = walk_open_file(s->walk, &fd, err);

	if (r == 0)
		r = walk_fstat(fd, e->path, &before, err);
	if (r < 0)
		return r;
	*ret_done = false;
	if (!S_ISREG(before.mode) || (e->stat.nlink > 1 && before.ino != e->stat.ino))
		return 0;
	r = xattr_list_read(&s->xattrs, fd, NULL, e->path, err);
	entry.size = before.size;
	if (r == 0)
		r = put_entry(s, &entry, e->path, &before, err);
	if (r == 0 && before.size > WHOLE_MAX) {
		s->before = before;
		s->left = before.size;
		s->stats->bytes += before.size;
		s->fd = steal_fd(&fd);
		snprintf(s->path, sizeof(s->path), "%s", e->path);
		*ret_done = true;
		return 0;
	}
	if (r == 0)
		r = put_content(s, fd, e, before.size, err);
	if (r == 0)
		r = walk_fstat(fd, e->path, &after, err);
	if (r < 0)
		return r;
	*ret_done = unchanged(&before, &after);
	s->stats->bytes += *ret_done ? before.size : 0;
	return 0;
}

static int put_file(struct snapshot *s, const struct walk_entry *e, struct err *err)
{
	bool done = false;
	struct err why;
	int r = 0;

	for (int i = 0; i < TRIES && r == 0 && !done; i++) {
		buf_clear(&s->out);
		r = put_file_once(s, e, &done, &why);
	}
	if (r == -ERR_NOTFOUND) {
		buf_clear(&s->out);
		return gone(e, err);
	}
	if (r < 0)
		return err_copy(err, &why);
	if (!done)
		return changed(e->path, err);
	s->stats->files++;
	return 0;
}

/* What sits on a mount point belongs to another filesystem: only its place is kept. */
static int put_mount_point(struct snapshot *s, const struct walk_entry *e,
			   struct err *err)
{
	struct tar_entry entry = {.type = S_ISDIR(e->stat.mode) ? TAR_DIR : TAR_FILE};

	s->xattrs.count = 0;
	return put_entry(s, &entry, e->path, &e->stat, err);
}

static enum tar_type type_of(uint32_t mode)
{
	switch (mode & S_IFMT) {
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

static int put_special(struct snapshot *s, const struct walk_entry *e, struct err *err)
{
	struct tar_entry entry = {.type = type_of(e->stat.mode)};
	char target[WALK_PATH_MAX], path[320];
	struct err why;
	int r;

	walk_proc_path(s->walk, path);
	r = xattr_list_read(&s->xattrs, -1, path, e->path, &why);
	if (r == 0 && entry.type == TAR_SYMLINK) {
		r = walk_read_link(s->walk, target, &why);
		entry.link = target;
	}
	if (r == -ERR_NOTFOUND)
		return gone(e, err);
	if (r < 0)
		return err_copy(err, &why);
	if (entry.type == TAR_CHAR || entry.type == TAR_BLOCK) {
		entry.rdev_major = e->stat.rdev_major;
		entry.rdev_minor = e->stat.rdev_minor;
	}
	return put_entry(s, &entry, e->path, &e->stat, err);
}

/* A further name of a file that was told already. *ret_done false: this is the first. */
static int put_link(struct snapshot *s, const struct walk_entry *e, bool *ret_done,
		    struct err *err)
{
	uint64_t dev = (uint64_t)e->stat.dev_major << 32 | e->stat.dev_minor;
	struct tar_entry entry = {.type = TAR_HARDLINK};
	int r = link_map_add(&s->links, dev, e->stat.ino, e->path, &entry.link, err);

	*ret_done = r == 0 && entry.link;
	return *ret_done ? put_entry(s, &entry, e->path, &e->stat, err) : r;
}

static bool excluded(const struct snapshot *s, const char *path)
{
	if (!s->options->excludes || !*path)
		return false;
	for (const char *const *p = s->options->excludes; *p; p++)
		if (fnmatch(*p, path, 0) == 0)
			return true;
	return false;
}

static int put_next(struct snapshot *s, const struct walk_entry *e, struct err *err)
{
	bool done = false;
	int r = 0;

	if (strncmp(e->name, ".wh.", 4) == 0)
		return err_set(err, ERR_INVALID,
			       "'%s': a layer cannot hold a name that begins with '.wh.'",
			       e->path);
	if (S_ISSOCK(e->stat.mode)) {
		s->stats->sockets_skipped++;
		return 0;
	}
	if (e->stat.mount_point && (S_ISDIR(e->stat.mode) || S_ISREG(e->stat.mode)))
		return put_mount_point(s, e, err);
	if (!S_ISDIR(e->stat.mode) && e->stat.nlink > 1)
		r = put_link(s, e, &done, err);
	if (r < 0 || done)
		return r;
	return S_ISREG(e->stat.mode) ? put_file(s, e, err) : put_special(s, e, err);
}

/* ---- the stream ---- */

/* Makes some more output; sets `ended` after the last of it. */
static int advance(struct snapshot *s, struct err *err)
{
	struct walk_entry e;
	bool more;
	int r = walk_next(s->walk, &e, &more, err);

	if (r < 0)
		return r;
	if (!more) {
		s->ended = true;
		return tar_write_end(&s->out, err);
	}
	if (excluded(s, e.path)) {
		walk_skip(s->walk);
		return 0;
	}
	return put_next(s, &e, err);
}

static int large_read(struct snapshot *s, void *data, size_t cap, size_t *ret_len,
		      struct err *err)
{
	size_t want = cap < s->left ? cap : (size_t)s->left;
	struct walk_stat after;
	int r = io_read(s->fd, data, want, ret_len, s->path, err);

	if (r < 0)
		return r;
	if (*ret_len < want)
		return changed(s->path, err);
	s->left -= want;
	if (s->left > 0)
		return 0;
	r = walk_fstat(s->fd, s->path, &after, err);
	if (r < 0)
		return r;
	if (!unchanged(&s->before, &after))
		return changed(s->path, err);
	close(steal_fd(&s->fd));
	return buf_append_zeros(&s->out, tar_write_padding(s->before.size), err);
}

static int snapshot_read(struct stream *base, void *data, size_t cap, size_t *ret_len,
			 struct err *err)
{
	struct snapshot *s = (struct snapshot *)base;
	size_t n;
	int r = 0;

	while (s->out_used == s->out.len) {
		buf_clear(&s->out);
		s->out_used = 0;
		if (s->fd >= 0)
			return large_read(s, data, cap, ret_len, err);
		if (s->ended)
			break;
		r = advance(s, err);
		if (r < 0)
			return r;
	}
	n = s->out.len - s->out_used;
	n = n < cap ? n : cap;
	if (n)
		memcpy(data, s->out.data + s->out_used, n);
	s->out_used += n;
	*ret_len = n;
	return 0;
}

static void snapshot_close(struct stream *base)
{
	struct snapshot *s = (struct snapshot *)base;

	walk_close(s->walk);
	link_map_release(&s->links);
	xattr_list_release(&s->xattrs);
	buf_release(&s->out);
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
	buf_init(&s->out, (size_t)4 * WHOLE_MAX);
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
