/* SPDX-License-Identifier: Apache-2.0
 * Images from a source into the store. */
#include "tools/image_import.h"

#include <string.h>

#include "store/layer.h"
#include "tools/buildkit/cache_import.h"
#include "tools/chain_check.h"
#include "tools/image_match.h"
#include "tools/image_record.h"
#include "tools/layer_jobs.h"
#include "tools/oci/reference.h"
#include "tools/output.h"
#include "tools/progress.h"
#include "tools/referrers_take.h"

/* A name to set and what it will stand for: images, or a build cache. */
struct target {
	struct buf name; /* NUL-terminated */
	struct image_set set;
	struct cache cache; /* its manifest is not zero, then */
	bool moved;
};

struct import {
	struct source *source;
	const struct image_import_options *options;
	struct session *session;
	struct target *targets;
	size_t count;
	struct layer_jobs all; /* with match_blobs: also layers that need not be read */
};

static void target_release(struct target *t)
{
	buf_release(&t->name);
	image_set_release(&t->set);
	cache_release(&t->cache);
}

static void import_release(struct import *im)
{
	for (size_t i = 0; i < im->count; i++)
		target_release(&im->targets[i]);
	free(im->targets);
	layer_jobs_release(&im->all);
	session_abort(im->session);
}

#define auto_import __attribute__((cleanup(import_release)))

static const char *text(const struct buf *b)
{
	return (const char *)b->data;
}

