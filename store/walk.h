/* SPDX-License-Identifier: Apache-2.0
 * Walks a directory of the host: every directory before what is in it, names in byte order.
 * Never leaves it: everything below is opened with openat2 (RESOLVE_BENEATH, NO_SYMLINKS,
 * NO_XDEV), whatever is renamed meanwhile; symlinks are never followed and mount points
 * never entered. At most WALK_OPEN_MAX directories are open, whatever the depth; one that is
 * moved out of the top while it is open is still read to its end.
 *
 * What vanishes between being listed and being looked at was never there. Not thread-safe.
 */
#ifndef STORE_WALK_H
#define STORE_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/base/err.h"

#define WALK_PATH_MAX 4096
#define WALK_OPEN_MAX 24u

struct walk_stat {
	uint32_t mode; /* S_IFMT and permissions */
	uint32_t uid, gid, nlink;
	uint64_t size, ino;
	uint32_t dev_major, dev_minor;
	uint32_t rdev_major, rdev_minor;
	int64_t mtime, ctime;
	uint32_t mtime_nsec, ctime_nsec;
	bool mount_point;
};

/* Whether it is the same inode and was not changed between. */
static inline bool walk_stat_equal(const struct walk_stat *a, const struct walk_stat *b)
{
	return a->size == b->size && a->ino == b->ino && a->mtime == b->mtime &&
	       a->mtime_nsec == b->mtime_nsec && a->ctime == b->ctime &&
	       a->ctime_nsec == b->ctime_nsec;
}

/* Valid until the next walk_next. */
struct walk_entry {
	const char *path; /* below the top, "" for the top itself */
	const char *name; /* its last part */
	size_t depth;     /* of the path: 0 for the top */
	struct walk_stat stat;
};

struct walk;

/* DIR itself may be reached through symlinks. */
int walk_open(const char *dir, struct walk **ret, struct err *err) MUST_CHECK;
void walk_close(struct walk *w); /* NULL is ignored */

AUTO_DEFINE(walk, struct walk, walk_close)
#define auto_walk AUTO(walk)

/* The next entry, the top first; *ret_more false when there is none. */
int walk_next(struct walk *w, struct walk_entry *ret, bool *ret_more,
	      struct err *err) MUST_CHECK;

/* Leaves out what is in the directory that walk_next just gave. */
void walk_skip(struct walk *w);

/* Goes into the directory that walk_next just gave, now: what it has in it, sorted. Valid
 * until the walk leaves the directory. ERR_NOTFOUND if it is gone. */
int walk_enter(struct walk *w, const char *const **ret_names, size_t *ret_count,
	       struct err *err) MUST_CHECK;

/* About the entry that walk_next just gave: */

/* Opens it, a regular file, for reading. ERR_NOTFOUND if it is gone. */
int walk_open_file(struct walk *w, int *ret_fd, struct err *err) MUST_CHECK;
/* Reads a symlink's target into TARGET (terminated). ERR_NOTFOUND if it is gone. */
int walk_read_link(struct walk *w, char target[WALK_PATH_MAX],
		   struct err *err) MUST_CHECK;
/* A path under /proc/self/fd that names it without following it: for lgetxattr. */
void walk_proc_path(struct walk *w, char path[320]);

/* What FD (from walk_open_file) is now. */
int walk_fstat(int fd, const char *what, struct walk_stat *ret,
	       struct err *err) MUST_CHECK;

#endif
