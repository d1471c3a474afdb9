/* SPDX-License-Identifier: Apache-2.0
 * Whole reads and writes, durable renames, locks. */
#include "store/base/io.h"

#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

int io_open(int dirfd, const char *path, int flags, mode_t mode, int *ret_fd,
	    struct err *err)
{
	int fd = openat(dirfd, path, flags | O_CLOEXEC, mode);

	if (fd < 0 && errno == ENOENT && !(flags & O_CREAT))
		return err_set(err, ERR_NOTFOUND, "cannot open '%s': %s", path,
			       strerror(ENOENT));
	if (fd < 0)
		return err_sys(err, errno, "cannot open '%s'", path);
	*ret_fd = fd;
	return 0;
}

int io_opendir(int dirfd, const char *path, DIR **ret, struct err *err)
{
	auto_fd int fd = -1;
	DIR *dir;
	int r = io_open(dirfd, path, O_RDONLY | O_DIRECTORY, 0, &fd, err);

	if (r < 0)
		return r;
	dir = fdopendir(fd);
	if (!dir)
		return err_sys(err, errno, "cannot list '%s'", path);
	steal_fd(&fd);
	*ret = dir;
	return 0;
}

int io_mkdir(int dirfd, const char *path, mode_t mode, struct err *err)
{
	if (mkdirat(dirfd, path, mode) < 0 && errno != EEXIST)
		return err_sys(err, errno, "cannot make directory '%s'", path);
	return 0;
}

int io_read(int fd, void *data, size_t len, size_t *ret_len, const char *what,
	    struct err *err)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = read(fd, (char *)data + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, errno, "cannot read '%s'", what);
		if (n == 0)
			break;
		done += (size_t)n;
	}
	*ret_len = done;
	return 0;
}

int io_pread(int fd, void *data, size_t len, uint64_t off, const char *what,
	     struct err *err)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n =
			pread(fd, (char *)data + done, len - done, (off_t)(off + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, errno, "cannot read '%s'", what);
		if (n == 0)
			return err_set(err, ERR_CORRUPT, "'%s' ends early", what);
		done += (size_t)n;
	}
	return 0;
}

int io_write(int fd, const void *data, size_t len, const char *what, struct err *err)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = write(fd, (const char *)data + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, errno, "cannot write '%s'", what);
		done += (size_t)n;
	}
	return 0;
}

int io_pwrite(int fd, const void *data, size_t len, uint64_t off, const char *what,
	      struct err *err)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pwrite(fd, (const char *)data + done, len - done,
				   (off_t)(off + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, errno, "cannot write '%s'", what);
		done += (size_t)n;
	}
	return 0;
}

int io_sync(int fd, const char *what, struct err *err)
{
	if (fdatasync(fd) < 0)
		return err_sys(err, errno, "cannot sync '%s'", what);
	return 0;
}

int io_sync_dir(int dirfd, const char *what, struct err *err)
{
	if (fsync(dirfd) < 0)
		return err_sys(err, errno, "cannot sync directory '%s'", what);
	return 0;
}

void io_write_back(int fd, uint64_t off, uint64_t len)
{
	(void)sync_file_range(fd, (off_t)off, (off_t)len, SYNC_FILE_RANGE_WRITE);
}

int io_truncate(int fd, uint64_t size, const char *what, struct err *err)
{
	if (ftruncate(fd, (off_t)size) < 0)
		return err_sys(err, errno, "cannot set the size of '%s'", what);
	return 0;
}

int io_rename(int dirfd, const char *from, const char *to, struct err *err)
{
	if (renameat(dirfd, from, dirfd, to) < 0)
		return err_sys(err, errno, "cannot rename '%s' to '%s'", from, to);
	return 0;
}

int io_unlink(int dirfd, const char *path, struct err *err)
{
	if (unlinkat(dirfd, path, 0) < 0 && errno != ENOENT)
		return err_sys(err, errno, "cannot remove '%s'", path);
	return 0;
}

int io_size(int fd, uint64_t *ret_size, const char *what, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(err, errno, "cannot stat '%s'", what);
	*ret_size = (uint64_t)st.st_size;
	return 0;
}

int io_tmpfile(int dirfd, int *ret_fd, struct err *err)
{
	char name[64];
	int fd = openat(dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	for (unsigned n = 0; fd < 0 && n < 100; n++) {
		snprintf(name, sizeof(name), ".tmp-%d-%u", (int)getpid(), n);
		fd = openat(dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd >= 0)
			unlinkat(dirfd, name, 0);
		else if (errno != EEXIST)
			break;
	}
	if (fd < 0)
		return err_sys(err, errno, "cannot make a temporary file");
	*ret_fd = fd;
	return 0;
}

int io_read_file(int dirfd, const char *path, struct buf *buf, struct err *err)
{
	auto_fd int fd = -1;
	size_t n;
	int r = io_open(dirfd, path, O_RDONLY, 0, &fd, err);

	if (r < 0)
		return r;
	do {
		size_t room = buf->max - buf->len;
		size_t step = room < 65536 ? room : 65536;
		uint8_t probe;

		if (!step) { /* at the limit: one more byte is one too many */
			r = io_read(fd, &probe, 1, &n, path, err);
			if (r == 0 && n)
				r = err_set(err, ERR_LIMIT,
					    "'%s' is larger than %zu bytes", path,
					    buf->max);
			return r;
		}
		r = buf_reserve(buf, step, err);
		if (r == 0)
			r = io_read(fd, buf->data + buf->len, step, &n, path, err);
		if (r < 0)
			return r;
		buf->len += n;
		if (n < step)
			break;
	} while (1);
	return 0;
}

int io_replace_file(int dirfd, const char *path, const void *data, size_t len,
		    mode_t mode, bool durable, struct err *err)
{
	static _Atomic unsigned serial;
	auto_fd int fd = -1;
	char tmp[512];
	int r;

	if (snprintf(tmp, sizeof(tmp), "%s.tmp-%d-%u", path, (int)getpid(), serial++) >=
	    (int)sizeof(tmp))
		return err_set(err, ERR_FAILED, "file name too long: '%s'", path);
	r = io_open(dirfd, tmp, O_WRONLY | O_CREAT | O_TRUNC, mode, &fd, err);
	if (r < 0)
		return r;
	r = io_write(fd, data, len, tmp, err);
	if (r == 0 && durable)
		r = io_sync(fd, tmp, err);
	if (r == 0)
		r = io_rename(dirfd, tmp, path, err);
	if (r < 0)
		unlinkat(dirfd, tmp, 0);
	return r;
}

int io_random(void *data, size_t len, struct err *err)
{
	if (getrandom(data, len, 0) != (ssize_t)len)
		return err_sys(err, errno, "cannot get random bytes");
	return 0;
}

int io_lock(int fd, bool exclusive, bool wait, const char *what, struct err *err)
{
	int op = (exclusive ? LOCK_EX : LOCK_SH) | (wait ? 0 : LOCK_NB);

	while (flock(fd, op) < 0) {
		if (errno == EINTR)
			continue;
		if (errno == EWOULDBLOCK)
			return err_set(err, ERR_BUSY, "'%s' is in use by another process",
				       what);
		return err_sys(err, errno, "cannot lock '%s'", what);
	}
	return 0;
}
