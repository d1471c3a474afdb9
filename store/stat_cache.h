/* SPDX-License-Identifier: Apache-2.0
 * What is known of the files of a directory of the host from the last time they were read:
 * a snapshot of an unchanged tree then costs no more than looking at its inodes.
 *
 * One file per directory, `<store>/statcache/<device>-<inode>`; derived, it can be deleted at
 * any time. It holds just what the last snapshot has met; STAT_CACHE_FILES of them are kept.
 * An inode is recognised by device, number, ctime, mtime and size. One that was changed so
 * shortly before the snapshot that a further change might get the same ctime is not kept.
 *
 * Not thread-safe.
 */
#ifndef STORE_STAT_CACHE_H
#define STORE_STAT_CACHE_H

#include "store/store.h"
#include "store/walk.h"

#define STAT_CACHE_FILES   64u
#define STAT_CACHE_ENTRIES (4u << 20)

struct stat_cache;

struct stat_cache_known {
	struct digest content; /* of a file's content or a symlink's target; else zero */
	struct digest xattrs;  /* xattr_list_digest */
};

/* For snapshots of DIR. A file that is missing or not whole is an empty one. */
int stat_cache_open(struct store *s, const char *dir, struct stat_cache **ret,
		    struct err *err) MUST_CHECK;
void stat_cache_free(struct stat_cache *c); /* NULL is ignored */

AUTO_DEFINE(stat_cache, struct stat_cache, stat_cache_free)
#define auto_stat_cache AUTO(stat_cache)

/* C may be NULL: nothing is known. */
bool stat_cache_find(struct stat_cache *c, const struct walk_stat *st,
		     struct stat_cache_known *ret);

/* ST was looked at before the content was read. C may be NULL. */
int stat_cache_add(struct stat_cache *c, const struct walk_stat *st,
		   const struct stat_cache_known *known, struct err *err) MUST_CHECK;

/* The layer that a snapshot of all of the directory gave the last time, if it was taken with
 * just the same OPTIONS (a digest of them). */
bool stat_cache_last(const struct stat_cache *c, const struct digest *options,
		     struct digest *ret);
void stat_cache_set_last(struct stat_cache *c, const struct digest *options,
			 const struct digest *diffid);

/* Writes what was found or added since it was opened, if that is not what is there. */
int stat_cache_save(struct stat_cache *c, struct err *err) MUST_CHECK;

#endif
