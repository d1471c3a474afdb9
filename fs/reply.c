/* SPDX-License-Identifier: Apache-2.0
 * From error codes to errno.
 */
#include "fs/reply.h"

#include "fs/counters.h"
#include "fs/logline.h"

/* Of failed system calls only those come through that mean the same to the caller: never a
 * raw EAGAIN, ENOENT or EACCES of our own files. */
static int system_errno(int sys)
{
	switch (sys) {
	case ENOSPC:
	case EDQUOT:
	case ENFILE:
	case ENOMEM:
		return sys;
	default:
		return EIO;
	}
}

int reply_errno(int rc, const struct err *err)
{
	switch (-rc) {
	case ERR_NOTFOUND:
		return ENOENT;
	case ERR_STALE:
		return ESTALE;
	case ERR_NOMEM:
		return ENOMEM;
	case ERR_INVALID:
		return EINVAL;
	case ERR_SYSTEM:
		return system_errno(err ? err->sys : 0);
	default:
		return EIO;
	}
}

void reply_error(struct fs *fs, fuse_req_t req, int rc, const struct err *err,
		 const char *what)
{
	int errnum = reply_errno(rc, err);

	if (errnum != ENOENT && errnum != ESTALE && errnum != EINVAL) {
		counters_error(fs->counters);
		logline_write("%s: %s%s", what, err->msg,
			      rc == -ERR_CORRUPT ? " (run 'layercache verify')" : "");
	}
	fuse_reply_err(req, errnum);
}
