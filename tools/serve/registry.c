/* SPDX-License-Identifier: Apache-2.0
 * An OCI distribution registry over a store: which request goes where. */
#include "tools/serve/registry_private.h"

#define CACHE_BYTES (64u << 20)
#define PUSHES_MAX  2

int registry_new(struct store *store, const struct registry_options *o,
		 struct registry **ret, struct err *err)
{
	auto_registry struct registry *g = calloc(1, sizeof(*g));
	int rc;

	if (!g)
		return err_nomem(err);
	g->store = store;
	sem_init(&g->pushes, 0, PUSHES_MAX);
	rc = objects_new(store, CACHE_BYTES, &g->objects, err);
	if (!rc && o->writable)
		rc = uploads_new(store_dirfd(store), o->keep_upload, &g->uploads, err);
	g->blobs = (struct blobs){store, g->objects, g->uploads};
	if (!rc)
		rc = forms_new(&g->blobs, &g->forms, err);
	if (!rc)
		*ret = steal_ptr(&g);
	return rc;
}

void registry_free(struct registry *g)
{
	if (!g)
		return;
	forms_free(g->forms);
	uploads_free(g->uploads);
	objects_free(g->objects);
	sem_destroy(&g->pushes);
	free(g);
}

/* ---- what may be asked ---- */

static bool is_reading(enum http_method m)
{
	return m == HTTP_GET || m == HTTP_HEAD;
}

#define METHOD(m) (1u << HTTP_##m)
#define READING   (METHOD(GET) | METHOD(HEAD))

/* A set of 1 << method. */
static unsigned allowed(const struct registry *g, enum route_kind kind)
{
	bool writable = g->uploads != NULL;

	switch (kind) {
	case ROUTE_MANIFEST:
		return writable ? READING | METHOD(PUT) | METHOD(DELETE) : READING;
	case ROUTE_BLOB:
		return writable ? READING | METHOD(DELETE) : READING;
	case ROUTE_START:
		return writable ? METHOD(POST) : 0;
	case ROUTE_UPLOAD:
		return writable ? METHOD(GET) | METHOD(PATCH) | METHOD(PUT) |
					  METHOD(DELETE)
				: 0;
	default:
		return READING;
	}
}

static void add_allow(unsigned methods, struct http_reply *r)
{
	char text[64] = "";
	size_t len = 0;

	for (unsigned i = HTTP_GET; i <= HTTP_DELETE; i++)
		if (methods >> i & 1)
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s",
						len ? ", " : "",
						http_method_name((enum http_method)i));
	http_reply_header(r, "Allow", "%s", text);
}

static void refuse_fault(const struct http_request *q, const struct route *route,
			 struct http_reply *r)
{
	switch (route->fault) {
	case ROUTE_BAD_NAME:
		reply_refusal(r, 400, "NAME_INVALID", "this is no name of a repository");
		return;
	case ROUTE_BAD_TAG:
		if (is_reading(q->method))
			reply_refusal(r, 404, "MANIFEST_UNKNOWN", "this is no tag");
		else
			reply_refusal(r, 400, "TAG_INVALID", "this is no tag");
		return;
	case ROUTE_BAD_DIGEST:
		reply_refusal(r, 400, "DIGEST_INVALID",
			      "only sha256:<64 small hex digits> is a digest here");
		return;
	default:
		reply_refusal(r, 404, "BLOB_UPLOAD_UNKNOWN", "there is no such upload");
	}
}

static void refuse(const struct registry *g, const struct http_request *q,
		   const struct route *route, struct http_reply *r)
{
	if (route->kind == ROUTE_NONE) {
		reply_refusal(r, 404, "UNSUPPORTED", "there is nothing at this path");
	} else if (!(allowed(g, route->kind) >> q->method & 1)) {
		reply_refusal(r, 405, "UNSUPPORTED",
			      g->uploads ? "this cannot be done here"
					 : "this server only reads");
		add_allow(allowed(g, route->kind), r);
	} else if (route->fault) {
		refuse_fault(q, route, r);
	}
}

/* ---- the handler ---- */

static void add_version(struct http_reply *r)
{
	if (r->status)
		http_reply_header(r, "Docker-Distribution-API-Version", "registry/2.0");
}

static void begin(void *arg, struct http_request *q, struct http_reply *r)
{
	struct registry *g = arg;
	struct exchange *x = calloc(1, sizeof(*x));

	if (!x) {
		reply_refusal(r, 500, "UNKNOWN", "out of memory");
		return;
	}
	q->state = x;
	buf_init(&x->body, REGISTRY_MANIFEST_MAX);
	route_parse(q->path, &x->route);
	refuse(g, q, &x->route, r);
	if (!r->status && !is_reading(q->method))
		registry_write_begin(g, q, x, r);
	add_version(r);
}

static void data(void *arg, struct http_request *q, const void *bytes, size_t len)
{
	(void)arg;
	if (q->state && !is_reading(q->method))
		registry_write_data(q->state, bytes, len);
}

static void read_something(struct registry *g, const struct http_request *q,
			   struct exchange *x, struct http_reply *r)
{
	const struct route *route = &x->route;

	switch (route->kind) {
	case ROUTE_BASE:
		reply_json(r, "application/json", json_object());
		return;
	case ROUTE_CATALOG:
		registry_catalog(g, q, r);
		return;
	case ROUTE_TAGS:
		registry_tags(g, q, route, r);
		return;
	case ROUTE_MANIFEST:
		registry_manifest(g, q, route, r);
		return;
	case ROUTE_BLOB:
		registry_blob(g, q, route, r);
		return;
	case ROUTE_REFERRERS:
		registry_referrers(g, q, route, r);
		return;
	default:
		registry_write_end(g, q, x, r); /* how far an upload is */
	}
}

static void end(void *arg, struct http_request *q, struct http_reply *r)
{
	struct registry *g = arg;
	struct exchange *x = q->state;

	if (is_reading(q->method))
		read_something(g, q, x, r);
	else
		registry_write_end(g, q, x, r);
	add_version(r);
}

static void done(void *arg, struct http_request *q)
{
	struct exchange *x = q->state;

	if (!x)
		return;
	registry_write_done(arg, x);
	buf_release(&x->body);
	free(x);
	q->state = NULL;
}

void registry_handler(struct registry *g, struct http_handler *ret)
{
	*ret = (struct http_handler){begin, data, end, done, g};
}
