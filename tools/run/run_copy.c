/* SPDX-License-Identifier: Apache-2.0
 * Copies the inputs of a build step into its root. */
#include "tools/run/run_copy.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "store/base/io.h"
#include "store/walk.h"
#include "store/xattr_list.h"
#include "tools/run/run_root.h"

#define PIECE       (1u << 20)
#define WAITING_MAX (WALK_PATH_MAX * 64)
#define TIMES_MAX   ((size_t)1 << 30)

/* A directory that was made: its times are set when all is in it. */
struct made {
	char *path;
	struct timespec mtime;
};

/* A directory of the input that may not be needed: what is left out below a directory that
 * is left out, but may be taken back. */
struct waiting {
	char *path; /* below the input */
	struct walk_stat stat;
};

struct copying {
	int rootfd;
	const struct step *step;
	const struct step_input *input;
	char dest[PATH_MAX]; /* absolute in the root */
	struct walk *walk;
	struct xattr_list xattrs;
	uint8_t *piece;
	struct buf made;    /* struct made */
	struct buf waiting; /* struct waiting */
};

static int in_root(const struct copying *c, const char *path, char ret[PATH_MAX],
		   struct err *err)
{
	const char *slash = *path && strcmp(c->dest, "/") != 0 ? "/" : "";

	if (snprintf(ret, PATH_MAX, "%s%s%s", c->dest, slash, path) >= PATH_MAX)
		return err_set(err, ERR_LIMIT, "the path of '%s' in the root is too long",
			       path);
	return 0;
}

/* ---- attributes ---- */

static int put_xattrs(struct copying *c, int fd, const char *proc, const char *what,
		      struct err *err)
{
	for (size_t i = 0; i < c->xattrs.count; i++) {
		const struct tar_xattr *x = &c->xattrs.items[i];
		auto_free char *name = strndup(x->name, x->name_len);
		int rc;

		if (!name)
			return err_nomem(err);
		if (strncmp(name, "system.", 7) == 0)
			continue;
		rc = fd >= 0 ? fsetxattr(fd, name, x->value, x->value_len, 0)
			     : lsetxattr(proc, name, x->value, x->value_len, 0);
		if (rc != 0)
			return err_sys(err, errno, "cannot set the xattr '%s' of '%s'",
				       name, what);
	}
	return 0;
}

static int read_xattrs(struct copying *c, int fd, const char *what, struct err *err)
{
	char path[320];

	walk_proc_path(c->walk, path);
	return xattr_list_read(&c->xattrs, fd, fd >= 0 ? NULL : path, what, err);
}

static int set_owner_mode(const struct copying *c, int fd, uint32_t mode,
			  const char *what, struct err *err)
{
	if (fchown(fd, c->step->uid, c->step->gid) != 0)
		return err_sys(err, errno, "cannot set the owner of '%s'", what);
	if (fchmod(fd, mode & 07777) != 0)
		return err_sys(err, errno, "cannot set the mode of '%s'", what);
	return 0;
}

static void times_of(const struct walk_stat *st, struct timespec ret[2])
{
	ret[0] = ret[1] = (struct timespec){st->mtime, st->mtime_nsec};
}

/* ---- directories ---- */

static int remember_made(struct copying *c, const char *path, const struct walk_stat *st,
			 struct err *err)
{
	struct made made = {.path = strdup(path), .mtime = {st->mtime, st->mtime_nsec}};
	int rc = made.path ? buf_append(&c->made, &made, sizeof(made), err)
			   : err_nomem(err);

	if (rc)
		free(made.path);
	return rc;
}

/* One that is there keeps what it is. PATH: below the input. */
static int make_dir(struct copying *c, const char *path, const struct walk_stat *st,
		    bool own, struct err *err)
{
	char there[PATH_MAX];
	auto_fd int fd = -1;
	bool made;
	int rc = in_root(c, path, there, err);

	if (!rc)
		rc = run_root_make_dir(c->rootfd, there, &fd, &made, err);
	if (rc || !made || !own)
		return rc;
	rc = set_owner_mode(c, fd, st->mode, there, err);
	if (!rc)
		rc = put_xattrs(c, fd, NULL, there, err);
	return rc ? rc : remember_made(c, there, st, err);
}

