/* SPDX-License-Identifier: Apache-2.0
 * What another build cache knows of the layers of an image, for the cache inline in that. The
 * layers are the same, so the results are, whatever BuildKit wrote into the image.
 */
#ifndef TOOLS_BUILDKIT_CACHE_TAKE_H
#define TOOLS_BUILDKIT_CACHE_TAKE_H

#include "store/catalog.h"
#include "tools/buildkit/cache.h"

/* CACHE: what IMAGE has inline, or zeroed. It gets the results that FROM, a name or digest, has
 * for the same layers, with the records that lead to them; *ret is how many. EXACTLY: FROM must
 * have the image's platform. If FROM is not there, has no cache or none that helps, CACHE stays
 * what it is. */
int cache_take(struct catalog_txn *t, struct objects *objects,
	       const struct record_image *image, bool exactly, const char *from,
	       struct cache *cache, uint32_t *ret, struct err *err) MUST_CHECK;

#endif
