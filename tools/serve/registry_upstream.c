/* SPDX-License-Identifier: Apache-2.0
 * An OCI distribution registry over a store: what other registries have, through this one.
 *
 * What was pushed here wins. Then the upstream says what a tag is; what it is then comes from
 * the store, if that has it, else from there. Without an answer the store's names count, and
 * if the answer is that nobody may have it, nothing does.
 */
#include <string.h>

#include "tools/oci/reference.h"
#include "tools/serve/registry_private.h"

/* ---- failures ---- */

static void refuse(struct http_reply *r, const char *code,
		   const struct registry_failure *f)
{
	const struct remote_refusal *refusal = &f->refusal;

	if (f->err.code == ERR_NOTFOUND)
		reply_refusal(r, 404, code, "upstream: %s", f->err.msg);
	else if (upstream_is_denied(-f->err.code, refusal))
		reply_refusal(r, 403, "DENIED", "upstream: %s", f->err.msg);
	else if (refusal->status == 429)
		reply_refusal(r, 429, "TOOMANYREQUESTS", "upstream: %s", f->err.msg);
	else if (f->err.code == ERR_SYSTEM && refusal->status == 0)
		reply_refusal(r, 503, "UNAVAILABLE", "upstream: %s", f->err.msg);
	else
		reply_refusal(r, 502, "UNKNOWN", "upstream: %s", f->err.msg);
	if (r->status == 429 && refusal->retry_after >= 0)
		http_reply_header(r, "Retry-After", "%jd",
				  (intmax_t)refusal->retry_after);
	if (r->status >= 500)
		fprintf(stderr, "layercache: serve: upstream: %s\n", f->err.msg);
}

void registry_fail(struct http_reply *r, const char *code,
		   const struct registry_failure *f)
{
	r->length = 0;
	if (f->far)
		refuse(r, code, f);
	else
		reply_err(r, code, &f->err);
}

static bool far_failed(struct registry_failure *f)
{
	f->far = true;
	return false;
}

/* ---- whose it is ---- */

/* containerd says by ?ns= whose mirror it takes this for. *ret_bad: of nobody's here. */
static bool find_place(struct registry *g, const struct http_request *q,
		       const struct route *route, struct upstream_place *ret,
		       bool *ret_bad)
{
	const char *host = http_query(q, "ns");
	bool found = upstreams_place(g->upstreams, route->name, host, ret);

	*ret_bad = !found && host;
	return found;
}

/* ---- manifests by tag ---- */

/* What the store calls by this very name. */
static int stored_ref(struct registry *g, const char *repository, const char *tag,
		      struct record_ref *ret, void **ret_memory, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	auto_buf struct buf name;
	int rc;

	buf_init(&name, RECORD_REF_NAME_MAX + ROUTE_TAG_MAX + 2);
	rc = buf_printf(&name, err, "%s:%s%c", repository, tag, 0);
	if (!rc)
		rc = catalog_begin(store_catalog(g->store), false, &t, err);
	return rc ? rc
		  : catalog_ref_get(t, (const char *)name.data, ret, ret_memory, err);
}

static bool is_pushed_here(struct registry *g, const struct route *route)
{
	char name[ROUTE_NAME_MAX + 16];
	auto_free void *memory = NULL;
	struct record_ref ref;

	if (names_host(route->name))
		return false;
	snprintf(name, sizeof(name), "localhost/%s", route->name);
	return stored_ref(g, name, route->tag, &ref, &memory, NULL) == 0;
}

/* The name that the store has for it, of this upstream or, if there is none, of any. */
static int stored_form(struct registry *g, const struct http_request *q,
		       const struct upstream_place *p, const struct route *route,
		       bool others, struct form *ret, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	auto_free void *memory = NULL;
	struct record_ref ref;
	size_t len = strlen(p->name);
	int rc = others ? -ERR_NOTFOUND
			: stored_ref(g, p->name, route->tag, &ref, &memory, err);

	if (rc == -ERR_NOTFOUND) {
		rc = catalog_begin(store_catalog(g->store), false, &t, err);
		if (!rc)
			rc = names_find(t, route->name, route->tag, &ref, &memory, err);
		catalog_abort(steal_ptr(&t));
	}
	if (!rc && others && strncmp(ref.name, p->name, len) == 0 && ref.name[len] == ':')
		rc = err_set(err, ERR_NOTFOUND, "the upstream has it no more");
	return rc ? rc : registry_form_of(g, q, &ref, ret, err);
}

/* The upstream has not said what the tag is, or has said that it is nothing. */
static bool fall_back(struct registry *g, const struct http_request *q,
		      const struct upstream_place *p, const struct route *route,
		      struct form *ret, struct registry_failure *f)
{
	int rc = -f->err.code;

	if (rc == -ERR_CANCELED || upstream_is_denied(rc, &f->refusal))
		return far_failed(f);
	if (stored_form(g, q, p, route, rc == -ERR_NOTFOUND, ret, NULL))
		return far_failed(f);
	if (rc != -ERR_NOTFOUND)
		fprintf(stderr, "layercache: serve: %s:%s comes from the store: %s\n",
			p->name, route->tag, f->err.msg);
	return true;
}