/* What the plain name stands for. */
static const struct record_image *first_record(const struct target *t)
{
	return t->set.count ? &t->set.images[0].record : &t->cache.record;
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

		rc = imports_add(ret, text(&t->name), "", first_record(t), t->moved, err);
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
	if (im->options->unnamed)
		return buf_append_u8(ret, 0, err);
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
		const struct target *other = &im->targets[i];

		if (strcmp(text(&other->name), text(&t->name)) != 0)
			continue;
		if (!digest_equal(&first_record(other)->manifest,
				  &first_record(t)->manifest))
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

/* Whether an image of the set has what only caches are asked for. */
static int check_inline(const struct import *im, const struct image_set *set,
			bool *ret_wanted, struct err *err)
{
	int rc = -ERR_NOTFOUND;

	for (size_t i = 0; i < set->count && rc == -ERR_NOTFOUND; i++) {
		const struct image *image = &set->images[i];
		struct cache cache;

		rc = cache_from_config(image->config_bytes.data, image->config_bytes.len,
				       image->manifest.items, image->config.diffids,
				       image->config.count, &cache, err);
		if (!rc)
			cache_release(&cache);
	}
	*ret_wanted = rc == 0;
	if (rc == -ERR_NOTFOUND && im->source->root_count == 1)
		return err_set(err, ERR_INVALID, "the image has no inline build cache");
	return rc == -ERR_NOTFOUND ? 0 : rc;
}

/* In a source of several images, what is none is passed over. */
static int take_root(struct import *im, const struct source_root *root, struct target *t,
		     bool *ret_wanted, struct err *err)
{
	const struct image_import_options *o = im->options;
	char digest[DIGEST_TEXT_SIZE];
	int rc = image_set_resolve(im->source, &root->desc, o->platform, o->all_platforms,
				   &t->set, err);

	*ret_wanted = false;
	if (rc)
		return rc;
	if (t->set.is_cache) {
		*ret_wanted = true;
		return cache_from_source(im->source, &root->desc, &t->cache, err);
	}
	*ret_wanted = t->set.count > 0;
	if (t->set.count)
		return o->caches ? check_inline(im, &t->set, ret_wanted, err) : 0;
	if (im->source->root_count == 1)
		return err_set(
			err, ERR_INVALID,
			"this is %s, not an image, which this version cannot import",
			t->set.not_image);
	output_notice(o->quiet, "%s in '%s' is %s, not an image: passed over",
		      digest_format(&root->desc.digest, digest), im->source->what,
		      t->set.not_image);
	return 0;
}

static int resolve_root(struct import *im, const struct source_root *root,
			struct err *err)
{
	struct target t = {0};
	bool taken = false;
	bool wanted = false;
	int rc = name_of(im, root, &t.name, err);

	if (!rc)
		rc = take_root(im, root, &t, &wanted, err);
	if (!rc && wanted)
		rc = add_target(im, &t, &taken, err);
	if (!taken)
		target_release(&t);
	return rc;
}

static int resolve(struct import *im, struct err *err)
{
	for (size_t i = 0; i < im->source->root_count; i++) {
		const struct source_root *root = &im->source->roots[i];
		int rc;

		if (root->referrer && !im->source->chosen)
			continue;
		rc = resolve_root(im, root, err);
		if (rc)
			return rc;
	}
	if (im->count == 0)
		return err_set(err, ERR_INVALID, "there are no images");
	return 0;
}

/* ---- layers ---- */

/* What the store or an alternate knows of a blob must agree with the documents. */
static int check_blob(const struct import *im, struct catalog_txn *t,
		      const struct descriptor *d, const struct digest *diffid,
		      bool *ret_known, struct err *err)
{
	struct alternates *alternates = store_alternates(session_store(im->session));
	struct record_blob blob;
	int rc = catalog_blob_get(t, &d->digest, &blob, err);

	if (rc == -ERR_NOTFOUND)
		rc = alternates_blob_get(alternates, &d->digest, &blob, err);

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
		       const struct descriptor *d, struct layer_job *job, struct err *err)
{
	struct alternates *alternates = store_alternates(session_store(im->session));
	struct record_layer layer;
	bool blob_known;
	int rc = check_blob(im, t, d, &job->diffid, &blob_known, err);

	if (!rc)
		rc = session_layer_get(im->session, &job->diffid, &layer, err);
	/* One that misses content is read again. */
	job->known = !rc && !(layer.flags & LAYER_DAMAGED);
	if (rc == -ERR_NOTFOUND) {
		rc = alternates_layer_get(alternates, &job->diffid, &layer, err);
		job->known = job->adopt = !rc;
	}
	if (rc == -ERR_NOTFOUND)
		return 0;
	return rc || blob_known || !job->known ? rc
					       : check_unread(im->source, d, &layer, err);
}

/* Whether the compressed bytes are wanted and not there; or at least a look at them. */
static bool lacks_blob(const struct import *im, struct catalog_txn *t,
		       const struct layer_job *job)
{
	struct record_encoding how = {0};
	bool known, made;

	if (digest_equal(&job->desc.digest, &job->diffid) ||
	    session_has_object(im->session, &job->desc.digest))
		return false;
	known = catalog_encoding_get(t, &job->desc.digest, &how, NULL) == 0;
	made = known && how.state == ENCODING_PROVED && im->options->spare_made;
	return (im->options->keep_blobs && !made) || (im->options->match_blobs && !known);
}

/* Lists a layer unless the store has it. */
static int want_layer(struct import *im, struct catalog_txn *t,
		      const struct layer_job *wanted, struct layer_jobs *jobs,
		      struct err *err)
{
	struct layer_job job = *wanted;
	int rc = check_layer(im, t, &job.desc, &job, err);

	if (rc)
		return err_wrap(err, "layer %zu of %zu", job.number, job.total);
	job.lacks_blob = lacks_blob(im, t, &job);
	if (!job.known || job.adopt || job.lacks_blob)
		rc = layer_jobs_add(jobs, &job, err);
	/* By then it will be there. */
	job.known = true;
	job.adopt = false;
	if (!rc && im->options->match_blobs)
		rc = layer_jobs_add(&im->all, &job, err);
	return rc;
}

static int add_missing(struct import *im, struct catalog_txn *t,
		       const struct image *image, struct layer_jobs *jobs,
		       struct err *err)
{
	size_t count = image->manifest.count;
	int rc = 0;

	for (size_t i = 0; i < count && !rc; i++) {
		const struct layer_job job = {.desc = image->manifest.items[i],
					      .diffid = image->config.diffids[i],
					      .number = i + 1,
					      .total = count};

		rc = want_layer(im, t, &job, jobs, err);
	}
	return rc;
}

static int add_missing_of_cache(struct import *im, struct catalog_txn *t,
				struct cache *cache, struct layer_jobs *jobs,
				struct err *err)
{
	size_t count = cache->doc.layer_count;
	int rc = cache_import_diffids(cache, t, err);

	for (uint32_t i = 0; i < count && !rc; i++) {
		const struct layer_job job = {.desc = cache->layers[i].desc,
					      .diffid = cache->layers[i].diffid,
					      .number = i + 1,
					      .total = count};

		if (cache_import_wants(cache, i))
			rc = want_layer(im, t, &job, jobs, err);
	}
	return rc;
}

static int list_missing(struct import *im, struct store *store, struct layer_jobs *jobs,
			struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	int rc = catalog_begin(store_catalog(store), false, &t, err);

	for (size_t i = 0; i < im->count && !rc; i++) {
		rc = add_missing_of_cache(im, t, &im->targets[i].cache, jobs, err);
		for (size_t k = 0; k < im->targets[i].set.count && !rc; k++)
			rc = add_missing(im, t, &im->targets[i].set.images[k], jobs, err);
	}
	return rc;
}

/* ---- records ---- */

/* What an image has inline is of use too; if it cannot be read, the image is none the worse. */
static int add_inline(struct import *im, const struct image *image, struct err *err)
{
	struct err why = {0};
	struct cache cache;
	int rc = cache_from_config(image->config_bytes.data, image->config_bytes.len,
				   image->manifest.items, image->config.diffids,
				   image->config.count, &cache, &why);

	if (rc == -ERR_INVALID || rc == -ERR_LIMIT)
		output_notice(im->options->quiet,
			      "the inline build cache is not taken: %s", why.msg);
	if (rc)
		return rc == -ERR_NOMEM ? err_copy(err, &why) : 0;
	rc = cache_import_results(im->session, &cache, err);
	cache_release(&cache);
	return rc;
}

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

	if (!rc)
		rc = image_record_add(im->session, &parts, err);
	return rc ? rc : add_inline(im, image, err);
}

