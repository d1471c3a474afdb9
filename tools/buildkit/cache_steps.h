/* SPDX-License-Identifier: Apache-2.0
 * What steps were: a build cache has only digests, but a chain of layers that an image has
 * too was made by what the image's history says, and a base image is known by its layers.
 */
#ifndef TOOLS_BUILDKIT_CACHE_STEPS_H
#define TOOLS_BUILDKIT_CACHE_STEPS_H

#include <jansson.h>

#include "store/catalog.h"
#include "store/digest_map.h"
#include "store/object.h"

struct cache_steps {
	struct digest_map chains; /* by ChainID */
	struct digest_map bases;  /* by the record of a base image of such a chain */
	json_t *texts;            /* keeps the texts */
};

void cache_steps_release(struct cache_steps *s); /* also of a zeroed one */
#define auto_cache_steps __attribute__((cleanup(cache_steps_release)))

/* Learns from all images that have a name. */
int cache_steps_learn(struct cache_steps *s, struct catalog_txn *t,
		      struct objects *objects, struct err *err) MUST_CHECK;

/* Learns from one config of LEN bytes with COUNT layers. NAME may be NULL. */
int cache_steps_learn_config(struct cache_steps *s, const char *name, const void *config,
			     size_t len, const struct digest *diffids, size_t count,
			     struct err *err) MUST_CHECK;

/* A chain that may be a base image. */
int cache_steps_learn_chain(struct cache_steps *s, const struct digest *chainid,
			    struct err *err) MUST_CHECK;

/* What made the topmost layer of a chain; NULL: not known. */
const char *cache_steps_of(const struct cache_steps *s, const struct digest *chainid);

/* The image whose layers make the record of a root; NULL: not known. */
const char *cache_steps_base(const struct cache_steps *s, const struct digest *record);

#endif
