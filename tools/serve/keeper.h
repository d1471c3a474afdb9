/* SPDX-License-Identifier: Apache-2.0
 * Puts what came from an upstream into the store, behind the clients' backs: the rest of an
 * image of which a layer was asked for is fetched, the image is imported with its compressed
 * layers, and gets the names that the upstream has for it. An index's name stands for those
 * of its images that are here.
 */
#ifndef TOOLS_SERVE_KEEPER_H
#define TOOLS_SERVE_KEEPER_H

#include "tools/serve/upstream.h"

struct keeper;

/* LOG: tells on stderr what was stored. BLOBS and U live longer. */
int keeper_new(const struct blobs *blobs, struct upstreams *u, bool log,
	       struct keeper **ret, struct err *err) MUST_CHECK;
/* Waits for what runs: upstreams_interrupt makes that short. NULL is ignored. */
void keeper_free(struct keeper *k);

/* A manifest that the upstream has told of. Nothing happens if it is being kept already, or if
 * that failed a moment ago. */
void keeper_start(struct keeper *k, const struct upstream_place *p,
		  const struct digest *manifest);

/* The same if that needs no layer from the upstream. */
void keeper_start_if_whole(struct keeper *k, const struct upstream_place *p,
			   const struct told_manifest *m);

#endif
