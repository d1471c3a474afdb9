/* SPDX-License-Identifier: Apache-2.0
 * From a root of a source to the images behind it: indexes are followed, the platform is
 * chosen, manifest and config of each image are read and checked. Layers are not touched.
 */
#ifndef TOOLS_OCI_IMAGE_SET_H
#define TOOLS_OCI_IMAGE_SET_H

#include "store/record.h"
#include "tools/oci/config.h"
#include "tools/oci/source.h"

#define IMAGE_SET_DEPTH_MAX 4  /* indexes in indexes */
#define IMAGE_SET_INDEX_MAX 64 /* of them altogether */

struct image {
	struct record_image record;
	struct buf manifest_bytes, config_bytes; /* verbatim */
	struct manifest manifest;                /* without texts */
	struct config config;
};

struct image_set_index {
	struct buf bytes; /* verbatim */
	struct manifest parsed;
};

struct image_set {
	struct digest index;  /* of the root, zero if it is no index */
	struct image *images; /* [0] is the one that the name stands for */
	size_t count;
	const char *not_image; /* count is 0: what the root is instead */
	bool is_cache;         /* and it is a BuildKit build cache */
	struct image_set_index *indexes;
	size_t index_count;
};

/* PLATFORM NULL: this machine's, or the only one there is. ALL: every platform's. A root
 * that is no image at all is no error but tells so in not_image. ERR_NOTFOUND: there is no
 * image for PLATFORM; ERR_INVALID, ERR_LIMIT: bad documents. */
int image_set_resolve(struct source *s, const struct descriptor *root,
		      const struct platform *platform, bool all, struct image_set *ret,
		      struct err *err) MUST_CHECK;

/* Also of a zeroed one. */
void image_set_release(struct image_set *set);

#endif