static int add_name(struct import *im, struct target *t, struct err *err)
{
	const struct record_image *images[RECORD_REF_TARGETS_MAX] = {first_record(t)};

	for (size_t i = 1; i < t->set.count; i++)
		images[i] = &t->set.images[i].record;
	return image_record_name(im->session, text(&t->name), &t->set.index, images,
				 t->set.count ? t->set.count : 1, &t->moved, err);
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
	if (!rc && !t->set.count)
		rc = cache_import_add(im->session, &t->cache, err);
	return rc || im->options->unnamed ? rc : add_name(im, t, err);
}

/* ---- what is about them ---- */

static int add_referrers(struct import *im, struct err *err)
{
	auto_referrers_take struct referrers_take *take = NULL;
	int rc;

	if (!im->options->referrers || !im->source->referrers)
		return 0;
	rc = referrers_take_new(im->session, im->source, im->options->quiet, &take, err);
	for (size_t i = 0; i < im->count && !rc; i++) {
		const struct image_set *set = &im->targets[i].set;

		if (!digest_is_zero(&set->index))
			rc = referrers_take(take, &set->index, err);
		for (size_t k = 0; k < set->count && !rc; k++)
			rc = referrers_take(take, &set->images[k].record.manifest, err);
	}
	return rc;
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
		rc = add_referrers(&im, err);
	if (!rc)
		rc = session_commit(steal_ptr(&im.session), err);
	if (!rc && options->match_blobs)
		rc = image_match(store, source, &im.all, options->quiet, err);
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
