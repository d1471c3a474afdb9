/* SPDX-License-Identifier: Apache-2.0
 * Several build caches as one. Records are the same if their digests and all that will do for
 * their inputs are; of two results the newer one stays. Only results whose layers are known
 * are taken, and each record has one. A union of one is that cache without what is of no use.
 */
#ifndef TOOLS_BUILDKIT_CACHE_UNION_H
#define TOOLS_BUILDKIT_CACHE_UNION_H

#include "store/digest_map.h"
#include "tools/buildkit/cache.h"

struct cache_union {
	struct cache cache; /* what there is so far: doc and layers */
	struct digest_map records, layers;
};

void cache_union_init(struct cache_union *u);
void cache_union_release(struct cache_union *u);
#define auto_cache_union __attribute__((cleanup(cache_union_release)))

/* Adds a cache. KEEP: of each of its records whether it is wanted; NULL: all. A record that lacks
 * an input is left out. */
int cache_union_add(struct cache_union *u, const struct cache *c, const bool *keep,
		    struct err *err) MUST_CHECK;

/* The layers get their ChainIDs; *ret is the caller's. */
int cache_union_finish(struct cache_union *u, struct cache *ret,
		       struct err *err) MUST_CHECK;

#endif
