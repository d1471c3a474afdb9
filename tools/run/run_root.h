/* SPDX-License-Identifier: Apache-2.0
 * Paths inside the root of a build step: resolved as the step would, so that no symlink of an
 * image leads out of it.
 */
#ifndef TOOLS_RUN_RUN_ROOT_H
#define TOOLS_RUN_RUN_ROOT_H

#include <stdbool.h>
#include <sys/types.h>

#include "store/base/err.h"

/* Opens PATH, absolute in the root ROOTFD, with the flags of open(2). ERR_NOTFOUND. */
int run_root_open(int rootfd, const char *path, int flags, int *ret_fd,
		  struct err *err) MUST_CHECK;

/* The directory PATH, made with all above it where missing: 0755, of root. *ret_made (may be
 * NULL): its last part was missing. */
int run_root_make_dir(int rootfd, const char *path, int *ret_fd, bool *ret_made,
		      struct err *err) MUST_CHECK;

/* "USER[:GROUP]", names or numbers, by the root's own /etc/passwd and /etc/group. "" is root.
 * ERR_INVALID: a name that is not there. */
#define RUN_GROUPS_MAX 256
struct run_user {
	uid_t uid;
	gid_t gid;
	gid_t groups[RUN_GROUPS_MAX]; /* supplementary */
	size_t group_count;
	char home[1024];
};
int run_root_user(int rootfd, const char *text, struct run_user *ret,
		  struct err *err) MUST_CHECK;

#endif
