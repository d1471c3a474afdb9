/* SPDX-License-Identifier: Apache-2.0
 * An OCI distribution registry over a store: pull, push, content discovery and management as
 * the specification has them, as the handler of an HTTP server. No authentication: whoever
 * reaches it may read all of the store, and with `writable` add to it.
 */
#ifndef TOOLS_SERVE_REGISTRY_H
#define TOOLS_SERVE_REGISTRY_H

#include "store/store.h"
#include "tools/serve/http.h"

struct registry;

struct registry_options {
	bool writable;        /* takes pushes and removals; the store must be too */
	unsigned keep_upload; /* seconds that a blob waits for its manifest */
};

int registry_new(struct store *store, const struct registry_options *o,
		 struct registry **ret, struct err *err) MUST_CHECK;
/* No request is being served any more. NULL is ignored. */
void registry_free(struct registry *r);

AUTO_DEFINE(registry, struct registry, registry_free)
#define auto_registry AUTO(registry)

void registry_handler(struct registry *r, struct http_handler *ret);

#endif
