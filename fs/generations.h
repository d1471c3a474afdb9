/* SPDX-License-Identifier: Apache-2.0
 * The time of the store's last change as this daemon saw it: the mtime of every living
 * directory. It grows strictly with the store's generation, so the kernel drops a listing
 * that it has cached as soon as anything was committed. Thread-safe.
 */
#ifndef FS_GENERATIONS_H
#define FS_GENERATIONS_H

#include <time.h>

#include "store/base/err.h"

struct generations;
struct store;

int generations_new(struct store *s, struct generations **ret,
		    struct err *err) MUST_CHECK;
void generations_free(struct generations *g); /* NULL is ignored */

int generations_mtime(struct generations *g, struct timespec *ret,
		      struct err *err) MUST_CHECK;

#endif
