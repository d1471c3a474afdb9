/* SPDX-License-Identifier: Apache-2.0
 * Which steps of a build would be found in a build cache, and why the others would not: the
 * plan of a Dockerfile and a context against the records.
 */
#ifndef TOOLS_BUILDKIT_CACHE_EXPLAIN_H
#define TOOLS_BUILDKIT_CACHE_EXPLAIN_H

#include "tools/buildkit/build_context.h"
#include "tools/buildkit/build_plan.h"
#include "tools/buildkit/cache.h"

enum cache_explain_state {
	CACHE_EXPLAIN_HIT = 1, /* CACHED */
	CACHE_EXPLAIN_BARE,    /* the record is there, its result is not */
	CACHE_EXPLAIN_MISS,    /* no record: the step itself is another */
	CACHE_EXPLAIN_AFTER,   /* only because of what it rests on or copies from */
	CACHE_EXPLAIN_UNKNOWN, /* its digest cannot be computed */
};

struct cache_explain_step {
	enum cache_explain_state state; /* 0: the target does not need it */
	uint32_t
		record; /* its own, or the one that comes closest; CACHECONFIG_NONE: none */
	const char *why; /* in words; NULL: nothing to say */
	bool files;      /* RECORD is of other files */
	bool has_content;
	struct digest content; /* the record of its files */
};

struct cache_explained {
	struct cache_explain_step *steps; /* as many as the plan has */
};

void cache_explained_release(struct cache_explained *e); /* also a zeroed one */
#define auto_cache_explained __attribute__((cleanup(cache_explained_release)))

/* Texts live as long as PLAN. ERR_LIMIT: plan and cache are too large together. */
int cache_explain(const struct cache *c, const struct build_plan *plan,
		  const struct build_context *context, struct cache_explained *ret,
		  struct err *err) MUST_CHECK;

#endif
