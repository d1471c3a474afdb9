/* SPDX-License-Identifier: Apache-2.0
 * The form in which an image is served. */
#include "tools/serve/forms.h"

#include <pthread.h>

#include "store/digest_map.h"
#include "tools/layer_blob.h"
#include "tools/oci/config.h"
#include "tools/oci/manifest.h"
#include "tools/oci/manifest_edit.h"

#define DEPTH_MAX   4 /* of indexes in indexes */
#define MADE_MAX    65536
#define COLLECT_MAX (64u << 20)
#define DOCKER      "application/vnd.docker.distribution.manifest.v2+json"

/* A form that is not the image's own manifest. */
struct made {
	struct digest digest;
	struct digest manifest;             /* the image's */
	char name[RECORD_REF_NAME_MAX + 1]; /* of an index; "": it is an image */
};

struct forms {
	struct blobs blobs;
	bool partial;
	pthread_mutex_t lock;
	struct digest_map made;
	uint64_t generation; /* of the store, when all images were looked at; 0: never */
};

void form_release(struct form *f)
{
	buf_release(&f->bytes);
}

int forms_new(const struct blobs *blobs, bool partial, struct forms **ret,
	      struct err *err)
{
	struct forms *f = calloc(1, sizeof(*f));

	if (!f)
		return err_nomem(err);
	f->blobs = *blobs;
	f->partial = partial;
	pthread_mutex_init(&f->lock, NULL);
	digest_map_init(&f->made, sizeof(struct made));
	*ret = f;
	return 0;
}

