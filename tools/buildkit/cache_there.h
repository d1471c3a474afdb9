/* SPDX-License-Identifier: Apache-2.0
 * Which layers of a build cache a registry has already, so that they need not be sent.
 */
#ifndef TOOLS_BUILDKIT_CACHE_THERE_H
#define TOOLS_BUILDKIT_CACHE_THERE_H

#include "tools/layer_blob.h"

/* Looks for the layer as it came, then as other exports made it. *ret_found: RET is set. */
int cache_there_find(struct store *store, struct destination *dest,
		     const struct layer_blob_options *options,
		     const struct digest *diffid, const struct descriptor *came,
		     struct layer_blob *ret, bool *ret_found, struct err *err) MUST_CHECK;

#endif
