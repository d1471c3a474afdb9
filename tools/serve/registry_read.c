/* SPDX-License-Identifier: Apache-2.0
 * An OCI distribution registry over a store: manifests, blobs, lists. */
#include <string.h>

#include "tools/oci/descriptor.h"
#include "tools/serve/names.h"
#include "tools/referrers.h"
#include "tools/serve/registry_private.h"

#define DOCKER_INDEX "application/vnd.docker.distribution.manifest.list.v2+json"

/* ---- what all content has ---- */

static void content_headers(struct http_reply *r, const char *media_type,
			    const struct digest *d)
{
	char text[DIGEST_TEXT_SIZE];

	digest_format(d, text);
	http_reply_header(r, "Content-Type", "%s", media_type);
	http_reply_header(r, "Docker-Content-Digest", "%s", text);
	http_reply_header(r, "ETag", "\"%s\"", text);
}

/* "*", or a list that has the digest, quoted or not. */
static bool has_tag(const char *list, const struct digest *d)
{
	char text[DIGEST_TEXT_SIZE];

	return list && (strcmp(list, "*") == 0 || strstr(list, digest_format(d, text)));
}

static bool is_known(const struct http_request *q, const struct digest *d,
		     struct http_reply *r)
{
	if (!has_tag(http_header(q, "If-None-Match"), d))
		return false;
	r->status = 304;
	return true;
}

/* ---- manifests ---- */

int registry_form_of(struct registry *g, const struct http_request *q,
		     const struct record_ref *ref, struct form *ret, struct err *err)
{
	bool indexes = http_accepts(q, DESCRIPTOR_OCI_INDEX, true) ||
		       http_accepts(q, DOCKER_INDEX, false);

	return forms_name(g->forms, ref, indexes, ret, err);
}

int registry_form(struct registry *g, const struct http_request *q,
		  const struct route *route, struct form *ret, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	auto_free void *memory = NULL;
	struct record_ref ref;
	int rc;

	if (!*route->tag)
		return forms_digest(g->forms, &route->digest, ret, err);
	rc = catalog_begin(store_catalog(g->store), false, &t, err);
	if (!rc)
		rc = names_find(t, route->name, route->tag, &ref, &memory, err);
	catalog_abort(steal_ptr(&t));
	return rc ? rc : registry_form_of(g, q, &ref, ret, err);
}

static bool find_form(struct registry *g, const struct http_request *q,
		      const struct route *route, struct form *ret,
		      struct registry_failure *failure)
{
	if (g->upstreams)
		return registry_upstream_form(g, q, route, ret, failure);
	return registry_form(g, q, route, ret, &failure->err) == 0;
}

void registry_manifest(struct registry *g, const struct http_request *q,
		       const struct route *route, struct http_reply *r)
{
	struct registry_failure failure = {0};
	auto_form struct form form = {0};

	if (!find_form(g, q, route, &form, &failure)) {
		registry_fail(r, "MANIFEST_UNKNOWN", &failure);
		return;
	}
	content_headers(r, form.media_type, &form.digest);
	if (is_known(q, &form.digest, r))
		return;
	r->status = 200;
	r->bytes = form.bytes;
	buf_init(&form.bytes, 0);
}

/* ---- blobs ---- */

struct blob_body {
	struct http_body base;
	struct stream *in;
	uint64_t left;
	char what[DIGEST_TEXT_SIZE + 8];
};

static int body_read(struct http_body *base, void *data, size_t cap, size_t *ret_len,
		     struct err *err)
{
	struct blob_body *b = (struct blob_body *)base;
	size_t want = cap < b->left ? cap : (size_t)b->left;
	int rc = want ? b->in->read(b->in, data, want, ret_len, err) : 0;

	if (!want)
		*ret_len = 0;
	if (!rc && want && !*ret_len)
		rc = err_set(err, ERR_CORRUPT, "it ends early");
	if (rc)
		return err_wrap(err, "%s", b->what);
	b->left -= *ret_len;
	return 0;
}