void forms_free(struct forms *f)
{
	if (!f)
		return;
	digest_map_release(&f->made);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

/* ---- documents ---- */

static int read_document(struct forms *f, const struct digest *d, struct buf *ret,
			 struct err *err)
{
	uint64_t size;
	int rc;

	buf_init(ret, DOCUMENT_MAX);
	rc = objects_size(f->blobs.objects, d, &size, err);
	if (!rc && size > DOCUMENT_MAX)
		return err_set(err, ERR_NOTFOUND, "this is no manifest");
	return rc ? rc : objects_read_all(f->blobs.objects, d, ret, err);
}

/* The bytes are FORM's already. */
static void finish(struct form *form, const struct manifest *m)
{
	const char *type = m->media_type;

	digest_of(form->bytes.data, form->bytes.len, &form->digest);
	if (!type)
		type = m->kind == MANIFEST_INDEX || !m->config.size
			       ? DESCRIPTOR_OCI_INDEX
			       : DESCRIPTOR_OCI_MANIFEST;
	snprintf(form->media_type, sizeof(form->media_type), "%s", type);
}

/* The end of everything that makes a form: FORM becomes the caller's, or goes if RC is an
 * error. */
static int give(struct form *form, int rc, struct form *ret)
{
	if (rc)
		form_release(form);
	else
		*ret = *form;
	return rc;
}

/* A document as it came. */
static int take_document(struct forms *f, const struct digest *d, struct form *ret,
			 struct err *err)
{
	struct form form = {.verbatim = true};
	auto_manifest struct manifest m = {0};
	int rc = read_document(f, d, &form.bytes, err);

	if (!rc)
		rc = manifest_parse(form.bytes.data, form.bytes.len, NULL, &m, err);
	if (!rc)
		finish(&form, &m);
	return give(&form, rc, ret);
}

/* ---- images ---- */

/* What becomes of each layer. *ret_same: all stay as they came. */
static int choose_layers(struct forms *f, const struct manifest *m,
			 const struct config *config, struct descriptor *layers,
			 bool *ret_same, struct err *err)
{
	*ret_same = true;
	for (size_t i = 0; i < m->count; i++) {
		uint64_t size;
		int rc = blobs_stored(&f->blobs, &m->items[i].digest, &size, err);

		layers[i] = m->items[i];
		if (!rc && size == layers[i].size)
			continue;
		if (rc && rc != -ERR_NOTFOUND)
			return rc;
		*ret_same = false;
		rc = blobs_stored(&f->blobs, &config->diffids[i], &layers[i].size, err);
		if (rc)
			return err_wrap(err, "layer %zu of %zu", i + 1, m->count);
		layers[i].digest = config->diffids[i];
		layers[i].media_type = layer_blob_media_type(INFLATE_NONE);
		layers[i].toc.given = false;
	}
	return 0;
}

static int make_form(struct forms *f, const struct record_image *image,
		     struct manifest *m, struct form *ret, struct err *err)
{
	auto_free struct descriptor *layers = calloc(m->count + 1, sizeof(*layers));
	auto_config struct config config = {0};
	auto_buf struct buf bytes, edited;
	bool same = false;
	int rc;

	buf_init(&edited, DOCUMENT_MAX);
	buf_init(&bytes, DOCUMENT_MAX);
	if (!layers)
		return err_nomem(err);
	rc = read_document(f, &image->config, &bytes, err);
	if (!rc)
		rc = config_parse(bytes.data, bytes.len, m->count, &config, err);
	if (!rc)
		rc = choose_layers(f, m, &config, layers, &same, err);
	ret->verbatim = !rc && same;
	finish(ret, m);
	if (rc || same)
		return rc;
	rc = manifest_edit_layers(ret->bytes.data, ret->bytes.len, layers, m->count,
				  &edited, err);
	if (rc)
		return rc;
	buf_release(&ret->bytes);
	ret->bytes = edited;
	buf_init(&edited, DOCUMENT_MAX);
	digest_of(ret->bytes.data, ret->bytes.len, &ret->digest);
	snprintf(ret->media_type, sizeof(ret->media_type), "%s", DESCRIPTOR_OCI_MANIFEST);
	return 0;
}

static int note_made(struct forms *f, const struct form *form,
		     const struct digest *manifest, const char *name, struct err *err)
{
	struct made *made;
	uint32_t i;
	int rc = 0;

	pthread_mutex_lock(&f->lock);
	if (f->made.count >= MADE_MAX) { /* it is only a cache */
		digest_map_release(&f->made);
		digest_map_init(&f->made, sizeof(struct made));
		f->generation = 0;
	}
	if (digest_map_find(&f->made, &form->digest) < 0) {
		rc = digest_map_add(&f->made, &form->digest, &i, err);
		if (!rc) {
			made = digest_map_entry(&f->made, i);
			made->manifest = *manifest;
			snprintf(made->name, sizeof(made->name), "%s", name);
		}
	}
	pthread_mutex_unlock(&f->lock);
	return rc;
}

/* A build cache names its blobs in two documents: it is given as it came, or not at all. */
static int take_cache(struct forms *f, const struct manifest *m, struct form *form,
		      struct err *err)
{
	char text[DIGEST_TEXT_SIZE];
	uint64_t size;

	for (size_t i = 0; i < m->count; i++) {
		int rc = blobs_stored(&f->blobs, &m->items[i].digest, &size, err);

		if (rc == -ERR_NOTFOUND)
			return err_set(
				err, ERR_NOTFOUND,
				"the build cache's blob %s was not kept: import it "
				"with --keep-blobs",
				digest_format(&m->items[i].digest, text));
		if (rc)
			return rc;
	}
	form->verbatim = true;
	finish(form, m);
	return 0;
}

int forms_image(struct forms *f, const struct record_image *image, struct form *ret,
		struct err *err)
{
	auto_manifest struct manifest m = {0};
	struct form form = {0};
	int rc = read_document(f, &image->manifest, &form.bytes, err);

	if (!rc)
		rc = manifest_parse(form.bytes.data, form.bytes.len, NULL, &m, err);
	if (!rc && m.kind == MANIFEST_CACHE)
		rc = take_cache(f, &m, &form, err);
	else if (!rc)
		rc = make_form(f, image, &m, &form, err);
	if (!rc && !form.verbatim)
		rc = note_made(f, &form, &image->manifest, "", err);
	if (rc == -ERR_NOTFOUND && m.kind != MANIFEST_CACHE)
		rc = err_set(err, ERR_CORRUPT, "something of the image is missing");
	return give(&form, rc, ret);
}

/* ---- indexes ---- */

static int get_image(struct forms *f, const struct digest *manifest,
		     struct record_image *ret, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	int rc = catalog_begin(store_catalog(f->blobs.store), false, &t, err);

	return rc ? rc : catalog_image_get(t, manifest, ret, err);
}

static bool is_artifact(struct forms *f, const struct digest *manifest)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	struct record_artifact artifact;

	return catalog_begin(store_catalog(f->blobs.store), false, &t, NULL) == 0 &&
	       catalog_artifact_get(t, manifest, &artifact, NULL) == 0;
}

/* Whether all that the index names can be had as it names it. The index's own INDEXES are
 * looked at by the caller. */
static bool is_whole(struct forms *f, const struct manifest *index, unsigned depth)
{
	for (size_t i = 0; i < index->count; i++) {
		const struct descriptor *d = &index->items[i];
		struct record_image image;
		struct form form = {0};
		bool good = is_artifact(f, &d->digest);

		if (!good && get_image(f, &d->digest, &image, NULL) == 0) {
			good = forms_image(f, &image, &form, NULL) == 0 && form.verbatim;
		} else if (!good && depth < DEPTH_MAX) {
			auto_manifest struct manifest m = {0};
			bool there = read_document(f, &d->digest, &form.bytes, NULL) == 0;

			good = there ? manifest_parse(form.bytes.data, form.bytes.len,
						      NULL, &m, NULL) == 0 &&
					       m.kind == MANIFEST_INDEX &&
					       is_whole(f, &m, depth + 1)
				     : f->partial;
		}
		form_release(&form);
		if (!good)
			return false;
	}
	return true;
}

