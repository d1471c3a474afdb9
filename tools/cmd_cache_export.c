/* SPDX-License-Identifier: Apache-2.0
 * `layercache cache export REF DEST`: a build cache, or an image with one inline, to where
 * BuildKit reads it.
 */
#include <string.h>

#include "tools/buildkit/cache_export.h"
#include "tools/buildkit/cache_find.h"
#include "tools/buildkit/inline_image.h"
#include "tools/commands.h"
#include "tools/exports_print.h"
#include "tools/image_export.h"
#include "tools/output.h"
#include "tools/registry/remote_source.h"
#include "tools/registry_options.h"
#include "tools/subject.h"

#define CACHE_BYTES (64u << 20)

struct values {
	const char *to, *form, *cache, *platform, *compression;
	struct option_number level;
	struct registry_options registry;
};

static const struct option_spec options[] = {
	OPTION_WORD(0, "to", "KIND", "local registry inline", struct values, to,
		    "local: DEST is a directory; registry: a reference"),
	OPTION_WORD(0, "form", "FORM", "manifest index", struct values, form,
		    "of the cache manifest; default: as it came, else manifest"),
	OPTION_TEXT_OF(COMPLETE_NAME, 0, "cache", "REF", struct values, cache,
		       "with inline: take the records from this cache"),
	OPTION_TEXT(0, "platform", "OS/ARCH[/VARIANT]", struct values, platform,
		    "which platform of an image of several"),
	OPTION_WORD(
		0, "compression", "KIND", LAYER_BLOB_COMPRESSIONS, struct values,
		compression,
		"none, gzip, zstd or zstd:chunked; default: the kind that layers came in"),
	OPTION_NUMBER(0, "level", "N", 1, 19, struct values, level,
		      "compress anew at this level (gzip 1-12, zstd 1-19)"),
	REGISTRY_OPTIONS(struct values, registry),
	OPTION_END,
};

/* DEST in full: of a bare one, what --to means by it. */
static int destination(const struct values *v, const char *text, char **ret,
		       struct err *err)
{
	const char *prefix = "";
	bool registry = v->to && strcmp(v->to, "registry") == 0;

	if (registry && strncmp(text, "docker://", 9) != 0)
		prefix = "docker://";
	else if (!registry && v->to && strcmp(v->to, "local") == 0 &&
		 !source_is_known(text))
		prefix = "oci:";
	if (asprintf(ret, "%s%s", prefix, text) < 0) {
		*ret = NULL;
		return err_nomem(err);
	}
	return 0;
}

/* A layer in eStargz has another DiffID, and a cache is a chain of these. */
static int blob_options(const struct values *v, struct layer_blob_options *ret,
			struct err *err)
{
	int rc = layer_blob_options_parse(
		v->compression, v->level.given ? (int)v->level.value : 0, ret, err);

	if (!rc && ret->stargz)
		return err_set(err, ERR_USAGE,
			       "estargz changes the layers, and with them what the cache "
			       "is about: zstd:chunked is read in parts too");
	return rc;
}

/* ---- local, registry ---- */

static int print(const struct command_call *call, const char *name,
		 const struct cache_exported *r, struct err *err)
{
	char config[DIGEST_TEXT_SIZE], manifest[DIGEST_TEXT_SIZE];

	if (r->dropped)
		output_notice(call->quiet,
			      "%u results are left out: their layers are not "
			      "in the store",
			      r->dropped);
	output_notice(call->quiet, "%u results, %u layers; the documents are %s",
		      r->results, r->layers, r->same ? "those that came" : "new");
	if (!call->json) {
		output_line("%s %s %s", name, output_digest(&r->record.config, config),
			    output_digest(&r->record.manifest, manifest));
		return 0;
	}
	return output_json(json_pack("{s:s, s:o, s:o, s:i, s:i, s:i, s:b}", "name", name,
				     "image", output_json_digest(&r->record.config),
				     "manifest", output_json_digest(&r->record.manifest),
				     "records", (int)r->records, "results",
				     (int)r->results, "layers", (int)r->layers, "same",
				     (int)r->same),
			   err);
}

