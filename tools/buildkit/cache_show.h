/* SPDX-License-Identifier: Apache-2.0
 * A build cache for people (lines) and programs (one JSON document): every record, what it was
 * where that is known, its result, and whether the store has that.
 */
#ifndef TOOLS_BUILDKIT_CACHE_SHOW_H
#define TOOLS_BUILDKIT_CACHE_SHOW_H

#include <jansson.h>

#include "tools/buildkit/cache.h"
#include "tools/buildkit/cache_steps.h"

struct cache_show {
	const char *name;
	const struct cache *cache;
	const struct cache_steps *steps;
	struct catalog_txn *txn; /* NULL: there is no store to look into */
};

int cache_show_lines(const struct cache_show *s, struct err *err) MUST_CHECK;

/* A new reference. */
int cache_show_json(const struct cache_show *s, json_t **ret, struct err *err) MUST_CHECK;

#endif
