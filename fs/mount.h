/* SPDX-License-Identifier: Apache-2.0
 * The filesystem as a whole: one store, one mountpoint, one FUSE session, until unmounted.
 * What `layercache mount` and the mount(8) helper `mount.fuse.layercache` run.
 */
#ifndef FS_MOUNT_H
#define FS_MOUNT_H

#include <stdbool.h>

#include "store/base/err.h"

struct mount_options {
	/* Store directory; made if it is not there. */
	const char *store;
	/* Must exist. */
	const char *mountpoint;
	/* Stay in the foreground; errors and log on stderr. */
	bool foreground;
	/* -o opaque=user: user.overlay.* instead of trusted.overlay.* */
	bool opaque_user;
	/* -o share=objects: objects/ readable by all (else 0700) */
	bool share_objects;
	/* -o private: a mount of root only for root */
	bool private;
	/* -o cache=MIB: decoded frames kept; 0: 64 */
	unsigned cache_mib;
	/* -o trees=MIB: bound of the store's trees/; 0: 1024 */
	unsigned trees_mib;
	/* Further comma-separated options for libfuse and the kernel (allow_other, suid,
	 * dev, ...); "" for none. */
	const char *fuse_options;
};

/* Parses a -o option string ("opaque=user,cache=128,allow_other") into OPTIONS; what is not
 * ours is collected for libfuse in *ret_rest (caller frees; options->fuse_options points to
 * it). ERR_USAGE for a bad value. */
int mount_options_parse(struct mount_options *options, const char *text, char **ret_rest,
			struct err *err) MUST_CHECK;

/* Mounts, daemonises unless foreground (the parent returns 0 only when the mount works, or
 * the error that the child met), serves until unmounted or SIGTERM/SIGINT/SIGHUP. Defaults:
 * as root allow_other,default_permissions; always nosuid,nodev unless asked otherwise. */
int mount_run(const struct mount_options *options, struct err *err) MUST_CHECK;

#endif
