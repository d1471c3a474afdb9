/* SPDX-License-Identifier: Apache-2.0
 * The documents of an image whose layers go out in other forms than they came: the manifest,
 * and where a form has another tar (eStargz), the config as well.
 */
#ifndef TOOLS_IMAGE_REWRITE_H
#define TOOLS_IMAGE_REWRITE_H

#include "tools/layer_blob.h"

/* Whether all are the blobs that the manifest names. */
bool image_rewrite_same(const struct layer_blob *layers, size_t count);

/* Replaces the manifest by one for these layers. */
int image_rewrite_manifest(struct buf *manifest, const struct layer_blob *layers,
			   size_t count, struct err *err) MUST_CHECK;

/* Replaces the config, if a layer has another DiffID than DIFFIDS say, and what the manifest
 * says of it. *ret_id is written only then, *ret_changed always. The history stays. */
int image_rewrite_config(struct buf *config, struct buf *manifest,
			 const struct digest *diffids, const struct layer_blob *layers,
			 size_t count, struct digest *ret_id, bool *ret_changed,
			 struct err *err) MUST_CHECK;

#endif