static void drop_waiting(struct copying *c, size_t depth)
{
	while (c->waiting.len / sizeof(struct waiting) > depth) {
		struct waiting *w;

		c->waiting.len -= sizeof(*w);
		w = (struct waiting *)(void *)(c->waiting.data + c->waiting.len);
		free(w->path);
	}
}

/* Those that PATH lies in are wanted after all; the others are left behind. */
static int make_waiting(struct copying *c, const char *path, bool wanted, struct err *err)
{
	struct waiting *w = (struct waiting *)(void *)c->waiting.data;
	size_t count = c->waiting.len / sizeof(*w), keep = 0;
	int rc = 0;

	while (keep < count && strncmp(w[keep].path, path, strlen(w[keep].path)) == 0 &&
	       path[strlen(w[keep].path)] == '/')
		keep++;
	drop_waiting(c, keep);
	for (size_t i = 0; wanted && i < keep && !rc; i++) {
		c->xattrs.count = 0;
		rc = make_dir(c, w[i].path, &w[i].stat, true, err);
	}
	if (wanted)
		drop_waiting(c, 0);
	return rc;
}

static int wait_for(struct copying *c, const struct walk_entry *e, struct err *err)
{
	struct waiting w = {.path = strdup(e->path), .stat = e->stat};
	int rc = w.path ? buf_append(&c->waiting, &w, sizeof(w), err) : err_nomem(err);

	if (rc)
		free(w.path);
	return rc;
}

static int set_times(struct copying *c, struct err *err)
{
	struct made *made = (struct made *)(void *)c->made.data;

	for (size_t i = c->made.len / sizeof(*made); i-- > 0;) {
		struct timespec times[2] = {made[i].mtime, made[i].mtime};
		auto_fd int fd = -1;
		int rc = run_root_open(c->rootfd, made[i].path, O_RDONLY | O_DIRECTORY,
				       &fd, err);

		if (!rc && futimens(fd, times) != 0)
			rc = err_sys(err, errno, "cannot set the time of '%s'",
				     made[i].path);
		if (rc)
			return rc;
	}
	return 0;
}

/* ---- files and the like ---- */

/* The directory that PATH (in the root) is in, and its last part. */
static int open_above(const struct copying *c, const char *path, int *ret_fd,
		      const char **ret_name, struct err *err)
{
	const char *slash = strrchr(path, '/');
	char above[PATH_MAX];

	memcpy(above, path, (size_t)(slash - path) + 1);
	above[slash - path + 1] = '\0';
	*ret_name = slash + 1;
	return run_root_make_dir(c->rootfd, above, ret_fd, NULL, err);
}

/* Makes room for a new file. */
static int remove_old(int dirfd, const char *name, const char *what, struct err *err)
{
	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno == EISDIR)
		return err_set(err, ERR_INVALID,
			       "'%s' is a directory in the step's root, and a file is to "
			       "be copied there",
			       what);
	return err_sys(err, errno, "cannot replace '%s'", what);
}

static int copy_bytes(struct copying *c, int from, int to, const char *what,
		      struct err *err)
{
	size_t len = PIECE;
	int rc = 0;

	while (!rc && len == PIECE) {
		rc = io_read(from, c->piece, PIECE, &len, what, err);
		if (!rc)
			rc = io_write(to, c->piece, len, what, err);
	}
	return rc;
}

static int copy_file(struct copying *c, int from, const struct walk_stat *st,
		     const char *there, struct err *err)
{
	struct timespec times[2];
	auto_fd int dirfd = -1, to = -1;
	const char *name;
	int rc = open_above(c, there, &dirfd, &name, err);

	if (!rc)
		rc = remove_old(dirfd, name, there, err);
	if (rc)
		return rc;
	to = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		    0600);
	if (to < 0)
		return err_sys(err, errno, "cannot make '%s'", there);
	rc = copy_bytes(c, from, to, there, err);
	if (!rc)
		rc = set_owner_mode(c, to, st->mode, there, err);
	if (!rc)
		rc = put_xattrs(c, to, NULL, there, err);
	times_of(st, times);
	if (!rc && futimens(to, times) != 0)
		rc = err_sys(err, errno, "cannot set the time of '%s'", there);
	return rc;
}

