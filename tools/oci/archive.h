/* SPDX-License-Identifier: Apache-2.0
 * The members of a plain tar archive by name, with the offsets of their bytes, so that they
 * are read in place and in any order. Only headers are read to make it.
 */
#ifndef TOOLS_OCI_ARCHIVE_H
#define TOOLS_OCI_ARCHIVE_H

#include <stdint.h>

#include "store/base/err.h"

#define ARCHIVE_MEMBERS_MAX 262144

struct archive_index;

/* Reads the headers of FD, a regular file (borrowed). PATH is for error texts. */
int archive_index_new(int fd, const char *path, struct archive_index **ret,
		      struct err *err) MUST_CHECK;
void archive_index_free(struct archive_index *a); /* NULL is ignored */

AUTO_DEFINE(archive_index, struct archive_index, archive_index_free)
#define auto_archive_index AUTO(archive_index)

/* Where a regular file's bytes are. Links are followed inside the archive. ERR_NOTFOUND;
 * ERR_INVALID: not a regular file, links in a circle, or two members of this name (which
 * one counts would depend on the reader). Thread-safe. */
int archive_index_find(const struct archive_index *a, const char *name,
		       uint64_t *ret_offset, uint64_t *ret_size,
		       struct err *err) MUST_CHECK;

#endif
