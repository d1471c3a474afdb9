/* SPDX-License-Identifier: Apache-2.0
 * Blobs that come from another registry while clients already read them: each is downloaded
 * once, by a thread of its own, to a file among the uploads, however many want it. What has
 * come whole waits there like a blob that was pushed.
 *
 * Nobody is given the last byte before the digest is known to be right, so what is wrong never
 * looks whole.
 */
#ifndef TOOLS_SERVE_FETCH_H
#define TOOLS_SERVE_FETCH_H

#include "tools/registry/remote.h"
#include "tools/serve/blobs.h"

struct fetches;
struct fetch;

/* INTERRUPT: an eventfd; once it can be read from, downloads give up. */
int fetches_new(const struct blobs *blobs, int interrupt, struct fetches **ret,
		struct err *err) MUST_CHECK;
/* Waits for the downloads that run; none may be held. NULL is ignored. */
void fetches_free(struct fetches *f);

/* Joins the download of a blob, or begins it by reading IN, which is owned, also on failure.
 * *ret NULL: it is here already. What was given is put back. */
int fetches_get(struct fetches *f, const struct digest *digest, uint64_t size,
		struct stream *in, struct fetch **ret, struct err *err) MUST_CHECK;
void fetches_put(struct fetches *f, struct fetch *it);

/* Until all of it is there, or so much that the other registry seems to mean it. */
int fetch_wait(struct fetch *it, bool all, struct remote_refusal *ret_refusal,
	       struct err *err) MUST_CHECK;

uint64_t fetch_size(const struct fetch *it);

/* Its bytes from AT on, as they come. IT must be held until the stream is closed. */
int fetch_open(struct fetch *it, uint64_t at, struct stream **ret,
	       struct err *err) MUST_CHECK;

#endif
