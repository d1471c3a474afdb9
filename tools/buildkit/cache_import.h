/* SPDX-License-Identifier: Apache-2.0
 * A build cache into a session whose layers are in the store or the session already: its
 * documents as they are, the chains of its results, and a key for each of these.
 */
#ifndef TOOLS_BUILDKIT_CACHE_IMPORT_H
#define TOOLS_BUILDKIT_CACHE_IMPORT_H

#include "store/session.h"
#include "tools/buildkit/cache.h"

/* Takes DiffIDs that the manifest does not say from blobs that the store knows. Then every
 * layer that has a blob must have one: ERR_INVALID. */
int cache_import_diffids(struct cache *c, struct catalog_txn *t,
			 struct err *err) MUST_CHECK;

/* Whether layer I can be had: it has a blob and a DiffID. */
bool cache_import_wants(const struct cache *c, uint32_t i);

/* Adds documents, image record, chains and keys. */
int cache_import_add(struct session *s, const struct cache *c,
		     struct err *err) MUST_CHECK;

/* Adds only chains and keys: of an inline cache, whose image is added by others. */
int cache_import_results(struct session *s, const struct cache *c,
			 struct err *err) MUST_CHECK;

#endif