static int export_cache(struct command_call *call, struct store *store,
			struct objects *objects, const char *to,
			const struct layer_blob_options *blobs,
			struct blob_notes *ret_notes, struct err *err)
{
	const struct values *v = call->values;
	auto_cache_found struct cache_found found = {0};
	auto_catalog_txn struct catalog_txn *t = NULL;
	struct cache_export_options o = {.blobs = *blobs, .quiet = call->quiet};
	struct remote_options remote;
	struct cache_exported result;
	int rc = catalog_begin(store_catalog(store), false, &t, err);

	if (!rc)
		rc = cache_find(t, objects, call->args[0], v->platform, &found, err);
	if (rc)
		return rc;
	catalog_abort(steal_ptr(&t));
	registry_options_take(&v->registry, &remote);
	o.registry = &remote;
	if (v->form)
		o.form = strcmp(v->form, "index") == 0 ? CACHE_FORM_INDEX
						       : CACHE_FORM_MANIFEST;
	o.name = *found.name ? found.name : NULL;
	rc = cache_export(store, objects, &found.cache, to, &o, &result, err);
	if (rc)
		return rc;
	*ret_notes = result.notes;
	return print(call, *found.name ? found.name : "-", &result, err);
}

/* ---- inline ---- */

/* The records that fit into the image, from --cache or what it has itself. */
static int choose_records(const struct values *v, const char *x, struct catalog_txn *t,
			  struct objects *objects, const struct subject *image,
			  struct cacheconfig *ret, struct err *err)
{
	auto_cache_found struct cache_found found = {0};
	auto_free struct record_chain *links = NULL;
	auto_free struct digest *diffids = NULL;
	size_t count;
	int rc = cache_find(t, objects, v->cache ? v->cache : x,
			    v->cache ? NULL : v->platform, &found, err);

	if (!rc)
		rc = subject_chain_layers(t, &image->image.chainid, &links, &count, err);
	if (rc)
		return rc;
	diffids = calloc(count + 1, sizeof(*diffids));
	if (!diffids)
		return err_nomem(err);
	for (size_t i = 0; i < count; i++)
		diffids[i] = links[i].diffid;
	return inline_image_fit(&found.cache, diffids, count, ret, err);
}

/* The image with its records, in the store under no name: 'gc' takes it. */
static int make_image(struct command_call *call, struct store *store,
		      struct objects *objects, struct record_image *ret, struct err *err)
{
	const struct values *v = call->values;
	auto_cacheconfig struct cacheconfig records = {0};
	auto_catalog_txn struct catalog_txn *t = NULL;
	auto_session struct session *session = NULL;
	struct subject s;
	uint64_t size;
	int rc = catalog_begin(store_catalog(store), false, &t, err);

	if (!rc)
		rc = subject_find(t, call->args[0], v->platform, 0, &s, err);
	if (!rc && (s.kind != SUBJECT_IMAGE || digest_is_zero(&s.image.chainid)))
		rc = err_set(err, ERR_INVALID, "only an image has an inline cache");
	if (!rc)
		rc = choose_records(v, call->args[0], t, objects, &s, &records, err);
	if (!rc && records.result_count == 0)
		rc = err_set(err, ERR_NOTFOUND,
			     "the cache has no result that is in the image");
	if (rc)
		return rc;
	catalog_abort(steal_ptr(&t));
	output_notice(call->quiet, "%u records with %u results are inline",
		      records.record_count, records.result_count);
	rc = session_begin(store, NULL, &session, err);
	if (!rc)
		rc = inline_image_add(session, objects, &s.image, &records, ret, &size,
				      err);
	return rc ? rc : session_commit(steal_ptr(&session), err);
}

