/* SPDX-License-Identifier: Apache-2.0
 * What is mounted on this host, from /proc/self/mountinfo: layercache mounts and overlays on
 * top of them. No FUSE in here; the command line uses it for `path`, `show`, `unmount`.
 */
#ifndef FS_MOUNTS_H
#define FS_MOUNTS_H

#include <stdbool.h>

#include "store/base/err.h"

/* The FUSE type of our mounts in mountinfo is "fuse.layercache", the source is the store's
 * absolute path. */
#define MOUNTS_FSTYPE "fuse.layercache"

struct mounts_entry {
	int id;
	unsigned major, minor;  /* of st_dev */
	const char *root;       /* "/", or what of the filesystem a bind mount shows */
	const char *mountpoint; /* unescaped */
	const char *fstype;
	const char *source;
	const char *options; /* super options: lowerdir=... of overlays */
};

/* Calls EACH for every mount, in mountinfo's order; > 0 stops. */
typedef int mounts_each_fn(void *arg, const struct mounts_entry *m, struct err *err);
int mounts_each(mounts_each_fn *each, void *arg, struct err *err) MUST_CHECK;
/* The same from any file in the format of /proc/self/mountinfo. Lines that make no sense
 * are passed over. */
int mounts_each_in(const char *path, mounts_each_fn *each, void *arg,
		   struct err *err) MUST_CHECK;

/* The mountpoint of the newest live mount of the store (absolute, resolved path), to be
 * freed by the caller. Mounts whose daemon is dead and mounts that are hidden by another one
 * do not count; one that does not answer for a second does. ERR_NOTFOUND. */
int mounts_find(const char *store, char **ret_mountpoint, struct err *err) MUST_CHECK;

/* Whether the daemon of a FUSE mount is gone; false if it does not answer for a second. */
bool mounts_is_dead(const char *mountpoint);

#endif
