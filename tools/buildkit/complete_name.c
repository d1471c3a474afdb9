/* SPDX-License-Identifier: Apache-2.0
 * Completes what a name stands for. */
#include "tools/buildkit/complete_name.h"

#include <string.h>

#include "tools/buildkit/cache_import.h"
#include "tools/buildkit/cache_make.h"
#include "tools/buildkit/cache_union.h"
#include "tools/buildkit/inline_image.h"
#include "tools/image_record.h"
#include "tools/oci/manifest_edit.h"

struct completing {
	struct session *session;
	struct catalog_txn *txn;
	struct objects *objects;
	const struct record_ref *ref;
	const char *name;
	struct record_image *images; /* as they will be, one per target */
	uint64_t *sizes; /* of the manifests of those that are new; 0: as it was */
	bool found;      /* some target has a cache */
	struct complete_name out;
};

static void add(struct completing *c, const struct cache_completed *done)
{
	c->found = true;
	c->out.done.given += done->given;
	c->out.done.lacking += done->lacking;
	c->out.changed = c->out.changed || done->given;
}

/* ---- a cache of its own ---- */

static int complete_cache(struct completing *c, struct cache *cache, struct err *err)
{
	auto_cache_union struct cache_union u;
	struct cache_completed done;
	struct cache whole;
	int rc;

	cache_union_init(&u);
	rc = cache_union_add(&u, cache, NULL, err);
	if (!rc)
		rc = cache_union_finish(&u, &whole, err);
	if (rc)
		return rc;
	rc = cache_complete(&whole, NULL, 0, &done, err);
	if (!rc)
		add(c, &done);
	if (!rc && done.given) {
		rc = cache_make(&whole, CACHE_FORM_MANIFEST, err);
		if (!rc)
			rc = cache_import_add(c->session, &whole, err);
		c->images[0] = whole.record;
	}
	cache_release(&whole);
	return rc;
}

/* ---- images ---- */

static int complete_image(struct completing *c, size_t i, struct cache *cache,
			  struct err *err)
{
	struct cache_completed done;
	auto_buf struct buf config;
	int rc;

	buf_init(&config, DOCUMENT_MAX);
	rc = objects_read_all(c->objects, &c->images[i].config, &config, err);
	if (!rc)
		rc = cache_complete(cache, config.data, config.len, &done, err);
	if (!rc)
		add(c, &done);
	if (!rc && done.given)
		rc = inline_image_add(c->session, c->objects, &c->images[i], &cache->doc,
				      &c->images[i], &c->sizes[i], err);
	return rc;
}

static int complete_target(struct completing *c, size_t i, struct err *err)
{
	struct cache cache;
	int rc = cache_from_store(c->objects, &c->images[i], &cache, err);

	if (rc)
		return rc == -ERR_NOTFOUND ? 0 : rc;
	if (digest_is_zero(&cache.record.manifest))
		rc = complete_image(c, i, &cache, err);
	else
		rc = complete_cache(c, &cache, err);
	cache_release(&cache);
	return rc;
}

/* ---- the name ---- */

/* The index that the name came with, its entries led to the images as they are now. Where that
 * cannot be done (an index in an index), the name has none: export makes one. */
static int edit_index(struct completing *c, struct buf *index, struct err *err)
{
	char text[DIGEST_TEXT_SIZE];
	int rc = objects_read_all(c->objects, &c->ref->index, index, err);

	if (rc == -ERR_NOTFOUND)
		return err_set(err, ERR_CORRUPT, "the document '%s' is missing",
			       digest_format(&c->ref->index, text));
	for (uint32_t i = 0; i < c->ref->count && !rc; i++) {
		auto_buf struct buf edited;
		struct buf swap;

		if (!c->sizes[i])
			continue;
		buf_init(&edited, DOCUMENT_MAX);
		rc = manifest_edit_entry(
			index->data, index->len, &c->ref->targets[i].manifest,
			&c->images[i].manifest, c->sizes[i], &edited, err);
		swap = *index;
		*index = edited;
		edited = swap;
	}
	return rc;
}

static int set_name(struct completing *c, struct err *err)
{
	auto_free const struct record_image **images =
		calloc(c->ref->count, sizeof(const struct record_image *));
	struct digest digest = {0};
	auto_buf struct buf index;
	bool moved;
	int rc = 0;

	if (!images)
		return err_nomem(err);
	buf_init(&index, DOCUMENT_MAX);
	for (uint32_t i = 0; i < c->ref->count; i++)
		images[i] = &c->images[i];
	if (!digest_is_zero(&c->ref->index)) {
		rc = edit_index(c, &index, err);
		if (!rc)
			rc = session_put_document(c->session, index.data, index.len,
						  &digest, err);
		else if (rc == -ERR_INVALID)
			rc = 0;
	}
	return rc ? rc
		  : image_record_name(c->session, c->name, &digest, images, c->ref->count,
				      &moved, err);
}

static int complete_targets(struct completing *c, struct err *err)
{
	int rc = 0;

	for (uint32_t i = 0; i < c->ref->count && !rc; i++)
		rc = catalog_image_get(c->txn, &c->ref->targets[i].manifest,
				       &c->images[i], err);
	for (uint32_t i = 0; i < c->ref->count && !rc; i++)
		rc = complete_target(c, i, err);
	if (!rc && !c->found)
		rc = err_set(err, ERR_NOTFOUND, "the image has no inline build cache");
	return rc ? rc : set_name(c, err);
}

int complete_name(struct session *s, struct catalog_txn *t, struct objects *objects,
		  const struct record_ref *ref, const char *name,
		  struct complete_name *ret, struct err *err)
{
	auto_free struct record_image *images = calloc(ref->count, sizeof(*images));
	auto_free uint64_t *sizes = calloc(ref->count, sizeof(*sizes));
	struct completing c = {
		.session = s,
		.txn = t,
		.objects = objects,
		.ref = ref,
		.name = name,
		.images = images,
		.sizes = sizes,
	};
	int rc;

	if (!images || !sizes)
		return err_nomem(err);
	rc = complete_targets(&c, err);
	if (rc)
		return rc;
	*ret = c.out;
	ret->image = images[0];
	return 0;
}
