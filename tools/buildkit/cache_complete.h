/* SPDX-License-Identifier: Apache-2.0
 * Results for steps that have none though their layers are there: below every result lie the
 * results of the steps that it rests on. BuildKit loses these when a build takes a step from
 * an inline cache, so that the next change finds nothing before it.
 *
 * A step gets a result only where the layers prove it: the base image at the end of the way is
 * known by its layers (or is scratch), and there are just as many steps as layers on top of it.
 * Where images lack the layers of steps that changed nothing, the history must say so.
 */
#ifndef TOOLS_BUILDKIT_CACHE_COMPLETE_H
#define TOOLS_BUILDKIT_CACHE_COMPLETE_H

#include "tools/buildkit/cache.h"

struct cache_completed {
	uint32_t given;   /* steps that have a result now */
	uint32_t lacking; /* steps that still have none */
};

/* CONFIG (LEN bytes; NULL: none): of the image that the cache is inline in, for its history. */
int cache_complete(struct cache *c, const void *config, size_t len,
		   struct cache_completed *ret, struct err *err) MUST_CHECK;

#endif
