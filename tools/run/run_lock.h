/* SPDX-License-Identifier: Apache-2.0
 * One at a time per cache key: <store>/runs/<64 hex>, a file that is locked while its step is
 * executed. Who waits for it looks for the result again when he has it.
 */
#ifndef TOOLS_RUN_RUN_LOCK_H
#define TOOLS_RUN_RUN_LOCK_H

#include "store/store.h"

struct run_lock {
	int dirfd, fd; /* -1: none */
	char name[DIGEST_HEX_SIZE];
};

#define RUN_LOCK_NONE ((struct run_lock){-1, -1, ""})

/* Waits for it. *ret_waited: somebody else had it. */
int run_lock_take(struct store *store, const struct digest *key, struct run_lock *ret,
		  bool *ret_waited, struct err *err) MUST_CHECK;

/* Lets go and removes the file; also of none. */
void run_lock_release(struct run_lock *l);
#define auto_run_lock __attribute__((cleanup(run_lock_release)))

#endif
