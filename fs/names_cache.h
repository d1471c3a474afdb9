/* SPDX-License-Identifier: Apache-2.0
 * The tree below images/ as it is now: made when somebody asks and the store has changed.
 */
#ifndef FS_NAMES_CACHE_H
#define FS_NAMES_CACHE_H

#include "fs/names.h"

struct catalog;
struct names_cache;

int names_cache_new(struct catalog *c, struct names_cache **ret,
		    struct err *err) MUST_CHECK;
void names_cache_free(struct names_cache *c); /* NULL is ignored */

/* The names as committed now: made anew when the store's generation has changed since. The
 * caller unrefs. Thread-safe. */
int names_cache_get(struct names_cache *c, struct names **ret,
		    struct err *err) MUST_CHECK;

#endif
