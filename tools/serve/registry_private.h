/* SPDX-License-Identifier: Apache-2.0
 * What the parts of the registry share: registry.c (which request goes where), registry_read.c
 * (manifests, blobs, lists), registry_upstream.c (the same from another registry),
 * registry_write.c (uploads, pushes, removals).
 */
#ifndef TOOLS_SERVE_REGISTRY_PRIVATE_H
#define TOOLS_SERVE_REGISTRY_PRIVATE_H

#include <pthread.h>
#include <semaphore.h>

#include "tools/serve/blobs.h"
#include "tools/serve/forms.h"
#include "tools/serve/keeper.h"
#include "tools/serve/names.h"
#include "tools/serve/registry.h"
#include "tools/serve/reply.h"
#include "tools/serve/route.h"

#define REGISTRY_MANIFEST_MAX (4u << 20)

struct registry {
	struct store *store;
	struct objects *objects;
	bool writable;
	struct uploads *uploads; /* NULL: nothing comes in */
	struct blobs blobs;
	struct forms *forms;
	sem_t pushes;                /* that may run at once: each takes memory */
	struct upstreams *upstreams; /* NULL: there are none */
	struct keeper *keeper;
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
/* The parts of that: headers of a blob; whether its bytes from *ret_from on are to follow. */
bool registry_blob_headers(const struct http_request *q, const struct digest *digest,
			   uint64_t size, struct http_reply *r, uint64_t *ret_from);
/* These bytes. IN is owned, also on failure. */
int registry_blob_body(struct http_reply *r, const struct digest *digest,
		       struct stream *in, struct err *err) MUST_CHECK;
/* The manifest that the store has. */
int registry_form(struct registry *g, const struct http_request *q,
		  const struct route *route, struct form *ret,
		  struct err *err) MUST_CHECK;
/* What NAME stands for. */
int registry_form_of(struct registry *g, const struct http_request *q,
		     const struct record_ref *ref, struct form *ret,
		     struct err *err) MUST_CHECK;

void registry_tags(struct registry *g, const struct http_request *q,
		   const struct route *route, struct http_reply *r);
void registry_catalog(struct registry *g, const struct http_request *q,
		      struct http_reply *r);
void registry_referrers(struct registry *g, const struct http_request *q,
			const struct route *route, struct http_reply *r);

/* ---- registry_upstream.c: with an upstream ---- */

/* FAR: the failure is the upstream's. */
struct registry_failure {
	bool far;
	struct remote_refusal refusal;
	struct err err;
};
void registry_fail(struct http_reply *r, const char *code,
		   const struct registry_failure *f);

/* False: FAILURE says why there is none. */
bool registry_upstream_form(struct registry *g, const struct http_request *q,
			    const struct route *route, struct form *ret,
			    struct registry_failure *failure);
/* Of a blob that is not here. True: it is now, ask again. */
bool registry_upstream_blob(struct registry *g, const struct http_request *q,
			    const struct route *route, struct http_reply *r);
/* All tags there are, sorted; without an answer those of the store. */
int registry_upstream_tags(struct registry *g, const struct http_request *q,
			   const struct route *route, struct names_list *ret,
			   struct registry_failure *failure) MUST_CHECK;
/* Adds what the upstream knows to be about a manifest to LIST, if it answers. */
void registry_upstream_referrers(struct registry *g, const struct http_request *q,
				 const struct route *route, json_t *list);

/* ---- registry_write.c: before and after the body ---- */

void registry_write_begin(struct registry *g, const struct http_request *q,
			  struct exchange *x, struct http_reply *r);
void registry_write_data(struct exchange *x, const void *data, size_t len);
void registry_write_end(struct registry *g, const struct http_request *q,
			struct exchange *x, struct http_reply *r);
/* Also of one that was broken off. */
void registry_write_done(struct registry *g, struct exchange *x);

#endif
