/* SPDX-License-Identifier: Apache-2.0
 * Other registries behind this one: what is asked of them. */
#include "tools/serve/upstream.h"

#include <string.h>

#include "tools/serve/upstream_private.h"

#define DOWN_SECONDS 5
#define KEY_MAX      (RECORD_REF_NAME_MAX + 256)

/* One question. */
struct asking {
	struct upstreams *u;
	const struct upstream_place *place;
	const char *tag;             /* or */
	const struct digest *digest; /* of what */
	bool have;
	uint64_t size;
};

bool upstream_is_denied(int rc, const struct remote_refusal *refusal)
{
	return rc == -ERR_FAILED && (refusal->status == 401 || refusal->status == 403);
}

/* REFUSAL is of the calling thread, which has just failed with RC. */
static void end(const struct asking *a, struct upstream_link *l, int rc)
{
	bool may_pass = rc == -ERR_SYSTEM || rc == -ERR_AGAIN;

	pthread_mutex_lock(&a->u->lock);
	if (may_pass)
		a->place->upstream->down = upstream_now() + DOWN_SECONDS;
	else if (!rc || rc == -ERR_NOTFOUND)
		a->place->upstream->down = 0;
	pthread_mutex_unlock(&a->u->lock);
	upstream_unlink(a->u, l, rc == -ERR_FAILED);
}

static bool is_down(const struct asking *a)
{
	bool down;

	pthread_mutex_lock(&a->u->lock);
	down = a->place->upstream->down > upstream_now();
	pthread_mutex_unlock(&a->u->lock);
	return down;
}

/* ---- manifests ---- */

/* Gets one by tag or digest, and remembers it. */
static int get_manifest(const struct asking *a, const char *reference, struct digest *ret,
			struct err *err)
{
	struct upstream_link *l;
	struct remote_manifest m;
	auto_buf struct buf bytes;
	int rc = upstream_link(a->u, a->place, &l, err);

	buf_init(&bytes, DOCUMENT_MAX + 1);
	if (rc)
		return rc;
	rc = remote_manifest_get(l->remote, reference, &bytes, &m, err);
	end(a, l, rc);
	if (!rc)
		rc = told_add(a->u->told, a->place->name, bytes.data, bytes.len,
			      m.media_type, err);
	if (!rc)
		*ret = m.digest;
	return rc;
}

/* Cheap, where the content is probably here. A zero digest: the server does not say. */
static int head_manifest(const struct asking *a, struct digest *ret, struct err *err)
{
	struct upstream_link *l;
	int rc = upstream_link(a->u, a->place, &l, err);

	if (rc)
		return rc;
	rc = remote_manifest_head(l->remote, a->tag, ret, err);
	end(a, l, rc);
	return rc;
}

static int name_of(const struct asking *a, char name[KEY_MAX], struct err *err)
{
	int n = snprintf(name, KEY_MAX, "%s:%s", a->place->name, a->tag);

	return n < RECORD_REF_NAME_MAX
		       ? 0
		       : err_set(err, ERR_NOTFOUND, "the name is too long");
}

static int ask_tag(void *arg, struct err *err)
{
	const struct asking *a = arg;
	struct digest digest = {0};
	char name[KEY_MAX];
	int rc = name_of(a, name, err);

	if (!rc && a->have)
		rc = head_manifest(a, &digest, err);
	if (!rc && digest_is_zero(&digest))
		rc = get_manifest(a, a->tag, &digest, err);
	return rc ? rc : told_tag_set(a->u->told, name, &digest, err);
}

/* What was told before is better than nothing, unless the answer is that there is nothing. */
static int tag_failed(const struct asking *a, const char *name, int rc,
		      const struct remote_refusal *refusal, struct digest *ret,
		      struct err *err)
{
	unsigned age;

	if (rc == -ERR_NOTFOUND || upstream_is_denied(rc, refusal)) {
		told_tag_forget(a->u->told, name);
		return rc;
	}
	if (rc == -ERR_CANCELED || !told_tag(a->u->told, name, ret, &age))
		return rc;
	fprintf(stderr, "layercache: serve: %s is given as it was %u s ago: %s\n", name,
		age, err->msg);
	return 0;
}

int upstream_tag(struct upstreams *u, const struct upstream_place *p, const char *tag,
		 bool have, struct digest *ret, struct remote_refusal *ret_refusal,
		 struct err *err)
{
	struct asking a = {.u = u, .place = p, .tag = tag, .have = have};
	char name[KEY_MAX], key[KEY_MAX + 4];
	struct digest digest;
	unsigned age;
	int rc = name_of(&a, name, err);

	if (rc)
		return rc;
	if (told_tag(u->told, name, &digest, &age)) {
		a.have = true;
		if (age < u->fresh) {
			*ret = digest;
			return 0;
		}
	}
	snprintf(key, sizeof(key), "tag %s", name);
	*ret_refusal = (struct remote_refusal){0, -1};
	if (a.have && is_down(&a))
		rc = err_set(err, ERR_SYSTEM, "'%s' could not be reached a moment ago",
			     p->upstream->registry);
	else
		rc = once_do(u->once, key, ask_tag, &a, ret_refusal, err);
	if (rc)
		return tag_failed(&a, name, rc, ret_refusal, ret, err);
	return told_tag(u->told, name, ret, &age)
		       ? 0
		       : err_set(err, ERR_NOTFOUND, "the tag is gone again");
}

