/* SPDX-License-Identifier: Apache-2.0
 * A set of named files: a directory, or a tar archive read in place. */
#include "tools/oci/bundle.h"

#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "store/base/io.h"
#include "store/inflate.h"
#include "tools/oci/archive.h"

struct bundle {
	int fd;                      /* the directory, or the plain archive */
	struct archive_index *index; /* NULL: a directory */
};

void bundle_close(struct bundle *b)
{
	if (!b)
		return;
	if (b->fd >= 0)
		close(b->fd);
	archive_index_free(b->index);
	free(b);
}

static int new_bundle(struct bundle **ret, struct err *err)
{
	struct bundle *b = calloc(1, sizeof(*b));

	if (!b)
		return err_nomem(err);
	b->fd = -1;
	*ret = b;
	return 0;
}

int bundle_open_dir(const char *path, struct bundle **ret, struct err *err)
{
	AUTO(bundle) struct bundle *b = NULL;
	int rc = new_bundle(&b, err);

	if (rc)
		return rc;
	b->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (b->fd < 0)
		return err_sys(err, errno, "cannot open directory '%s'", path);
	*ret = steal_ptr(&b);
	return 0;
}

/* ---- archives ---- */

static int is_seekable(int fd, bool *ret, const char *path, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(err, errno, "cannot read '%s'", path);
	if (S_ISDIR(st.st_mode))
		return err_set(err, ERR_INVALID, "'%s' is a directory, not an archive",
			       path);
	*ret = S_ISREG(st.st_mode);
	return 0;
}

static int copy(struct stream *from, int to, struct err *err)
{
	const size_t size = 1 << 20;
	auto_free char *chunk = malloc(size);
	size_t len;
	int rc;

	if (!chunk)
		return err_nomem(err);
	do {
		rc = stream_read_full(from, chunk, size, &len, err);
		if (!rc)
			rc = io_write(to, chunk, len, "temporary file", err);
	} while (!rc && len == size);
	return rc;
}

/* Makes FD a plain, seekable copy of itself unless it is that already. */
static int make_plain(int *fd, const char *path, int spool_dirfd, struct err *err)
{
	auto_stream struct stream *plain = NULL;
	struct stream *in = NULL;
	enum inflate_kind kind;
	auto_fd int spool = -1;
	bool seekable = false;
	int rc = is_seekable(*fd, &seekable, path, err);

	if (!rc && seekable)
		rc = stream_from_fd(*fd, 0, UINT64_MAX, path, &in, err);
	else if (!rc)
		rc = stream_from_pipe(*fd, path, &in, err);
	if (!rc)
		rc = inflate_open(in, true, &kind, &plain, err);
	if (rc || (seekable && kind == INFLATE_NONE))
		return rc;
	rc = io_tmpfile(spool_dirfd, &spool, err);
	if (!rc)
		rc = copy(plain, spool, err);
	if (rc)
		return rc;
	close(*fd);
	*fd = steal_fd(&spool);
	return 0;
}

int bundle_open_archive(const char *path, int spool_dirfd, struct bundle **ret,
			struct err *err)
{
	AUTO(bundle) struct bundle *b = NULL;
	int rc = new_bundle(&b, err);

	if (rc)
		return rc;
	b->fd = strcmp(path, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
				       : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (b->fd < 0)
		return err_sys(err, errno, "cannot open '%s'", path);
	rc = make_plain(&b->fd, path, spool_dirfd, err);
	if (!rc)
		rc = archive_index_new(b->fd, path, &b->index, err);
	if (!rc)
		*ret = steal_ptr(&b);
	return rc;
}

/* ---- files ---- */

/* Opens a regular file below the directory; nothing that could block or act is opened. */
static int open_beneath(int dirfd, const char *name, int *ret, uint64_t *ret_size,
			struct err *err)
{
	struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	auto_fd int fd = (int)syscall(SYS_openat2, dirfd, name, &how, sizeof(how));
	struct stat st;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return err_set(err, ERR_NOTFOUND, "'%s' does not exist", name);
	if (fd < 0 && errno == EXDEV)
		return err_set(err, ERR_INVALID, "'%s' is a link that leads out", name);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, errno, "cannot open '%s'", name);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_INVALID, "'%s' is not a regular file", name);
	*ret_size = (uint64_t)st.st_size;
	*ret = steal_fd(&fd);
	return 0;
}

int bundle_open(struct bundle *b, const char *name, struct stream **ret,
		uint64_t *ret_size, struct err *err)
{
	uint64_t offset = 0, size;
	auto_fd int fd = -1;
	int rc;

	if (b->index)
		rc = archive_index_find(b->index, name, &offset, &size, err);
	else
		rc = open_beneath(b->fd, name, &fd, &size, err);
	if (!rc)
		rc = stream_from_fd(b->index ? b->fd : fd, offset, size, name, ret, err);
	if (!rc)
		*ret_size = size;
	return rc;
}

int bundle_read(struct bundle *b, const char *name, struct buf *buf, struct err *err)
{
	auto_stream struct stream *in = NULL;
	uint64_t size;
	size_t len;
	int rc = bundle_open(b, name, &in, &size, err);

	if (rc)
		return rc;
	if (size > buf->max - buf->len)
		return err_set(err, ERR_LIMIT, "'%s' is larger than %zu bytes", name,
			       buf->max);
	rc = buf_reserve(buf, size + 1, err);
	if (!rc)
		rc = stream_read_full(in, buf->data + buf->len, size, &len, err);
	if (!rc)
		buf->len += len;
	return rc;
}
