/* SPDX-License-Identifier: Apache-2.0
 * A directory becomes a layer: walked in a fixed order (bytewise, parents first), written as
 * a PAX tar, ingested like any other layer. Deterministic: the same tree gives the same
 * DiffID on any host.
 *
 * The walk never follows links out of the directory (openat2 RESOLVE_BENEATH |
 * NO_SYMLINKS), and does not enter other filesystems: of a mount point the directory (or
 * the file) itself is kept, empty. Sockets are left out and counted. A file that changes
 * while it is read is read again (3 times; a file above 8 MiB not), then ERR_FAILED.
 *
 * Owners are numbers, sparse files become plain ones (where the holes are differs between
 * filesystems), of a hardlinked file the first name holds the content. xattrs: user.*,
 * security.capability, POSIX ACLs, and trusted.* where it can be read (root); SELinux labels
 * and all others belong to the host and stay there. A name that begins with ".wh." would be
 * a whiteout: ERR_INVALID. The top directory itself is in the layer, as "./".
 */
#ifndef STORE_SNAPSHOT_H
#define STORE_SNAPSHOT_H

#include "store/layer.h"

struct snapshot_options {
	int64_t epoch; /* clamp mtimes to at most this (seconds); INT64_MAX: keep them */
	/* NULL-terminated fnmatch patterns on the path below DIR, where '*' and '?' match '/'
	 * too ("*.pyc", "var/cache/?*"); what matches is left out with all below. May be
	 * NULL. */
	const char *const *excludes;
};

struct snapshot_stats {
	uint64_t files, bytes, sockets_skipped;
};

/* Adds the layer to the session (layer_ingest's items). OPTIONS and STATS may be NULL. */
int snapshot_take(struct session *s, const char *dir,
		  const struct snapshot_options *options, struct layer *ret,
		  struct snapshot_stats *stats, struct err *err) MUST_CHECK;

#endif
