/* SPDX-License-Identifier: Apache-2.0
 * New files with the permissions of their directory. */
#include "store/perms.h"

#include <errno.h>
#include <sys/stat.h>

static int mode_of(int dirfd, mode_t *ret, struct err *err)
{
	struct stat st;

	if (fstat(dirfd, &st) < 0)
		return err_sys(err, errno, "cannot stat a directory of the store");
	*ret = st.st_mode & 07777;
	return 0;
}

int perms_create(int dirfd, const char *name, int flags, int *ret_fd, bool *ret_created,
		 struct err *err)
{
	auto_fd int fd = -1;
	bool created = true;
	mode_t mode;
	int r = mode_of(dirfd, &mode, err);

	if (r < 0)
		return r;
	fd = openat(dirfd, name, flags | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 && errno == EEXIST) {
		created = false;
		r = io_open(dirfd, name, flags | O_CREAT, 0600, &fd, err);
		if (r < 0)
			return r;
	}
	if (fd < 0)
		return err_sys(err, errno, "cannot make '%s'", name);
	if (created && fchmod(fd, mode & 0666) < 0)
		return err_sys(err, errno, "cannot set the permissions of '%s'", name);
	if (ret_created)
		*ret_created = created;
	*ret_fd = steal_fd(&fd);
	return 0;
}

int perms_mkdir(int dirfd, const char *name, struct err *err)
{
	mode_t mode;
	int r = mode_of(dirfd, &mode, err);

	if (r < 0)
		return r;
	if (mkdirat(dirfd, name, 0700) < 0) {
		if (errno == EEXIST)
			return 0;
		return err_sys(err, errno, "cannot make directory '%s'", name);
	}
	if (fchmodat(dirfd, name, mode, 0) < 0)
		return err_sys(err, errno, "cannot set the permissions of '%s'", name);
	return 0;
}

int perms_adopt(int dirfd, const char *name, struct err *err)
{
	mode_t mode;
	int r = mode_of(dirfd, &mode, err);

	if (r < 0)
		return r;
	if (fchmodat(dirfd, name, mode & 0666, 0) < 0 && errno != EPERM)
		return err_sys(err, errno, "cannot set the permissions of '%s'", name);
	return 0;
}

int perms_replace_file(int dirfd, const char *name, const void *data, size_t len,
		       struct err *err)
{
	mode_t mode;
	int r = mode_of(dirfd, &mode, err);

	if (r == 0)
		r = io_replace_file(dirfd, name, data, len, mode & 0666, true, err);
	if (r == 0)
		r = perms_adopt(dirfd, name, err);
	return r < 0 ? r : io_sync_dir(dirfd, name, err);
}
