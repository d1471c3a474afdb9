/* SPDX-License-Identifier: Apache-2.0
 * Images out of the store. */
#include "tools/image_export.h"

#include <string.h>

#include "tools/image_rewrite.h"
#include "tools/image_there.h"
#include "tools/layers_out.h"
#include "tools/oci/config.h"
#include "tools/oci/manifest.h"
#include "tools/output.h"
#include "tools/referrers_send.h"
#include "tools/subject.h"

#define CACHE_BYTES (64u << 20)

/* One image while it is written. */
struct outgoing {
	struct buf manifest_bytes, config_bytes;
	struct manifest manifest;
	struct config config;
	struct descriptor desc; /* of the manifest as it is written */
	bool there;             /* a registry has all of it */
};

struct export
{
	struct store *store;
	struct objects *objects;
	struct destination dest;
	const struct image_export_options *options;
	struct progress *progress;
	char name[RECORD_REF_NAME_MAX + 1];
	struct digest index; /* of the name; zero: none */
	struct outgoing *images;
	struct exports out;
};

static void outgoing_release(struct outgoing *o)
{
	buf_release(&o->manifest_bytes);
	buf_release(&o->config_bytes);
	manifest_release(&o->manifest);
	config_release(&o->config);
}

void exports_release(struct exports *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i].layers);
	free(list->items);
	blob_notes_release(&list->notes);
	*list = (struct exports){0};
}

static void export_release(struct export *e)
{
	for (size_t i = 0; e->images && i < e->out.count; i++)
		outgoing_release(&e->images[i]);
	free(e->images);
	exports_release(&e->out);
	progress_end(e->progress);
	destination_release(&e->dest);
	objects_free(e->objects);
}

#define auto_export __attribute__((cleanup(export_release)))

/* ---- which images ---- */

static int add_images(struct export *e, struct catalog_txn *t,
		      const struct record_ref *ref, struct err *err)
{
	int rc = 0;

	e->out.items = calloc(ref->count, sizeof(*e->out.items));
	if (!e->out.items)
		return err_nomem(err);
	for (uint32_t i = 0; i < ref->count && !rc; i++)
		rc = catalog_image_get(t, &ref->targets[i].manifest,
				       &e->out.items[e->out.count++].image, err);
	return rc;
}

/* A name may stand for images of several platforms. */
static int find_images(struct export *e, const char *x, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	auto_free void *memory = NULL;
	struct record_ref_target target = {0};
	struct record_ref ref = {.count = 1, .targets = &target};
	struct record_image image;
	struct subject s = {0};
	int rc = catalog_begin(store_catalog(e->store), false, &t, err);

	if (!rc)
		rc = subject_find(t, x, e->options->platform, 0, &s, err);
	if (rc)
		return rc;
	rc = subject_image(t, &s, &image, err);
	if (rc == -ERR_NOTFOUND)
		rc = err_set(err, ERR_INVALID,
			     "it is no image: only tar: takes layers and chains");
	if (rc)
		return rc;
	target.manifest = image.manifest;
	snprintf(e->name, sizeof(e->name), "%s", s.name);
	if (*s.name && !e->options->platform &&
	    e->dest.kind != DESTINATION_DOCKER_ARCHIVE)
		rc = catalog_ref_get(t, s.name, &ref, &memory, err);
	e->index = ref.index;
	return rc ? rc : add_images(e, t, &ref, err);
}

/* ---- documents ---- */

static int read_document(struct export *e, const struct digest *d, struct buf *ret,
			 struct err *err)
{
	char text[DIGEST_TEXT_SIZE];
	int rc;

	buf_init(ret, DOCUMENT_MAX);
	rc = objects_read_all(e->objects, d, ret, err);
	if (rc == -ERR_NOTFOUND)
		return err_set(err, ERR_CORRUPT, "the document '%s' is missing",
			       digest_format(d, text));
	return rc;
}

