/* SPDX-License-Identifier: Apache-2.0
 * The daemon's life: open the store, mount, answer requests, unmount.
 */
#ifndef FS_SERVE_H
#define FS_SERVE_H

#include "fs/mount.h"

/* Serves until unmounted or told to stop by a signal. REPORT is a descriptor for
 * daemonise_report, used as soon as the mount answers; -1 in the foreground. */
int serve_run(const struct mount_options *options, int *report,
	      struct err *err) MUST_CHECK;

#endif