static int make_special(struct copying *c, const struct walk_entry *e, int dirfd,
			const char *name, const char *there, struct err *err)
{
	dev_t dev = makedev(e->stat.rdev_major, e->stat.rdev_minor);
	char target[WALK_PATH_MAX];
	int rc;

	if (!S_ISLNK(e->stat.mode))
		return mknodat(dirfd, name, e->stat.mode, dev) == 0
			       ? 0
			       : err_sys(err, errno, "cannot make '%s'", there);
	rc = walk_read_link(c->walk, target, err);
	if (!rc && symlinkat(target, dirfd, name) != 0)
		rc = err_sys(err, errno, "cannot make '%s'", there);
	return rc;
}

static int copy_special(struct copying *c, const struct walk_entry *e, const char *there,
			struct err *err)
{
	char proc[PATH_MAX];
	struct timespec times[2];
	auto_fd int dirfd = -1;
	const char *name;
	int rc = open_above(c, there, &dirfd, &name, err);

	if (!rc)
		rc = remove_old(dirfd, name, there, err);
	if (!rc)
		rc = make_special(c, e, dirfd, name, there, err);
	if (rc)
		return rc;
	times_of(&e->stat, times);
	if (fchownat(dirfd, name, c->step->uid, c->step->gid, AT_SYMLINK_NOFOLLOW) != 0 ||
	    (!S_ISLNK(e->stat.mode) && fchmodat(dirfd, name, e->stat.mode & 07777, 0)))
		return err_sys(err, errno, "cannot set owner and mode of '%s'", there);
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d/%s", dirfd, name);
	rc = put_xattrs(c, -1, proc, there, err);
	if (!rc && utimensat(dirfd, name, times, AT_SYMLINK_NOFOLLOW) != 0)
		rc = err_sys(err, errno, "cannot set the time of '%s'", there);
	return rc;
}

static int copy_other(struct copying *c, const struct walk_entry *e, struct err *err)
{
	char there[PATH_MAX];
	auto_fd int from = -1;
	int rc = in_root(c, e->path, there, err);

	if (!rc && S_ISREG(e->stat.mode))
		rc = walk_open_file(c->walk, &from, err);
	if (!rc)
		rc = read_xattrs(c, from, e->path, err);
	if (rc)
		return rc == -ERR_NOTFOUND
			       ? err_set(err, ERR_FAILED, "'%s' went away", e->path)
			       : rc;
	return S_ISREG(e->stat.mode) ? copy_file(c, from, &e->stat, there, err)
				     : copy_special(c, e, there, err);
}

/* ---- all of a directory ---- */

static int copy_dir(struct copying *c, const struct walk_entry *e, struct err *err)
{
	int rc = read_xattrs(c, -1, e->path, err);

	return rc ? rc : make_dir(c, e->path, &e->stat, *e->path || !c->input->bare, err);
}

static int copy_entry(struct copying *c, const struct walk_entry *e, struct err *err)
{
	bool out = *e->path && ignore_match(c->input->ignore, e->path);
	int rc;

	if (S_ISSOCK(e->stat.mode))
		return 0;
	if (e->stat.mount_point)
		walk_skip(c->walk);
	rc = make_waiting(c, e->path, !out, err);
	if (rc)
		return rc;
	if (!out)
		return S_ISDIR(e->stat.mode) ? copy_dir(c, e, err)
					     : copy_other(c, e, err);
	if (!S_ISDIR(e->stat.mode))
		return 0;
	if (ignore_may_return(c->input->ignore, e->path))
		return wait_for(c, e, err);
	walk_skip(c->walk);
	return 0;
}

static int copy_tree(struct copying *c, struct err *err)
{
	bool more = true;
	int rc = walk_open(c->input->source, &c->walk, err);

	while (!rc && more) {
		struct walk_entry e;

		rc = walk_next(c->walk, &e, &more, err);
		if (!rc && more)
			rc = copy_entry(c, &e, err);
	}
	return rc ? rc : set_times(c, err);
}

