/* SPDX-License-Identifier: Apache-2.0
 * What an input of a build step is: one digest of a file or directory of the host, by the
 * rules of BuildKit's content keys (FORMAT.md, "Content digests"). Names, types,
 * permissions, owners, sizes, xattrs, link targets, device numbers and bytes count, times do
 * not. So a `touch` leaves the digest as it is and a `chmod` does not. Of the xattrs those
 * that xattr_list.h gives count, but for the system.* ones (ACLs).
 *
 * With the digest comes a listing: of every entry what counts, so that two inputs can be
 * compared without having them any more. It is a pure function of what counts.
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

#define CONTENT_LISTING_MAX (1u << 30)

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
	struct buf listing;
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

/* ---- listings ---- */

/* An entry; pointers go into the listing. Nothing but path, link and names is terminated by
 * a NUL, they are not either. */
struct content_text {
	const char *at;
	size_t len;
};

#define CONTENT_XATTRS_MAX 1024 /* names of one entry */

struct content_entry {
	struct digest digest; /* of a directory: with all that is in it */
	char type;            /* as in a tar: '0' file, '5', '2' link, '3', '4', '6' */
	uint32_t mode;        /* permissions only */
	uint32_t uid, gid;
	uint64_t size; /* of regular files, else 0 */
	uint32_t major, minor;
	struct content_text path; /* below the input; "" is the input itself */
	struct content_text link;
	size_t xattr_count;
	struct content_text xattrs; /* for content_entry_xattr */
};

/* Checks the head of a listing; *ret is what content_listing_next reads on from. */
int content_listing_begin(const void *bytes, size_t len, struct cursor *ret,
			  struct err *err) MUST_CHECK;

/* The next entry, *ret_more false when there is none. A directory comes before what is in it;
 * the names of one directory come in byte order. ERR_CORRUPT. A pure function of the bytes: a
 * fuzz target. */
int content_listing_next(struct cursor *c, struct content_entry *ret, bool *ret_more,
			 struct err *err) MUST_CHECK;

/* The xattr at AT (moved on; begins as entry->xattrs): its name and the SHA-256 of its value.
 * False when there is none. */
bool content_entry_xattr(struct content_text *at, struct content_text *ret_name,
			 struct digest *ret_value);

/* The order of paths in a listing: by parts, each bytewise. */
int content_path_cmp(const struct content_text *a, const struct content_text *b);

#endif
