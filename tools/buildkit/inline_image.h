/* SPDX-License-Identifier: Apache-2.0
 * An image with another inline build cache. Its config changes and so does the image ID; its
 * layers and all else stay.
 */
#ifndef TOOLS_BUILDKIT_INLINE_IMAGE_H
#define TOOLS_BUILDKIT_INLINE_IMAGE_H

#include "store/session.h"
#include "tools/buildkit/cache.h"

/* *ret: C as it can be inline in an image with these layers: results that end in one of them,
 * and what leads to these. */
int inline_image_fit(const struct cache *c, const struct digest *diffids, size_t count,
		     struct cacheconfig *ret, struct err *err) MUST_CHECK;

/* Adds the image with these records to the session; *ret is its record, *ret_size how large its
 * manifest is. ERR_INVALID: the config
 * has a history of other layers, on which BuildKit fails. */
int inline_image_add(struct session *s, struct objects *objects,
		     const struct record_image *image, const struct cacheconfig *records,
		     struct record_image *ret, uint64_t *ret_size,
		     struct err *err) MUST_CHECK;

#endif
