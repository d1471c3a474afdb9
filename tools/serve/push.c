/* SPDX-License-Identifier: Apache-2.0
 * Manifests that are pushed. */
#include "tools/serve/push.h"

#include <string.h>
#include <time.h>

#include "store/artifact.h"
#include "tools/artifact_blob.h"
#include "tools/image_import.h"
#include "tools/oci/manifest.h"

struct incoming {
	const struct blobs *blobs;
	const struct push *push;
	struct manifest manifest;
	struct digest digest, subject;
	struct digest *needs; /* config and items, each once */
	size_t need_count;
};

/* ---- what it needs ---- */

static void add_need(struct incoming *in, const struct digest *d)
{
	for (size_t i = 0; i < in->need_count; i++)
		if (digest_equal(&in->needs[i], d))
			return;
	in->needs[in->need_count++] = *d;
}

static int list_needs(struct incoming *in, struct err *err)
{
	const struct manifest *m = &in->manifest;

	if (m->count >= ARTIFACT_NEEDS_MAX)
		return err_set(err, ERR_LIMIT, "a manifest of %zu parts", m->count);
	in->needs = calloc(m->count + 1, sizeof(*in->needs));
	if (!in->needs)
		return err_nomem(err);
	if (!digest_is_zero(&m->config.digest))
		add_need(in, &m->config.digest);
	for (size_t i = 0; i < m->count; i++)
		add_need(in, &m->items[i].digest);
	return 0;
}

static int read_subject(struct incoming *in, struct err *err)
{
	struct descriptor d = {0};
	json_t *subject;
	int rc = document_object(in->manifest.json, "subject", &subject, err);

	if (!rc && subject)
		rc = descriptor_parse(subject, &d, err);
	in->subject = d.digest;
	return rc ? err_wrap(err, "subject") : 0;
}

static int check_there(const struct incoming *in, const struct descriptor *d,
		       struct err *err)
{
	char text[DIGEST_TEXT_SIZE];
	struct blobs_found found;
	int rc = blobs_find(in->blobs, &d->digest, &found, err);

	digest_format(&d->digest, text);
	if (rc == -ERR_NOTFOUND)
		return err_set(err, ERR_NOTFOUND, "%s is not here: push it first", text);
	if (rc)
		return rc;
	blobs_release(in->blobs, &found);
	if (found.size != d->size)
		return err_set(err, ERR_INVALID, "%s has %ju bytes, not %ju", text,
			       (uintmax_t)found.size, (uintmax_t)d->size);
	return 0;
}

static int check_all(const struct incoming *in, struct err *err)
{
	const struct manifest *m = &in->manifest;
	int rc = digest_is_zero(&m->config.digest) ? 0 : check_there(in, &m->config, err);

	for (size_t i = 0; i < m->count && !rc; i++)
		rc = check_there(in, &m->items[i], err);
	return rc;
}

/* ---- images ---- */

struct push_source {
	struct source base;
	const struct blobs *blobs;
};

static int source_find(struct source *s, const struct descriptor *d, struct stream **ret,
		       uint64_t *ret_size, struct err *err)
{
	const struct push_source *p = (const struct push_source *)s;
	struct blobs_found found;
	int rc = blobs_find(p->blobs, &d->digest, &found, err);

	if (rc)
		return rc;
	*ret_size = found.size;
	return blobs_open(p->blobs, &found, 0, ret, err);
}

static void source_end(struct source *s)
{
	free(s);
}

static const struct source_ops ops = {source_find, source_end};

static int make_source(const struct incoming *in, struct source **ret, struct err *err)
{
	struct push_source *p = calloc(1, sizeof(*p));
	auto_source struct source *s = NULL;
	struct descriptor root;
	struct buf bytes;
	int rc;

	if (!p)
		return err_nomem(err);
	s = &p->base;
	s->ops = &ops;
	p->blobs = in->blobs;
	s->what = strdup("push");
	s->stem = strdup("push");
	if (!s->what || !s->stem)
		return err_nomem(err);
	buf_init(&bytes, DOCUMENT_MAX);
	rc = buf_append(&bytes, in->push->bytes, in->push->len, err);
	if (!rc)
		rc = source_add_document(s, &bytes, &root, err);
	buf_release(&bytes);
	if (!rc)
		rc = source_add_root(s, &root, in->push->name, NULL, err);
	if (!rc)
		*ret = steal_ptr(&s);
	return rc;
}

static int import_image(const struct incoming *in, struct err *err)
{
	const struct image_import_options o = {
		.name = in->push->name,
		.unnamed = !in->push->name,
		.all_platforms = in->manifest.kind == MANIFEST_INDEX,
		.keep_blobs = true,
		.spare_made = true,
		.quiet = true,
	};
	auto_source struct source *s = NULL;
	auto_imports struct imports done = {0};
	int rc = make_source(in, &s, err);

	return rc ? rc : image_import(in->blobs->store, s, &o, &done, err);
}

/* ---- artifacts ---- */

