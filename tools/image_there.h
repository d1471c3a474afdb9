/* SPDX-License-Identifier: Apache-2.0
 * What a registry has already of an image that is to be pushed, found with few requests:
 *
 *	1. its manifest under the very name: nothing is to be done
 *	2. its manifest, so all of its layers: only the name is to be put
 *	3. single layers, or they can be mounted from the repository that the image came from
 *
 * Layers in another compression will do, if the store knows that they have the same content.
 */
#ifndef TOOLS_IMAGE_THERE_H
#define TOOLS_IMAGE_THERE_H

#include "tools/layer_blob.h"
#include "tools/oci/config.h"
#include "tools/oci/manifest.h"

struct image_there {
	struct store *store;
	struct destination *dest;
	const struct layer_blob_options *options;
	const struct buf *manifest_bytes; /* as the image came */
	const struct manifest *manifest;
	const struct config *config;
	const struct digest *config_digest;
	bool named; /* the manifest goes under the destination's own name */
};

/* LAYERS, one per layer of the image, zeroed: those that are there are filled in
 * (LAYER_BLOB_THERE). *ret_whole: the manifest is there with all that it needs; MANIFEST
 * gets it, if it is another than the image came with, else it stays empty. */
int image_there_find(const struct image_there *find, struct layer_blob *layers,
		     struct buf *manifest, bool *ret_whole, struct err *err) MUST_CHECK;

/* Remembers what was made for a push, so that the next one finds it. */
int image_there_note(struct store *store, const struct digest *diffids,
		     const struct layer_blob *layers, size_t count,
		     struct err *err) MUST_CHECK;

#endif
