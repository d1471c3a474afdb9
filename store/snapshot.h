/* SPDX-License-Identifier: Apache-2.0
 * A directory becomes a layer: walked in a fixed order (bytewise, parents first), written as
 * a PAX tar, ingested like any other layer. Deterministic: the same tree gives the same
 * DiffID on any host.
 *
 * The walk never follows links out of the directory (openat2 RESOLVE_BENEATH |
 * NO_SYMLINKS), and does not enter other filesystems. Sockets are left out and counted. A
 * file that changes while it is read is read again (3 times), then ERR_FAILED.
 */
#ifndef STORE_SNAPSHOT_H
#define STORE_SNAPSHOT_H

#include "store/layer.h"

struct snapshot_options {
	int64_t epoch; /* clamp mtimes to at most this (seconds); INT64_MAX: keep them */
	const char *const *excludes; /* NULL-terminated fnmatch patterns on the path below DIR,
				      * e.g. "proc/..." ; may be NULL */
};

struct snapshot_stats {
	uint64_t files, bytes, sockets_skipped;
};

/* Adds the layer to the session (layer_ingest's items). STATS may be NULL. */
int snapshot_take(struct session *s, const char *dir, const struct snapshot_options *options,
		  struct layer *ret, struct snapshot_stats *stats,
		  struct err *err) MUST_CHECK;

#endif
