/* SPDX-License-Identifier: Apache-2.0
 * Writes tar headers: ustar, with a PAX header in front where ustar is too small. The bytes
 * are a pure function of the entry, and stay so: DiffIDs of snapshots depend on them.
 *
 * Owners are numbers only. A name of up to 100 bytes stands in the ustar header whatever
 * its bytes are; a longer one is a PAX record (with hdrcharset=BINARY unless it is UTF-8).
 * PAX records are sorted by key. Written by hand, because a library's choices of records,
 * character sets and header names change with its version and the locale.
 */
#ifndef STORE_TAR_WRITE_H
#define STORE_TAR_WRITE_H

#include "store/tar_scan.h"

#define TAR_BLOCK_SIZE 512u

/* Appends the header blocks of the entry. A directory's path gets its "/" if it has none.
 * ERR_INVALID for what no tar can say (an xattr name with '='). */
int tar_write_entry(struct buf *out, const struct tar_entry *e,
		    struct err *err) MUST_CHECK;

/* Zero bytes that follow SIZE bytes of content. */
static inline size_t tar_write_padding(uint64_t size)
{
	return (size_t)(-size % TAR_BLOCK_SIZE);
}

/* Appends the two blocks that end an archive. */
int tar_write_end(struct buf *out, struct err *err) MUST_CHECK;

#endif
