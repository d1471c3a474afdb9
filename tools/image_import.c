/* SPDX-License-Identifier: Apache-2.0
 * Images from a source into the store. */
#include "tools/image_import.h"

#include <string.h>

#include "store/layer.h"
#include "tools/blob_maker.h"
#include "tools/chain_check.h"
#include "tools/image_record.h"
#include "tools/layer_jobs.h"
#include "tools/oci/reference.h"
#include "tools/output.h"
#include "tools/progress.h"

/* A name to set and what it will stand for. */
struct target {
	struct buf name; /* NUL-terminated */
	struct image_set set;
	bool moved;
};

struct import {
	struct source *source;
	const struct image_import_options *options;
	struct session *session;
	struct target *targets;
	size_t count;
};

static void import_release(struct import *im)
{
	for (size_t i = 0; i < im->count; i++) {
		buf_release(&im->targets[i].name);
		image_set_release(&im->targets[i].set);
	}
	free(im->targets);
	session_abort(im->session);
}

#define auto_import __attribute__((cleanup(import_release)))

static const char *text(const struct buf *b)
{
	return (const char *)b->data;
}

/* ---- results ---- */

void imports_release(struct imports *list)
{
	for (size_t i = 0; i < list->count; i++)
		buf_release(&list->items[i].name);
	free(list->items);
	*list = (struct imports){0};
}

int imports_add(struct imports *list, const char *name, const char *suffix,
		const struct record_image *image, bool moved, struct err *err)
{
	struct imported *items =
		reallocarray(list->items, list->count + 1, sizeof(*items));
	struct imported *item;
	int rc;

	if (!items)
		return err_nomem(err);
	list->items = items;
	item = &items[list->count++];
	*item = (struct imported){.image = *image, .moved = moved};
	buf_init(&item->name, RECORD_REF_NAME_MAX + PLATFORM_TEXT_SIZE + 2);
	rc = buf_printf(&item->name, err, "%s%s", name, suffix);
	return rc ? rc : buf_append_u8(&item->name, 0, err);
}

/* "@linux-arm-v7". */
static void platform_suffix(const struct record_image *image,
			    char suffix[PLATFORM_TEXT_SIZE + 1])
{
	snprintf(suffix, PLATFORM_TEXT_SIZE + 1, "@%s", image->platform);
	for (char *slash = strchr(suffix, '/'); slash; slash = strchr(slash, '/'))
		*slash = '-';
}

static int report(const struct import *im, struct imports *ret, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < im->count && !rc; i++) {
		const struct target *t = &im->targets[i];

		rc = imports_add(ret, text(&t->name), "", &t->set.images[0].record,
				 t->moved, err);
		for (size_t k = 1; k < t->set.count && !rc; k++) {
			char suffix[PLATFORM_TEXT_SIZE + 1];

			platform_suffix(&t->set.images[k].record, suffix);
			rc = imports_add(ret, text(&t->name), suffix,
					 &t->set.images[k].record, false, err);
		}
	}
	return rc;
}

/* ---- what is to be imported ---- */

static int name_of(const struct import *im, const struct source_root *root,
		   struct buf *ret, struct err *err)
{
	buf_init(ret, RECORD_REF_NAME_MAX + 1);
	if (im->options->name)
		return reference_normalize(im->options->name, ret, err);
	if (root->name)
		return reference_normalize(root->name, ret, err);
	if (strcmp(im->source->stem, "-") == 0)
		return err_set(err, ERR_INVALID, "there is no name in it: give one");
	return reference_local(im->source->stem, root->tag, ret, err);
}

/* Two images of one name: the same twice is harmless. *ret_known: it is there already. */
static int check_name(const struct import *im, const struct target *t, bool *ret_known,
		      struct err *err)
{
	*ret_known = false;
	for (size_t i = 0; i < im->count; i++) {
		const struct image_set *set = &im->targets[i].set;

		if (strcmp(text(&im->targets[i].name), text(&t->name)) != 0)
			continue;
		if (!digest_equal(&set->images[0].record.manifest,
				  &t->set.images[0].record.manifest))
			return err_set(err, ERR_INVALID,
				       im->options->name
					       ? "there are several images for the name "
						 "'%s': choose one"
					       : "several images would be called '%s': "
						 "choose one",
				       text(&t->name));
		*ret_known = true;
	}
	return 0;
}

