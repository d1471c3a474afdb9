/* SPDX-License-Identifier: Apache-2.0
 * A build cache out of the store. */
#include "tools/buildkit/cache_export.h"

#include <string.h>

#include "store/digest_map.h"
#include "tools/buildkit/cache_there.h"
#include "tools/buildkit/cache_union.h"
#include "tools/image_there.h"
#include "tools/layers_out.h"
#include "tools/output.h"

/* A layer that is written, by the blob that it was. */
struct written {
	struct digest came, diffid;
	struct descriptor desc; /* as it came; the cache's */
	struct layer_blob blob;
	size_t number;
};

struct exporting {
	struct store *store;
	struct objects *objects;
	struct cache *cache;
	const struct cache_export_options *options;
	struct layer_blob_options blobs; /* with what is always so here */
	struct destination dest;
	struct progress *progress;
	struct digest_map written;
	bool same; /* every blob is the one that the documents name */
	struct blob_notes notes;
};

static void exporting_release(struct exporting *e)
{
	progress_end(e->progress);
	destination_release(&e->dest);
	digest_map_release(&e->written);
	blob_notes_release(&e->notes);
}

#define auto_exporting __attribute__((cleanup(exporting_release)))

/* ---- what there is ---- */

/* Layers that are not in the store are forgotten, and with them what is on top. */
static int forget_missing(struct exporting *e, uint64_t *ret_bytes, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	struct cache *c = e->cache;
	int rc = catalog_begin(store_catalog(e->store), false, &t, err);

	*ret_bytes = 0;
	for (uint32_t i = 0; i < c->doc.layer_count && !rc; i++) {
		struct record_layer layer;

		if (digest_is_zero(&c->layers[i].diffid))
			continue;
		rc = catalog_layer_get(t, &c->layers[i].diffid, &layer, err);
		if (!rc)
			*ret_bytes += layer.tar_size;
		if (rc != -ERR_NOTFOUND)
			continue;
		c->layers[i].diffid = (struct digest){0};
		e->same = false;
		rc = 0;
	}
	return rc ? rc : cache_resolve(c, err);
}

/* ---- layers ---- */

/* Several entries of the documents may be one layer. */
static int add_layer(struct exporting *e, size_t number, const struct cache_layer *layer,
		     struct err *err)
{
	struct written *w;
	uint32_t entry;
	bool there;
	int rc;

	if (digest_map_find(&e->written, &layer->desc.digest) >= 0)
		return 0;
	rc = digest_map_add(&e->written, &layer->desc.digest, &entry, err);
	if (rc)
		return rc;
	w = digest_map_entry(&e->written, entry);
	w->diffid = layer->diffid;
	w->desc = layer->desc;
	w->number = number;
	rc = cache_there_find(e->store, &e->dest, &e->blobs, &w->diffid, &w->desc,
			      &w->blob, &there, err);
	if (!rc && !there)
		w->blob = (struct layer_blob){0};
	return rc;
}

static int write_added(struct exporting *e, struct err *err)
{
	size_t count = e->written.count;
	auto_free struct layer_out *items = calloc(count + 1, sizeof(*items));

	if (!items)
		return err_nomem(err);
	for (uint32_t i = 0; i < count; i++) {
		struct written *w = digest_map_entry(&e->written, i);

		items[i] = (struct layer_out){&w->diffid, &w->desc, &w->blob, w->number};
	}
	return layers_out_write(e->store, e->objects, items, count,
				e->cache->doc.layer_count, &e->blobs, &e->dest,
				e->progress, &e->notes, err);
}

/* The documents get what was written in the place of what came. */
static void take_written(struct exporting *e, struct cache_layer *layer)
{
	int64_t at = digest_map_find(&e->written, &layer->desc.digest);
	const struct written *w = digest_map_entry(&e->written, (uint32_t)at);

	e->same = e->same && digest_equal(&w->blob.digest, &layer->desc.digest);
	layer->desc.digest = w->blob.digest;
	layer->desc.size = w->blob.size;
	layer->desc.toc = w->blob.toc;
	layer->desc.stargz = w->blob.stargz;
	layer->media_type = layer_blob_media_type(w->blob.kind);
}

static int write_layers(struct exporting *e, struct err *err)
{
	struct cache *c = e->cache;
	int rc = 0;

	for (uint32_t i = 0; i < c->doc.layer_count && !rc; i++)
		if (!digest_is_zero(&c->layers[i].diffid))
			rc = add_layer(e, i + 1, &c->layers[i], err);
	if (!rc)
		rc = write_added(e, err);
	for (uint32_t i = 0; i < c->doc.layer_count && !rc; i++)
		if (!digest_is_zero(&c->layers[i].diffid))
			take_written(e, &c->layers[i]);
	return rc;
}

/* ---- documents ---- */