static int export_inline(struct command_call *call, struct store *store,
			 struct objects *objects, const char *to,
			 const struct layer_blob_options *blobs,
			 struct blob_notes *ret_notes, struct err *err)
{
	const struct values *v = call->values;
	struct remote_options remote;
	const struct image_export_options o = {
		.blobs = *blobs, .quiet = call->quiet, .registry = &remote};
	char id[DIGEST_TEXT_SIZE], x[DIGEST_TEXT_SIZE + 8], manifest[DIGEST_TEXT_SIZE];
	auto_exports struct exports done = {0};
	struct record_image image;
	int rc = make_image(call, store, objects, &image, err);

	registry_options_take(&v->registry, &remote);
	if (rc)
		return rc;
	snprintf(x, sizeof(x), "image:%s", digest_format(&image.manifest, id));
	rc = image_export(store, x, to, &o, &done, err);
	if (rc)
		return rc;
	*ret_notes = done.notes;
	done.notes = (struct blob_notes){0};
	digest_format(&image.config, id);
	output_notice(call->quiet, "the image ID is another: %s", id);
	output_digest(&done.items[0].manifest, manifest);
	if (!call->json) {
		output_line("%s %s %s", call->args[0], id, manifest);
		return 0;
	}
	return output_json(json_pack("{s:s, s:s, s:s}", "name", call->args[0], "image",
				     id, "manifest", manifest),
			   err);
}

static int run(struct command_call *call, struct err *err)
{
	const struct values *v = call->values;
	bool in_image = v->to && strcmp(v->to, "inline") == 0;
	auto_store struct store *store = NULL;
	auto_objects struct objects *objects = NULL;
	auto_blob_notes struct blob_notes notes = {0};
	struct layer_blob_options blobs;
	auto_free char *to = NULL;
	int rc;

	if (v->cache && !in_image)
		return err_set(err, ERR_USAGE, "--cache goes with --to inline only");
	rc = blob_options(v, &blobs, err);
	if (!rc)
		rc = destination(v, call->args[1], &to, err);
	if (!rc)
		rc = in_image ? command_open_store(call, STORE_WRITE, &store, err)
			      : exports_open_store(call, remote_source_name(to), &store,
						   err);
	if (!rc)
		rc = objects_new(store, CACHE_BYTES, &objects, err);
	if (!rc && in_image)
		rc = export_inline(call, store, objects, to, &blobs, &notes, err);
	else if (!rc)
		rc = export_cache(call, store, objects, to, &blobs, &notes, err);
	objects_free(steal_ptr(&objects));
	store_close(steal_ptr(&store));
	if (!rc)
		blob_notes_keep(&notes, call->store);
	return rc && rc != -ERR_USAGE ? err_wrap(err, "export '%s'", call->args[0]) : rc;
}

const struct command cmd_cache_export = {
	.name = "cache export",
	.summary = "write a build cache for BuildKit",
	.arguments = "REF DEST",
	.details =
		"DEST is what 'export' takes; with --to local just a directory, with\n"
		"--to registry just a reference. BuildKit reads these with\n"
		"  --cache-from type=local,src=DIR[,tag=TAG]     (the tag is latest if none\n"
		"                                                is given)\n"
		"  --cache-from type=registry,ref=REFERENCE\n"
		"What a registry has already, in some form, is not sent; layers that were kept\n"
		"(--keep-blobs) go out as they came, others are compressed anew. If all are as\n"
		"they came, so are the documents. --to inline writes an image, REF, with the\n"
		"records in its config (what it has, or those of --cache that fit): the image\n"
		"ID changes.\n"
		"\n"
		"Prints 'NAME DIGEST MANIFEST-DIGEST', DIGEST of the cache document or the\n"
		"image's config.",
	.options = options,
	.values_size = sizeof(struct values),
	.min_args = 2,
	.max_args = 2,
	.flags = COMMAND_JSON | COMMAND_PROGRESS,
	.complete = COMPLETE_NAME,
	.run = run,
};
