/* SPDX-License-Identifier: Apache-2.0
 * Streams over files, pipes and memory. */
#include "store/base/stream.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>

static _Thread_local int interrupt_fd = -1;

void stream_set_interrupt(int fd)
{
	interrupt_fd = fd;
}

int stream_interrupt(void)
{
	return interrupt_fd;
}

struct fd_stream {
	struct stream base;
	int fd;
	bool seekable;
	uint64_t pos;
	uint64_t left; /* UINT64_MAX: unknown, until the end of the file */
	char what[256];
};

/* Waits for a pipe, which may stay silent for ever, or for the interrupt. */
static int wait_for_pipe(const struct fd_stream *f, struct err *err)
{
	struct pollfd fds[] = {{f->fd, POLLIN, 0}, {interrupt_fd, POLLIN, 0}};
	int n;

	do
		n = poll(fds, ARRAY_LEN(fds), -1);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(err, errno, "cannot wait for '%s'", f->what);
	if (fds[1].revents)
		return err_set(err, ERR_CANCELED, "reading '%s' was given up", f->what);
	return 0;
}

static int fd_stream_read(struct stream *s, void *data, size_t cap, size_t *ret_len,
			  struct err *err)
{
	struct fd_stream *f = (struct fd_stream *)s;
	bool bounded = f->left != UINT64_MAX;
	ssize_t n;

	if (bounded && cap > f->left)
		cap = (size_t)f->left;
	if (cap == 0) {
		*ret_len = 0;
		return 0;
	}
	if (!f->seekable && interrupt_fd >= 0) {
		int r = wait_for_pipe(f, err);

		if (r < 0)
			return r;
	}
	do
		n = f->seekable ? pread(f->fd, data, cap, (off_t)f->pos)
				: read(f->fd, data, cap);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(err, errno, "cannot read '%s'", f->what);
	if (n == 0 && bounded)
		return err_set(err, ERR_INVALID, "'%s' ends early", f->what);
	f->pos += (uint64_t)n;
	if (bounded)
		f->left -= (uint64_t)n;
	*ret_len = (size_t)n;
	return 0;
}

static void fd_stream_close(struct stream *s)
{
	struct fd_stream *f = (struct fd_stream *)s;

	close(f->fd);
	free(f);
}

static int fd_stream_new(int fd, bool seekable, uint64_t offset, uint64_t length,
			 const char *what, struct stream **ret, struct err *err)
{
	struct fd_stream *f = calloc(1, sizeof(*f));

	if (!f)
		return err_nomem(err);
	f->base = (struct stream){fd_stream_read, fd_stream_close};
	f->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	f->seekable = seekable;
	f->pos = offset;
	f->left = length;
	snprintf(f->what, sizeof(f->what), "%s", what);
	if (f->fd < 0) {
		free(f);
		return err_sys(err, errno, "cannot read '%s'", what);
	}
	*ret = &f->base;
	return 0;
}

int stream_from_fd(int fd, uint64_t offset, uint64_t length, const char *what,
		   struct stream **ret, struct err *err)
{
	return fd_stream_new(fd, true, offset, length, what, ret, err);
}

int stream_from_pipe(int fd, const char *what, struct stream **ret, struct err *err)
{
	return fd_stream_new(fd, false, 0, UINT64_MAX, what, ret, err);
}

int stream_read_full(struct stream *s, void *data, size_t cap, size_t *ret_len,
		     struct err *err)
{
	size_t done = 0, n;

	while (done < cap) {
		int r = s->read(s, (char *)data + done, cap - done, &n, err);

		if (r < 0)
			return r;
		if (n == 0)
			break;
		done += n;
	}
	*ret_len = done;
	return 0;
}

struct bytes_stream {
	struct stream base;
	const uint8_t *p;
	size_t left;
};

static int bytes_stream_read(struct stream *s, void *data, size_t cap, size_t *ret_len,
			     struct err *err)
{
	struct bytes_stream *b = (struct bytes_stream *)s;
	size_t n = cap < b->left ? cap : b->left;

	(void)err;
	if (n)
		memcpy(data, b->p, n);
	b->p += n;
	b->left -= n;
	*ret_len = n;
	return 0;
}

static void bytes_stream_close(struct stream *s)
{
	free(s);
}

int stream_from_bytes(const void *data, size_t len, struct stream **ret, struct err *err)
{
	struct bytes_stream *b = calloc(1, sizeof(*b));

	if (!b)
		return err_nomem(err);
	b->base = (struct stream){bytes_stream_read, bytes_stream_close};
	b->p = data;
	b->left = len;
	*ret = &b->base;
	return 0;
}
