/* SPDX-License-Identifier: Apache-2.0
 * Directories being written. All files are collected in a directory of their own: beside the
 * one that is to be made or replaced, or inside the one that is added to. A process that was
 * killed leaves that one behind; the next writer, who has the lock, clears it. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "store/base/io.h"
#include "tools/oci/bundle_writer_private.h"

#define INSIDE   ".layercache.part"
#define NEW_FILE "new"
#define TRIES    100 /* while others make the same directory */

struct dir_writer {
	struct bundle_writer base;
	char *stage_path;
	int stage;    /* the collecting directory, locked unless TARGET is */
	int target;   /* the directory that is added to, locked; -1: it is new */
	bool taken;   /* the collecting directory is ours */
	bool replace; /* a directory is there and will be exchanged */
	int file;     /* being written, or -1 */
};

/* ---- clearing ---- */

/* Two levels of directories at most are ever made. */
static int clear_at(int fd, unsigned depth, struct err *err)
{
	auto_dir DIR *dir = NULL;
	struct dirent *e;
	int rc = io_opendir(fd, ".", &dir, err);

	while (!rc && (e = readdir(dir))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (unlinkat(fd, e->d_name, 0) == 0)
			continue;
		if (errno == EISDIR && depth) {
			auto_fd int sub =
				openat(fd, e->d_name,
				       O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

			if (sub >= 0)
				rc = clear_at(sub, depth - 1, err);
			if (!rc && unlinkat(fd, e->d_name, AT_REMOVEDIR) == 0)
				continue;
		}
		if (!rc)
			rc = err_sys(err, errno, "cannot remove '%s'", e->d_name);
	}
	return rc;
}

static void free_dir(struct bundle_writer *w)
{
	struct dir_writer *d = (struct dir_writer *)w;

	if (d->file >= 0)
		close(d->file);
	if (d->taken && clear_at(d->stage, 2, NULL) == 0)
		unlinkat(AT_FDCWD, d->stage_path, AT_REMOVEDIR);
	if (d->stage >= 0)
		close(d->stage);
	if (d->target >= 0)
		close(d->target);
	free(d->stage_path);
	free(d);
}

/* ---- files ---- */

static bool has_file(struct bundle_writer *w, const char *name)
{
	struct dir_writer *d = (struct dir_writer *)w;
	struct stat st;

	return d->target >= 0 &&
	       fstatat(d->target, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(st.st_mode);
}

static int begin_file(struct bundle_writer *w, struct err *err)
{
	struct dir_writer *d = (struct dir_writer *)w;

	return io_open(d->stage, NEW_FILE, O_WRONLY | O_CREAT | O_TRUNC, 0666, &d->file,
		       err);
}

static int write_file(struct bundle_writer *w, const void *data, size_t len,
		      struct err *err)
{
	return io_write(((struct dir_writer *)w)->file, data, len, w->path, err);
}

static int make_dir(void *arg, const char *dir, struct err *err)
{
	return io_mkdir(*(int *)arg, dir, 0777, err);
}

static int end_file(struct bundle_writer *w, const char *name, struct err *err)
{
	struct dir_writer *d = (struct dir_writer *)w;
	int rc = 0;

	if (close(steal_fd(&d->file)) < 0)
		rc = err_sys(err, errno, "cannot write '%s'", w->path);
	if (rc || !name)
		return rc ? rc : io_unlink(d->stage, NEW_FILE, err);
	rc = bundle_writer_parents(name, make_dir, &d->stage, err);
	return rc ? rc : io_rename(d->stage, NEW_FILE, name, err);
}

/* ---- making it visible ---- */

static int move_into(struct dir_writer *d, const char *name, struct err *err)
{
	int rc = bundle_writer_parents(name, make_dir, &d->target, err);

	if (!rc && renameat(d->stage, name, d->target, name) < 0)
		rc = err_sys(err, errno, "cannot write '%s'", name);
	return rc;
}

static int finish_dir(struct bundle_writer *w, struct err *err)
{
	struct dir_writer *d = (struct dir_writer *)w;
	int rc = 0;

	if (d->target >= 0) {
		for (size_t i = 0; i < w->count && !rc; i++)
			rc = move_into(d, w->names[i], err);
		return rc;
	}
	if (renameat2(AT_FDCWD, d->stage_path, AT_FDCWD, w->path,
		      d->replace ? RENAME_EXCHANGE : 0) < 0)
		return err_sys(err, errno, "cannot write '%s'", w->path);
	if (!d->replace) {
		d->taken = false;
		return 0;
	}
	/* What was there has our name now, and is removed with it. */
	close(d->stage);
	d->stage = open(d->stage_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d->taken = d->stage >= 0;
	return 0;
}

static const struct bundle_writer_ops dir_ops = {
	has_file, begin_file, write_file, end_file, finish_dir, free_dir,
};

/* ---- opening ---- */

static bool is_plain(int fd, bool *ret_empty)
{
	auto_dir DIR *dir = NULL;
	bool plain = io_opendir(fd, ".", &dir, NULL) == 0;
	struct dirent *e;

	*ret_empty = true;
	while (dir && (e = readdir(dir))) {
		struct stat st;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (strcmp(e->d_name, INSIDE) == 0)
			continue; /* left by a process that was killed */
		*ret_empty = false;
		if (fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISREG(st.st_mode))
			plain = false;
	}
	return plain;
}

/* What PATH is now decides how it will be changed. */
static int look(struct dir_writer *d, enum bundle_writer_mode mode, const char *marker,
		struct err *err)
{
	const char *path = d->base.path;
	auto_fd int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool plain, empty;

	if (fd < 0)
		return errno == ENOENT
			       ? 0
			       : err_sys(err, errno, "cannot write directory '%s'", path);
	plain = is_plain(fd, &empty);
	if ((!empty && faccessat(fd, marker, F_OK, 0) < 0) ||
	    (mode == BUNDLE_WRITER_REPLACE && !plain))
		return err_set(err, ERR_FAILED,
			       "'%s' is there and holds no image: it has no file '%s'",
			       path, marker);
	if (mode == BUNDLE_WRITER_REPLACE) {
		d->replace = true;
		return 0;
	}
	d->target = steal_fd(&fd);
	return io_lock(d->target, true, true, path, err);
}

/* ERR_STALE: whoever had the collecting directory has given it the target's name. */
static int take_stage(struct dir_writer *d, bool wait, struct err *err)
{
	struct stat a, b;
	int rc = io_mkdir(AT_FDCWD, d->stage_path, 0777, err);

	if (!rc)
		rc = io_open(AT_FDCWD, d->stage_path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW,
			     0, &d->stage, err);
	if (!rc && d->target < 0)
		rc = io_lock(d->stage, true, wait, d->stage_path, err);
	if (rc)
		return rc == -ERR_NOTFOUND
			       ? err_set(err, ERR_STALE, "'%s' is gone", d->stage_path)
			       : rc;
	if (fstat(d->stage, &a) < 0 || stat(d->stage_path, &b) < 0 ||
	    a.st_ino != b.st_ino)
		return err_set(err, ERR_STALE, "'%s' is in use by another process",
			       d->stage_path);
	d->taken = true;
	rc = clear_at(d->stage, 2, err);
	/* Made since it was looked for, by one who had the lock before. */
	if (!rc && d->target < 0 && !d->replace && access(d->base.path, F_OK) == 0)
		rc = err_set(err, ERR_STALE, "'%s' is in use by another process",
			     d->base.path);
	return rc;
}

static int open_dir(struct dir_writer *d, enum bundle_writer_mode mode,
		    const char *marker, struct err *err)
{
	const char *path = d->base.path;
	int rc = look(d, mode, marker, err);

	if (rc)
		return rc;
	if (asprintf(&d->stage_path, d->target < 0 ? "%s.part" : "%s/" INSIDE, path) <
	    0) {
		d->stage_path = NULL;
		return err_nomem(err);
	}
	return take_stage(d, mode == BUNDLE_WRITER_ADD, err);
}

/* Undoes open_dir, to look again. */
static void forget(struct dir_writer *d)
{
	if (d->taken)
		unlinkat(AT_FDCWD, d->stage_path, AT_REMOVEDIR);
	d->taken = false;
	if (d->stage >= 0)
		close(steal_fd(&d->stage));
	if (d->target >= 0)
		close(steal_fd(&d->target));
	free(steal_ptr(&d->stage_path));
}

int bundle_writer_dir(const char *path, enum bundle_writer_mode mode, const char *marker,
		      struct bundle_writer **ret, struct err *err)
{
	auto_bundle_writer struct bundle_writer *w = NULL;
	struct dir_writer *d = calloc(1, sizeof(*d));
	size_t len = strlen(path);
	int rc;

	if (!d)
		return err_nomem(err);
	d->base.ops = &dir_ops;
	d->stage = d->target = d->file = -1;
	w = &d->base;
	while (len > 1 && path[len - 1] == '/')
		len--;
	w->path = strndup(path, len);
	if (!w->path)
		return err_nomem(err);
	rc = open_dir(d, mode, marker, err);
	for (unsigned i = 0; i < TRIES && rc == -ERR_STALE; i++) {
		forget(d);
		rc = open_dir(d, mode, marker, err);
	}
	if (!rc)
		*ret = steal_ptr(&w);
	return rc;
}