/* ERR_NOTFOUND: it is no index, or names what is not here. */
static int take_index(struct forms *f, const struct digest *d, struct form *ret,
		      struct err *err)
{
	auto_manifest struct manifest m = {0};
	struct form form = {0};
	int rc = take_document(f, d, &form, err);

	if (!rc)
		rc = manifest_parse(form.bytes.data, form.bytes.len, NULL, &m, err);
	if (!rc && (m.kind != MANIFEST_INDEX || !is_whole(f, &m, 0)))
		rc = -ERR_NOTFOUND;
	if (rc)
		rc = err_set(err, ERR_NOTFOUND, "this is no index of what is here");
	return give(&form, rc, ret);
}

/* An index of the images that there are, as they are served. */
static int make_index(struct forms *f, const struct record_ref *ref, struct form *ret,
		      struct err *err)
{
	auto_free struct descriptor *items = calloc(ref->count, sizeof(*items));
	struct form form = {0};
	int rc = items ? 0 : err_nomem(err);

	for (uint32_t i = 0; i < ref->count && !rc; i++) {
		auto_form struct form one = {0};
		struct record_image image;

		rc = get_image(f, &ref->targets[i].manifest, &image, err);
		if (!rc)
			rc = forms_image(f, &image, &one, err);
		if (!rc && *image.platform)
			rc = platform_parse(image.platform, &items[i].platform, err);
		if (rc)
			return rc;
		items[i].media_type =
			one.verbatim && strcmp(one.media_type, DESCRIPTOR_OCI_MANIFEST)
				? DOCKER
				: DESCRIPTOR_OCI_MANIFEST;
		items[i].digest = one.digest;
		items[i].size = one.bytes.len;
	}
	buf_init(&form.bytes, DOCUMENT_MAX);
	if (!rc)
		rc = manifest_edit_index(items, ref->count, &form.bytes, err);
	if (rc) {
		form_release(&form);
		return rc;
	}
	digest_of(form.bytes.data, form.bytes.len, &form.digest);
	snprintf(form.media_type, sizeof(form.media_type), "%s", DESCRIPTOR_OCI_INDEX);
	*ret = form;
	return 0;
}

/* ---- names ---- */

/* A made index is found by its digest later. */
static int name_index(struct forms *f, const struct record_ref *ref, struct form *ret,
		      struct err *err)
{
	int rc = -ERR_NOTFOUND;

	if (!digest_is_zero(&ref->index))
		rc = take_index(f, &ref->index, ret, err);
	if (rc != -ERR_NOTFOUND || ref->count < 2)
		return rc;
	rc = make_index(f, ref, ret, err);
	return rc ? rc : note_made(f, ret, &ref->targets[0].manifest, ref->name, err);
}

int forms_name(struct forms *f, const struct record_ref *ref, bool indexes,
	       struct form *ret, struct err *err)
{
	struct record_image image;
	int rc = -ERR_NOTFOUND;

	if (ref->count == 0)
		return take_document(f, &ref->index, ret, err);
	if (indexes)
		rc = name_index(f, ref, ret, err);
	if (rc != -ERR_NOTFOUND)
		return rc;
	rc = get_image(f, &ref->targets[0].manifest, &image, err);
	return rc ? rc : forms_image(f, &image, ret, err);
}

/* ---- digests ---- */

static int collect_image(void *arg, const struct record_image *image, struct err *err)
{
	return buf_append(arg, image, sizeof(*image), err);
}

static int collect_name(void *arg, const struct record_ref *ref, struct err *err)
{
	return ref->count < 2 ? 0
			      : buf_append(arg, ref->name, strlen(ref->name) + 1, err);
}

static int collect(struct forms *f, struct buf *images, struct buf *names,
		   struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	int rc = catalog_begin(store_catalog(f->blobs.store), false, &t, err);

	buf_init(images, COLLECT_MAX);
	buf_init(names, COLLECT_MAX);
	if (!rc)
		rc = catalog_image_each(t, NULL, collect_image, images, err);
	return rc ? rc : catalog_ref_each(t, NULL, collect_name, names, err);
}

