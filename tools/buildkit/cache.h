/* SPDX-License-Identifier: Apache-2.0
 * A build cache with its layers: the document that BuildKit reads, and of every layer in it
 * what is known: its blob, its DiffID, and so the chain that it tops. From a cache manifest
 * in either of its forms, or inline from an image. No layer is read.
 */
#ifndef TOOLS_BUILDKIT_CACHE_H
#define TOOLS_BUILDKIT_CACHE_H

#include "store/catalog.h"
#include "store/object.h"
#include "tools/buildkit/cacheconfig.h"
#include "tools/oci/config.h"
#include "tools/oci/source.h"

/* Beside the layer of the same number in the document. */
struct cache_layer {
	struct descriptor desc; /* without texts; kind DESCRIPTOR_UNKNOWN: it has none */
	struct digest diffid;   /* zero: not known */
	struct digest
		chainid; /* of this layer on all below; zero: something is missing */
	const char *media_type; /* OCI's, as the blob is compressed; static */
	char created[CACHECONFIG_TIME_SIZE]; /* "" unknown */
};

struct cache {
	struct record_image record;  /* zero if it is inline; its chain is always zero */
	struct buf manifest, config; /* verbatim; empty if it is inline */
	struct cacheconfig doc;
	struct cache_layer *layers;
};

void cache_release(struct cache *c); /* also of a zeroed one */
#define auto_cache __attribute__((cleanup(cache_release)))

/* Reads the cache manifest that DESC names. ERR_INVALID, ERR_LIMIT. */
int cache_from_source(struct source *s, const struct descriptor *desc, struct cache *ret,
		      struct err *err) MUST_CHECK;

/* The cache that IMAGE, a name's record, stands for: its own, or inline in its config.
 * ERR_NOTFOUND: it has none. ERR_CORRUPT: a document is missing. */
int cache_from_store(struct objects *objects, const struct record_image *image,
		     struct cache *ret, struct err *err) MUST_CHECK;

/* What an image's CONFIG (LEN bytes) has inline; LAYERS are its manifest's, DIFFIDS its own,
 * COUNT of each. ERR_NOTFOUND: nothing. */
int cache_from_config(const void *config, size_t len, const struct descriptor *layers,
		      const struct digest *diffids, size_t count, struct cache *ret,
		      struct err *err) MUST_CHECK;

/* Whether the record is a cache's and not an image's: then it has no chain, and the manifest
 * says so. */
int cache_is(struct objects *objects, const struct record_image *image, bool *ret,
	     struct err *err) MUST_CHECK;

/* OCI's media type for what a layer of this type is compressed with; NULL is taken for gzip. */
const char *cache_media_type(const char *media_type);

/* Finds the ChainIDs again, after DiffIDs or layers have changed. */
int cache_resolve(struct cache *c, struct err *err) MUST_CHECK;

/* The newest result of a record whose layers are all known, with its ChainID; NULL: none. */
const struct cacheconfig_result *cache_result(const struct cache *c, uint32_t record,
					      struct digest *ret_chainid);

/* How many records have such a result. */
uint32_t cache_count_results(const struct cache *c);

/* The DiffIDs of such a result, lowest first. Returns how many. */
uint32_t cache_diffids(const struct cache *c, const struct cacheconfig_result *r,
		       struct digest ret[CACHECONFIG_CHAIN_MAX]);

#endif