static int add_target(struct import *im, struct target *t, bool *ret_taken,
		      struct err *err)
{
	struct target *targets;
	bool known;
	int rc = check_name(im, t, &known, err);

	if (rc || known)
		return rc;
	targets = reallocarray(im->targets, im->count + 1, sizeof(*targets));
	if (!targets)
		return err_nomem(err);
	im->targets = targets;
	targets[im->count++] = *t;
	*ret_taken = true;
	return 0;
}

/* In a source of several images, what is none is passed over. */
static int resolve_root(struct import *im, const struct source_root *root,
			struct err *err)
{
	const struct image_import_options *o = im->options;
	char digest[DIGEST_TEXT_SIZE];
	struct target t = {0};
	bool taken = false;
	int rc = name_of(im, root, &t.name, err);

	if (!rc)
		rc = image_set_resolve(im->source, &root->desc, o->platform,
				       o->all_platforms, &t.set, err);
	if (!rc && t.set.count == 0 && im->source->root_count == 1)
		rc = err_set(err, ERR_INVALID,
			     "this is %s, not an image, which this version cannot import",
			     t.set.not_image);
	else if (!rc && t.set.count == 0)
		output_notice(o->quiet, "%s in '%s' is %s, not an image: passed over",
			      digest_format(&root->desc.digest, digest), im->source->what,
			      t.set.not_image);
	else if (!rc)
		rc = add_target(im, &t, &taken, err);
	if (!taken) {
		buf_release(&t.name);
		image_set_release(&t.set);
	}
	return rc;
}

static int resolve(struct import *im, struct err *err)
{
	for (size_t i = 0; i < im->source->root_count; i++) {
		int rc = resolve_root(im, &im->source->roots[i], err);

		if (rc)
			return rc;
	}
	if (im->count == 0)
		return err_set(err, ERR_INVALID, "there are no images");
	return 0;
}

/* ---- layers ---- */

/* What the store knows of a blob must agree with the documents. */
static int check_blob(struct catalog_txn *t, const struct descriptor *d,
		      const struct digest *diffid, bool *ret_known, struct err *err)
{
	struct record_blob blob;
	int rc = catalog_blob_get(t, &d->digest, &blob, err);

	*ret_known = !rc;
	if (rc)
		return rc == -ERR_NOTFOUND ? 0 : rc;
	if (blob.size != d->size)
		return err_set(err, ERR_INVALID, "size mismatch: the blob has %ju bytes",
			       (uintmax_t)blob.size);
	if (!digest_equal(&blob.diffid, diffid))
		return err_set(err, ERR_INVALID,
			       "DiffID mismatch: the config says another content");
	return 0;
}

/* A layer that the store has comes in another compression: it is not read, its content is
 * known by the DiffID. A blob of a wrong size shows all the same. */
static int check_unread(struct source *source, const struct descriptor *d,
			const struct record_layer *layer, struct err *err)
{
	auto_stream struct stream *in = NULL;
	int rc;

	if (digest_equal(&d->digest, &layer->diffid) && d->size != layer->tar_size)
		return err_set(err, ERR_INVALID, "size mismatch: the tar has %ju bytes",
			       (uintmax_t)layer->tar_size);
	rc = source_open_blob(source, d, &in, err);
	return rc == -ERR_NOTFOUND ? 0 : rc;
}

static int check_layer(const struct import *im, struct catalog_txn *t,
		       const struct descriptor *d, const struct digest *diffid,
		       bool *ret_known, struct err *err)
{
	struct record_layer layer;
	bool blob_known;
	int rc = check_blob(t, d, diffid, &blob_known, err);

	*ret_known = false;
	if (!rc)
		rc = session_layer_get(im->session, diffid, &layer, err);
	if (rc == -ERR_NOTFOUND)
		return 0;
	/* One that misses content is read again. */
	*ret_known = !rc && !(layer.flags & LAYER_DAMAGED);
	return rc || blob_known || !*ret_known ? rc
					       : check_unread(im->source, d, &layer, err);
}

