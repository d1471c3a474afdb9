/* SPDX-License-Identifier: Apache-2.0
 * `docker save` archives of all generations since Docker 1.10. From version 25 on they are
 * OCI layouts; before, manifest.json names a config and the tar of each layer, and there is
 * no image manifest: one is made, which is the same for the same image every time. */
#include <string.h>

#include "store/inflate.h"
#include "tools/oci/bundle.h"
#include "tools/oci/config.h"
#include "tools/oci/source.h"

struct member {
	struct digest digest;
	const char *path; /* in the archive; lives in `list` */
};

struct docker_archive {
	struct source source;
	struct bundle *bundle;
	json_t *list; /* manifest.json */
	struct member *members;
	size_t count;
};

static const char *find_member(const struct docker_archive *a, const struct digest *d)
{
	for (size_t i = 0; i < a->count; i++)
		if (digest_equal(&a->members[i].digest, d))
			return a->members[i].path;
	return NULL;
}

static int open_blob(struct source *s, const struct descriptor *d, struct stream **ret,
		     uint64_t *ret_size, struct err *err)
{
	struct docker_archive *a = (struct docker_archive *)s;
	const char *path = find_member(a, &d->digest);

	if (!path)
		return err_set(err, ERR_NOTFOUND, "not in the archive");
	return bundle_open(a->bundle, path, ret, ret_size, err);
}

static void close_archive(struct source *s)
{
	struct docker_archive *a = (struct docker_archive *)s;

	free(a->members);
	json_decref(a->list);
	bundle_close(a->bundle);
	free(a);
}

static const struct source_ops docker_ops = {open_blob, close_archive};

static int add_member(struct docker_archive *a, const struct digest *d, const char *path,
		      struct err *err)
{
	struct member *members;

	if (find_member(a, d))
		return 0;
	members = reallocarray(a->members, a->count + 1, sizeof(*members));
	if (!members)
		return err_nomem(err);
	a->members = members;
	members[a->count++] = (struct member){.digest = *d, .path = path};
	return 0;
}

/* ---- layers ---- */

static int compression(struct bundle *b, const char *path, enum inflate_kind *ret,
		       uint64_t *ret_size, struct err *err)
{
	auto_stream struct stream *plain = NULL;
	struct stream *in;
	int rc = bundle_open(b, path, &in, ret_size, err);

	return rc ? rc : inflate_open(in, false, ret, &plain, err);
}

/* Docker writes plain tars, whose digest is the DiffID; other tools compress them, and then
 * nobody says the digest. */
static int describe_layer(struct docker_archive *a, const char *path,
			  const struct digest *diffid, struct descriptor *ret,
			  struct err *err)
{
	static const char *const types[] = {
		[INFLATE_NONE] = DESCRIPTOR_OCI_LAYER,
		[INFLATE_GZIP] = DESCRIPTOR_OCI_LAYER "+gzip",
		[INFLATE_ZSTD] = DESCRIPTOR_OCI_LAYER "+zstd",
	};
	auto_stream struct stream *in = NULL;
	enum inflate_kind kind;
	uint64_t size;
	int rc = compression(a->bundle, path, &kind, &size, err);

	if (rc)
		return rc;
	*ret = (struct descriptor){.kind = DESCRIPTOR_LAYER,
				   .media_type = types[kind],
				   .digest = *diffid,
				   .size = size};
	if (kind != INFLATE_NONE) {
		rc = bundle_open(a->bundle, path, &in, &size, err);
		if (!rc)
			rc = digest_of_stream(in, &ret->digest, err);
	}
	return rc ? rc : add_member(a, &ret->digest, path, err);
}

static int describe_layers(struct docker_archive *a, const json_t *layers,
			   const struct config *config, struct descriptor *ret,
			   struct err *err)
{
	for (size_t i = 0; i < config->count; i++) {
		const char *path = json_string_value(json_array_get(layers, i));
		int rc;

		if (!path)
			return err_set(err, ERR_INVALID, "Layers has no name as %zu",
				       i + 1);
		rc = describe_layer(a, path, &config->diffids[i], &ret[i], err);
		if (rc)
			return err_wrap(err, "layer %zu of %zu", i + 1, config->count);
	}
	return 0;
}

/* ---- images ---- */

