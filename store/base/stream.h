/* SPDX-License-Identifier: Apache-2.0
 * A source of bytes, read once from front to end: a file, an archive member, a socket, a
 * decoder wrapped around another stream. The importers are chains of these.
 *
 * A concrete stream embeds struct stream as its first member. One thread at a time.
 */
#ifndef STORE_BASE_STREAM_H
#define STORE_BASE_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/base/err.h"

struct stream {
	/* Reads up to CAP (> 0) bytes. *ret_len is 0 only at the end. After an error or the
	 * end the stream is only closed. */
	int (*read)(struct stream *s, void *data, size_t cap, size_t *ret_len,
		    struct err *err);
	/* Frees the stream. Never fails. */
	void (*close)(struct stream *s);
};

static inline void stream_close(struct stream *s)
{
	if (s)
		s->close(s);
}
AUTO_DEFINE(stream, struct stream, stream_close)
#define auto_stream AUTO(stream)

/* Reads until CAP bytes are there or the end is reached (*ret_len < CAP). */
int stream_read_full(struct stream *s, void *data, size_t cap, size_t *ret_len,
		     struct err *err) MUST_CHECK;

/* LENGTH bytes of FD from OFFSET on, by pread; UINT64_MAX: to the end of the file. Keeps a
 * duplicate of FD, so the caller may close its own. `what` is copied for error texts. A
 * file shorter than LENGTH is ERR_INVALID ("ends early"). */
int stream_from_fd(int fd, uint64_t offset, uint64_t length, const char *what,
		   struct stream **ret, struct err *err) MUST_CHECK;

/* As above for something that cannot seek (a pipe): plain read, OFFSET 0, to the end. Its
 * reads can be interrupted: stream_set_interrupt. */
int stream_from_pipe(int fd, const char *what, struct stream **ret,
		     struct err *err) MUST_CHECK;

/* For the calling thread: reads of pipes, which may block for ever, give up with ERR_CANCELED
 * as soon as FD (an eventfd) can be read from. -1: they do not. */
void stream_set_interrupt(int fd);

/* What was set for the calling thread: for streams that wait by themselves. */
int stream_interrupt(void);

/* Bytes in memory, borrowed until close. */
int stream_from_bytes(const void *data, size_t len, struct stream **ret,
		      struct err *err) MUST_CHECK;

#endif
