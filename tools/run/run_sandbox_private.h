/* SPDX-License-Identifier: Apache-2.0
 * What the parts of the sandbox share: run_sandbox.c (processes), run_mounts.c (what is
 * mounted in the root). Included by these only.
 */
#ifndef TOOLS_RUN_RUN_SANDBOX_PRIVATE_H
#define TOOLS_RUN_RUN_SANDBOX_PRIVATE_H

#include <sys/stat.h>

#include "tools/run/run_sandbox.h"

/* A file or directory that was made to mount on. */
struct run_stub {
	char path[4200]; /* absolute in the root */
	bool dir;
	/* The directory it was made in, before and after. */
	struct timespec before, after;
};

#define RUN_STUBS_MAX 64

struct run_stubs {
	struct run_stub items[RUN_STUBS_MAX];
	size_t count;
};

/* Makes what is missing to mount on. */
int run_mounts_prepare(const struct run_sandbox *s, struct run_stubs *stubs,
		       struct err *err) MUST_CHECK;

/* In the child, in its own mount namespace: mounts all of it, and makes the root the root. */
int run_mounts_make(const struct run_sandbox *s, struct err *err) MUST_CHECK;

/* Removes the stubs that are still what they were; a directory nobody else has changed gets
 * its time back. */
void run_mounts_clean(const struct run_sandbox *s, const struct run_stubs *stubs);

#endif