static int make_named_index(struct forms *f, const char *name, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	auto_form struct form form = {0};
	auto_free void *memory = NULL;
	struct record_ref ref;
	int rc = catalog_begin(store_catalog(f->blobs.store), false, &t, err);

	if (!rc)
		rc = catalog_ref_get(t, name, &ref, &memory, err);
	catalog_abort(steal_ptr(&t));
	return rc ? rc : name_index(f, &ref, &form, err);
}

/* Makes every form that there is, so that its digest is known. What cannot be made is not to
 * be had. */
static int make_all(struct forms *f, struct err *err)
{
	auto_buf struct buf images, names;
	const char *name, *end;
	int rc = collect(f, &images, &names, err);

	for (size_t i = 0; i < images.len / sizeof(struct record_image) && !rc; i++) {
		auto_form struct form form = {0};

		(void)!forms_image(f, &((struct record_image *)(void *)images.data)[i],
				   &form, NULL);
	}
	name = (const char *)names.data;
	end = name + names.len;
	for (; !rc && name < end; name += strlen(name) + 1)
		(void)!make_named_index(f, name, NULL);
	return rc;
}

/* All forms are made at most once for each state of the store. */
static int make_missing(struct forms *f, struct err *err)
{
	uint64_t generation;
	int rc = store_generation(f->blobs.store, &generation, err);
	bool known;

	if (rc)
		return rc;
	pthread_mutex_lock(&f->lock);
	known = f->generation == generation + 1;
	pthread_mutex_unlock(&f->lock);
	if (known)
		return 0;
	rc = make_all(f, err);
	pthread_mutex_lock(&f->lock);
	if (!rc)
		f->generation = generation + 1;
	pthread_mutex_unlock(&f->lock);
	return rc;
}

static bool find_made(struct forms *f, const struct digest *digest, struct made *ret)
{
	int64_t i;

	pthread_mutex_lock(&f->lock);
	i = digest_map_find(&f->made, digest);
	if (i >= 0)
		*ret = *(struct made *)digest_map_entry(&f->made, (uint32_t)i);
	pthread_mutex_unlock(&f->lock);
	return i >= 0;
}

static int made_again(struct forms *f, const struct made *made, struct form *ret,
		      struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	auto_free void *memory = NULL;
	struct record_image image;
	struct record_ref ref;
	int rc;

	if (!*made->name) {
		rc = get_image(f, &made->manifest, &image, err);
		return rc ? rc : forms_image(f, &image, ret, err);
	}
	rc = catalog_begin(store_catalog(f->blobs.store), false, &t, err);
	if (!rc)
		rc = catalog_ref_get(t, made->name, &ref, &memory, err);
	catalog_abort(steal_ptr(&t));
	return rc ? rc : name_index(f, &ref, ret, err);
}

/* What was made for this digest; other bytes, if the store has changed, are not it. */
static int forms_made(struct forms *f, const struct digest *digest, struct form *ret,
		      struct err *err)
{
	struct form form = {0};
	struct made made;
	int rc = 0;

	if (!find_made(f, digest, &made)) {
		rc = make_missing(f, err);
		if (!rc && !find_made(f, digest, &made))
			rc = err_set(err, ERR_NOTFOUND, "there is no such manifest");
	}
	if (!rc)
		rc = made_again(f, &made, &form, err);
	if (rc)
		return rc;
	if (digest_equal(&form.digest, digest)) {
		*ret = form;
		return 0;
	}
	form_release(&form);
	return err_set(err, ERR_NOTFOUND, "the manifest is another one now");
}

int forms_digest(struct forms *f, const struct digest *digest, struct form *ret,
		 struct err *err)
{
	struct record_image image;
	struct form form = {0};
	int rc;

	if (is_artifact(f, digest) && get_image(f, digest, &image, NULL) != 0)
		return take_document(f, digest, ret, err);
	rc = get_image(f, digest, &image, err);
	if (!rc)
		rc = forms_image(f, &image, &form, err);
	if (!rc && form.verbatim) {
		*ret = form;
		return 0;
	}
	form_release(&form);
	if (!rc)
		return err_set(err, ERR_NOTFOUND,
			       "the compressed layers that this manifest names were not "
			       "kept: pull by tag");
	if (rc != -ERR_NOTFOUND)
		return rc;
	rc = take_index(f, digest, ret, err);
	return rc == -ERR_NOTFOUND ? forms_made(f, digest, ret, err) : rc;
}

void forms_manifest(struct forms *f, const struct digest *digest, struct digest *ret)
{
	auto_form struct form form = {0};
	struct made made;

	*ret = *digest;
	if (forms_digest(f, digest, &form, NULL) == 0 && find_made(f, digest, &made) &&
	    !*made.name)
		*ret = made.manifest;
}