/* Makes the manifest of an image. */
static int describe_image(struct docker_archive *a, const char *path,
			  const json_t *layers, struct descriptor *ret, struct err *err)
{
	auto_free struct descriptor *descs = NULL;
	struct descriptor config_desc;
	auto_config struct config config = {0};
	auto_buf struct buf bytes, manifest;
	int rc;

	buf_init(&bytes, DOCUMENT_MAX + 1);
	buf_init(&manifest, DOCUMENT_MAX);
	rc = bundle_read(a->bundle, path, &bytes, err);
	if (!rc)
		rc = config_parse(bytes.data, bytes.len, json_array_size(layers), &config,
				  err);
	if (!rc)
		rc = source_add_document(&a->source, &bytes, &config_desc, err);
	if (rc)
		return err_wrap(err, "config '%.100s'", path);
	descs = calloc(config.count + 1, sizeof(*descs));
	if (!descs)
		return err_nomem(err);
	rc = describe_layers(a, layers, &config, descs, err);
	if (!rc)
		rc = manifest_make(&config_desc.digest, config_desc.size, descs,
				   config.count, &manifest, err);
	if (!rc)
		rc = source_add_document(&a->source, &manifest, ret, err);
	ret->kind = DESCRIPTOR_MANIFEST;
	ret->media_type = DESCRIPTOR_OCI_MANIFEST;
	return rc;
}

static int add_image(struct docker_archive *a, const json_t *item, struct err *err)
{
	json_t *layers = NULL, *tags = NULL;
	const char *config = NULL;
	struct descriptor desc;
	int rc = document_text(item, "Config", &config, err);

	if (!rc)
		rc = document_array(item, "Layers", &layers, err);
	if (!rc)
		rc = document_array(item, "RepoTags", &tags, err);
	if (!rc && !config)
		rc = err_set(err, ERR_INVALID, "Config is missing");
	if (!rc)
		rc = describe_image(a, config, layers, &desc, err);
	if (rc || json_array_size(tags) == 0)
		return rc ? rc : source_add_root(&a->source, &desc, NULL, NULL, err);
	for (size_t i = 0; i < json_array_size(tags) && !rc; i++) {
		const char *name = json_string_value(json_array_get(tags, i));

		rc = name ? source_add_root(&a->source, &desc, name, NULL, err)
			  : err_set(err, ERR_INVALID, "RepoTags has no name as %zu",
				    i + 1);
	}
	return rc;
}

static int read_list(struct docker_archive *a, struct err *err)
{
	auto_buf struct buf bytes;
	int rc;

	buf_init(&bytes, DOCUMENT_MAX + 1);
	rc = bundle_read(a->bundle, "manifest.json", &bytes, err);
	if (rc == -ERR_NOTFOUND)
		return err_set(err, ERR_INVALID,
			       "no manifest.json: not made by docker save since 1.10");
	if (!rc)
		rc = document_parse(bytes.data, bytes.len, &a->list, err);
	if (!rc && !json_is_array(a->list))
		rc = err_set(err, ERR_INVALID, "not a list of images");
	for (size_t i = 0; !rc && i < json_array_size(a->list); i++)
		rc = add_image(a, json_array_get(a->list, i), err);
	return rc ? err_wrap(err, "manifest.json") : 0;
}

static bool has_file(struct bundle *b, const char *name)
{
	auto_stream struct stream *in = NULL;
	uint64_t size;

	return bundle_open(b, name, &in, &size, NULL) == 0;
}

int docker_archive_open(const char *path, int spool_dirfd, struct source **ret,
			struct err *err)
{
	auto_source struct source *s = NULL;
	struct docker_archive *a;
	struct bundle *bundle;
	int rc = bundle_open_archive(path, spool_dirfd, &bundle, err);

	if (rc)
		return rc;
	if (has_file(bundle, "oci-layout") && has_file(bundle, "index.json"))
		return layout_open_bundle(bundle, ret, err);
	a = calloc(1, sizeof(*a));
	if (!a) {
		bundle_close(bundle);
		return err_nomem(err);
	}
	a->bundle = bundle;
	a->source.ops = &docker_ops;
	s = &a->source;
	rc = read_list(a, err);
	if (!rc)
		*ret = steal_ptr(&s);
	return rc;
}
