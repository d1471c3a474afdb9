/* SPDX-License-Identifier: Apache-2.0
 * What the store knows about the overlays on its chains: a directory per overlay,
 *
 *	<store>/overlays/<random>/lease   "boot ID\nmount N\nchain DIGEST\ntarget PATH"
 *	<store>/overlays/<random>/upper   its upperdir and workdir, unless the user has his own
 *	<store>/overlays/<random>/work
 *
 *	<store>/overlays/<random>/lock    of one that lives no longer than its process
 *
 * The lease says that a chain is in use although the daemon never hears of it: a tree that
 * the kernel has mounted asks nobody. It ends with the boot it was made in, or with the
 * process that holds its lock.
 */
#ifndef TOOLS_OVERLAY_LEASE_H
#define TOOLS_OVERLAY_LEASE_H

#include <limits.h>
#include <stdbool.h>

#include "store/digest.h"

struct overlay_lease {
	char directory[PATH_MAX]; /* <store>/overlays/<random> */
	bool same_boot;
	int mount; /* number in mountinfo, 0: not known */
	struct digest chainid;
	char target[PATH_MAX]; /* mountpoint, absolute */
};

/* Makes a directory for a new overlay and writes what is known: LEASE has chainid and
 * target, directory is filled in. Leases of former boots are swept away. */
int overlay_lease_new(const char *store, struct overlay_lease *lease,
		      struct err *err) MUST_CHECK;

/* The same for an overlay in a mount namespace of this process's own: once it has ended and
 * *RET_LOCK with it, the directory is nobody's. The caller closes that. */
int overlay_lease_new_locked(const char *store, struct overlay_lease *lease,
			     int *ret_lock, struct err *err) MUST_CHECK;

/* Writes the lease again, now with its mount. */
int overlay_lease_write(const struct overlay_lease *lease, struct err *err) MUST_CHECK;

/* Removes the directory and everything in it; what cannot be removed stays. */
void overlay_lease_remove(const struct overlay_lease *lease);

/* Every lease that can be read, in no order; EACH returns > 0 to stop. */
typedef int overlay_lease_fn(void *arg, const struct overlay_lease *lease,
			     struct err *err);
int overlay_lease_each(const char *store, overlay_lease_fn *each, void *arg,
		       struct err *err) MUST_CHECK;

/* A lease from the bytes of its file; TEXT is NUL-terminated. BOOT: the present boot's id.
 * False if it makes no sense. Pure. */
bool overlay_lease_parse(const char *text, const char *boot, struct overlay_lease *ret);

#endif
