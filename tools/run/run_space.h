/* SPDX-License-Identifier: Apache-2.0
 * Where a build step works: an overlay on the chain it begins with, in the mount
 * namespace of this process alone. Whatever kills the process, nothing stays mounted; the directory with
 * the changes is swept by the next run (overlay_lease.h). The store need not be mounted: then
 * a daemon of the run's own serves it, in the same namespace.
 */
#ifndef TOOLS_RUN_RUN_SPACE_H
#define TOOLS_RUN_RUN_SPACE_H

#include <sys/types.h>

#include "store/store.h"
#include "tools/overlay_lease.h"

struct run_space {
	struct overlay_lease lease;
	int lock;   /* held as long as the directory is in use */
	int rootfd; /* the step's root */
	char root[PATH_MAX];
	char upper[PATH_MAX]; /* the changes */
	pid_t daemon;         /* of our own; 0: none */
	char mnt[PATH_MAX];   /* where it has mounted the store */
};

/* Makes it, on CHAINID or (NULL) on nothing, in this process's mount namespace, which has to
 * be its own (run_guard_enter). RET is released also after an error. */
int run_space_open(struct store *store, const struct digest *chainid,
		   struct run_space *ret, struct err *err) MUST_CHECK;

/* Unmounts the root, so that the changes in `upper` can be read. */
int run_space_finish(struct run_space *s, struct err *err) MUST_CHECK;

void run_space_release(struct run_space *s);
#define auto_run_space __attribute__((cleanup(run_space_release)))

#endif
