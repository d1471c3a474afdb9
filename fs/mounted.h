/* SPDX-License-Identifier: Apache-2.0
 * Around the mount itself: what a dead daemon left on the mountpoint, and what can only be
 * done once the new mount answers.
 */
#ifndef FS_MOUNTED_H
#define FS_MOUNTED_H

#include "store/base/err.h"

/* Detaches a mount of ours whose daemon is dead. A live one, or anybody else's, is left
 * alone. */
int mounted_clear_dead(const char *mountpoint, struct err *err) MUST_CHECK;

struct mounted;

/* Starts a thread that waits for the mount to answer, raises its readahead to what one read
 * can carry (if we may), and reports success on REPORT (daemonise.h). */
int mounted_watch(const char *mountpoint, int *report, struct mounted **ret,
		  struct err *err) MUST_CHECK;

/* Waits for the thread, after the session has ended. NULL is ignored. */
void mounted_join(struct mounted *m);

#endif
