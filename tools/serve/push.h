/* SPDX-License-Identifier: Apache-2.0
 * Manifests that are pushed. An image goes through the same import as everything else, its
 * layers' compressed bytes are kept, so it is given out as it came. What is no image (build
 * caches, signatures, indexes of such) is stored as an artifact, byte for byte. Nothing is
 * visible before all of it is durable.
 */
#ifndef TOOLS_SERVE_PUSH_H
#define TOOLS_SERVE_PUSH_H

#include "tools/serve/blobs.h"

struct push {
	const char *name; /* to set, normalised; NULL: none */
	const void *bytes;
	size_t len;
	const char *media_type; /* as the client says; NULL: it does not */
};

struct pushed {
	struct digest digest;
	struct digest subject; /* what it is about; zero: nothing */
};

/* ERR_NOTFOUND: a blob or manifest that it names is unknown. ERR_INVALID, ERR_LIMIT: it is no
 * good, or a layer is not. */
int push_manifest(const struct blobs *blobs, const struct push *push, struct pushed *ret,
		  struct err *err) MUST_CHECK;

#endif
