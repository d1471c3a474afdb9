/* SPDX-License-Identifier: Apache-2.0
 * A directory becomes a layer: walked in a fixed order (bytewise, parents first), written as
 * a PAX tar, ingested like any other layer. Deterministic: the same tree (and parent) gives
 * the same DiffID on any host.
 *
 * Without a parent all of the directory is in the layer, the top itself as "./". With the
 * tree of a parent only what differs from it: entries that are new or changed (the
 * directories above them come along), whiteouts for what is gone, an opaque directory
 * where that says the same in one word. Unchanged is what has the same type, mode, owner,
 * mtime, xattrs, number of names, and size, content, target or device number. A stat cache
 * spares reading what was seen before (stat_cache.h).
 *
 * `upper`: the directory is the upper directory of an overlay over the parent's tree; what
 * it does not name is unchanged, so the parent is only looked into where the overlay was
 * changed. Whiteouts (0:0 devices or by xattr) and opaque directories are translated;
 * overlayfs' own xattrs are dropped and escaped ones are un-escaped, by `trusted.` and by
 * `user.` (which count as data where trusted ones are beside them, or where the parent has
 * just the same). Files without data (metacopy) get it from the parent or from the object
 * that a redirect names; of a renamed directory all that it shows is in the layer. What
 * cannot be found there is of another overlay: ERR_INVALID. A file that equals the parent's
 * is left out. Where trusted xattrs cannot be read, only an overlay made with `userxattr`
 * can be understood.
 *
 * The walk never follows links out of the directory (openat2 RESOLVE_BENEATH |
 * NO_SYMLINKS), and does not enter other filesystems: of a mount point the directory (or
 * the file) itself is kept, empty; what the parent has there stays. Sockets are left out and
 * counted. A file that changes while it is read is read again (3 times; a file above 8 MiB
 * not), then ERR_FAILED.
 *
 * Owners are numbers, sparse files become plain ones (where the holes are differs between
 * filesystems), of a hardlinked file the first name holds the content. xattrs: user.*,
 * security.capability, POSIX ACLs, and trusted.* where it can be read (root); SELinux labels
 * and all others belong to the host and stay there. A name that begins with ".wh." would be
 * a whiteout: ERR_INVALID.
 */
#ifndef STORE_SNAPSHOT_H
#define STORE_SNAPSHOT_H

#include "store/layer.h"
#include "store/object.h"
#include "store/stat_cache.h"
#include "store/tree_read.h"

struct snapshot_options {
	int64_t epoch; /* clamp mtimes to at most this (seconds); INT64_MAX: keep them */
	/* NULL-terminated fnmatch patterns on the path below DIR, where '*' and '?' match '/'
	 * too ("*.pyc", "var/cache/?*"); what matches is left out with all below, or left as
	 * the parent has it. May be NULL. */
	const char *const *excludes;
	/* A chain's tree (forest_get_chain), in use until the snapshot is taken; NULL: none. */
	const struct tree *parent;
	bool upper; /* DIR is an overlay's upper directory */
	/* With `upper`: where the content of files without data is read from. */
	struct objects *objects;
	struct stat_cache *cache; /* not with `upper`; may be NULL */
};

struct snapshot_stats {
	uint64_t files, bytes; /* in the layer */
	uint64_t sockets_skipped;
	uint64_t recognised; /* unchanged by the stat cache, without looking into them */
};

/* Adds the layer to the session (layer_ingest's items). OPTIONS and STATS may be NULL. If
 * nothing differs from the parent, the layer is an empty tar. */
int snapshot_take(struct session *s, const char *dir,
		  const struct snapshot_options *options, struct layer *ret,
		  struct snapshot_stats *stats, struct err *err) MUST_CHECK;

/* *ret_same: a snapshot of DIR without a parent, with these OPTIONS otherwise, would give the
 * very layer whose tree OPTIONS->parent is. Reads what the stat cache does not know; ends at
 * the first difference. */
int snapshot_compare(const char *dir, const struct snapshot_options *options,
		     bool *ret_same, struct snapshot_stats *stats,
		     struct err *err) MUST_CHECK;

#endif
