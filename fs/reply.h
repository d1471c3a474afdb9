/* SPDX-License-Identifier: Apache-2.0
 * Error answers: the one place where error codes become errno and a damaged store is
 * complained about.
 */
#ifndef FS_REPLY_H
#define FS_REPLY_H

#include "fs/node.h"

/* The errno for a negative error code; ERR may be NULL. */
int reply_errno(int rc, const struct err *err);

/* Answers the request with the error; what a user cannot have caused is logged, with WHAT
 * ("read") and the node. */
void reply_error(struct fs *fs, fuse_req_t req, int rc, const struct err *err,
		 const char *what);

#endif