/* ---- manifests by digest ---- */

static bool is_named(struct registry *g, const struct upstream_place *p, const char *tag,
		     const struct digest *d)
{
	auto_free void *memory = NULL;
	struct record_ref ref;

	if (stored_ref(g, p->name, tag, &ref, &memory, NULL))
		return false;
	if (ref.count == 0 || !digest_is_zero(&ref.index))
		return digest_equal(&ref.index, d);
	return digest_equal(&ref.targets[0].manifest, d);
}

/* An index that the store has is remembered too: another of its images may be asked for. */
static void keep(struct registry *g, const struct upstream_place *p,
		 const struct route *route, const struct form *form)
{
	struct told *told = upstreams_told(g->upstreams);
	auto_told_manifest struct told_manifest m = {0};
	bool named = *route->tag ? is_named(g, p, route->tag, &form->digest) : false;
	bool index = strcmp(form->media_type, DESCRIPTOR_OCI_INDEX) == 0 ||
		     strstr(form->media_type, "manifest.list");

	if (named && !index)
		return;
	if (told_add(told, p->name, form->bytes.data, form->bytes.len, form->media_type,
		     NULL) == 0 &&
	    !named && told_get(told, p->name, &form->digest, &m, NULL) == 0)
		keeper_start_if_whole(g->keeper, p, &m);
}

static int far_form(struct registry *g, const struct upstream_place *p,
		    const struct digest *digest, struct form *ret,
		    struct registry_failure *f)
{
	struct told_manifest m = {0};
	int rc = upstream_manifest(g->upstreams, p, digest, &m, &f->refusal, &f->err);

	if (rc)
		return rc;
	*ret = (struct form){.bytes = m.bytes, .digest = m.digest, .verbatim = true};
	memcpy(ret->media_type, m.media_type, sizeof(ret->media_type));
	buf_init(&m.bytes, 0);
	told_manifest_release(&m);
	return 0;
}

/* From the store if it has the very bytes. */
static int form_by_digest(struct registry *g, const struct upstream_place *p,
			  const struct route *route, const struct digest *digest,
			  struct form *ret, struct registry_failure *f)
{
	bool here = forms_digest(g->forms, digest, ret, NULL) == 0;
	int rc = here ? 0 : far_form(g, p, digest, ret, f);

	/* By digest, what is here is known already. */
	if (!rc && (*route->tag || !here))
		keep(g, p, route, ret);
	return rc;
}

bool registry_upstream_form(struct registry *g, const struct http_request *q,
			    const struct route *route, struct form *ret,
			    struct registry_failure *f)
{
	auto_free void *memory = NULL;
	struct digest digest = route->digest;
	struct upstream_place p;
	struct record_ref ref;
	bool bad, have;
	int rc;

	if (!find_place(g, q, route, &p, &bad)) {
		rc = bad ? err_set(&f->err, ERR_NOTFOUND, "there is no such upstream")
			 : registry_form(g, q, route, ret, &f->err);
		return rc == 0;
	}
	if (!*route->tag)
		return form_by_digest(g, &p, route, &digest, ret, f) == 0 ||
		       far_failed(f);
	if (is_pushed_here(g, route))
		return registry_form(g, q, route, ret, &f->err) == 0;
	have = stored_ref(g, p.name, route->tag, &ref, &memory, NULL) == 0;
	rc = upstream_tag(g->upstreams, &p, route->tag, have, &digest, &f->refusal,
			  &f->err);
	if (!rc)
		rc = form_by_digest(g, &p, route, &digest, ret, f);
	return !rc || fall_back(g, q, &p, route, ret, f);
}

/* ---- blobs ---- */

/* A stream that holds its fetch. */
struct far_stream {
	struct stream base;
	struct upstreams *u;
	struct fetch *it;
	struct stream *in;
};

static int far_read(struct stream *base, void *data, size_t cap, size_t *ret_len,
		    struct err *err)
{
	struct far_stream *s = (struct far_stream *)base;

	return s->in->read(s->in, data, cap, ret_len, err);
}

static void far_close(struct stream *base)
{
	struct far_stream *s = (struct far_stream *)base;

	stream_close(s->in);
	upstream_blob_put(s->u, s->it);
	free(s);
}

/* IT is owned, also on failure. */
static int open_far(struct registry *g, struct fetch *it, uint64_t from,
		    struct stream **ret, struct err *err)
{
	struct far_stream *s = calloc(1, sizeof(*s));
	int rc = s ? fetch_open(it, from, &s->in, err) : err_nomem(err);

	if (rc) {
		upstream_blob_put(g->upstreams, it);
		free(s);
		return rc;
	}
	s->base = (struct stream){far_read, far_close};
	s->u = g->upstreams;
	s->it = it;
	*ret = &s->base;
	return 0;
}

