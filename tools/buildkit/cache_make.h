/* SPDX-License-Identifier: Apache-2.0
 * The documents of a build cache that was made or changed here: the cache document and the
 * manifest of either form. The same cache gives the same bytes.
 */
#ifndef TOOLS_BUILDKIT_CACHE_MAKE_H
#define TOOLS_BUILDKIT_CACHE_MAKE_H

#include "store/session.h"
#include "tools/buildkit/cache.h"

/* BuildKit reads no document that is larger. */
#define CACHE_MAKE_LIMIT (1u << 20)

enum cache_form {
	CACHE_FORM_MANIFEST = 1, /* an image manifest: what every registry takes */
	CACHE_FORM_INDEX,        /* an index of layers: what BuildKit wrote before 0.21 */
};

/* Makes manifest, config and record anew. */
int cache_make(struct cache *c, enum cache_form form, struct err *err) MUST_CHECK;

/* Makes them in the common form and adds all of it to the session under NAME (normalised). */
int cache_make_named(struct session *s, struct cache *c, const char *name,
		     bool *ret_moved, struct err *err) MUST_CHECK;

#endif
