/* SPDX-License-Identifier: Apache-2.0
 * A layer of which only those parts are read that the store lacks (chunked_read.h,
 * stargz_read.h).
 */
#ifndef TOOLS_LAYER_PARTIAL_H
#define TOOLS_LAYER_PARTIAL_H

#include "store/layer.h"
#include "tools/oci/source.h"

/* Whether it is worth a try. */
bool layer_partial_possible(const struct source *source, const struct descriptor *d);

struct layer_partial {
	struct source *source;
	const struct descriptor *desc;
	struct digest diffid;
	layer_progress_fn *progress; /* told as if the blob were read from its start */
	void *progress_arg;
	uint64_t read; /* out: bytes of the blob that were asked for */
};

/* As layer_ingest does. The blob's digest is not checked, so the store does not learn of the
 * blob. ERR_INVALID, ERR_LIMIT, ERR_FAILED, ERR_NOTFOUND, ERR_CORRUPT: read it as a whole
 * instead, which also decides whether it is a bad one. */
int layer_partial_ingest(struct session *s, struct layer_partial *p, const char *name,
			 struct layer *ret, struct err *err) MUST_CHECK;

#endif
