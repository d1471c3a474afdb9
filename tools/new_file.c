/* SPDX-License-Identifier: Apache-2.0
 * Files that appear when they are complete. */
#include "tools/new_file.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "store/base/io.h"

#define COPY_SIZE (1u << 20)

void new_file_release(struct new_file *f)
{
	if (!f->path)
		return;
	if (f->part)
		unlink(f->part);
	if (f->fd >= 0)
		close(f->fd);
	if (f->out >= 0)
		close(f->out);
	free(f->part);
	free(f->path);
	*f = (struct new_file){.fd = -1, .out = -1};
}

static bool is_name_of(const char *path, int fd)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && stat(path, &b) == 0 && a.st_ino == b.st_ino &&
	       a.st_dev == b.st_dev;
}

/* What a killed process left is taken over; the lock tells it from one that lives. */
static int open_part(struct new_file *f, struct err *err)
{
	int rc = 0;

	if (asprintf(&f->part, "%s.part", f->path) < 0) {
		f->part = NULL;
		return err_nomem(err);
	}
	f->fd = open(f->part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
	if (f->fd < 0)
		rc = err_sys(err, errno, "cannot write '%s'", f->path);
	else
		rc = io_lock(f->fd, true, false, f->part, err);
	if (!rc && !is_name_of(f->part, f->fd))
		rc = err_set(err, ERR_BUSY, "'%s' is in use by another process", f->part);
	if (rc)
		free(steal_ptr(&f->part)); /* another process's */
	return rc ? rc : io_truncate(f->fd, 0, f->part, err);
}

static int open_plain(struct new_file *f, int spool_dirfd, struct err *err)
{
	int fd = strcmp(f->path, "-") == 0 ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
					   : open(f->path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(err, errno, "cannot write '%s'", f->path);
	if (spool_dirfd < 0) {
		f->fd = fd;
		return 0;
	}
	f->out = fd;
	return io_tmpfile(spool_dirfd, &f->fd, err);
}

int new_file_open(const char *path, int spool_dirfd, struct new_file *ret,
		  struct err *err)
{
	auto_new_file struct new_file f = {.path = strdup(path), .fd = -1, .out = -1};
	struct stat st;
	int rc;

	if (!f.path)
		return err_nomem(err);
	if (strcmp(path, "-") == 0 || (stat(path, &st) == 0 && !S_ISREG(st.st_mode)))
		rc = open_plain(&f, spool_dirfd, err);
	else
		rc = open_part(&f, err);
	if (!rc) {
		*ret = f;
		f = (struct new_file){.fd = -1, .out = -1};
	}
	return rc;
}

static int copy_out(const struct new_file *f, struct err *err)
{
	auto_free char *chunk = malloc(COPY_SIZE);
	size_t len = COPY_SIZE;
	int rc = 0;

	if (!chunk)
		return err_nomem(err);
	if (lseek(f->fd, 0, SEEK_SET) < 0)
		return err_sys(err, errno, "cannot read back '%s'", f->path);
	while (!rc && len == COPY_SIZE) {
		rc = io_read(f->fd, chunk, COPY_SIZE, &len, f->path, err);
		if (!rc)
			rc = io_write(f->out, chunk, len, f->path, err);
	}
	return rc;
}

int new_file_finish(struct new_file *f, struct err *err)
{
	int rc = f->out >= 0 ? copy_out(f, err) : 0;

	if (!rc && f->part)
		rc = io_rename(AT_FDCWD, f->part, f->path, err);
	if (!rc)
		free(steal_ptr(&f->part));
	return rc;
}
