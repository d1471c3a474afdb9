/* SPDX-License-Identifier: Apache-2.0
 * `layercache export X DEST`: images, or the identical tar of a layer.
 */
#include <string.h>

#include "store/base/io.h"
#include "store/deflate.h"
#include "store/flatten.h"
#include "store/forest.h"
#include "store/layer.h"
#include "tools/commands.h"
#include "tools/image_export.h"
#include "tools/new_file.h"
#include "tools/exports_print.h"
#include "tools/oci/source.h"
#include "tools/registry/remote_source.h"
#include "tools/registry_options.h"
#include "tools/output.h"
#include "tools/subject.h"

#define CACHE_BYTES (32u << 20)
#define COPY_SIZE   (1u << 20)
#define AHEAD_COUNT 4

struct export_options {
	struct option_number layer;
	bool flatten;
	const char *platform;
	const char *compression;
	struct option_number level;
	struct registry_options registry;
};

static const struct option_spec options[] = {
	OPTION_NUMBER(0, "layer", "N", 1, 100000, struct export_options, layer,
		      "for tar:, of several layers the Nth from the bottom"),
	OPTION_FLAG(0, "flatten", struct export_options, flatten,
		    "for tar:, one tar of all layers together"),
	OPTION_TEXT(0, "platform", "OS/ARCH[/VARIANT]", struct export_options, platform,
		    "of several platforms, only this one"),
	OPTION_WORD(
		0, "compression", "KIND", LAYER_BLOB_COMPRESSIONS, struct export_options,
		compression,
		"none, gzip, zstd, zstd:chunked or estargz; default: as the layers came"),
	OPTION_NUMBER(0, "level", "N", 1, 19, struct export_options, level,
		      "compress anew at this level (gzip 1-12, zstd 1-19)"),
	REGISTRY_OPTIONS(struct export_options, registry),
	OPTION_END,
};

/* ---- which layer ---- */

/* The layer of an image or chain: its only one or the one asked for. */
static int pick_layer(struct catalog_txn *t, const struct subject *x,
		      const struct option_number *layer, struct digest *ret,
		      struct err *err)
{
	auto_free struct record_chain *chains = NULL;
	struct digest chain;
	size_t count, n;
	int rc = subject_chain(t, x, &chain, err);

	if (!rc)
		rc = subject_chain_layers(t, &chain, &chains, &count, err);
	if (rc)
		return rc;
	if (!layer->given && count != 1)
		return err_set(
			err, ERR_INVALID,
			"it has %zu layers: choose one with --layer N, or --flatten",
			count);
	n = layer->given ? (size_t)layer->value : 1;
	if (n > count)
		return err_set(err, ERR_NOTFOUND, "it has only %zu layers", count);
	*ret = chains[n - 1].diffid;
	return 0;
}

static int find_layer(struct store *store, const char *text,
		      const struct export_options *o, struct digest *ret, struct err *err)
{
	const struct option_number *layer = &o->layer;
	auto_catalog_txn struct catalog_txn *t = NULL;
	struct subject x;
	int rc = catalog_begin(store_catalog(store), false, &t, err);

	if (!rc)
		rc = subject_find(t, text, o->platform,
				  layer->given ? 0 : SUBJECT_LAYER_FIRST, &x, err);
	if (rc)
		return rc;
	if (x.kind != SUBJECT_LAYER)
		return pick_layer(t, &x, layer, ret, err);
	*ret = x.layer.diffid;
	return 0;
}

static int find_chain(struct store *store, const char *text,
		      const struct export_options *o, struct digest *ret, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	struct subject x;
	int rc = catalog_begin(store_catalog(store), false, &t, err);

	if (!rc)
		rc = subject_find(t, text, o->platform, 0, &x, err);
	return rc ? rc : subject_chain(t, &x, ret, err);
}

/* ---- tar: ---- */

static int copy(struct stream *from, const struct new_file *to, struct progress *p,
		struct err *err)
{
	auto_free char *chunk = malloc(COPY_SIZE);
	size_t len = 0;
	int rc = chunk ? 0 : err_nomem(err);

	while (!rc) {
		rc = from->read(from, chunk, COPY_SIZE, &len, err);
		if (rc || len == 0)
			break;
		rc = io_write(to->fd, chunk, len, to->path, err);
		progress_add(p, len);
	}
	return rc;
}

/* Takes over TAR, also on failure. SIZE 0: not known. */
static int write_tar(struct stream *tar, uint64_t size, const char *path,
		     const struct layer_blob_options *blobs, bool quiet, struct err *err)
{
	auto_progress struct progress *progress = NULL;
	auto_stream struct stream *out = NULL;
	auto_new_file struct new_file file = {0};
	int rc = stream_ahead(tar, COPY_SIZE, AHEAD_COUNT, &tar, err);

	if (!rc)
		rc = deflate_open(tar, blobs->kind, blobs->level, 0, &out, err);
	if (!rc)
		rc = new_file_open(path, -1, &file, err);
	if (rc)
		return rc;
	progress =
		progress_begin(blobs->kind == INFLATE_NONE ? size : 0, "export", quiet);
	rc = copy(out, &file, progress, err);
	return rc ? rc : new_file_finish(&file, err);
}

static int export_flat(struct store *store, struct objects *objects, const char *x,
		       const char *path, const struct export_options *o,
		       const struct layer_blob_options *blobs, bool quiet,
		       struct err *err)
{
	auto_forest struct forest *forest = NULL;
	struct forest_tree *tree = NULL;
	struct stream *tar;
	struct digest chain;
	int rc = find_chain(store, x, o, &chain, err);

