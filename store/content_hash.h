/* SPDX-License-Identifier: Apache-2.0
 * What an input of a build step is: one digest of a file or directory of the host, by the
 * rules of BuildKit's content keys (FORMAT.md, "Content digests"). Names, types,
 * permissions, owners, sizes, xattrs, link targets, device numbers and bytes count, times do
 * not. So a `touch` leaves the digest as it is and a `chmod` does not. Of the xattrs those
 * that xattr_list.h gives count, but for the system.* ones (ACLs).
 *
 * With the digest comes a listing (content_listing.h): of every entry what counts, so that
 * two inputs can be compared without having them any more.
 *
 * Directories are walked as walk.h does it: never out of them, no symlink followed, no mount
 * point entered (it counts as an empty directory or file). Sockets do not count. A file that
 * changes while it is read is read again, 3 times, then ERR_FAILED. Memory: the listing.
 */
#ifndef STORE_CONTENT_HASH_H
#define STORE_CONTENT_HASH_H

#include "store/base/buf.h"
#include "store/digest.h"
#include "store/ignore.h"

struct content_hash_options {
	const struct ignore *ignore; /* NULL: nothing is left out */
	uint32_t uid, gid;           /* whom all of it counts as owned by */
	/* Of a directory only what is in it counts, not its own permissions (an upload to
	 * BuildKit says nothing of the context's own directory: `COPY . DEST`). */
	bool bare;
};

struct content_hash {
	bool is_dir;
	uint64_t entries;
	uint64_t bytes;       /* of regular files */
	struct digest digest; /* of the file or directory */
	struct buf listing;   /* content_listing.h */
};

/* PATH is a directory or a regular file, or a symlink to one. OPTIONS may be NULL. RET is
 * released by content_hash_release, also after an error. */
int content_hash_take(const char *path, const struct content_hash_options *options,
		      struct content_hash *ret, struct err *err) MUST_CHECK;
void content_hash_release(struct content_hash *c); /* also a zeroed one */
#define auto_content_hash __attribute__((cleanup(content_hash_release)))

/* BuildKit's record digest of an input that is made of these (the sources of one COPY, by
 * their sorted paths): SHA-256 of "<digest of the digests' texts, NUL between them>@-1". */
int content_hash_record(const struct digest *digests, size_t count, struct digest *ret,
			struct err *err) MUST_CHECK;

#endif
