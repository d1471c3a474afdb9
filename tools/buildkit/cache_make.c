/* SPDX-License-Identifier: Apache-2.0
 * The documents of a build cache that was made here. */
#include "tools/buildkit/cache_make.h"

#include "store/digest_map.h"
#include "tools/buildkit/cache_import.h"
#include "tools/image_record.h"

/* What readers of parts look for. */
static int put_tables(const struct descriptor *d, struct buf *ret, struct err *err)
{
	const struct descriptor_toc *t = &d->toc;
	char text[DIGEST_TEXT_SIZE];
	int rc = 0;

	if (t->given)
		rc = buf_printf(ret, err,
				"\"%s\":\"%s\",\"%s\":\"%ju:%ju:%ju:1\","
				"\"%s\":\"%ju:%ju:%ju\",",
				DESCRIPTOR_NOTE_CHECKSUM, digest_format(&t->digest, text),
				DESCRIPTOR_NOTE_POSITION, (uintmax_t)t->at,
				(uintmax_t)t->len, (uintmax_t)t->size,
				DESCRIPTOR_NOTE_TARSPLIT, (uintmax_t)t->split_at,
				(uintmax_t)t->split_len, (uintmax_t)t->split_size);
	if (!rc && d->stargz.given)
		rc = buf_printf(ret, err, "\"%s\":\"%s\",", DESCRIPTOR_NOTE_STARGZ,
				digest_format(&d->stargz.digest, text));
	return rc;
}

static int put_layer(const struct cache_layer *layer, struct buf *ret, struct err *err)
{
	char digest[DIGEST_TEXT_SIZE], diffid[DIGEST_TEXT_SIZE];
	int rc = buf_printf(ret, err,
			    "{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%ju,"
			    "\"annotations\":{",
			    layer->media_type, digest_format(&layer->desc.digest, digest),
			    (uintmax_t)layer->desc.size);

	if (!rc && *layer->created)
		rc = buf_printf(ret, err, "\"buildkit/createdat\":\"%s\",",
				layer->created);
	if (!rc)
		rc = put_tables(&layer->desc, ret, err);
	return rc ? rc
		  : buf_printf(ret, err, "\"containerd.io/uncompressed\":\"%s\"}}",
			       digest_format(&layer->diffid, diffid));
}

/* Each blob once, and a comma behind it unless it is LAST. */
static int put_layers(const struct cache *c, bool comma_behind, struct buf *ret,
		      struct err *err)
{
	struct digest_map done;
	uint32_t at, count = 0;
	int rc = 0;

	digest_map_init(&done, sizeof(struct digest));
	for (uint32_t i = 0; i < c->doc.layer_count && !rc; i++) {
		const struct cache_layer *layer = &c->layers[i];

		if (digest_map_find(&done, &layer->desc.digest) >= 0)
			continue;
		rc = digest_map_add(&done, &layer->desc.digest, &at, err);
		if (!rc && count++)
			rc = buf_append_u8(ret, ',', err);
		if (!rc)
			rc = put_layer(layer, ret, err);
	}
	digest_map_release(&done);
	if (!rc && count && comma_behind)
		rc = buf_append_u8(ret, ',', err);
	return rc;
}

static int put_config(const struct cache *c, struct buf *ret, struct err *err)
{
	char digest[DIGEST_TEXT_SIZE];

	return buf_printf(ret, err,
			  "{\"mediaType\":\"" CACHECONFIG_MEDIA_TYPE
			  "\",\"digest\":\"%s\",\"size\":%zu}",
			  digest_format(&c->record.config, digest), c->config.len);
}

static int make_manifest(const struct cache *c, struct buf *ret, struct err *err)
{
	int rc = buf_printf(ret, err,
			    "{\"schemaVersion\":2,\"mediaType\":\"%s\",\"config\":",
			    DESCRIPTOR_OCI_MANIFEST);

	if (!rc)
		rc = put_config(c, ret, err);
	if (!rc)
		rc = buf_printf(ret, err, ",\"layers\":[");
	if (!rc)
		rc = put_layers(c, false, ret, err);
	return rc ? rc : buf_printf(ret, err, "]}");
}

static int make_index(const struct cache *c, struct buf *ret, struct err *err)
{
	int rc = buf_printf(ret, err,
			    "{\"schemaVersion\":2,\"mediaType\":\"%s\",\"manifests\":[",
			    DESCRIPTOR_OCI_INDEX);

	if (!rc)
		rc = put_layers(c, true, ret, err);
	if (!rc)
		rc = put_config(c, ret, err);
	return rc ? rc : buf_printf(ret, err, "]}");
}

int cache_make(struct cache *c, enum cache_form form, struct err *err)
{
	int rc;

	buf_release(&c->manifest);
	buf_release(&c->config);
	buf_init(&c->manifest, DOCUMENT_MAX);
	buf_init(&c->config, CACHECONFIG_MAX);
	c->record = (struct record_image){0};
	rc = cacheconfig_format(&c->doc, &c->config, err);
	if (rc)
		return rc;
	digest_of(c->config.data, c->config.len, &c->record.config);
	rc = form == CACHE_FORM_INDEX ? make_index(c, &c->manifest, err)
				      : make_manifest(c, &c->manifest, err);
	digest_of(c->manifest.data, c->manifest.len, &c->record.manifest);
	return rc;
}

int cache_make_named(struct session *s, struct cache *c, const char *name,
		     bool *ret_moved, struct err *err)
{
	const struct record_image *images[] = {&c->record};
	const struct digest no_index = {0};
	int rc = cache_make(c, CACHE_FORM_MANIFEST, err);

	if (!rc)
		rc = cache_import_add(s, c, err);
	return rc ? rc : image_record_name(s, name, &no_index, images, 1, ret_moved, err);
}