/* Whether the compressed bytes are wanted and not there; or at least a look at them. */
static bool lacks_blob(const struct import *im, struct catalog_txn *t,
		       const struct layer_job *job)
{
	struct record_encoding how;

	if (digest_equal(&job->desc.digest, &job->diffid) ||
	    session_has_object(im->session, &job->desc.digest))
		return false;
	return im->options->keep_blobs ||
	       (im->options->match_blobs &&
		catalog_encoding_get(t, &job->desc.digest, &how, NULL) != 0);
}

/* Lists the layers of one image that the store does not have. */
static int add_missing(const struct import *im, struct catalog_txn *t,
		       const struct image *image, struct layer_jobs *jobs,
		       struct err *err)
{
	size_t count = image->manifest.count;

	for (size_t i = 0; i < count; i++) {
		const struct descriptor *d = &image->manifest.items[i];
		const struct digest *diffid = &image->config.diffids[i];
		struct layer_job job = {*d, *diffid, i + 1, count, false};
		int rc = check_layer(im, t, d, diffid, &job.known, err);

		if (rc)
			return err_wrap(err, "layer %zu of %zu", i + 1, count);
		if (!job.known || lacks_blob(im, t, &job))
			rc = layer_jobs_add(jobs, &job, err);
		if (rc)
			return rc;
	}
	return 0;
}

static int list_missing(const struct import *im, struct store *store,
			struct layer_jobs *jobs, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	int rc = catalog_begin(store_catalog(store), false, &t, err);

	for (size_t i = 0; i < im->count && !rc; i++)
		for (size_t k = 0; k < im->targets[i].set.count && !rc; k++)
			rc = add_missing(im, t, &im->targets[i].set.images[k], jobs, err);
	return rc;
}

/* ---- records ---- */

static int add_image(struct import *im, const struct image *image, struct err *err)
{
	struct image_parts parts = {
		.record = &image->record,
		.manifest = image->manifest_bytes.data,
		.manifest_len = image->manifest_bytes.len,
		.config = image->config_bytes.data,
		.config_len = image->config_bytes.len,
		.diffids = image->config.diffids,
		.count = image->config.count,
	};
	int rc = chain_check(im->session, parts.diffids, parts.count, err);

	return rc ? rc : image_record_add(im->session, &parts, err);
}

static int add_name(struct import *im, struct target *t, struct err *err)
{
	const struct record_image *images[RECORD_REF_TARGETS_MAX];

	for (size_t i = 0; i < t->set.count; i++)
		images[i] = &t->set.images[i].record;
	return image_record_name(im->session, text(&t->name), &t->set.index, images,
				 t->set.count, &t->moved, err);
}

static int add_target_records(struct import *im, struct target *t, struct err *err)
{
	struct digest digest;
	int rc = 0;

	for (size_t i = 0; i < t->set.index_count && !rc; i++)
		rc = session_put_document(im->session, t->set.indexes[i].bytes.data,
					  t->set.indexes[i].bytes.len, &digest, err);
	for (size_t i = 0; i < t->set.count && !rc; i++)
		rc = add_image(im, &t->set.images[i], err);
	return rc ? rc : add_name(im, t, err);
}

/* ---- blobs that export is to give as they came ---- */

/* Lists those of an image that neither are kept nor can be made again. */
static int add_lost(const struct import *im, struct catalog_txn *t,
		    const struct image *image, struct layer_jobs *jobs, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < image->manifest.count && !rc; i++) {
		struct layer_job job = {image->manifest.items[i],
					image->config.diffids[i], i + 1,
					image->manifest.count, true};
		struct record_encoding how = {0};

		rc = catalog_encoding_get(t, &job.desc.digest, &how, err);
		if (rc && rc != -ERR_NOTFOUND)
			return rc;
		rc = 0;
		if (how.state != ENCODING_PROVED &&
		    !digest_equal(&job.desc.digest, &job.diffid) &&
		    !session_has_object(im->session, &job.desc.digest))
			rc = layer_jobs_add(jobs, &job, err);
	}
	return rc;
}

