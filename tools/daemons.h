/* SPDX-License-Identifier: Apache-2.0
 * The processes that serve a store's mounts, found by what they have open: /dev/fuse and
 * files of the store. An unmounted filesystem's daemon still closes its files; who removes
 * or moves the store next must wait for that.
 */
#ifndef TOOLS_DAEMONS_H
#define TOOLS_DAEMONS_H

#include <stdbool.h>

#define DAEMONS_MAX 32

struct daemons {
	unsigned count;
	int pidfds[DAEMONS_MAX];
};

/* Those of the store at this absolute path that we may look at. Never fails: none found is
 * none to wait for. */
void daemons_find(const char *store, struct daemons *ret);
void daemons_release(struct daemons *d);

/* Waits until one of them has ended. False after MILLISECONDS. */
bool daemons_wait(const struct daemons *d, int milliseconds);

#endif