static int read_image(struct export *e, size_t i, struct err *err)
{
	const struct record_image *image = &e->out.items[i].image;
	struct outgoing *o = &e->images[i];
	int rc = read_document(e, &image->manifest, &o->manifest_bytes, err);

	if (!rc)
		rc = read_document(e, &image->config, &o->config_bytes, err);
	if (!rc)
		rc = manifest_parse(o->manifest_bytes.data, o->manifest_bytes.len, NULL,
				    &o->manifest, err);
	if (!rc && o->manifest.kind == MANIFEST_CACHE)
		rc = err_set(err, ERR_INVALID,
			     "it is a build cache: 'cache export' writes it");
	if (!rc)
		rc = config_parse(o->config_bytes.data, o->config_bytes.len,
				  o->manifest.count, &o->config, err);
	if (rc)
		return rc;
	e->out.items[i].layers = calloc(o->manifest.count + 1, sizeof(struct layer_blob));
	return e->out.items[i].layers ? 0 : err_nomem(err);
}

static int read_images(struct export *e, struct err *err)
{
	int rc = 0;

	e->images = calloc(e->out.count + 1, sizeof(*e->images));
	if (!e->images)
		return err_nomem(err);
	for (size_t i = 0; i < e->out.count && !rc; i++)
		rc = read_image(e, i, err);
	return rc;
}

/* What is there already is no work. */
static int expect_work(struct export *e, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	struct record_layer layer;
	int rc = catalog_begin(store_catalog(e->store), false, &t, err);

	for (size_t i = 0; i < e->out.count && !rc; i++) {
		const struct config *c = &e->images[i].config;

		for (size_t k = 0; k < c->count && !rc; k++) {
			if (e->out.items[i].layers[k].how == LAYER_BLOB_THERE)
				continue;
			rc = catalog_layer_get(t, &c->diffids[k], &layer, err);
			if (!rc)
				progress_expect(e->progress, layer.tar_size);
		}
	}
	return rc;
}

/* ---- what a registry has ---- */

/* Another manifest for the same image stands in for the one that it came with. */
static int take_manifest(struct outgoing *o, struct buf *bytes, struct err *err)
{
	struct manifest m;
	int rc = manifest_parse(bytes->data, bytes->len, NULL, &m, err);

	if (rc)
		return rc;
	manifest_release(&o->manifest);
	o->manifest = m;
	buf_release(&o->manifest_bytes);
	o->manifest_bytes = *bytes;
	buf_init(bytes, bytes->max);
	return 0;
}

static int find_there(struct export *e, size_t i, struct err *err)
{
	struct outgoing *o = &e->images[i];
	const struct image_there find = {
		.store = e->store,
		.dest = &e->dest,
		.options = &e->options->blobs,
		.manifest_bytes = &o->manifest_bytes,
		.manifest = &o->manifest,
		.config = &o->config,
		.config_digest = &e->out.items[i].image.config,
		.named = e->out.count == 1,
	};
	auto_buf struct buf other;
	int rc;

	buf_init(&other, DOCUMENT_MAX + 1);
	rc = image_there_find(&find, e->out.items[i].layers, &other, &o->there, err);
	return rc || !other.len ? rc : take_manifest(o, &other, err);
}

static int find_all_there(struct export *e, struct err *err)
{
	int rc = 0;

	if (e->dest.kind != DESTINATION_REGISTRY)
		return 0;
	if (*e->name)
		rc = remote_mount_from(e->dest.remote, e->name, err);
	for (size_t i = 0; i < e->out.count && !rc; i++)
		rc = find_there(e, i, err);
	if (!rc && e->out.count > 1 &&
	    remote_manifest_head(e->dest.remote, remote_reference(e->dest.remote),
				 &e->dest.there, NULL))
		e->dest.there = (struct digest){0};
	return rc;
}

/* ---- layers ---- */

