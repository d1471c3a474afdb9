/* SPDX-License-Identifier: Apache-2.0
 * Other registries behind this one: what they have is asked for when a client asks, and what
 * comes is checked before it counts. Many who ask for the same cause one request.
 *
 *	[NAME=]REGISTRY[/PREFIX]
 *
 * NAME is the host in names of images ("docker.io"), REGISTRY who answers for it; without NAME
 * they are the same. The repositories of the registry are those below PREFIX.
 *
 * Credentials are the user's own and go to the registries only.
 */
#ifndef TOOLS_SERVE_UPSTREAM_H
#define TOOLS_SERVE_UPSTREAM_H

#include "tools/serve/fetch.h"
#include "tools/serve/names.h"
#include "tools/serve/told.h"

struct upstreams;
struct upstream;

struct upstream_options {
	const char *const *texts; /* as above */
	size_t count;
	struct remote_options remote; /* its texts live as long as the upstreams */
	unsigned fresh;               /* seconds for which a tag is not asked for again */
};

/* ERR_USAGE: a text is no good. Makes no request. */
int upstreams_new(const struct blobs *blobs, const struct upstream_options *o,
		  struct upstreams **ret, struct err *err) MUST_CHECK;
/* Whatever waits for an upstream gives up. */
void upstreams_interrupt(struct upstreams *u);
void upstreams_free(struct upstreams *u); /* NULL is ignored */

/* For the calling thread: what it waits for ends with upstreams_interrupt. */
void upstreams_enter(struct upstreams *u);

struct told *upstreams_told(struct upstreams *u);

/* A repository of an upstream. */
struct upstream_place {
	struct upstream *upstream;
	char name[RECORD_REF_NAME_MAX + 1]; /* "docker.io/library/app" */
};

/* What a client calls REPOSITORY: of the upstream HOST ("docker.io"), or with HOST NULL of the
 * one that its first part names, else of the first. False: of none. */
bool upstreams_place(struct upstreams *u, const char *repository, const char *host,
		     struct upstream_place *ret);

/* Of all below, ERR_NOTFOUND: the upstream says that it is not there. *ret_refusal is set on
 * failure. Thread-safe. */

/* What a tag is now. HAVE: there is something to fall back on if it cannot be learned, so it
 * is tried less hard. */
int upstream_tag(struct upstreams *u, const struct upstream_place *p, const char *tag,
		 bool have, struct digest *ret, struct remote_refusal *ret_refusal,
		 struct err *err) MUST_CHECK;

/* A manifest that is told, else asked for. */
int upstream_manifest(struct upstreams *u, const struct upstream_place *p,
		      const struct digest *digest, struct told_manifest *ret,
		      struct remote_refusal *ret_refusal, struct err *err) MUST_CHECK;

int upstream_blob_size(struct upstreams *u, const struct upstream_place *p,
		       const struct digest *digest, uint64_t *ret,
		       struct remote_refusal *ret_refusal, struct err *err) MUST_CHECK;

/* Begins or joins its download. *ret NULL: it is here now. */
int upstream_blob(struct upstreams *u, const struct upstream_place *p,
		  const struct digest *digest, uint64_t size, struct fetch **ret,
		  struct err *err) MUST_CHECK;
void upstream_blob_put(struct upstreams *u, struct fetch *it);

/* Appends the tags there are. */
int upstream_tags(struct upstreams *u, const struct upstream_place *p,
		  struct names_list *ret, struct remote_refusal *ret_refusal,
		  struct err *err) MUST_CHECK;

/* Appends descriptors, as remote_referrers does. */
int upstream_referrers(struct upstreams *u, const struct upstream_place *p,
		       const struct digest *digest, const char *artifact_type,
		       json_t *list, struct err *err) MUST_CHECK;

/* Whether a failure says that the client may not have it, in contrast to one that says
 * nothing about it. */
bool upstream_is_denied(int rc, const struct remote_refusal *refusal);

#endif
