/* SPDX-License-Identifier: Apache-2.0
 * A build cache made smaller: first what leads to no result goes, then the oldest results on
 * which no other rests, until its documents are small enough.
 */
#ifndef TOOLS_BUILDKIT_CACHE_PRUNE_H
#define TOOLS_BUILDKIT_CACHE_PRUNE_H

#include "tools/buildkit/cache.h"
#include "tools/buildkit/cache_make.h"

/* *ret: a cache whose document and manifest have at most MAX_BYTES each. OLDEST_NS: results made
 * before this go too, unless newer ones rest on them; INT64_MIN: none. ERR_LIMIT: not even one
 * result fits. */
int cache_prune(const struct cache *c, size_t max_bytes, int64_t oldest_ns,
		struct cache *ret, struct err *err) MUST_CHECK;

#endif
