/* SPDX-License-Identifier: Apache-2.0
 * The build cache that a user means: by its name in the store, or straight from a source.
 */
#ifndef TOOLS_BUILDKIT_CACHE_FIND_H
#define TOOLS_BUILDKIT_CACHE_FIND_H

#include "tools/buildkit/cache.h"
#include "tools/buildkit/cache_steps.h"

struct cache_found {
	struct cache cache;
	struct record_image
		image; /* the cache's own record, or the image it is inline in */
	char name[RECORD_REF_NAME_MAX + 1]; /* "": found by a digest, or in a source */
};

void cache_found_release(struct cache_found *f); /* also of a zeroed one */
#define auto_cache_found __attribute__((cleanup(cache_found_release)))

/* PLATFORM as for subject_find. ERR_NOTFOUND also if the image has no cache. */
int cache_find(struct catalog_txn *t, struct objects *objects, const char *text,
	       const char *platform, struct cache_found *ret, struct err *err) MUST_CHECK;

/* In a source, its only or chosen root. Learns STEPS from the image's config. */
int cache_find_source(struct source *s, const struct platform *platform,
		      struct cache_found *ret, struct cache_steps *steps,
		      struct err *err) MUST_CHECK;

#endif