/* How long it is; and what has it as a layer is to be kept. */
static int look_up(struct registry *g, const struct http_request *q,
		   const struct upstream_place *p, const struct digest *d,
		   uint64_t *ret_size, struct registry_failure *f)
{
	const struct told_user *users;
	auto_buf struct buf found;
	size_t count;
	int rc;

	buf_init(&found, SIZE_MAX);
	rc = told_users(upstreams_told(g->upstreams), p->name, d, &found, &f->err);
	if (rc)
		return rc;
	users = (const void *)found.data;
	count = found.len / sizeof(*users);
	if (count == 0 || q->method == HTTP_HEAD)
		return upstream_blob_size(g->upstreams, p, d, ret_size, &f->refusal,
					  &f->err);
	*ret_size = users[0].part.size;
	/* Of many that share a layer it is the one that was asked for last. */
	for (size_t i = 0; i < count; i++)
		if (!users[i].part.config) {
			keeper_start(g->keeper, p, &users[i].manifest);
			break;
		}
	return 0;
}

/* Its bytes, as they come. */
static void give_far(struct registry *g, const struct http_request *q, struct fetch *it,
		     const struct digest *d, struct http_reply *r)
{
	struct registry_failure f = {.far = true};
	struct stream *in;
	uint64_t from;
	int rc = fetch_wait(it, false, &f.refusal, &f.err);

	if (rc || !registry_blob_headers(q, d, fetch_size(it), r, &from)) {
		upstream_blob_put(g->upstreams, it);
		if (rc)
			registry_fail(r, "BLOB_UNKNOWN", &f);
		return;
	}
	f.far = false;
	rc = open_far(g, it, from, &in, &f.err);
	if (!rc)
		rc = registry_blob_body(r, d, in, &f.err);
	if (rc)
		registry_fail(r, "BLOB_UNKNOWN", &f);
}

bool registry_upstream_blob(struct registry *g, const struct http_request *q,
			    const struct route *route, struct http_reply *r)
{
	const struct digest *d = &route->digest;
	struct registry_failure f = {0};
	struct upstream_place p;
	struct fetch *it = NULL;
	uint64_t size, from;
	bool bad;
	int rc;

	/* Who asks before a push wants to know what need not be sent. */
	if (!find_place(g, q, route, &p, &bad) || (g->writable && q->method == HTTP_HEAD))
		return false;
	f.far = true;
	rc = look_up(g, q, &p, d, &size, &f);
	if (!rc && q->method == HTTP_HEAD) {
		(void)registry_blob_headers(q, d, size, r, &from);
		return false;
	}
	if (!rc)
		rc = upstream_blob(g->upstreams, &p, d, size, &it, &f.err);
	if (rc)
		registry_fail(r, "BLOB_UNKNOWN", &f);
	else if (it)
		give_far(g, q, it, d, r);
	return !rc && !it;
}

/* ---- lists ---- */

/* With an answer only what was pushed here counts beside it. */
int registry_upstream_tags(struct registry *g, const struct http_request *q,
			   const struct route *route, struct names_list *ret,
			   struct registry_failure *f)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	char here[ROUTE_NAME_MAX + 16];
	const char *name = route->name;
	struct upstream_place p;
	bool bad, placed = find_place(g, q, route, &p, &bad);
	int far = placed ? upstream_tags(g->upstreams, &p, ret, &f->refusal, &f->err)
			 : -ERR_NOTFOUND;
	int rc;

	if (bad || (placed && upstream_is_denied(far, &f->refusal))) {
		f->far = placed;
		return bad ? err_set(&f->err, ERR_NOTFOUND, "there is no such upstream")
			   : far;
	}
	snprintf(here, sizeof(here), "localhost/%s", name);
	if (!far && !names_host(name))
		name = here;
	rc = catalog_begin(store_catalog(g->store), false, &t, NULL);
	if (!rc && (far || name == here))
		rc = names_tags(t, name, ret, NULL);
	names_list_sort(ret);
	if (!rc && ret->count)
		return 0;
	if (!placed || !far)
		return err_set(&f->err, ERR_NOTFOUND, "there is no such repository");
	f->far = true;
	return far;
}

static bool lists(const json_t *list, const char *digest)
{
	const json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
	{
		const char *text = json_string_value(json_object_get(one, "digest"));

		if (text && strcmp(text, digest) == 0)
			return true;
	}
	return false;
}

void registry_upstream_referrers(struct registry *g, const struct http_request *q,
				 const struct route *route, json_t *list)
{
	const char *type = http_query(q, "artifactType");
	auto_document json_t *far = json_array();
	struct upstream_place p;
	struct descriptor d;
	json_t *one;
	size_t i;
	bool bad;

	if (!far || !find_place(g, q, route, &p, &bad) ||
	    upstream_referrers(g->upstreams, &p, &route->digest, type, far, NULL))
		return;
	json_array_foreach(far, i, one)
	{
		const char *text = json_string_value(json_object_get(one, "digest"));
		const char *is = json_string_value(json_object_get(one, "artifactType"));

		if (descriptor_parse(one, &d, NULL) || lists(list, text) ||
		    (type && (!is || strcmp(is, type))))
			continue;
		json_array_append(list, one);
	}
}
