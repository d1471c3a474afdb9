/* SPDX-License-Identifier: Apache-2.0
 * An image with another inline build cache. */
#include "tools/buildkit/inline_image.h"

#include <string.h>

#include "store/digest_map.h"
#include "tools/buildkit/cache_import.h"
#include "tools/buildkit/cache_inline.h"
#include "tools/image_record.h"
#include "tools/oci/manifest_edit.h"

/* ---- records for these layers ---- */

struct fitting {
	const struct cache *from;
	struct cacheconfig to;
	struct digest_map chains; /* the image's, lowest first: the number is the layer */
	uint32_t
		*layers; /* per record of FROM: its result; CACHECONFIG_NONE: none here */
	bool *keep;
};

static int add_layers(struct fitting *f, const struct digest *diffids, size_t count,
		      struct err *err)
{
	static const struct digest unnamed;
	struct digest chain = {0};
	uint32_t at;
	int rc = 0;

	for (size_t i = 0; i < count && !rc; i++) {
		struct digest below = chain;

		digest_chain(i ? &below : NULL, &diffids[i], &chain);
		rc = digest_map_add(&f->chains, &chain, &at, err);
		if (!rc)
			rc = cacheconfig_add_layer(&f->to, &unnamed,
						   i ? (uint32_t)i - 1 : CACHECONFIG_NONE,
						   err);
	}
	return rc;
}

/* What is kept: records with a result here, and all that these need. */
static void choose(struct fitting *f, const uint32_t *order)
{
	const struct cacheconfig *doc = &f->from->doc;

	for (uint32_t i = doc->record_count; i-- > 0;) {
		const struct cacheconfig_record *r = &doc->records[order[i]];
		struct digest chain;
		int64_t at = -1;

		if (cache_result(f->from, order[i], &chain))
			at = digest_map_find(&f->chains, &chain);
		f->layers[order[i]] = at < 0 ? CACHECONFIG_NONE : (uint32_t)at;
		f->keep[order[i]] = f->keep[order[i]] || at >= 0;
		for (uint32_t k = 0; k < r->link_count && f->keep[order[i]]; k++)
			f->keep[doc->links[r->link_first + k].record] = true;
	}
}

static int copy_record(struct fitting *f, uint32_t i, const uint32_t *numbers,
		       struct err *err)
{
	const struct cacheconfig *doc = &f->from->doc;
	const struct cacheconfig_record *r = &doc->records[i];
	struct cacheconfig_result result;
	struct digest chain;
	int rc = cacheconfig_add_record(&f->to, &r->digest, err);

	for (uint32_t k = 0; k < r->link_count && !rc; k++) {
		const struct cacheconfig_link *l = &doc->links[r->link_first + k];

		rc = cacheconfig_add_link(&f->to, l->input, numbers[l->record],
					  &l->selector, err);
	}
	if (rc || f->layers[i] == CACHECONFIG_NONE)
		return rc;
	result = *cache_result(f->from, i, &chain);
	result.layer = f->layers[i];
	return cacheconfig_add_result(&f->to, &result, NULL, 0, err);
}

static int copy_records(struct fitting *f, struct err *err)
{
	uint32_t n = f->from->doc.record_count, next = 0;
	auto_free uint32_t *numbers = calloc((size_t)n + 1, sizeof(*numbers));
	int rc = 0;

	if (!numbers)
		return err_nomem(err);
	for (uint32_t i = 0; i < n; i++)
		numbers[i] = f->keep[i] ? next++ : CACHECONFIG_NONE;
	for (uint32_t i = 0; i < n && !rc; i++)
		if (f->keep[i])
			rc = copy_record(f, i, numbers, err);
	return rc;
}

int inline_image_fit(const struct cache *c, const struct digest *diffids, size_t count,
		     struct cacheconfig *ret, struct err *err)
{
	size_t n = (size_t)c->doc.record_count + 1;
	auto_free uint32_t *layers = calloc(n, sizeof(*layers));
	auto_free bool *keep = calloc(n, sizeof(*keep));
	auto_free uint32_t *order = NULL;
	struct fitting f = {.from = c, .layers = layers, .keep = keep};
	int rc;