static int list_lost(const struct import *im, struct store *store,
		     struct layer_jobs *jobs, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	int rc = catalog_begin(store_catalog(store), false, &t, err);

	for (size_t i = 0; i < im->count && !rc; i++)
		for (size_t k = 0; k < im->targets[i].set.count && !rc; k++)
			rc = add_lost(im, t, &im->targets[i].set.images[k], jobs, err);
	return rc;
}

/* The images are in the store already. */
static int match_blobs(struct import *im, struct store *store, struct err *err)
{
	auto_layer_jobs struct layer_jobs jobs = {.keep_blobs = true};
	bool quiet = im->options->quiet;
	int rc = blob_maker_prove(store, quiet, err);

	if (!rc)
		rc = session_begin(store, NULL, &im->session, err);
	if (!rc)
		rc = list_lost(im, store, &jobs, err);
	if (!rc)
		rc = layer_jobs_run(&jobs, im->session, im->source, "keep", quiet, err);
	return rc ? rc : session_commit(steal_ptr(&im->session), err);
}

int image_import(struct store *store, struct source *source,
		 const struct image_import_options *options, struct imports *ret,
		 struct err *err)
{
	auto_import struct import im = {.source = source, .options = options};
	auto_layer_jobs struct layer_jobs jobs = {.keep_blobs = options->keep_blobs};
	int rc = resolve(&im, err);

	if (!rc)
		rc = session_begin(store, NULL, &im.session, err);
	if (!rc)
		rc = list_missing(&im, store, &jobs, err);
	if (!rc)
		rc = layer_jobs_run(&jobs, im.session, source, "import", options->quiet,
				    err);
	for (size_t i = 0; i < im.count && !rc; i++)
		rc = add_target_records(&im, &im.targets[i], err);
	if (!rc)
		rc = session_commit(steal_ptr(&im.session), err);
	if (!rc && options->match_blobs)
		rc = match_blobs(&im, store, err);
	return rc ? rc : report(&im, ret, err);
}

/* ---- a bare layer ---- */

struct bare_reading {
	struct progress *progress;
	uint64_t told;
};

static int on_bare_progress(void *arg, uint64_t compressed, struct err *err)
{
	struct bare_reading *r = arg;

	(void)err;
	progress_add(r->progress, compressed - r->told);
	r->told = compressed;
	return 0;
}

int image_import_tar(struct store *store, struct stream *in, uint64_t size,
		     const struct image_import_options *options, struct imports *ret,
		     struct err *err)
{
	const struct layer_expect expect = {.blob_size = UINT64_MAX, .any_filter = true};
	auto_progress struct progress *progress = NULL;
	struct image_bare bare = {.created_by = "imported from tar"};
	auto_session struct session *s = NULL;
	auto_buf struct buf name;
	struct bare_reading reading = {0};
	struct record_image image;
	struct layer layer;
	bool moved = false;
	int rc;

	buf_init(&name, RECORD_REF_NAME_MAX + 1);
	rc = reference_normalize(options->name, &name, err);
	if (!rc)
		rc = session_begin(store, NULL, &s, err);
	if (rc) {
		stream_close(in);
		return rc;
	}
	progress = progress_begin(size, "import", options->quiet);
	reading.progress = progress;
	rc = layer_ingest(s, in, "layer", &expect, NULL, on_bare_progress, &reading,
			  &layer, err);
	if (rc)
		return rc;
	bare.name = text(&name);
	bare.diffid = layer.record.diffid;
	bare.tar_size = layer.record.tar_size;
	layer_release(&layer);
	rc = chain_check(s, &bare.diffid, 1, err);
	if (!rc)
		rc = image_record_bare(s, &bare, &image, &moved, err);
	if (!rc)
		rc = session_commit(steal_ptr(&s), err);
	return rc ? rc : imports_add(ret, bare.name, "", &image, moved, err);
}
