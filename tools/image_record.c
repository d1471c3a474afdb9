/* SPDX-License-Identifier: Apache-2.0
 * What makes an image in the store. */
#include "tools/image_record.h"

#include <string.h>
#include <time.h>

#include "tools/oci/config.h"
#include "tools/oci/manifest.h"

int image_record_chain(struct session *s, const struct digest *diffids, size_t count,
		       struct err *err)
{
	struct digest chain = {0};

	for (size_t i = 0; i < count; i++) {
		struct record_item item = {.type = RECORD_CHAIN};
		int rc;

		item.chain.parent = chain;
		item.chain.diffid = diffids[i];
		digest_chain(&item.chain.parent, &diffids[i], &chain);
		item.chain.chainid = chain;
		rc = session_add(s, &item, err);
		if (rc)
			return rc;
	}
	return 0;
}

int image_record_add(struct session *s, const struct image_parts *parts, struct err *err)
{
	struct record_item item = {.type = RECORD_IMAGE, .image = *parts->record};
	struct digest digest;
	int rc;

	rc = session_put_document(s, parts->manifest, parts->manifest_len, &digest, err);
	if (!rc)
		rc = session_put_document(s, parts->config, parts->config_len, &digest,
					  err);
	if (!rc)
		rc = image_record_chain(s, parts->diffids, parts->count, err);
	return rc ? rc : session_add(s, &item, err);
}

/* Another manifest of the same image (its layers compressed otherwise) is no move. */
static int is_moved(struct session *s, const char *name, const struct digest *config,
		    bool *ret, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	auto_free void *memory = NULL;
	struct record_image image;
	struct record_ref old;
	int rc = catalog_begin(store_catalog(session_store(s)), false, &t, err);

	*ret = false;
	if (!rc)
		rc = catalog_ref_get(t, name, &old, &memory, err);
	if (!rc && old.count)
		rc = catalog_image_get(t, &old.targets[0].manifest, &image, err);
	if (!rc && old.count)
		*ret = !digest_equal(&image.config, config);
	return rc == -ERR_NOTFOUND ? 0 : rc;
}

int image_record_name(struct session *s, const char *name, const struct digest *index,
		      const struct record_image *const *images, size_t count,
		      bool *ret_moved, struct err *err)
{
	auto_free struct record_ref_target *targets = calloc(count, sizeof(*targets));
	struct record_item item = {.type = RECORD_REF};
	int rc = is_moved(s, name, &images[0]->config, ret_moved, err);

	if (rc)
		return rc;
	if (!targets)
		return err_nomem(err);
	for (size_t i = 0; i < count; i++) {
		targets[i].manifest = images[i]->manifest;
		memcpy(targets[i].platform, images[i]->platform,
		       sizeof(targets[i].platform));
	}
	item.ref = (struct record_ref){.name = name,
				       .index = *index,
				       .count = (uint32_t)count,
				       .targets = targets,
				       .created = time(NULL)};
	return session_add(s, &item, err);
}

/* ---- an image made here ---- */

static int bare_config(const struct image_bare *bare, const struct digest *diffids,
		       size_t count, const struct platform *platform, struct buf *ret,
		       struct err *err)
{
	auto_buf struct buf parent;
	int rc;

	buf_init(&parent, DOCUMENT_MAX);
	if (count == 1)
		return config_make(platform, diffids, bare->created, bare->created_by,
				   ret, err);
	if (bare->parent)
		rc = objects_read_all(bare->objects, &bare->parent->config, &parent, err);
	else
		rc = config_make(platform, diffids, bare->created, NULL, &parent, err);
	if (rc)
		return rc;
	return config_derive(parent.data, parent.len, diffids, count, bare->created,
			     bare->created_by, ret, err);
}

static int bare_manifest(struct session *s, const struct image_bare *bare,
			 const struct digest *diffids, size_t count,
			 const struct buf *config, const struct digest *id,
			 struct buf *ret, struct err *err)
{
	auto_free struct descriptor *layers = calloc(count, sizeof(*layers));
	struct record_layer layer;

	if (!layers)
		return err_nomem(err);
	for (size_t i = 0; i < count; i++) {
		layers[i].media_type = DESCRIPTOR_OCI_LAYER;
		layers[i].digest = diffids[i];
		layers[i].size = bare->tar_size;
		if (i + 1 < count) {
			int rc = session_layer_get(s, &diffids[i], &layer, err);

			if (rc)
				return rc;
			layers[i].size = layer.tar_size;
		}
	}
	return manifest_make(id, config->len, layers, count, ret, err);
}

static void bare_chain(const struct digest *diffids, size_t count, struct digest *ret)
{
	struct digest chain = {0};

	for (size_t i = 0; i < count; i++) {
		struct digest below = chain;

		digest_chain(&below, &diffids[i], &chain);
	}
	*ret = chain;
}

static int bare_add(struct session *s, const struct image_bare *bare,
		    const struct digest *diffids, size_t count, struct record_image *ret,
		    struct err *err)
{
	struct image_parts parts = {.record = ret, .diffids = diffids, .count = count};
	auto_buf struct buf config, manifest;
	struct record_image image = {0};
	struct platform host;
	int rc;

	buf_init(&config, DOCUMENT_MAX);
	buf_init(&manifest, DOCUMENT_MAX);
	platform_host(&host);
	platform_format(&host, image.platform);
	if (bare->parent)
		memcpy(image.platform, bare->parent->platform, sizeof(image.platform));
	bare_chain(diffids, count, &image.chainid);
	rc = bare_config(bare, diffids, count, &host, &config, err);
	if (rc)
		return rc;
	digest_of(config.data, config.len, &image.config);
	rc = bare_manifest(s, bare, diffids, count, &config, &image.config, &manifest,
			   err);
	if (rc)
		return rc;
	digest_of(manifest.data, manifest.len, &image.manifest);
	*ret = image;
	parts.manifest = manifest.data;
	parts.manifest_len = manifest.len;
	parts.config = config.data;
	parts.config_len = config.len;
	return image_record_add(s, &parts, err);
}

int image_record_bare(struct session *s, const struct image_bare *bare,
		      struct record_image *ret, bool *ret_moved, struct err *err)
{
	size_t count = bare->below_count + 1;
	auto_free struct digest *diffids = calloc(count, sizeof(*diffids));
	const struct record_image *images[] = {ret};
	const struct digest no_index = {0};
	int rc;

	if (!diffids)
		return err_nomem(err);
	for (size_t i = 0; i < bare->below_count; i++)
		diffids[i] = bare->below[i];
	diffids[count - 1] = bare->diffid;
	rc = bare_add(s, bare, diffids, count, ret, err);
	if (!rc && bare->name)
		rc = image_record_name(s, bare->name, &no_index, images, 1, ret_moved,
				       err);
	return rc;
}
