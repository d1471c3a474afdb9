/* SPDX-License-Identifier: Apache-2.0
 * A set of named files: a directory, or a tar archive read in place. Layouts are the same in
 * both. Names never lead out of it, and only regular files are opened.
 *
 * bundle_open is thread-safe.
 */
#ifndef TOOLS_OCI_BUNDLE_H
#define TOOLS_OCI_BUNDLE_H

#include "store/base/buf.h"
#include "store/base/stream.h"

struct bundle;

int bundle_open_dir(const char *path, struct bundle **ret, struct err *err) MUST_CHECK;

/* PATH "-": standard input. SPOOL_DIRFD: for the plain copy of what is compressed or comes
 * through a pipe (a temporary file without a name). */
int bundle_open_archive(const char *path, int spool_dirfd, struct bundle **ret,
			struct err *err) MUST_CHECK;

void bundle_close(struct bundle *b); /* NULL is ignored */

AUTO_DEFINE(bundle, struct bundle, bundle_close)
#define auto_bundle AUTO(bundle)

/* Opens a file by its path in the bundle. Symlinks that stay inside are followed.
 * ERR_NOTFOUND; ERR_INVALID: not a regular file, leaves the bundle, ambiguous. */
int bundle_open(struct bundle *b, const char *name, struct stream **ret,
		uint64_t *ret_size, struct err *err) MUST_CHECK;

/* Appends a whole file to BUF (bounded by buf->max: ERR_LIMIT). */
int bundle_read(struct bundle *b, const char *name, struct buf *buf,
		struct err *err) MUST_CHECK;

#endif