static int copy_blob(struct session *s, const struct blobs *blobs,
		     struct blobs_found *found, struct err *err)
{
	const struct digest want = found->digest;
	auto_stream struct stream *in = NULL;
	int rc = blobs_open(blobs, found, 0, &in, err);

	if (!rc)
		rc = artifact_blob_put(s, in, &want, err);
	return rc == -ERR_INVALID
		       ? err_set(err, ERR_FAILED, "an uploaded blob has changed")
		       : rc;
}

/* What the store has is noted, so that no gc takes it away. */
static int keep_need(const struct incoming *in, struct session *s, const struct digest *d,
		     struct err *err)
{
	struct record_layer layer;
	struct blobs_found found;
	int rc;

	if (session_has_object(s, d) || session_layer_get(s, d, &layer, NULL) == 0)
		return 0;
	rc = blobs_find(in->blobs, d, &found, err);
	if (!rc && found.where != BLOBS_SPOOLED && found.where != BLOBS_MADE)
		rc = err_set(err, ERR_BUSY,
			     "gc has just removed a part of it: push again");
	return rc ? rc : copy_blob(s, in->blobs, &found, err);
}

static int name_artifact(const struct incoming *in, struct session *s, struct err *err)
{
	const struct record_item item = {
		.type = RECORD_REF,
		.ref = {.name = in->push->name,
			.index = in->digest,
			.created = time(NULL)},
	};

	return session_add(s, &item, err);
}

/* NAMED: the push's name is set. */
static int import_artifact(const struct incoming *in, bool named, struct err *err)
{
	auto_session struct session *s = NULL;
	struct digest digest;
	int rc = session_begin(in->blobs->store, NULL, &s, err);

	for (size_t i = 0; i < in->need_count && !rc; i++)
		rc = keep_need(in, s, &in->needs[i], err);
	if (!rc)
		rc = artifact_put(s, in->push->bytes, in->push->len, &in->subject,
				  in->needs, in->need_count, &digest, err);
	if (!rc && named)
		rc = name_artifact(in, s, err);
	return rc ? rc : session_commit(steal_ptr(&s), err);
}

/* ---- choosing ---- */

static bool has_image(const struct incoming *in)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	struct record_image image;

	if (catalog_begin(store_catalog(in->blobs->store), false, &t, NULL))
		return false;
	for (size_t i = 0; i < in->manifest.count; i++)
		if (!in->manifest.items[i].attestation &&
		    catalog_image_get(t, &in->manifest.items[i].digest, &image, NULL) ==
			    0)
			return true;
	return false;
}

static bool is_image(const struct incoming *in)
{
	const struct manifest *m = &in->manifest;

	if (m->kind == MANIFEST_INDEX)
		return has_image(in);
	if (m->kind != MANIFEST_IMAGE)
		return false;
	for (size_t i = 0; i < m->count; i++)
		if (m->items[i].kind != DESCRIPTOR_LAYER)
			return false;
	return true;
}

/* Whether the import alone would lose something: the parts of an index that are no images, an
 * index without a name, and what a manifest is about. */
static bool is_more_than_image(const struct incoming *in)
{
	if (!digest_is_zero(&in->subject))
		return true;
	if (in->manifest.kind != MANIFEST_INDEX)
		return false;
	for (size_t i = 0; i < in->manifest.count; i++)
		if (in->manifest.items[i].attestation)
			return true;
	return !in->push->name;
}

static int take(struct incoming *in, struct err *err)
{
	int rc;

	/* A build cache is taken apart, so that its results are there at once; one that BuildKit
	 * could not read is kept as it is. */
	if (in->manifest.kind == MANIFEST_CACHE && in->push->name) {
		rc = import_image(in, err);
		return rc == -ERR_INVALID || rc == -ERR_LIMIT
			       ? import_artifact(in, true, err)
			       : rc;
	}
	if (!is_image(in))
		return import_artifact(in, in->push->name, err);
	rc = import_image(in, err);
	if (!rc && is_more_than_image(in))
		rc = import_artifact(in, false, err);
	return rc;
}

static void forget_blobs(const struct incoming *in)
{
	uint64_t size;

	for (size_t i = 0; i < in->need_count; i++)
		if (blobs_stored(in->blobs, &in->needs[i], &size, NULL) == 0)
			uploads_forget(in->blobs->uploads, &in->needs[i]);
}

int push_manifest(const struct blobs *blobs, const struct push *push, struct pushed *ret,
		  struct err *err)
{
	struct incoming in = {.blobs = blobs, .push = push};
	int rc = manifest_parse(push->bytes, push->len, push->media_type, &in.manifest,
				err);

	digest_of(push->bytes, push->len, &in.digest);
	if (!rc)
		rc = read_subject(&in, err);
	if (!rc)
		rc = list_needs(&in, err);
	if (!rc)
		rc = check_all(&in, err);
	if (!rc)
		rc = take(&in, err);
	if (!rc)
		forget_blobs(&in);
	manifest_release(&in.manifest);
	free(in.needs);
	if (rc)
		return rc;
	ret->digest = in.digest;
	ret->subject = in.subject;
	return 0;
}