static int ask_manifest(void *arg, struct err *err)
{
	const struct asking *a = arg;
	char text[DIGEST_TEXT_SIZE];
	struct digest digest;

	return get_manifest(a, digest_format(a->digest, text), &digest, err);
}

int upstream_manifest(struct upstreams *u, const struct upstream_place *p,
		      const struct digest *digest, struct told_manifest *ret,
		      struct remote_refusal *ret_refusal, struct err *err)
{
	struct asking a = {.u = u, .place = p, .digest = digest};
	char text[DIGEST_TEXT_SIZE], key[KEY_MAX];
	int rc = told_get(u->told, p->name, digest, ret, err);

	*ret_refusal = (struct remote_refusal){0, -1};
	if (rc != -ERR_NOTFOUND)
		return rc;
	snprintf(key, sizeof(key), "manifest %s@%s", p->name,
		 digest_format(digest, text));
	rc = once_do(u->once, key, ask_manifest, &a, ret_refusal, err);
	return rc ? rc : told_get(u->told, p->name, digest, ret, err);
}

/* ---- blobs ---- */

/* A stream that holds its link. */
struct link_stream {
	struct stream base;
	struct upstreams *u;
	struct upstream_link *link;
	struct stream *in;
	bool failed;
};

static int link_read(struct stream *base, void *data, size_t cap, size_t *ret_len,
		     struct err *err)
{
	struct link_stream *s = (struct link_stream *)base;
	int rc = s->in->read(s->in, data, cap, ret_len, err);

	s->failed = s->failed || rc == -ERR_FAILED;
	return rc;
}

static void link_close(struct stream *base)
{
	struct link_stream *s = (struct link_stream *)base;

	stream_close(s->in);
	upstream_unlink(s->u, s->link, s->failed);
	free(s);
}

static int open_stream(struct upstreams *u, const struct upstream_place *p,
		       const struct digest *digest, uint64_t size, struct stream **ret,
		       struct err *err)
{
	struct link_stream *s = calloc(1, sizeof(*s));
	int rc = s ? upstream_link(u, p, &s->link, err) : err_nomem(err);

	if (rc) {
		free(s);
		return rc;
	}
	s->base = (struct stream){link_read, link_close};
	s->u = u;
	rc = remote_blob_open(s->link->remote, digest, size, &s->in, err);
	if (rc)
		link_close(&s->base);
	else
		*ret = &s->base;
	return rc;
}

static int ask_size(void *arg, struct err *err)
{
	struct asking *a = arg;
	struct upstream_link *l;
	int rc = upstream_link(a->u, a->place, &l, err);

	if (rc)
		return rc;
	rc = remote_blob_head(l->remote, a->digest, &a->size, err);
	end(a, l, rc);
	if (!rc && a->size == UINT64_MAX)
		rc = err_set(err, ERR_INVALID, "the registry gives no size of the blob");
	return rc;
}

int upstream_blob_size(struct upstreams *u, const struct upstream_place *p,
		       const struct digest *digest, uint64_t *ret,
		       struct remote_refusal *ret_refusal, struct err *err)
{
	struct asking a = {.u = u, .place = p, .digest = digest};
	int rc = ask_size(&a, err);

	if (rc)
		remote_last_refusal(ret_refusal);
	else
		*ret = a.size;
	return rc;
}

int upstream_blob(struct upstreams *u, const struct upstream_place *p,
		  const struct digest *digest, uint64_t size, struct fetch **ret,
		  struct err *err)
{
	struct stream *in = NULL;
	int rc = open_stream(u, p, digest, size, &in, err);

	return rc ? rc : fetches_get(u->fetches, digest, size, in, ret, err);
}

void upstream_blob_put(struct upstreams *u, struct fetch *it)
{
	fetches_put(u->fetches, it);
}

/* ---- lists ---- */

static int add_tag(void *arg, const char *tag, struct err *err)
{
	return names_list_add(arg, tag, err);
}

int upstream_tags(struct upstreams *u, const struct upstream_place *p,
		  struct names_list *ret, struct remote_refusal *ret_refusal,
		  struct err *err)
{
	const struct asking a = {.u = u, .place = p};
	struct upstream_link *l;
	int rc = upstream_link(u, p, &l, err);

	*ret_refusal = (struct remote_refusal){0, -1};
	if (rc)
		return rc;
	rc = remote_tags(l->remote, add_tag, ret, err);
	if (rc)
		remote_last_refusal(ret_refusal);
	end(&a, l, rc);
	return rc;
}

int upstream_referrers(struct upstreams *u, const struct upstream_place *p,
		       const struct digest *digest, const char *artifact_type,
		       json_t *list, struct err *err)
{
	const struct asking a = {.u = u, .place = p};
	struct upstream_link *l;
	int rc = upstream_link(u, p, &l, err);

	if (rc)
		return rc;
	rc = remote_referrers(l->remote, digest, artifact_type, list, err);
	end(&a, l, rc);
	return rc;
}
