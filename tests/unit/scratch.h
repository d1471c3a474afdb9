/* SPDX-License-Identifier: Apache-2.0
 * A scratch directory for one test program, removed with everything in it at the end. */
#ifndef TESTS_UNIT_SCRATCH_H
#define TESTS_UNIT_SCRATCH_H

#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char scratch_dir[64];

static inline int scratch_remove_one(const char *path, const struct stat *st, int type,
				     struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

static inline void scratch_make(void)
{
	snprintf(scratch_dir, sizeof(scratch_dir), "/tmp/layercache-unit.XXXXXX");
	if (!mkdtemp(scratch_dir))
		abort();
}

static inline void scratch_remove(void)
{
	nftw(scratch_dir, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* "<scratch>/NAME" in one of four buffers used in turn. */
static inline const char *scratch_path(const char *name)
{
	static char paths[4][5000];
	static unsigned turn;
	char *path = paths[turn++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", scratch_dir, name);
	return path;
}

static inline void scratch_file(const char *name, const void *data, size_t len)
{
	int fd = open(scratch_path(name), O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd < 0 || write(fd, data, len) != (ssize_t)len || close(fd) < 0)
		abort();
}

static inline void scratch_mkdir(const char *name)
{
	if (mkdir(scratch_path(name), 0755) < 0)
		abort();
}

#endif
