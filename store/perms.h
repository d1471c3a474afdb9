/* SPDX-License-Identifier: Apache-2.0
 * Who may use what the store makes: every file and directory gets the permissions of the
 * directory it is made in, whatever the umask, so a store that was opened to a group stays
 * open to it. The group itself is inherited through the setgid bit.
 */
#ifndef STORE_PERMS_H
#define STORE_PERMS_H

#include <stdbool.h>
#include <sys/types.h>

#include "store/base/io.h"

/* Opens NAME with FLAGS, making it if it is not there; *ret_created (may be NULL) tells. */
int perms_create(int dirfd, const char *name, int flags, int *ret_fd, bool *ret_created,
		 struct err *err) MUST_CHECK;

/* Makes a directory; an existing one is left as it is. */
int perms_mkdir(int dirfd, const char *name, struct err *err) MUST_CHECK;

/* io_replace_file with these permissions, durable, the directory entry included. */
int perms_replace_file(int dirfd, const char *name, const void *data, size_t len,
		       struct err *err) MUST_CHECK;

/* Gives an existing file (as other libraries make them) the directory's permissions.
 * Files of another owner are left alone. */
int perms_adopt(int dirfd, const char *name, struct err *err) MUST_CHECK;

#endif