/* The same layer in an image before this one, or before in this one; NULL: this is the first. */
static const struct layer_blob *find_first(const struct export *e, size_t image,
					   size_t layer)
{
	const struct digest *diffid = &e->images[image].config.diffids[layer];
	const struct digest *came = &e->images[image].manifest.items[layer].digest;

	for (size_t i = 0; i <= image; i++) {
		const struct outgoing *o = &e->images[i];
		size_t end = i == image ? layer : o->config.count;

		for (size_t k = 0; k < end; k++)
			if (digest_equal(&o->config.diffids[k], diffid) &&
			    digest_equal(&o->manifest.items[k].digest, came))
				return &e->out.items[i].layers[k];
	}
	return NULL;
}

static int write_layers(struct export *e, size_t i, struct err *err)
{
	struct outgoing *o = &e->images[i];
	struct exported *out = &e->out.items[i];
	size_t total = o->config.count, count = 0;
	auto_free struct layer_out *items = calloc(total + 1, sizeof(*items));
	int rc;

	if (!items)
		return err_nomem(err);
	for (size_t k = 0; k < total; k++)
		if (!find_first(e, i, k))
			items[count++] = (struct layer_out){&o->config.diffids[k],
							    &o->manifest.items[k],
							    &out->layers[k], k + 1};
	rc = layers_out_write(e->store, e->objects, items, count, total,
			      &e->options->blobs, &e->dest, e->progress, &e->out.notes,
			      err);
	if (rc)
		return rc;
	for (size_t k = 0; k < total; k++) {
		const struct layer_blob *first = find_first(e, i, k);

		if (first)
			out->layers[k] = *first;
		layer_blob_tell(&out->layers[k], &o->manifest.items[k], k + 1, total,
				e->options->quiet);
	}
	out->count = total;
	return 0;
}

/* ---- manifests ---- */

/* Readers of layouts look for OCI's documents only. */
static bool is_foreign(const struct export *e, const char *media_type)
{
	bool layout = e->dest.kind == DESTINATION_OCI ||
		      e->dest.kind == DESTINATION_OCI_ARCHIVE;

	return layout && media_type && strcmp(media_type, DESCRIPTOR_OCI_MANIFEST) != 0 &&
	       strcmp(media_type, DESCRIPTOR_OCI_INDEX) != 0;
}

/* For layers in which other tars are than came. */
static int settle_config(struct export *e, size_t i, struct err *err)
{
	struct outgoing *o = &e->images[i];
	struct exported *out = &e->out.items[i];
	struct digest was = out->image.config;
	char now[DIGEST_TEXT_SIZE], text[DIGEST_TEXT_SIZE];
	bool changed;
	int rc = image_rewrite_config(&o->config_bytes, &o->manifest_bytes,
				      o->config.diffids, out->layers, out->count,
				      &out->image.config, &changed, err);

	if (!rc && changed)
		output_notice(e->options->quiet,
			      "the image ID is another, %s: tables of contents are in "
			      "the layers, it came as %s",
			      digest_format(&out->image.config, now),
			      digest_format(&was, text));
	return rc;
}

/* Makes a new manifest only where the old one does not fit. */
static int settle_manifest(struct export *e, size_t i, struct err *err)
{
	struct exported *out = &e->out.items[i];
	struct outgoing *o = &e->images[i];
	bool same = image_rewrite_same(out->layers, out->count);
	bool foreign = is_foreign(e, o->manifest.media_type);
	int rc = 0;

	o->desc.media_type =
		o->manifest.media_type ? o->manifest.media_type : DESCRIPTOR_OCI_MANIFEST;
	if (foreign && same)
		output_notice(e->options->quiet,
			      "the manifest is Docker's, which a layout cannot have: "
			      "one of OCI's form is written");
	if (!o->there && (foreign || !same)) {
		rc = image_rewrite_manifest(&o->manifest_bytes, out->layers, out->count,
					    err);
		if (!rc)
			rc = settle_config(e, i, err);
		o->desc.media_type = DESCRIPTOR_OCI_MANIFEST;
	}
	o->desc.size = o->manifest_bytes.len;
	o->desc.platform = o->config.platform;
	digest_of(o->manifest_bytes.data, o->manifest_bytes.len, &o->desc.digest);
	return rc;
}

