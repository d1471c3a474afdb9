/* SPDX-License-Identifier: Apache-2.0
 * File I/O for the store. Everything that is written to a store goes through here: whole
 * transfers (EINTR and short counts handled), O_CLOEXEC always, errors with the path in
 * them. This is the seam for fault injection.
 *
 * PATH arguments named `what` are only for error texts. All functions are thread-safe.
 */
#ifndef STORE_BASE_IO_H
#define STORE_BASE_IO_H

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/base/buf.h"
#include "store/base/err.h"

/* openat with O_CLOEXEC; ERR_NOTFOUND for ENOENT, else ERR_SYSTEM. */
int io_open(int dirfd, const char *path, int flags, mode_t mode, int *ret_fd,
	    struct err *err) MUST_CHECK;

/* Opens a directory to be listed. ERR_NOTFOUND for ENOENT, else ERR_SYSTEM. */
int io_opendir(int dirfd, const char *path, DIR **ret, struct err *err) MUST_CHECK;

static inline void io_closedir(DIR *dir)
{
	if (dir)
		closedir(dir);
}

AUTO_DEFINE(dir, DIR, io_closedir)
#define auto_dir AUTO(dir)

/* mkdirat that is content with an existing directory. */
int io_mkdir(int dirfd, const char *path, mode_t mode, struct err *err) MUST_CHECK;

/* Reads up to LEN bytes; *ret_len < LEN only at the end of the file. */
int io_read(int fd, void *data, size_t len, size_t *ret_len, const char *what,
	    struct err *err) MUST_CHECK;

/* Reads exactly LEN bytes at OFF; a shorter file is ERR_CORRUPT ("ends early"). */
int io_pread(int fd, void *data, size_t len, uint64_t off, const char *what,
	     struct err *err) MUST_CHECK;

/* Writes everything. */
int io_write(int fd, const void *data, size_t len, const char *what,
	     struct err *err) MUST_CHECK;
int io_pwrite(int fd, const void *data, size_t len, uint64_t off, const char *what,
	      struct err *err) MUST_CHECK;

/* Makes file data and size durable (fdatasync) / a directory's entries durable. */
int io_sync(int fd, const char *what, struct err *err) MUST_CHECK;
int io_sync_dir(int dirfd, const char *what, struct err *err) MUST_CHECK;

/* Asks the system to begin writing LEN bytes from OFF to the disk, without waiting for the
 * end. Only a hint: makes nothing durable, cannot fail. */
void io_write_back(int fd, uint64_t off, uint64_t len);

int io_truncate(int fd, uint64_t size, const char *what, struct err *err) MUST_CHECK;
int io_rename(int dirfd, const char *from, const char *to, struct err *err) MUST_CHECK;
/* Missing is fine. */
int io_unlink(int dirfd, const char *path, struct err *err) MUST_CHECK;
int io_size(int fd, uint64_t *ret_size, const char *what, struct err *err) MUST_CHECK;

/* An unnamed read-write file on DIRFD's filesystem (O_TMPFILE, else an unlinked one):
 * a crash leaves nothing. */
int io_tmpfile(int dirfd, int *ret_fd, struct err *err) MUST_CHECK;

/* Reads a whole file into BUF (bounded by buf->max). */
int io_read_file(int dirfd, const char *path, struct buf *buf,
		 struct err *err) MUST_CHECK;

/* Writes a file under a temporary name in the same directory, syncs it if DURABLE, and
 * renames it to PATH, so that a reader sees all of it or nothing. */
int io_replace_file(int dirfd, const char *path, const void *data, size_t len,
		    mode_t mode, bool durable, struct err *err) MUST_CHECK;

/* Fills LEN bytes (at most 256) that nobody can guess. */
int io_random(void *data, size_t len, struct err *err) MUST_CHECK;

/* Locks a whole file with flock (released by close). WAIT false: ERR_BUSY if taken. */
int io_lock(int fd, bool exclusive, bool wait, const char *what,
	    struct err *err) MUST_CHECK;

#endif
