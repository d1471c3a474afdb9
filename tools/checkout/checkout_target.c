/* SPDX-License-Identifier: Apache-2.0
 * The directory that a checkout is written to. */
#include "tools/checkout/checkout_private.h"

#include <fcntl.h>
#include <string.h>
#include <sys/xattr.h>

#include "store/base/io.h"

#define PART ".part"

void checkout_target_release(struct checkout_target *t)
{
	if (t->fd >= 0)
		close(t->fd);
	free(t->part);
	free(t->path);
	*t = (struct checkout_target){.fd = -1};
}

static int open_dir(const char *path, int *ret_fd)
{
	*ret_fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return *ret_fd < 0 ? errno : 0;
}

static int check_empty(int fd, const char *path, struct err *err)
{
	auto_dir DIR *dir = NULL;
	const struct dirent *e;
	int r = io_opendir(fd, ".", &dir, err);

	if (r < 0)
		return r;
	for (errno = 0; (e = readdir(dir)); errno = 0)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			return err_set(err, ERR_INVALID, "'%s' is not empty", path);
	return errno ? err_sys(err, errno, "cannot list '%s'", path) : 0;
}

/* From here on nobody else can get in. ACLs that would be inherited go. */
static int close_off(int fd, const char *path, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(err, errno, "cannot look at '%s'", path);
	if (st.st_uid != geteuid() && fchown(fd, geteuid(), (gid_t)-1) < 0)
		return err_sys(err, errno, "cannot become the owner of '%s'", path);
	if (fchmod(fd, 0700) < 0)
		return err_sys(err, errno, "cannot change the mode of '%s'", path);
	(void)!fremovexattr(fd, "system.posix_acl_default");
	(void)!fremovexattr(fd, "system.posix_acl_access");
	return 0;
}

/* Whoever holds the lock is the one to write, and to clean up. */
static int take(struct checkout_target *t, const char *path, struct err *err)
{
	int r = io_lock(t->fd, true, false, path, err);

	if (r == -ERR_BUSY)
		return err_set(err, ERR_BUSY, "'%s' is in use by another process", path);
	if (r == 0)
		r = check_empty(t->fd, path, err);
	return r;
}

static int open_existing(struct checkout_target *t, struct err *err)
{
	int r = take(t, t->path, err);

	if (r < 0)
		return r;
	if (fstat(t->fd, &t->was) < 0)
		return err_sys(err, errno, "cannot look at '%s'", t->path);
	return close_off(t->fd, t->path, err);
}

/* What a killed process left is told from one that lives by the lock. */
static int open_part(struct checkout_target *t, struct err *err)
{
	int r, errnum;

	if (asprintf(&t->part, "%s" PART, t->path) < 0) {
		t->part = NULL;
		return err_nomem(err);
	}
	if (mkdir(t->part, 0700) < 0 && errno != EEXIST)
		return err_sys(err, errno, "cannot make '%s'", t->path);
	errnum = open_dir(t->part, &t->fd);
	if (errnum)
		return err_sys(err, errnum, "cannot write '%s'", t->part);
	r = take(t, t->part, err);
	if (r == -ERR_INVALID)
		return err_set(err, ERR_INVALID,
			       "'%s' is in the way: a checkout that was killed may have "
			       "left it",
			       t->part);
	return r < 0 ? r : close_off(t->fd, t->part, err);
}

static char *without_slashes(const char *path)
{
	size_t len = strlen(path);

	while (len > 1 && path[len - 1] == '/')
		len--;
	return strndup(path, len);
}

int checkout_target_open(const char *path, struct checkout_target *ret, struct err *err)
{
	struct checkout_target t = {.path = without_slashes(path), .fd = -1};
	int r, errnum;

	if (!t.path)
		return err_nomem(err);
	errnum = open_dir(path, &t.fd);
	if (errnum == 0)
		r = open_existing(&t, err);
	else if (errnum == ENOENT && *path)
		r = open_part(&t, err);
	else if (errnum == ENOTDIR || errnum == ELOOP)
		r = err_set(err, ERR_INVALID, "'%s' is there, and no directory", path);
	else
		r = err_sys(err, errnum, "cannot open '%s'", path);
	if (r < 0)
		checkout_target_release(&t);
	else
		*ret = t;
	return r;
}

int checkout_target_finish(struct checkout_target *t, struct err *err)
{
	int r;

	if (!t->part)
		return 0;
	r = renameat2(AT_FDCWD, t->part, AT_FDCWD, t->path, RENAME_NOREPLACE);
	/* Not every filesystem knows it. Then only an empty directory could be replaced. */
	if (r < 0 && errno == EINVAL)
		r = rename(t->part, t->path);
	return r < 0 ? err_sys(err, errno, "cannot rename '%s' to '%s'", t->part, t->path)
		     : 0;
}

int checkout_target_undo(struct checkout_target *t, struct err *err)
{
	if (t->part)
		return rmdir(t->part) < 0
			       ? err_sys(err, errno, "cannot remove '%s'", t->part)
			       : 0;
	if (fchown(t->fd, t->was.st_uid, t->was.st_gid) < 0 ||
	    fchmod(t->fd, t->was.st_mode & 07777) < 0)
		return err_sys(err, errno, "cannot make '%s' as it was", t->path);
	return 0;
}