static int write_image(struct export *e, size_t i, struct err *err)
{
	struct outgoing *o = &e->images[i];
	struct exported *out = &e->out.items[i];
	int rc = write_layers(e, i, err);

	if (rc)
		return rc;
	rc = settle_manifest(e, i, err);
	if (rc)
		return rc;
	if (e->dest.kind != DESTINATION_DOCKER_ARCHIVE)
		out->manifest = o->desc.digest;
	if (o->there)
		return 0;
	rc = destination_put_config(&e->dest, &out->image.config, o->config_bytes.data,
				    o->config_bytes.len, err);
	if (!rc && (e->out.count > 1 || (e->dest.kind != DESTINATION_DIR &&
					 e->dest.kind != DESTINATION_REGISTRY)))
		rc = destination_put_manifest(&e->dest, &o->desc, o->manifest_bytes.data,
					      o->manifest_bytes.len, err);
	return rc;
}

/* ---- the root ---- */

static bool is_written(const struct export *e, const struct digest *manifest)
{
	for (size_t i = 0; i < e->out.count; i++)
		if (digest_equal(&e->out.items[i].manifest, manifest))
			return true;
	return false;
}

/* The index that the name came with, if all that it names is written as it was. */
static int find_index(struct export *e, struct buf *ret, struct descriptor *desc,
		      bool *ret_found, struct err *err)
{
	struct manifest index = {0};
	int rc;

	*ret_found = false;
	if (digest_is_zero(&e->index))
		return 0;
	rc = read_document(e, &e->index, ret, err);
	if (!rc)
		rc = manifest_parse(ret->data, ret->len, NULL, &index, err);
	if (rc)
		return rc;
	*ret_found = index.kind == MANIFEST_INDEX && !is_foreign(e, index.media_type);
	for (size_t i = 0; i < index.count; i++)
		if (!is_written(e, &index.items[i].digest))
			*ret_found = false;
	desc->digest = e->index;
	if (index.media_type && strcmp(index.media_type, DESCRIPTOR_OCI_INDEX) != 0)
		desc->media_type =
			"application/vnd.docker.distribution.manifest.list.v2+json";
	manifest_release(&index);
	return 0;
}

static int make_index(struct export *e, struct buf *ret, struct descriptor *desc,
		      struct err *err)
{
	auto_free struct descriptor *manifests =
		calloc(e->out.count + 1, sizeof(*manifests));
	bool found;
	int rc;

	if (!manifests)
		return err_nomem(err);
	*desc = (struct descriptor){.media_type = DESCRIPTOR_OCI_INDEX};
	rc = find_index(e, ret, desc, &found, err);
	if (!rc && !found) {
		for (size_t i = 0; i < e->out.count; i++)
			manifests[i] = e->images[i].desc;
		buf_clear(ret);
		desc->media_type = DESCRIPTOR_OCI_INDEX;
		rc = manifest_edit_index(manifests, e->out.count, ret, err);
		digest_of(ret->data, ret->len, &desc->digest);
	}
	desc->size = ret->len;
	return rc;
}

/* ---- what is about them ---- */

static int send_about(struct export *e, const struct digest *manifest, bool written,
		      struct err *err)
{
	const struct referrers_send with = {.store = e->store,
					    .objects = e->objects,
					    .dest = &e->dest,
					    .quiet = e->options->quiet};

	return written ? referrers_send(&with, manifest, err)
		       : referrers_leave(&with, manifest, err);
}

