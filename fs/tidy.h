/* SPDX-License-Identifier: Apache-2.0
 * A thread that lets go of what gc has removed: an open pack takes its space until the last
 * descriptor is closed, and a mount lives long.
 */
#ifndef FS_TIDY_H
#define FS_TIDY_H

#include "store/store.h"

struct tidy;

/* Starts the thread; after the fork, as threads do not survive it. S is borrowed. */
int tidy_start(struct store *s, struct tidy **ret, struct err *err) MUST_CHECK;
void tidy_stop(struct tidy *t); /* waits for it; NULL is ignored */

#endif
