/* SPDX-License-Identifier: Apache-2.0
 * Going into the background: the parent waits until the child says that it works, or why
 * not.
 */
#ifndef FS_DAEMONISE_H
#define FS_DAEMONISE_H

#include "store/base/err.h"

/* Forks. In the child, which has a session of its own and /dev/null for its standard
 * streams: 0 and a descriptor to report on. In the parent: -1 in *ret_report, and what the
 * child reported. Call before any thread is started. */
int daemonise_start(int *ret_report, struct err *err) MUST_CHECK;

/* In the child, once: it works (RC 0), or the error. Closes the descriptor; a second report
 * (descriptor -1) is ignored. */
void daemonise_report(int *report, int rc, const struct err *err);

#endif
