/* SPDX-License-Identifier: Apache-2.0
 * A file that appears under its name when it is complete, and not at all if anything fails:
 * it is written as "<path>.part". Devices, pipes and "-" (standard output) are written to as
 * they are.
 */
#ifndef TOOLS_NEW_FILE_H
#define TOOLS_NEW_FILE_H

#include <stdbool.h>

#include "store/base/err.h"

struct new_file {
	char *path, *part; /* part NULL: there is no name to give */
	int fd;            /* the caller writes here */
	int out;           /* what cannot seek gets a copy at the end; -1: nothing does */
};

/* SPOOL_DIRFD: the caller wants to seek; what cannot is written by way of a file without a
 * name in this directory. -1: it writes from front to end. ERR_BUSY: another process is
 * writing this file. */
int new_file_open(const char *path, int spool_dirfd, struct new_file *ret,
		  struct err *err) MUST_CHECK;

/* Gives the file its name. Whether or not that works, new_file_release comes last. */
int new_file_finish(struct new_file *f, struct err *err) MUST_CHECK;

/* Closes; without a successful new_file_finish nothing is left. Also of a zeroed one. */
void new_file_release(struct new_file *f);

#define auto_new_file __attribute__((cleanup(new_file_release)))

#endif
