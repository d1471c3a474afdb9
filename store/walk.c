/* SPDX-License-Identifier: Apache-2.0
 * The walk: a stack of sorted name lists and of the directories they came from. Directories
 * are read by getdents64 itself: what a DIR costs on top is a fifth of a walk. */
#include "store/walk.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "store/base/buf.h"

#define NAMES_MAX (1u << 30) /* bytes of names in one directory */
#define READ_SIZE (64u << 10)

/* What getdents64 gives. */
struct listed {
	uint64_t ino;
	int64_t off;
	uint16_t len;
	uint8_t type;
	char name[];
};

/* Names of a directory, and how far the walk has come in them. */
struct level {
	int fd; /* -1: closed, as too many are open; to be opened again */
	char *names;
	const char **sorted;
	size_t count, next;
	size_t path_len; /* of the directory */
};

struct walk {
	int top;
	struct level *levels;
	size_t depth, room;
	char path[WALK_PATH_MAX];
	const char *name; /* of the current entry, inside `path` */
	bool started, descend;
	char what[256]; /* the top, for error texts */
	_Alignas(struct listed) char listed[READ_SIZE];
};

/* ---- opening below the top ---- */

static int open_beneath(int dirfd, const char *path, uint64_t flags)
{
	struct open_how how = {
		.flags = flags | O_CLOEXEC | O_NOFOLLOW,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS |
			   RESOLVE_NO_XDEV,
	};
	long fd;
	int tries = 0;

	/* EAGAIN: something was renamed while the kernel looked. */
	do
		fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
	while (fd < 0 && (errno == EINTR || (errno == EAGAIN && ++tries < 100)));
	return (int)fd;
}

static int err_entry(struct walk *w, int errnum, const char *doing, struct err *err)
{
	if (errnum == ENOENT)
		return err_set(err, ERR_NOTFOUND, "'%s/%s' is gone", w->what, w->path);
	return err_sys(err, errnum, "cannot %s '%s/%s'", doing, w->what, w->path);
}

