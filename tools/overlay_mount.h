/* SPDX-License-Identifier: Apache-2.0
 * Overlays on the root filesystem of a chain, in the best way this kernel and user can:
 *
 *	kernel  the tree file as EROFS; contents from <store>/hot and <mount>/objects as
 *		data-only lowers. Metadata never enters the daemon.
 *	fuse	<mount>/chains/sha256/<hex> as the lower.
 *
 * Both give the same tree.
 */
#ifndef TOOLS_OVERLAY_MOUNT_H
#define TOOLS_OVERLAY_MOUNT_H

#include <stdbool.h>

#include "store/store.h"

enum overlay_way {
	OVERLAY_BEST = 0, /* kernel, else fuse */
	OVERLAY_KERNEL,
	OVERLAY_FUSE,
};

struct overlay_request {
	struct store *store;
	struct digest chainid;
	const char *mountpoint;   /* of the store's live mount */
	const char *target;       /* absolute; a directory */
	const char *directory;    /* the overlay's own, overlay_lease.h */
	const char *upper, *work; /* NULL: read-only */
	enum overlay_way way;
	bool suid, dev, noexec;
};

/* Mounts. *ret_way is how, *ret_mount its number in mountinfo. WHY (may be NULL) gets the
 * reason why the kernel way was not possible, if it was tried. */
int overlay_mount(const struct overlay_request *r, enum overlay_way *ret_way,
		  int *ret_mount, struct err *why, struct err *err) MUST_CHECK;

/* overlayfs shows the upper directory's own owner, mode and time as those of the root: gives an
 * empty one those of the chain's. */
int overlay_root_attributes(const struct overlay_request *r, struct err *err) MUST_CHECK;

/* Mounts of ours have a source of "layercache:" and the store's path (if that is not too
 * long for the kernel). */
#define OVERLAY_SOURCE "layercache:"

#endif
