/* SPDX-License-Identifier: Apache-2.0
 * The records of a build cache in the order in which people read them: every root with the
 * steps on top of it, a step once, beside those that would do in its place.
 */
#ifndef TOOLS_BUILDKIT_CACHE_TREE_H
#define TOOLS_BUILDKIT_CACHE_TREE_H

#include "tools/buildkit/cacheconfig.h"

struct cache_tree_line {
	uint32_t record;
	/* Steps that follow each other are equally deep; those that branch off are deeper. */
	uint32_t depth;
};

/* What a record rests on: the first that will do for its input 0; CACHECONFIG_NONE: a root. */
uint32_t cache_tree_parent(const struct cacheconfig *c, uint32_t record);

/* All lines; the caller frees *ret. Left out are roots on which nothing rests though they are
 * inputs: they are told beside the steps that they are inputs of. */
int cache_tree_lines(const struct cacheconfig *c, struct cache_tree_line **ret,
		     uint32_t *ret_count, struct err *err) MUST_CHECK;

#endif
