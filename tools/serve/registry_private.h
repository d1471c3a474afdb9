/* SPDX-License-Identifier: Apache-2.0
 * What the parts of the registry share: registry.c (which request goes where), registry_read.c
 * (manifests, blobs, lists), registry_write.c (uploads, pushes, removals).
 */
#ifndef TOOLS_SERVE_REGISTRY_PRIVATE_H
#define TOOLS_SERVE_REGISTRY_PRIVATE_H

#include <pthread.h>
#include <semaphore.h>

#include "tools/serve/blobs.h"
#include "tools/serve/forms.h"
#include "tools/serve/registry.h"
#include "tools/serve/reply.h"
#include "tools/serve/route.h"

#define REGISTRY_MANIFEST_MAX (4u << 20)

struct registry {
	struct store *store;
	struct objects *objects;
	struct uploads *uploads; /* NULL: read-only */
	struct blobs blobs;
	struct forms *forms;
	sem_t pushes; /* that may run at once: each takes memory */
};

/* One request. */
struct exchange {
	struct route route;
	struct buf body;       /* of a manifest */
	struct upload *upload; /* that the body goes to */
	int rc;                /* of what was done with the body so far */
	struct err err;
};

/* ---- registry_read.c: the whole request ---- */

void registry_manifest(struct registry *g, const struct http_request *q,
		       const struct route *route, struct http_reply *r);
void registry_blob(struct registry *g, const struct http_request *q,
		   const struct route *route, struct http_reply *r);
void registry_tags(struct registry *g, const struct http_request *q,
		   const struct route *route, struct http_reply *r);
void registry_catalog(struct registry *g, const struct http_request *q,
		      struct http_reply *r);
void registry_referrers(struct registry *g, const struct http_request *q,
			const struct route *route, struct http_reply *r);

/* ---- registry_write.c: before and after the body ---- */

void registry_write_begin(struct registry *g, const struct http_request *q,
			  struct exchange *x, struct http_reply *r);
void registry_write_data(struct exchange *x, const void *data, size_t len);
void registry_write_end(struct registry *g, const struct http_request *q,
			struct exchange *x, struct http_reply *r);
/* Also of one that was broken off. */
void registry_write_done(struct registry *g, struct exchange *x);

#endif