static bool has_form(const struct exporting *e)
{
	auto_manifest struct manifest m = {0};
	const struct cache *c = e->cache;

	if (!c->manifest.len ||
	    manifest_parse(c->manifest.data, c->manifest.len, NULL, &m, NULL) < 0)
		return false;
	/* A layout has no documents of Docker's own types. */
	if (m.media_type && strcmp(m.media_type, DESCRIPTOR_OCI_INDEX) != 0 &&
	    strcmp(m.media_type, DESCRIPTOR_OCI_MANIFEST) != 0)
		return false;
	if (!e->options->form)
		return true;
	return (e->options->form == CACHE_FORM_MANIFEST) ==
	       (m.config.kind == DESCRIPTOR_CACHE_CONFIG);
}

static int make_anew(struct exporting *e, struct err *err)
{
	enum cache_form form = e->options->form ? e->options->form : CACHE_FORM_MANIFEST;
	auto_cache_union struct cache_union u;
	struct cache made;
	int rc;

	cache_union_init(&u);
	rc = cache_union_add(&u, e->cache, NULL, err);
	if (!rc)
		rc = cache_union_finish(&u, &made, err);
	if (rc)
		return rc;
	cache_release(e->cache);
	*e->cache = made;
	rc = cache_make(e->cache, form, err);
	if (!rc && (e->cache->config.len > CACHE_MAKE_LIMIT ||
		    e->cache->manifest.len > CACHE_MAKE_LIMIT))
		return err_set(err, ERR_LIMIT,
			       "BuildKit reads no build cache whose documents have more "
			       "than %u bytes: 'cache prune' makes it smaller",
			       CACHE_MAKE_LIMIT);
	return rc;
}

static int finish(struct exporting *e, struct err *err)
{
	const struct cache *c = e->cache;
	auto_manifest struct manifest m = {0};
	struct destination_root root = {
		.desc = {.digest = c->record.manifest, .size = c->manifest.len},
		.data = c->manifest.data,
		.len = c->manifest.len,
		.name = e->options->name,
	};
	int rc = manifest_parse(c->manifest.data, c->manifest.len, NULL, &m, err);

	if (rc)
		return rc;
	root.desc.media_type = m.media_type ? m.media_type : DESCRIPTOR_OCI_MANIFEST;
	rc = destination_put_config(&e->dest, &c->record.config, c->config.data,
				    c->config.len, err);
	return rc ? rc : destination_finish(&e->dest, &root, err);
}

/* BuildKit looks for the tag "latest" in a layout if it is not told another. */
static int settle_tag(struct exporting *e, struct err *err)
{
	if (e->dest.kind == DESTINATION_DOCKER_ARCHIVE)
		return err_set(err, ERR_USAGE, "docker-archive: takes no build cache");
	if (e->dest.ref ||
	    (e->dest.kind != DESTINATION_OCI && e->dest.kind != DESTINATION_OCI_ARCHIVE))
		return 0;
	e->dest.ref = strdup("latest");
	return e->dest.ref ? 0 : err_nomem(err);
}

/* The next export of these layers finds what this one made. That it cannot be noted costs only
 * time. */
static void note(struct exporting *e)
{
	struct err err = {0};
	int rc = 0;

	if (e->dest.kind != DESTINATION_REGISTRY || !store_writable(e->store))
		return;
	for (uint32_t i = 0; i < e->written.count && !rc; i++) {
		const struct written *w = digest_map_entry(&e->written, i);

		rc = image_there_note(e->store, &w->diffid, &w->blob, 1, &err);
	}
	if (rc)
		output_notice(e->options->quiet, "what was written is not noted: %s",
			      err.msg);
}

static int write_all(struct exporting *e, struct cache_exported *ret, struct err *err)
{
	uint32_t before = cache_count_results(e->cache);
	uint64_t bytes;
	int rc = forget_missing(e, &bytes, err);

	if (rc)
		return rc;
	e->progress = progress_begin(bytes, "export", e->options->quiet);
	rc = write_layers(e, err);
	if (rc)
		return rc;
	e->same = e->same && has_form(e);
	if (!e->same)
		rc = make_anew(e, err);
	if (!rc)
		rc = finish(e, err);
	if (rc)
		return rc;
	note(e);
	ret->record = e->cache->record;
	ret->records = e->cache->doc.record_count;
	ret->layers = e->cache->doc.layer_count;
	ret->results = cache_count_results(e->cache);
	ret->dropped = before - ret->results;
	ret->same = e->same;
	ret->notes = e->notes;
	e->notes = (struct blob_notes){0};
	return 0;
}

int cache_export(struct store *store, struct objects *objects, struct cache *c,
		 const char *destination, const struct cache_export_options *options,
		 struct cache_exported *ret, struct err *err)
{
	auto_exporting struct exporting e = {
		.store = store,
		.objects = objects,
		.cache = c,
		.options = options,
		.blobs = options->blobs,
		.same = true,
	};
	int rc;

	e.blobs.anew = true;
	digest_map_init(&e.written, sizeof(struct written));
	rc = destination_open(destination, store_dirfd(store), options->registry, &e.dest,
			      err);
	if (!rc && options->name && e.dest.kind == DESTINATION_REGISTRY)
		rc = remote_mount_from(e.dest.remote, options->name, err);
	if (!rc)
		rc = settle_tag(&e, err);
	return rc ? rc : write_all(&e, ret, err);
}
