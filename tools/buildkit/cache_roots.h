/* SPDX-License-Identifier: Apache-2.0
 * What named build caches need, for gc: their chains, which no image record leads to; and the
 * keys that were made from caches that nothing names any more.
 */
#ifndef TOOLS_BUILDKIT_CACHE_ROOTS_H
#define TOOLS_BUILDKIT_CACHE_ROOTS_H

#include "store/base/buf.h"
#include "store/store.h"

struct cache_roots {
	struct buf chains; /* struct digest, side by side */
	struct buf names;  /* of each chain the name of its cache, ended by a NUL */
	struct buf stale;  /* keys, the same */
};

void cache_roots_release(struct cache_roots *r);
#define auto_cache_roots __attribute__((cleanup(cache_roots_release)))

/* Keys younger than GRACE seconds are never stale. A document that cannot be read makes none
 * stale and is left to verify. */
int cache_roots_list(struct store *s, int64_t grace, struct cache_roots *ret,
		     struct err *err) MUST_CHECK;

/* Takes away the stale keys. */
int cache_roots_drop(struct store *s, const struct cache_roots *r,
		     struct err *err) MUST_CHECK;

#endif
