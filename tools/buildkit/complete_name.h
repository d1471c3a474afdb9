/* SPDX-License-Identifier: Apache-2.0
 * Completes what a name stands for: a build cache, or the inline caches of an image's platforms,
 * whose image IDs change. The name, or another one, stands for the result.
 */
#ifndef TOOLS_BUILDKIT_COMPLETE_NAME_H
#define TOOLS_BUILDKIT_COMPLETE_NAME_H

#include "store/session.h"
#include "tools/buildkit/cache_complete.h"

struct complete_name {
	struct record_image image; /* what the name stands for now */
	struct cache_completed done;
	bool changed; /* there was something to complete */
};

/* REF: as found, with all its platforms. NAME: normalised. Adds to the session. ERR_NOTFOUND:
 * nothing of it has a cache. */
int complete_name(struct session *s, struct catalog_txn *t, struct objects *objects,
		  const struct record_ref *ref, const char *name,
		  struct complete_name *ret, struct err *err) MUST_CHECK;

#endif