	if (!layers || !keep)
		return err_nomem(err);
	digest_map_init(&f.chains, sizeof(struct digest));
	rc = add_layers(&f, diffids, count, err);
	if (!rc)
		rc = cacheconfig_order(&c->doc, &order, err);
	if (!rc) {
		choose(&f, order);
		rc = copy_records(&f, err);
	}
	digest_map_release(&f.chains);
	if (rc)
		cacheconfig_release(&f.to);
	else
		*ret = f.to;
	return rc;
}

/* ---- the image ---- */

/* BuildKit reads the times of layers from it, one for each. */
static int check_history(const void *config, size_t len, size_t layers, struct err *err)
{
	auto_document json_t *json = NULL;
	const json_t *step;
	size_t i, count = 0;
	int rc = document_parse(config, len, &json, err);

	if (rc)
		return rc;
	json_array_foreach(json_object_get(json, "history"), i, step) count +=
		!json_is_true(json_object_get(step, "empty_layer"));
	if (count != layers)
		return err_set(err, ERR_INVALID,
			       "the image's history tells of %zu layers, but it has %zu: "
			       "BuildKit reads no inline cache from it",
			       count, layers);
	return 0;
}

struct bytes {
	struct buf manifest, config;
	struct buf new_manifest, new_config, records;
};

static void bytes_release(struct bytes *b)
{
	buf_release(&b->manifest);
	buf_release(&b->config);
	buf_release(&b->new_manifest);
	buf_release(&b->new_config);
	buf_release(&b->records);
}

static int edit(struct bytes *b, struct record_image *image, struct err *err)
{
	int rc = cache_inline_set(b->config.data, b->config.len, b->records.data,
				  b->records.len, &b->new_config, err);

	digest_of(b->new_config.data, b->new_config.len, &image->config);
	if (!rc)
		rc = manifest_edit_config(b->manifest.data, b->manifest.len,
					  &image->config, b->new_config.len,
					  &b->new_manifest, err);
	digest_of(b->new_manifest.data, b->new_manifest.len, &image->manifest);
	return rc;
}

static int add_edited(struct session *s, const struct bytes *b,
		      const struct record_image *image, struct err *err)
{
	auto_manifest struct manifest m = {0};
	auto_config struct config config = {0};
	struct image_parts parts = {
		.record = image,
		.manifest = b->new_manifest.data,
		.manifest_len = b->new_manifest.len,
		.config = b->new_config.data,
		.config_len = b->new_config.len,
	};
	struct cache cache;
	int rc = manifest_parse(b->new_manifest.data, b->new_manifest.len, NULL, &m, err);

	if (!rc)
		rc = config_parse(b->new_config.data, b->new_config.len, m.count, &config,
				  err);
	if (!rc)
		rc = check_history(b->new_config.data, b->new_config.len, m.count, err);
	parts.diffids = config.diffids;
	parts.count = config.count;
	if (!rc)
		rc = image_record_add(s, &parts, err);
	if (!rc)
		rc = cache_from_config(b->new_config.data, b->new_config.len, m.items,
				       config.diffids, config.count, &cache, err);
	if (rc)
		return rc;
	rc = cache_import_results(s, &cache, err);
	cache_release(&cache);
	return rc;
}

int inline_image_add(struct session *s, struct objects *objects,
		     const struct record_image *image, const struct cacheconfig *records,
		     struct record_image *ret, uint64_t *ret_size, struct err *err)
{
	struct record_image edited = *image;
	struct bytes b;
	int rc;

	buf_init(&b.manifest, DOCUMENT_MAX);
	buf_init(&b.config, DOCUMENT_MAX);
	buf_init(&b.new_manifest, DOCUMENT_MAX);
	buf_init(&b.new_config, DOCUMENT_MAX);
	buf_init(&b.records, CACHECONFIG_MAX);
	rc = cacheconfig_format_records(records, &b.records, err);
	if (!rc)
		rc = objects_read_all(objects, &image->manifest, &b.manifest, err);
	if (!rc)
		rc = objects_read_all(objects, &image->config, &b.config, err);
	if (!rc)
		rc = edit(&b, &edited, err);
	if (!rc)
		rc = add_edited(s, &b, &edited, err);
	if (!rc) {
		*ret = edited;
		*ret_size = b.new_manifest.len;
	}
	bytes_release(&b);
	return rc;
}