static void fd_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Opens the directory that the first LEN bytes of `path` name, from the top. */
static int open_from_top(struct walk *w, size_t len, int *ret, struct err *err)
{
	char path[WALK_PATH_MAX];
	int fd;

	memcpy(path, w->path, len);
	path[len] = '\0';
	fd = open_beneath(w->top, len ? path : ".", O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return err_entry(w, errno, "open", err);
	*ret = fd;
	return 0;
}

/* Opens the directory that `path` names: by its last part, if the one above is open. */
static int open_dir(struct walk *w, int *ret, struct err *err)
{
	int above = w->depth ? w->levels[w->depth - 1].fd : -1, fd;

	if (above < 0)
		return open_from_top(w, strlen(w->path), ret, err);
	fd = open_beneath(above, w->name, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return err_entry(w, errno, "open", err);
	*ret = fd;
	return 0;
}

/* ---- levels ---- */

static int name_cmp(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int names_read(struct walk *w, int fd, struct buf *names, size_t *ret_count,
		      struct err *err)
{
	size_t count = 0;
	long len;
	int r;

	while ((len = syscall(SYS_getdents64, fd, w->listed, sizeof(w->listed))) > 0) {
		for (long at = 0; at < len;) {
			const struct listed *e =
				(const struct listed *)(const void *)(w->listed + at);

			at += e->len;
			if (strcmp(e->name, ".") == 0 || strcmp(e->name, "..") == 0)
				continue;
			r = buf_append(names, e->name, strlen(e->name) + 1, err);
			if (r < 0)
				return r;
			count++;
		}
	}
	if (len < 0)
		return err_entry(w, errno, "list", err);
	*ret_count = count;
	return 0;
}

static int level_push(struct walk *w, const struct level *l, struct err *err)
{
	if (w->depth == w->room) {
		size_t room = w->room ? 2 * w->room : 16;
		struct level *levels = reallocarray(w->levels, room, sizeof(*levels));

		if (!levels)
			return err_nomem(err);
		w->levels = levels;
		w->room = room;
	}
	w->levels[w->depth++] = *l;
	return 0;
}

/* The names of a level, from a list of them one behind the other. */
static int level_sort(struct level *l, struct buf *names, struct err *err)
{
	l->sorted = calloc(l->count + 1, sizeof(*l->sorted));
	if (!l->sorted)
		return err_nomem(err);
	for (size_t i = 0, at = 0; i < l->count; i++) {
		l->sorted[i] = (const char *)names->data + at;
		at += strlen(l->sorted[i]) + 1;
	}
	qsort(l->sorted, l->count, sizeof(*l->sorted), name_cmp);
	l->names = (char *)names->data;
	names->data = NULL;
	return 0;
}

static void level_release(struct level *l)
{
	free(l->names);
	free(l->sorted);
	fd_close(&l->fd);
}

/* Goes down into the directory that `path` names. Of those above the lowest stay open. */
static int level_enter(struct walk *w, struct err *err)
{
	auto_buf struct buf names;
	struct level l = {.fd = -1, .path_len = strlen(w->path)};
	int r = open_dir(w, &l.fd, err);

	buf_init(&names, NAMES_MAX);
	if (r == 0)
		r = names_read(w, l.fd, &names, &l.count, err);
	if (r == 0)
		r = level_sort(&l, &names, err);
	if (r == 0)
		r = level_push(w, &l, err);
	if (r < 0)
		level_release(&l);
	else if (w->depth > WALK_OPEN_MAX)
		fd_close(&w->levels[w->depth - 1 - WALK_OPEN_MAX].fd);
	return r;
}

static void level_leave(struct walk *w)
{
	level_release(&w->levels[--w->depth]);
}

/* ---- looking ---- */

static void stat_from(const struct statx *x, struct walk_stat *ret)
{
	*ret = (struct walk_stat){
		.mode = x->stx_mode,
		.uid = x->stx_uid,
		.gid = x->stx_gid,
		.nlink = x->stx_nlink,
		.size = x->stx_size,
		.ino = x->stx_ino,
		.dev_major = x->stx_dev_major,
		.dev_minor = x->stx_dev_minor,
		.rdev_major = x->stx_rdev_major,
		.rdev_minor = x->stx_rdev_minor,
		.mtime = x->stx_mtime.tv_sec,
		.mtime_nsec = x->stx_mtime.tv_nsec,
		.ctime = x->stx_ctime.tv_sec,
		.ctime_nsec = x->stx_ctime.tv_nsec,
		.mount_point = x->stx_attributes & STATX_ATTR_MOUNT_ROOT,
	};
}

int walk_fstat(int fd, const char *what, struct walk_stat *ret, struct err *err)
{
	struct statx x;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &x) < 0)
		return err_sys(err, errno, "cannot stat '%s'", what);
	stat_from(&x, ret);
	return 0;
}

/* Makes `path` the entry NAME of the last level. */
static int path_set(struct walk *w, const struct level *l, const char *name,
		    struct err *err)
{
	size_t at = l->path_len + (l->path_len > 0), len = strlen(name);

	if (at + len >= sizeof(w->path))
		return err_set(err, ERR_LIMIT,
			       "a path below '%s' is longer than %d bytes", w->what,
			       WALK_PATH_MAX - 1);
	if (l->path_len)
		w->path[l->path_len] = '/';
	memcpy(w->path + at, name, len + 1);
	w->name = w->path + at;
	return 0;
}

/* Goes to the next name of the last level. *ret_found false: it is gone. */
static int name_next(struct walk *w, struct walk_stat *ret, bool *ret_found,
		     struct err *err)
{
	struct level *l = &w->levels[w->depth - 1];
	struct statx x;
	int r = path_set(w, l, l->sorted[l->next++], err);

	if (r == 0 && l->fd < 0)
		r = open_from_top(w, l->path_len, &l->fd, err);
	if (r < 0)
		return r;
	*ret_found = statx(l->fd, w->name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT,
			   STATX_BASIC_STATS, &x) == 0;
	if (!*ret_found && errno != ENOENT)
		return err_entry(w, errno, "stat", err);
	if (*ret_found)
		stat_from(&x, ret);
	return 0;
}

static void give(struct walk *w, struct walk_entry *ret)
{
	ret->path = w->path;
	ret->name = w->name;
	ret->depth = w->depth;
	w->descend = S_ISDIR(ret->stat.mode) && !ret->stat.mount_point;
}

static int give_top(struct walk *w, struct walk_entry *ret, struct err *err)
{
	int r = walk_fstat(w->top, w->what, &ret->stat, err);

	if (r < 0)
		return r;
	ret->stat.mount_point = false; /* it is where we were told to look */
	w->started = true;
	w->name = w->path;
	give(w, ret);
	return 0;
}

/* Goes into the directory that was given last; one that is gone has nothing in it. */
static int descend(struct walk *w, struct err *err)
{
	struct err e;
	int r = 0;

	if (w->descend)
		r = level_enter(w, &e);
	w->descend = false;
	return r == 0 || r == -ERR_NOTFOUND ? 0 : err_copy(err, &e);
}

int walk_next(struct walk *w, struct walk_entry *ret, bool *ret_more, struct err *err)
{
	bool found = false;
	struct err e;
	int r;

	*ret_more = true;
	if (!w->started)
		return give_top(w, ret, err);
	r = descend(w, err);
	if (r < 0)
		return r;
	while (w->depth > 0 && !found) {
		const struct level *l = &w->levels[w->depth - 1];

		if (l->next == l->count) {
			level_leave(w);
			continue;
		}
		r = name_next(w, &ret->stat, &found, &e);
		if (r == -ERR_NOTFOUND) /* the directory is gone, with the rest of it */
			level_leave(w);
		else if (r < 0)
			return err_copy(err, &e);
	}
	*ret_more = found;
	if (found)
		give(w, ret);
	return 0;
}

void walk_skip(struct walk *w)
{
	w->descend = false;
}

int walk_enter(struct walk *w, const char *const **ret_names, size_t *ret_count,
	       struct err *err)
{
	const struct level *l;
	int r = level_enter(w, err);

	w->descend = false;
	if (r < 0)
		return r;
	l = &w->levels[w->depth - 1];
	*ret_names = l->sorted;
	*ret_count = l->count;
	return 0;
}

/* Where the current entry is. */
static int dir_of(const struct walk *w)
{
	return w->levels[w->depth - 1].fd;
}

int walk_open_file(struct walk *w, int *ret_fd, struct err *err)
{
	int fd = open_beneath(dir_of(w), w->name, O_RDONLY | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return err_entry(w, errno, "open", err);
	*ret_fd = fd;
	return 0;
}

int walk_read_link(struct walk *w, char target[WALK_PATH_MAX], struct err *err)
{
	ssize_t n = readlinkat(dir_of(w), w->name, target, WALK_PATH_MAX);

	if (n < 0)
		return err_entry(w, errno, "read the link", err);
	if (n == WALK_PATH_MAX)
		return err_set(err, ERR_LIMIT, "the target of '%s/%s' is too long",
			       w->what, w->path);
	target[n] = '\0';
	return 0;
}

void walk_proc_path(struct walk *w, char path[320])
{
	if (w->path[0])
		snprintf(path, 320, "/proc/self/fd/%d/%s", dir_of(w), w->name);
	else
		snprintf(path, 320, "/proc/self/fd/%d/.", w->top);
}

int walk_open(const char *dir, struct walk **ret, struct err *err)
{
	auto_walk struct walk *w = calloc(1, sizeof(*w));

	if (!w)
		return err_nomem(err);
	snprintf(w->what, sizeof(w->what), "%s", dir);
	w->top = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (w->top < 0)
		return err_sys(err, errno, "cannot open '%s'", dir);
	*ret = steal_ptr(&w);
	return 0;
}

void walk_close(struct walk *w)
{
	if (!w)
		return;
	while (w->depth > 0)
		level_leave(w);
	if (w->top >= 0)
		close(w->top);
	free(w->levels);
	free(w);
}
