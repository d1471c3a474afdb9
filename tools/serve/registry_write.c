/* SPDX-License-Identifier: Apache-2.0
 * An OCI distribution registry over a store: uploads, pushes, removals. */
#include <string.h>

#include "tools/serve/names.h"
#include "tools/serve/push.h"
#include "tools/serve/registry_private.h"
#include "tools/serve/removal.h"

/* ---- uploads ---- */

static void upload_headers(const struct exchange *x, struct http_reply *r)
{
	uint64_t size = upload_size(x->upload);

	http_reply_header(r, "Location", "/v2/%s/blobs/uploads/%s", x->route.name,
			  upload_id(x->upload));
	http_reply_header(r, "Docker-Upload-UUID", "%s", upload_id(x->upload));
	http_reply_header(r, "Range", "0-%ju", (uintmax_t)(size ? size - 1 : 0));
}

static void blob_headers(const struct exchange *x, const struct digest *d,
			 struct http_reply *r)
{
	char text[DIGEST_TEXT_SIZE];

	digest_format(d, text);
	http_reply_header(r, "Location", "/v2/%s/blobs/%s", x->route.name, text);
	http_reply_header(r, "Docker-Content-Digest", "%s", text);
}

/* ?KEY=sha256:... 0: there is none. < 0: it is bad, and told. */
static int digest_of_query(const struct http_request *q, const char *key,
			   struct digest *ret, struct http_reply *r)
{
	const char *text = http_query(q, key);

	if (!text)
		return 0;
	if (digest_parse(text, strlen(text), ret, NULL)) {
		reply_refusal(r, 400, "DIGEST_INVALID",
			      "only sha256:<64 small hex digits> is a digest here");
		return -1;
	}
	return 1;
}

/* A blob that is here already need not be sent. */
static bool mount(struct registry *g, const struct http_request *q, struct exchange *x,
		  struct http_reply *r)
{
	struct blobs_found found;
	struct digest digest;
	int rc = digest_of_query(q, "mount", &digest, r);

	if (rc <= 0)
		return rc < 0;
	if (blobs_find(&g->blobs, &digest, &found, NULL))
		return false;
	blobs_release(&g->blobs, &found);
	r->status = 201;
	blob_headers(x, &digest, r);
	return true;
}

static void start_upload(struct registry *g, const struct http_request *q,
			 struct exchange *x, struct http_reply *r)
{
	struct err err = {0};

	if (!mount(g, q, x, r) && uploads_start(g->uploads, &x->upload, &err))
		reply_err(r, "TOOMANYREQUESTS", &err);
}

/* A piece must begin where the last one ended. */
static bool fits(const struct http_request *q, struct exchange *x, struct http_reply *r)
{
	const char *range = http_header(q, "Content-Range");
	const char *sent = http_header(q, "Content-Length");
	uint64_t from, length, size;

	if (!range)
		return true;
	if (!route_piece_parse(range, &from, &length)) {
		reply_refusal(r, 400, "BLOB_UPLOAD_INVALID", "Content-Range is no range");
		return false;
	}
	if (sent && (!route_number_parse(sent, strlen(sent), &size) || size != length)) {
		reply_refusal(r, 400, "SIZE_INVALID",
			      "Content-Range and Content-Length disagree");
		return false;
	}
	if (from == upload_size(x->upload))
		return true;
	reply_refusal(r, 416, "BLOB_UPLOAD_INVALID", "the upload has %ju bytes so far",
		      (uintmax_t)upload_size(x->upload));
	upload_headers(x, r);
	return false;
}

static void take_upload(struct registry *g, const struct http_request *q,
			struct exchange *x, struct http_reply *r)
{
	struct err err = {0};

	if (uploads_take(g->uploads, x->route.id, &x->upload, &err))
		reply_err(r, "BLOB_UPLOAD_UNKNOWN", &err);
	else if (!fits(q, x, r))
		registry_write_done(g, x);
}

static void finish_upload(struct registry *g, const struct http_request *q,
			  struct exchange *x, struct http_reply *r)
{
	struct err err = {0};
	struct digest digest;
	int rc = digest_of_query(q, "digest", &digest, r);

	if (rc < 0)
		return;
	if (rc == 0) {
		reply_refusal(r, 400, "DIGEST_INVALID", "?digest= is missing");
		return;
	}
	if (uploads_finish(g->uploads, steal_ptr(&x->upload), &digest, &err)) {
		reply_err(r, "DIGEST_INVALID", &err);
		return;
	}
	r->status = 201;
	blob_headers(x, &digest, r);
}

static void end_upload(struct registry *g, const struct http_request *q,
		       struct exchange *x, struct http_reply *r)
{
	bool whole = q->method == HTTP_PUT ||
		     (q->method == HTTP_POST && http_query(q, "digest"));

	if (q->method == HTTP_DELETE) {
		uploads_drop(g->uploads, steal_ptr(&x->upload));
		r->status = 204;
	} else if (whole) {
		finish_upload(g, q, x, r);
	} else {
		r->status = q->method == HTTP_GET ? 204 : 202;
		upload_headers(x, r);
	}
}

/* ---- manifests ---- */

static void begin_manifest(const struct http_request *q, struct http_reply *r)
{
	const char *length = http_header(q, "Content-Length");
	uint64_t size;

	if (length && route_number_parse(length, strlen(length), &size) &&
	    size > REGISTRY_MANIFEST_MAX)
		reply_refusal(r, 413, "SIZE_INVALID",
			      "a manifest has at most %u bytes here",
			      REGISTRY_MANIFEST_MAX);
}

