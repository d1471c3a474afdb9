/* SPDX-License-Identifier: Apache-2.0
 * A layer of which only those parts are read that the store lacks. */
#include "tools/layer_partial.h"

#include "tools/chunked/chunked_read.h"
#include "tools/chunked/stargz_read.h"

#define CACHE_BYTES  (8u << 20)
#define PARTIAL_FROM (32u << 10) /* bytes of a blob; smaller ones are one request */

struct watch {
	const struct layer_partial *partial;
	uint64_t content;
};

bool layer_partial_possible(const struct source *source, const struct descriptor *d)
{
	return source->open_range && (d->toc.given || d->stargz.given) &&
	       d->size >= PARTIAL_FROM;
}

/* Bytes of the tar become bytes of the blob, for the eye. */
static int on_progress(void *arg, uint64_t bytes, struct err *err)
{
	const struct watch *w = arg;
	const struct layer_partial *p = w->partial;
	double part = w->content ? (double)bytes / (double)w->content : 1;

	if (part > 1)
		part = 1;
	return p->progress(p->progress_arg, (uint64_t)(part * (double)p->desc->size),
			   err);
}

static int ingest(struct session *s, struct layer_partial *p, struct stream *in,
		  uint64_t content, const char *name, struct layer *ret, struct err *err)
{
	const struct layer_expect expect = {.diffid = p->diffid};
	struct watch watch = {p, content};

	return layer_ingest(s, in, name, &expect, NULL, on_progress, &watch, ret, err);
}

static int ingest_chunked(struct session *s, struct layer_partial *p,
			  struct objects *objects, const char *name, struct layer *ret,
			  struct err *err)
{
	auto_chunked_read struct chunked_read *in = NULL;
	int rc = chunked_read_open(p->source, p->desc, objects, &in, err);

	if (rc)
		return rc;
	p->read = chunked_read_bytes(in);
	return ingest(s, p, chunked_read_stream(in), chunked_read_content(in), name, ret,
		      err);
}

static int ingest_stargz(struct session *s, struct layer_partial *p,
			 struct objects *objects, const char *name, struct layer *ret,
			 struct err *err)
{
	auto_stargz_read struct stargz_read *in = NULL;
	int rc = stargz_read_open(p->source, p->desc, objects, &in, err);

	if (rc)
		return rc;
	p->read = stargz_read_bytes(in);
	return ingest(s, p, stargz_read_stream(in), stargz_read_content(in), name, ret,
		      err);
}

int layer_partial_ingest(struct session *s, struct layer_partial *p, const char *name,
			 struct layer *ret, struct err *err)
{
	auto_objects struct objects *objects = NULL;
	int rc = objects_new(session_store(s), CACHE_BYTES, &objects, err);

	if (rc)
		return rc;
	return p->desc->toc.given ? ingest_chunked(s, p, objects, name, ret, err)
				  : ingest_stargz(s, p, objects, name, ret, err);
}