static int copy_single(struct copying *c, struct err *err)
{
	auto_fd int fd = -1;
	struct walk_stat st;
	int rc = io_open(AT_FDCWD, c->input->source, O_RDONLY | O_NONBLOCK, 0, &fd, err);

	if (!rc)
		rc = walk_fstat(fd, c->input->source, &st, err);
	if (!rc)
		rc = xattr_list_read(&c->xattrs, fd, NULL, c->input->source, err);
	return rc ? rc : copy_file(c, fd, &st, c->dest, err);
}

/* ---- where it goes ---- */

/* A file goes into what is, or is written as, a directory. */
static int find_dest(struct copying *c, struct err *err)
{
	const char *dest = c->input->dest, *base;
	size_t len = strlen(dest);
	bool into = len && dest[len - 1] == '/';
	auto_fd int fd = -1;
	int n;

	n = snprintf(c->dest, sizeof(c->dest), "%s%s%s",
		     *dest == '/' ? "" : c->step->workdir,
		     *dest == '/' || strcmp(c->step->workdir, "/") == 0 ? "" : "/", dest);
	if (n >= PATH_MAX)
		return err_set(err, ERR_INVALID, "the destination is too long");
	if (*c->dest != '/')
		return err_set(err, ERR_INVALID, "the destination '%s' is no path", dest);
	while (n > 1 && c->dest[n - 1] == '/')
		c->dest[--n] = '\0';
	if (c->input->is_dir)
		return 0;
	if (!into && run_root_open(c->rootfd, c->dest, O_PATH | O_DIRECTORY, &fd, NULL))
		return 0;
	base = strrchr(c->input->source, '/');
	base = base ? base + 1 : c->input->source;
	if (n + strlen(base) + 2 > PATH_MAX)
		return err_set(err, ERR_INVALID, "the destination is too long");
	snprintf(c->dest + n, sizeof(c->dest) - (size_t)n, "%s%s", n > 1 ? "/" : "",
		 base);
	return 0;
}

/* What was copied has to be what the key says. */
static int check_unchanged(const struct copying *c, struct err *err)
{
	const struct content_hash_options o = {.ignore = c->input->ignore,
					       .uid = c->step->uid,
					       .gid = c->step->gid,
					       .bare = c->input->bare};
	auto_content_hash struct content_hash now = {0};
	int rc = content_hash_take(c->input->source, &o, &now, err);

	if (!rc && !digest_equal(&now.digest, &c->input->content.digest))
		return err_set(err, ERR_FAILED, "it has changed since its key was made");
	return rc;
}

static void release(struct copying *c)
{
	struct made *made = (struct made *)(void *)c->made.data;

	for (size_t i = 0; i < c->made.len / sizeof(*made); i++)
		free(made[i].path);
	drop_waiting(c, 0);
	buf_release(&c->made);
	buf_release(&c->waiting);
	xattr_list_release(&c->xattrs);
	walk_close(c->walk);
	free(c->piece);
}

int run_copy_input(int rootfd, const struct step *s, const struct step_input *input,
		   struct err *err)
{
	struct copying c = {.rootfd = rootfd, .step = s, .input = input};
	int rc;

	buf_init(&c.made, TIMES_MAX);
	buf_init(&c.waiting, WAITING_MAX);
	xattr_list_init(&c.xattrs);
	c.piece = malloc(PIECE);
	rc = c.piece ? find_dest(&c, err) : err_nomem(err);
	if (!rc)
		rc = input->is_dir ? copy_tree(&c, err) : copy_single(&c, err);
	if (!rc)
		rc = check_unchanged(&c, err);
	release(&c);
	return rc ? err_wrap(err, "copy '%s'", input->source) : 0;
}

int run_copy_text(const struct step_input *input, struct buf *out, struct err *err)
{
	const char *source = input->source, *end = source + strlen(source), *start;

	if (*source != '/')
		return buf_printf(out, err, "COPY %s %s", source, input->dest);
	while (end > source + 1 && end[-1] == '/')
		end--;
	for (start = end; start > source && start[-1] != '/';)
		start--;
	return buf_printf(out, err, "COPY %.*s %s", (int)(end - start), start,
			  input->dest);
}