/* What stands before the parameters. NULL: nothing. */
static const char *media_type(const struct http_request *q, char text[128])
{
	const char *type = http_header(q, "Content-Type");
	size_t len = type ? strcspn(type, "; \t") : 0;

	if (len == 0 || len >= 128)
		return NULL;
	memcpy(text, type, len);
	text[len] = '\0';
	return text;
}

static int push(struct registry *g, const struct http_request *q, struct exchange *x,
		struct pushed *ret, struct err *err)
{
	struct push p = {.bytes = x->body.data, .len = x->body.len};
	auto_buf struct buf name;
	struct digest digest;
	char type[128];
	int rc = 0;

	buf_init(&name, RECORD_REF_NAME_MAX + 1);
	p.media_type = media_type(q, type);
	digest_of(p.bytes, p.len, &digest);
	if (*x->route.tag) {
		rc = names_pushed(x->route.name, x->route.tag, &name, err);
		p.name = (const char *)name.data;
	} else if (!digest_equal(&digest, &x->route.digest)) {
		rc = err_set(err, ERR_INVALID, "the manifest has another digest");
	}
	if (rc)
		return rc;
	while (sem_wait(&g->pushes) < 0 && errno == EINTR)
		;
	rc = push_manifest(&g->blobs, &p, ret, err);
	sem_post(&g->pushes);
	return rc;
}

static void put_manifest(struct registry *g, const struct http_request *q,
			 struct exchange *x, struct http_reply *r)
{
	char text[DIGEST_TEXT_SIZE];
	struct err err = {0};
	struct pushed pushed;
	int rc = push(g, q, x, &pushed, &err);

	if (rc == -ERR_NOTFOUND) {
		reply_refusal(r, 400, "MANIFEST_BLOB_UNKNOWN", "%s", err.msg);
	} else if (rc) {
		reply_err(r, "MANIFEST_INVALID", &err);
	} else {
		r->status = 201;
		digest_format(&pushed.digest, text);
		http_reply_header(r, "Location", "/v2/%s/manifests/%s", x->route.name,
				  text);
		http_reply_header(r, "Docker-Content-Digest", "%s", text);
		if (!digest_is_zero(&pushed.subject))
			http_reply_header(r, "OCI-Subject", "%s",
					  digest_format(&pushed.subject, text));
	}
}

/* ---- removals ---- */

static void delete_manifest(struct registry *g, struct exchange *x, struct http_reply *r)
{
	struct removal removal = {
		.repository = x->route.name,
		.tag = x->route.tag,
		.digest = x->route.digest,
	};
	struct err err = {0};

	if (!*x->route.tag)
		forms_manifest(g->forms, &x->route.digest, &removal.digest);
	if (removal_run(g->store, &removal, &err))
		reply_err(r, "MANIFEST_UNKNOWN", &err);
	else
		r->status = 202;
}

/* Of the store's blobs gc takes what nothing needs. */
static void delete_blob(struct registry *g, struct exchange *x, struct http_reply *r)
{
	uint64_t size;

	if (blobs_stored(&g->blobs, &x->route.digest, &size, NULL) == 0)
		reply_refusal(r, 405, "UNSUPPORTED",
			      "delete the manifests that need it; 'layercache gc' then "
			      "takes the blob");
	else if (uploads_forget(g->uploads, &x->route.digest))
		r->status = 202;
	else
		reply_refusal(r, 404, "BLOB_UNKNOWN", "there is no such blob");
}

/* ---- all ---- */

void registry_write_begin(struct registry *g, const struct http_request *q,
			  struct exchange *x, struct http_reply *r)
{
	if (x->route.kind == ROUTE_START)
		start_upload(g, q, x, r);
	else if (x->route.kind == ROUTE_UPLOAD)
		take_upload(g, q, x, r);
	else if (x->route.kind == ROUTE_MANIFEST && q->method == HTTP_PUT)
		begin_manifest(q, r);
}

void registry_write_data(struct exchange *x, const void *data, size_t len)
{
	if (x->rc)
		return; /* told at the end */
	if (x->upload)
		x->rc = upload_write(x->upload, data, len, &x->err);
	else
		x->rc = buf_append(&x->body, data, len, &x->err);
}

static void end_exchange(struct registry *g, const struct http_request *q,
			 struct exchange *x, struct http_reply *r)
{
	if (x->rc)
		reply_err(r, x->upload ? "BLOB_UPLOAD_INVALID" : "SIZE_INVALID", &x->err);
	else if (x->upload)
		end_upload(g, q, x, r);
	else if (x->route.kind == ROUTE_MANIFEST && q->method == HTTP_PUT)
		put_manifest(g, q, x, r);
	else if (x->route.kind == ROUTE_MANIFEST)
		delete_manifest(g, x, r);
	else
		delete_blob(g, x, r);
}

/* The upload is free again before the client hears of it. */
void registry_write_end(struct registry *g, const struct http_request *q,
			struct exchange *x, struct http_reply *r)
{
	if (q->method == HTTP_GET || q->method == HTTP_HEAD)
		take_upload(g, q, x, r);
	if (!r->status)
		end_exchange(g, q, x, r);
	registry_write_done(g, x);
}

/* What was received of an upload that was broken off stays, and can be gone on with; one
 * whose bytes could not be written does not. */
void registry_write_done(struct registry *g, struct exchange *x)
{
	if (!x->upload)
		return;
	if (x->rc)
		uploads_drop(g->uploads, steal_ptr(&x->upload));
	else
		uploads_put_back(g->uploads, steal_ptr(&x->upload));
}
