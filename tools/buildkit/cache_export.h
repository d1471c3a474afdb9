/* SPDX-License-Identifier: Apache-2.0
 * A build cache out of the store, as BuildKit reads it: `type=local` from a layout,
 * `type=registry` from a registry. No image names a cache's layers, so these are not made again
 * just as they were, which is slow: what was kept goes out as it came, what the registry has in
 * some form stays there, all else is compressed anew. If every layer is as it came, so are the
 * documents; else they are made for the new blobs.
 */
#ifndef TOOLS_BUILDKIT_CACHE_EXPORT_H
#define TOOLS_BUILDKIT_CACHE_EXPORT_H

#include "tools/buildkit/cache_make.h"
#include "tools/layer_blob.h"

struct cache_export_options {
	enum cache_form form; /* 0: as it is, or a manifest */
	struct layer_blob_options blobs;
	const char *name;                      /* the cache's in the store; NULL: none */
	const struct remote_options *registry; /* may be NULL */
	bool quiet;
};

struct cache_exported {
	struct record_image record; /* as it was written */
	uint32_t records, results, layers;
	uint32_t dropped; /* results whose layers are not in the store */
	bool same;        /* the documents are those that were imported */
	struct blob_notes
		notes; /* for blob_notes_keep, once the store is closed; the caller's */
};

/* Empties C. */
int cache_export(struct store *store, struct objects *objects, struct cache *c,
		 const char *destination, const struct cache_export_options *options,
		 struct cache_exported *ret, struct err *err) MUST_CHECK;

#endif
