/* SPDX-License-Identifier: Apache-2.0
 * The lock of a step being executed. */
#include "tools/run/run_lock.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "store/base/io.h"
#include "store/perms.h"

#define RUNS_DIR "runs"

static int open_dir(struct store *store, int *ret, struct err *err)
{
	int rc = perms_mkdir(store_dirfd(store), RUNS_DIR, err);

	return rc ? rc
		  : io_open(store_dirfd(store), RUNS_DIR, O_RDONLY | O_DIRECTORY, 0, ret,
			    err);
}

/* Whoever had it before us has removed the file, and it may have been made anew. */
static bool is_current(const struct run_lock *l)
{
	struct stat ours, named;

	return fstat(l->fd, &ours) == 0 &&
	       fstatat(l->dirfd, l->name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       ours.st_ino == named.st_ino && ours.st_dev == named.st_dev;
}

static bool is_digest(const char *name)
{
	return strlen(name) == DIGEST_HEX_SIZE - 1 &&
	       strspn(name, "0123456789abcdef") == DIGEST_HEX_SIZE - 1;
}

/* The files of those that were killed. Who has made one and is about to lock it makes it
 * again. */
static void sweep(const struct run_lock *own)
{
	const struct dirent *e;
	DIR *dir;

	if (io_opendir(own->dirfd, ".", &dir, NULL))
		return;
	while ((e = readdir(dir))) {
		struct run_lock l = {.dirfd = own->dirfd, .fd = -1};

		if (!is_digest(e->d_name) || strcmp(e->d_name, own->name) == 0)
			continue;
		memcpy(l.name, e->d_name, sizeof(l.name));
		if (io_open(l.dirfd, l.name, O_RDONLY | O_NOFOLLOW, 0, &l.fd, NULL))
			continue;
		if (io_lock(l.fd, true, false, l.name, NULL) == 0 && is_current(&l))
			(void)unlinkat(l.dirfd, l.name, 0);
		close(l.fd);
	}
	closedir(dir);
}

static int take(struct run_lock *l, bool *ret_waited, struct err *err)
{
	for (;;) {
		int rc = perms_create(l->dirfd, l->name, O_RDONLY, &l->fd, NULL, err);

		if (!rc)
			rc = io_lock(l->fd, true, false, l->name, err);
		if (rc == -ERR_BUSY) {
			*ret_waited = true;
			rc = io_lock(l->fd, true, true, l->name, err);
		}
		if (rc || is_current(l))
			return rc;
		close(steal_fd(&l->fd));
	}
}

int run_lock_take(struct store *store, const struct digest *key, struct run_lock *ret,
		  bool *ret_waited, struct err *err)
{
	auto_run_lock struct run_lock l = RUN_LOCK_NONE;
	int rc;

	digest_hex(key, l.name);
	*ret_waited = false;
	rc = open_dir(store, &l.dirfd, err);
	if (!rc)
		rc = take(&l, ret_waited, err);
	if (rc)
		return rc;
	sweep(&l);
	*ret = l;
	l = RUN_LOCK_NONE;
	return 0;
}

void run_lock_release(struct run_lock *l)
{
	if (l->fd >= 0) {
		(void)unlinkat(l->dirfd, l->name, 0);
		close(l->fd);
	}
	if (l->dirfd >= 0)
		close(l->dirfd);
	*l = RUN_LOCK_NONE;
}
