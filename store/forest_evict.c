/* SPDX-License-Identifier: Apache-2.0
 * Bounds the bytes of tree files.
 *
 * A file that is open somewhere would not give its bytes back, so it stays: mapped by any
 * process, mounted by the kernel, held by a loop device. A write lease tells, because the
 * kernel grants one only on a file that nobody else has open; it is given back at once.
 * Files of other users (who are not root) do not tell: they go last. Taking a file from
 * under a user is harmless anyway: it lives on until its last user closes it. */
#include "store/forest_private.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "store/base/io.h"

/* A writer that still lives has written to its temporary file since then. */
#define ABANDONED_SECONDS 600
#define FILES_MAX         (1u << 24)

struct file {
	uint32_t number;
	uint64_t size;
	struct timespec used;
};

struct scan {
	struct buf files; /* struct file */
	uint64_t total;
};

static size_t count_of(const struct scan *s)
{
	return s->files.len / sizeof(struct file);
}

/* "00000001.erofs.tmp-123-4" of a process that was killed. */
static void sweep(int dirfd, const char *name, const struct stat *st)
{
	if (strstr(name, ".erofs.tmp-") && S_ISREG(st->st_mode) &&
	    time(NULL) - st->st_mtim.tv_sec > ABANDONED_SECONDS)
		unlinkat(dirfd, name, 0);
}

static int add(struct scan *s, int dirfd, const char *name, struct err *err)
{
	struct file file = {0};
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0; /* it is gone */
	if (!forest_disk_parse(name, &file.number)) {
		sweep(dirfd, name, &st);
		return 0;
	}
	file.size = (uint64_t)st.st_size;
	file.used = st.st_atim;
	s->total += file.size;
	return buf_append(&s->files, &file, sizeof(file), err);
}

static int scan(struct scan *s, int dirfd, struct err *err)
{
	auto_dir DIR *dir = NULL;
	struct dirent *e;
	int r = io_opendir(dirfd, ".", &dir, err);

	if (r < 0)
		return r;
	buf_clear(&s->files);
	s->total = 0;
	while (r == 0 && (e = readdir(dir)))
		r = add(s, dirfd, e->d_name, err);
	return r;
}

static int longest_unused_first(const void *a, const void *b)
{
	const struct file *x = a, *y = b;

	if (x->used.tv_sec != y->used.tv_sec)
		return x->used.tv_sec < y->used.tv_sec ? -1 : 1;
	if (x->used.tv_nsec != y->used.tv_nsec)
		return x->used.tv_nsec < y->used.tv_nsec ? -1 : 1;
	return (x->number > y->number) - (x->number < y->number);
}

enum use {
	USE_NONE,
	USE_OPEN,
	USE_UNKNOWN,
};

static enum use use_of(int dirfd, const char *name)
{
	auto_fd int fd =
		openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	/* Who opens the file just now makes the kernel send a signal: one that means
	 * nothing, as the default would end the process. */
	if (fd < 0 || fcntl(fd, F_SETSIG, SIGURG) < 0)
		return USE_UNKNOWN;
	if (fcntl(fd, F_SETLEASE, F_WRLCK) < 0)
		return errno == EAGAIN ? USE_OPEN : USE_UNKNOWN;
	(void)fcntl(fd, F_SETLEASE, F_UNLCK);
	return USE_NONE;
}

bool forest_disk_in_use(struct store *s, uint32_t number)
{
	char name[FOREST_NAME_SIZE];

	forest_disk_name(number, name);
	return store_trees_dirfd(s) >= 0 &&
	       use_of(store_trees_dirfd(s), name) == USE_OPEN;
}

static void remove_of_use(const struct forest_evict *e, struct scan *s, enum use use)
{
	struct file *files = (struct file *)(void *)s->files.data;

	for (size_t i = 0; i < count_of(s) && s->total > e->bound; i++) {
		struct file *f = &files[i];
		char name[FOREST_NAME_SIZE];

		forest_disk_name(f->number, name);
		if (!f->size || !e->release(e->arg, f->number) ||
		    use_of(e->dirfd, name) != use)
			continue;
		if (unlinkat(e->dirfd, name, 0) == 0 || errno == ENOENT) {
			s->total -= f->size;
			f->size = 0;
		}
	}
}

int forest_evict(const struct forest_evict *e, struct err *err)
{
	struct scan s = {0};
	int r;

	buf_init(&s.files, FILES_MAX * sizeof(struct file));
	r = scan(&s, e->dirfd, err);
	if (r == 0 && s.total > e->bound) {
		e->touch(e->arg);
		r = scan(&s, e->dirfd, err);
	}
	if (r == 0 && s.total > e->bound) {
		qsort(s.files.data, count_of(&s), sizeof(struct file),
		      longest_unused_first);
		remove_of_use(e, &s, USE_NONE);
		remove_of_use(e, &s, USE_UNKNOWN);
	}
	buf_release(&s.files);
	return r;
}
