/* SPDX-License-Identifier: Apache-2.0
 * A command in the root of a build step: mount, pid, ipc and uts namespaces of its own (with
 * network "none" also a network of its own that has only a loopback), the devices, kernel
 * filesystems and capabilities that Docker gives a build step, no standard input.
 *
 *	/proc, /sys (read-only), /dev (null zero full random urandom tty, pts, shm)
 *	/etc/resolv.conf, /etc/hosts	the host's, read-only
 *	/run/secrets/<ID>		read-only, 0400 of the step's user
 *
 * What had to be made in the root to mount these on is gone afterwards.
 */
#ifndef TOOLS_RUN_RUN_SANDBOX_H
#define TOOLS_RUN_RUN_SANDBOX_H

#include "tools/run/run_root.h"

struct run_secret {
	const char *id;   /* a file name */
	const char *file; /* of the host */
};

struct run_sandbox {
	const char *root; /* mounted */
	int rootfd;
	char *const *command; /* NULL-terminated */
	char *const *env;     /* NULL-terminated */
	const char *workdir;
	const struct run_user *user;
	bool network; /* the host's */
	const struct run_secret *secrets;
	size_t secret_count;
};

/* Runs the command to its end; its output goes to our standard error. *ret_status: its exit
 * status, 128 + N if signal N ended it, 126 or 127 if it could not be started (then WHY is
 * set). SIGINT, SIGTERM and SIGHUP end it: ERR_CANCELED with
 * the signal in err->sys. Any failure of our own: < 0. */
int run_sandbox_run(const struct run_sandbox *s, int *ret_status, struct err *why,
		    struct err *err) MUST_CHECK;

#endif
