/* SPDX-License-Identifier: Apache-2.0
 * What makes an image in the store. */
#include "tools/image_record.h"

#include <string.h>
#include <time.h>

#include "tools/oci/config.h"
#include "tools/oci/manifest.h"

static int add_chain(struct session *s, const struct digest *diffids, size_t count,
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
		rc = add_chain(s, parts->diffids, parts->count, err);
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

int image_record_bare(struct session *s, const struct image_bare *bare,
		      struct record_image *ret, bool *ret_moved, struct err *err)
{
	struct descriptor layer = {.media_type = DESCRIPTOR_OCI_LAYER,
				   .digest = bare->diffid,
				   .size = bare->tar_size};
	const struct record_image *images[] = {ret};
	struct image_parts parts = {.record = ret, .diffids = &bare->diffid, .count = 1};
	const struct digest no_index = {0};
	auto_buf struct buf config, manifest;
	struct record_image image = {0};
	struct platform host;
	int rc;

	buf_init(&config, DOCUMENT_MAX);
	buf_init(&manifest, DOCUMENT_MAX);
	platform_host(&host);
	platform_format(&host, image.platform);
	image.chainid = bare->diffid;
	rc = config_make(&host, &bare->diffid, bare->created, bare->created_by, &config,
			 err);
	if (rc)
		return rc;
	digest_of(config.data, config.len, &image.config);
	rc = manifest_make(&image.config, config.len, &layer, 1, &manifest, err);
	if (rc)
		return rc;
	digest_of(manifest.data, manifest.len, &image.manifest);
	*ret = image;
	parts.manifest = manifest.data;
	parts.manifest_len = manifest.len;
	parts.config = config.data;
	parts.config_len = config.len;
	rc = image_record_add(s, &parts, err);
	if (!rc && bare->name)
		rc = image_record_name(s, bare->name, &no_index, images, 1, ret_moved,
				       err);
	return rc;
}
