/* SPDX-License-Identifier: Apache-2.0
 * Compressed layers that export is to give as they came, for less than keeping all of them.
 */
#ifndef TOOLS_IMAGE_MATCH_H
#define TOOLS_IMAGE_MATCH_H

#include "tools/layer_jobs.h"

/* ALL are in STORE. Tries to make their blobs again (blob_maker.h), and reads those that come
 * out different, or whose encoder is not known, once more from SOURCE to keep them. */
int image_match(struct store *store, struct source *source, const struct layer_jobs *all,
		bool quiet, struct err *err) MUST_CHECK;

#endif