static void body_close(struct http_body *base)
{
	struct blob_body *b = (struct blob_body *)base;

	stream_close(b->in);
	free(b);
}

int registry_blob_body(struct http_reply *r, const struct digest *digest,
		       struct stream *in, struct err *err)
{
	struct blob_body *b = calloc(1, sizeof(*b));
	char text[DIGEST_TEXT_SIZE];

	if (!b) {
		stream_close(in);
		return err_nomem(err);
	}
	snprintf(b->what, sizeof(b->what), "blob %s", digest_format(digest, text));
	b->base = (struct http_body){body_read, body_close};
	b->in = in;
	b->left = r->length;
	r->body = &b->base;
	return 0;
}

/* False: the reply is there already. */
static bool choose_range(const struct http_request *q, const struct digest *digest,
			 uint64_t size, struct http_reply *r, uint64_t *ret_from)
{
	const char *range = http_header(q, "Range"), *same = http_header(q, "If-Range");
	enum route_range kind;

	if (same && !has_tag(same, digest))
		range = NULL;
	kind = route_range_parse(range, size, ret_from, &r->length);
	if (kind == ROUTE_OUTSIDE) {
		r->length = 0;
		reply_refusal(r, 416, "SIZE_INVALID", "the blob has %ju bytes",
			      (uintmax_t)size);
		http_reply_header(r, "Content-Range", "bytes */%ju", (uintmax_t)size);
		return false;
	}
	r->status = kind == ROUTE_PART ? 206 : 200;
	if (kind == ROUTE_PART)
		http_reply_header(
			r, "Content-Range", "bytes %ju-%ju/%ju", (uintmax_t)*ret_from,
			(uintmax_t)(*ret_from + r->length - 1), (uintmax_t)size);
	return true;
}

bool registry_blob_headers(const struct http_request *q, const struct digest *digest,
			   uint64_t size, struct http_reply *r, uint64_t *ret_from)
{
	content_headers(r, "application/octet-stream", digest);
	http_reply_header(r, "Accept-Ranges", "bytes");
	http_reply_header(r, "Cache-Control", "max-age=31536000, immutable");
	return !is_known(q, digest, r) && choose_range(q, digest, size, r, ret_from) &&
	       q->method != HTTP_HEAD && r->length > 0;
}

static int find_blob(struct registry *g, const struct http_request *q,
		     const struct route *route, struct http_reply *r,
		     struct blobs_found *ret, struct err *err)
{
	int rc = blobs_find(&g->blobs, &route->digest, ret, err);

	/* Between two looks a blob that has come may be taken away by gc: once is enough. */
	if (rc == -ERR_NOTFOUND && g->upstreams && registry_upstream_blob(g, q, route, r))
		rc = blobs_find(&g->blobs, &route->digest, ret, err);
	return rc;
}

void registry_blob(struct registry *g, const struct http_request *q,
		   const struct route *route, struct http_reply *r)
{
	struct blobs_found found;
	struct stream *in;
	struct err err = {0};
	uint64_t from;
	int rc = find_blob(g, q, route, r, &found, &err);

	if (r->status)
		return;
	if (rc) {
		reply_err(r, "BLOB_UNKNOWN", &err);
		return;
	}
	if (!registry_blob_headers(q, &found.digest, found.size, r, &from)) {
		blobs_release(&g->blobs, &found);
		return;
	}
	rc = blobs_open(&g->blobs, &found, from, &in, &err);
	if (!rc)
		rc = registry_blob_body(r, &route->digest, in, &err);
	if (rc) {
		r->length = 0;
		reply_err(r, "BLOB_UNKNOWN", &err);
	}
}

/* ---- lists ---- */

