/* SPDX-License-Identifier: Apache-2.0
 * All layers of an image or a build cache on their way out: to a registry several at a time,
 * since one may wait for its encoder while the other waits for the network; to files one
 * after another.
 */
#ifndef TOOLS_LAYERS_OUT_H
#define TOOLS_LAYERS_OUT_H

#include "tools/layer_blob.h"

struct layer_out {
	const struct digest *diffid;
	const struct descriptor *came; /* in the manifest or the cache's documents */
	struct layer_blob *blob;       /* set here, unless it is LAYER_BLOB_THERE */
	size_t number;                 /* "layer 3 of 7", for errors */
};

/* Writes each of the COUNT items, which are different layers. A broken connection costs the
 * layer, not the push: ERR_AGAIN is tried again here. The first failure stops what was not
 * begun, and is returned. OF: how many layers there are in all. */
int layers_out_write(struct store *store, struct objects *objects,
		     const struct layer_out *items, size_t count, size_t of,
		     const struct layer_blob_options *options, struct destination *dest,
		     struct progress *progress, struct blob_notes *notes,
		     struct err *err) MUST_CHECK;

#endif