/* Only what went out as it came is still what they are about. */
static int send_referrers(struct export *e, const struct digest *root, struct err *err)
{
	bool place = e->dest.kind != DESTINATION_DIR &&
		     e->dest.kind != DESTINATION_DOCKER_ARCHIVE;
	int rc = 0;

	for (size_t i = 0; i < e->out.count && !rc; i++) {
		const struct digest *came = &e->out.items[i].image.manifest;

		rc = send_about(e, came, place && is_written(e, came), err);
	}
	if (!rc && !digest_is_zero(&e->index))
		rc = send_about(e, &e->index, place && digest_equal(root, &e->index),
				err);
	return rc;
}

static int finish(struct export *e, struct err *err)
{
	const struct outgoing *first = &e->images[0];
	struct destination_root root = {
		.desc = first->desc,
		.data = first->manifest_bytes.data,
		.len = first->manifest_bytes.len,
		.name = *e->name ? e->name : NULL,
		.config = &e->out.items[0].image.config,
		.diffids = first->config.diffids,
		.layers = first->config.count,
	};
	auto_buf struct buf index;
	int rc = 0;

	buf_init(&index, DOCUMENT_MAX);
	if (e->out.count > 1) {
		rc = make_index(e, &index, &root.desc, err);
		root.data = index.data;
		root.len = index.len;
	}
	/* A layout appears at once, a registry has one after the other. */
	if (!rc && e->dest.kind != DESTINATION_REGISTRY)
		rc = send_referrers(e, &root.desc.digest, err);
	if (!rc)
		rc = destination_finish(&e->dest, &root, err);
	if (!rc && e->dest.kind == DESTINATION_REGISTRY)
		rc = send_referrers(e, &root.desc.digest, err);
	return rc;
}

/* Of several platforms only the first has the plain name, as import says it. What went to a
 * registry is called as it is there. */
static void set_names(struct export *e)
{
	if (e->dest.kind == DESTINATION_REGISTRY)
		snprintf(e->name, sizeof(e->name), "%s", e->dest.ref);
	for (size_t i = 0; i < e->out.count && *e->name; i++) {
		struct exported *out = &e->out.items[i];
		size_t len = strlen(e->name);

		snprintf(out->name, sizeof(out->name), i ? "%s@%s" : "%s", e->name,
			 out->image.platform);
		for (char *c = out->name + len; i && *c; c++)
			if (*c == '/')
				*c = '-';
	}
}

/* The next push of these layers finds what this one made. That it cannot be noted costs only
 * time. */
static void note(struct export *e)
{
	struct err err = {0};
	int rc = 0;

	if (e->dest.kind != DESTINATION_REGISTRY || !store_writable(e->store))
		return;
	for (size_t i = 0; i < e->out.count && !rc; i++)
		rc = image_there_note(e->store, e->images[i].config.diffids,
				      e->out.items[i].layers, e->out.items[i].count,
				      &err);
	if (rc)
		output_notice(e->options->quiet, "what was pushed is not noted: %s",
			      err.msg);
}

int image_export(struct store *store, const char *x, const char *destination,
		 const struct image_export_options *options, struct exports *ret,
		 struct err *err)
{
	auto_export struct export e = {.store = store, .options = options};
	int rc = objects_new(store, CACHE_BYTES, &e.objects, err);

	if (!rc)
		rc = destination_open(destination, store_dirfd(store), options->registry,
				      &e.dest, err);
	if (!rc)
		rc = find_images(&e, x, err);
	if (!rc)
		rc = read_images(&e, err);
	if (!rc)
		rc = find_all_there(&e, err);
	if (rc)
		return rc;
	e.progress = progress_begin(0, "export", options->quiet);
	rc = expect_work(&e, err);
	for (size_t i = 0; i < e.out.count && !rc; i++)
		rc = write_image(&e, i, err);
	if (!rc)
		rc = finish(&e, err);
	if (rc)
		return rc;
	note(&e);
	set_names(&e);
	for (size_t i = 0; i < e.out.count; i++)
		outgoing_release(&e.images[i]);
	*ret = e.out;
	e.out = (struct exports){0};
	return 0;
}