/* Which part of a sorted list is wanted: ?n= many behind ?last=. False: the reply is there. */
static bool choose_page(const struct http_request *q, const struct names_list *list,
			struct http_reply *r, size_t *ret_from, size_t *ret_to)
{
	const char *n = http_query(q, "n"), *last = http_query(q, "last");
	uint64_t count = list->count;

	if (n && !route_number_parse(n, strlen(n), &count)) {
		reply_refusal(r, 400, "PAGINATION_NUMBER_INVALID", "n is no number");
		return false;
	}
	*ret_from = 0;
	while (last && *ret_from < list->count &&
	       strcmp(list->items[*ret_from], last) <= 0)
		++*ret_from;
	*ret_to =
		count < list->count - *ret_from ? *ret_from + (size_t)count : list->count;
	return true;
}

/* Takes the reference to JSON, whose member KEY becomes the page. PATH: of the next one. */
static void reply_page(const struct http_request *q, const struct names_list *list,
		       json_t *json, const char *key, const char *path,
		       struct http_reply *r)
{
	json_t *page = json_array();
	size_t from, to;

	if (!choose_page(q, list, r, &from, &to)) {
		json_decref(page);
		json_decref(json);
		return;
	}
	for (size_t i = from; i < to; i++)
		json_array_append_new(page, json_string(list->items[i]));
	if (to > from && to < list->count)
		http_reply_header(r, "Link", "<%s?n=%zu&last=%s>; rel=\"next\"", path,
				  to - from, list->items[to - 1]);
	json_object_set_new(json, key, page);
	reply_json(r, "application/json", json);
}

static bool list_tags(struct registry *g, const struct http_request *q,
		      const struct route *route, struct names_list *list,
		      struct registry_failure *failure)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	struct err *err = &failure->err;
	int rc;

	if (g->upstreams)
		return registry_upstream_tags(g, q, route, list, failure) == 0;
	rc = catalog_begin(store_catalog(g->store), false, &t, err);
	if (!rc)
		rc = names_tags(t, route->name, list, err);
	if (!rc && list->count == 0)
		rc = err_set(err, ERR_NOTFOUND, "there is no such repository");
	return rc == 0;
}

void registry_tags(struct registry *g, const struct http_request *q,
		   const struct route *route, struct http_reply *r)
{
	struct registry_failure failure = {0};
	auto_names_list struct names_list list = {0};
	char path[ROUTE_NAME_MAX + 32];

	if (!list_tags(g, q, route, &list, &failure)) {
		registry_fail(r, "NAME_UNKNOWN", &failure);
		return;
	}
	snprintf(path, sizeof(path), "/v2/%s/tags/list", route->name);
	reply_page(q, &list, json_pack("{s:s}", "name", route->name), "tags", path, r);
}

void registry_catalog(struct registry *g, const struct http_request *q,
		      struct http_reply *r)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	auto_names_list struct names_list list = {0};
	struct err err = {0};
	int rc = catalog_begin(store_catalog(g->store), false, &t, &err);

	if (!rc)
		rc = names_repositories(t, &list, &err);
	catalog_abort(steal_ptr(&t));
	if (rc) {
		reply_err(r, "UNKNOWN", &err);
		return;
	}
	reply_page(q, &list, json_object(), "repositories", "/v2/_catalog", r);
}

void registry_referrers(struct registry *g, const struct http_request *q,
			const struct route *route, struct http_reply *r)
{
	const char *type = http_query(q, "artifactType");
	struct err err = {0};
	json_t *json = NULL;

	if (referrers_index(g->store, g->objects, &route->digest, type, &json, &err)) {
		reply_err(r, "MANIFEST_UNKNOWN", &err);
		return;
	}
	if (g->upstreams)
		registry_upstream_referrers(g, q, route,
					    json_object_get(json, "manifests"));
	if (type)
		http_reply_header(r, "OCI-Filters-Applied", "artifactType");
	reply_json(r, DESCRIPTOR_OCI_INDEX, json);
}