	if (!rc)
		rc = forest_new(store, 0, &forest, err);
	if (!rc)
		rc = forest_get_chain(forest, &chain, &tree, err);
	if (!rc)
		rc = flatten_open(&tree->tree, objects, &tar, err);
	if (!rc)
		rc = write_tar(tar, 0, path, blobs, quiet, err);
	forest_put(forest, tree);
	return rc;
}

static int export_tar(struct store *store, const char *x, const char *path,
		      const struct export_options *o,
		      const struct layer_blob_options *blobs, bool quiet, struct err *err)
{
	auto_objects struct objects *objects = NULL;
	struct record_layer record;
	struct digest diffid;
	struct stream *tar;
	int rc = objects_new(store, CACHE_BYTES, &objects, err);

	if (!rc && o->flatten)
		return export_flat(store, objects, x, path, o, blobs, quiet, err);
	if (!rc)
		rc = find_layer(store, x, o, &diffid, err);
	if (!rc)
		rc = layer_open(store, objects, &diffid, &tar, &record, err);
	return rc ? rc : write_tar(tar, record.tar_size, path, blobs, quiet, err);
}

/* ---- images ---- */

/* Standard output is the archive itself. */
static bool is_stream(const char *to)
{
	const char *path = strchr(to, ':');

	return path && path[1] == '-' && (!path[2] || path[2] == ':');
}

/* ---- the command ---- */

static int check(const struct export_options *v, bool tar, const char *to,
		 struct layer_blob_options *ret, struct err *err)
{
	const char *rest;
	int rc = layer_blob_options_parse(
		v->compression, v->level.given ? (int)v->level.value : 0, ret, err);

	if (rc)
		return rc;
	ret->given |= tar;
	if (tar && (ret->chunked || ret->stargz))
		return err_set(err, ERR_USAGE,
			       "%s needs a manifest: it is not for tar:", v->compression);
	if ((v->layer.given || v->flatten) && !tar)
		return err_set(err, ERR_USAGE, "--layer and --flatten are for tar: only");
	if (v->layer.given && v->flatten)
		return err_set(err, ERR_USAGE,
			       "--layer and --flatten exclude each other");
	if (!source_transport(to, "docker-archive", &rest))
		return 0;
	if (ret->kind != INFLATE_NONE)
		return err_set(err, ERR_USAGE,
			       "layers in a docker-archive are not compressed");
	ret->given = true;
	return 0;
}

static int run(struct command_call *call, struct err *err)
{
	const struct export_options *v = call->values;
	const char *x = call->args[0], *to = call->args[1], *path;
	bool tar = source_transport(to, "tar", &path);
	struct image_export_options o = {.platform = v->platform, .quiet = call->quiet};
	auto_exports struct exports done = {0};
	auto_store struct store *store = NULL;
	struct remote_options remote;
	int rc;

	if (tar ? !*path : !source_is_known(to))
		return err_set(err, ERR_USAGE,
			       "bad destination '%s': not oci:DIR, oci-archive:FILE, "
			       "docker-archive:FILE, dir:DIR, docker://REF or tar:FILE",
			       to);
	rc = check(v, tar, to, &o.blobs, err);
	if (rc)
		return rc;
	registry_options_take(&v->registry, &remote);
	o.registry = &remote;
	rc = exports_open_store(call, remote_source_name(to), &store, err);
	if (!rc && tar)
		rc = export_tar(store, x, path, v, &o.blobs, call->quiet, err);
	else if (!rc)
		rc = image_export(store, x, to, &o, &done, err);
	if (rc)
		return rc == -ERR_USAGE ? rc : err_wrap(err, "export '%s'", x);
	store_close(steal_ptr(&store));
	blob_notes_keep(&done.notes, call->store);
	return tar || is_stream(to) ? 0 : exports_print(&done, call->json, err);
}

const struct command cmd_export = {
	.name = "export",
	.summary = "write an image, or a layer's tar, as it came",
	.arguments = "X DEST",
	.details =
		"DEST is one of\n"
		"  oci:DIR[:TAG]              an OCI image layout; one that is there gets\n"
		"                             the image added\n"
		"  oci-archive:FILE[:TAG]     the same in a tar archive\n"
		"  docker-archive:FILE[:REF]  what `docker load` reads\n"
		"  dir:DIR                    skopeo's directory\n"
		"  docker://REF               a registry, as `layercache push` does it\n"
		"  tar:FILE                   the tar of a layer, or of a chain or image of\n"
		"                             one layer (else --layer N or --flatten)\n"
		"FILE '-' is standard output. All of DEST appears when it is complete.\n"
		"\n"
		"Prints 'NAME IMAGE-ID MANIFEST-DIGEST' for every image (not with '-'); a name\n"
		"of several platforms is exported with all of them. Image ID and DiffIDs never\n"
		"change, except with estargz. Where every layer can be had in the very form in\n"
		"which it came, neither does the manifest; stderr says what became of each.\n"
		"Of zstd:chunked and estargz `pull` fetches single files; podman does of the\n"
		"one, containerd's stargz snapshotter of the other, which is gzip with a table\n"
		"of contents in the tar: DiffIDs and image ID become others.",
	.options = options,
	.values_size = sizeof(struct export_options),
	.min_args = 2,
	.max_args = 2,
	.flags = COMMAND_JSON | COMMAND_PROGRESS,
	.complete = COMPLETE_NAME,
	.run = run,
};
