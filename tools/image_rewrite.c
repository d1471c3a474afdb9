/* SPDX-License-Identifier: Apache-2.0
 * The documents of an image whose layers go out in other forms. */
#include "tools/image_rewrite.h"

#include "tools/oci/config.h"
#include "tools/oci/manifest_edit.h"

bool image_rewrite_same(const struct layer_blob *layers, size_t count)
{
	for (size_t k = 0; k < count; k++)
		if (!layers[k].same)
			return false;
	return true;
}

/* BYTES take the place of TO's; they are released if RC is an error. */
static int replace(struct buf *to, struct buf *bytes, int rc)
{
	if (rc) {
		buf_release(bytes);
		return rc;
	}
	buf_release(to);
	*to = *bytes;
	return 0;
}

int image_rewrite_manifest(struct buf *manifest, const struct layer_blob *layers,
			   size_t count, struct err *err)
{
	auto_free struct descriptor *list = calloc(count + 1, sizeof(*list));
	struct buf bytes;

	if (!list)
		return err_nomem(err);
	for (size_t k = 0; k < count; k++) {
		list[k].media_type = layer_blob_media_type(layers[k].kind);
		list[k].digest = layers[k].digest;
		list[k].size = layers[k].size;
		list[k].toc = layers[k].toc;
		list[k].stargz = layers[k].stargz;
	}
	buf_init(&bytes, DOCUMENT_MAX);
	return replace(manifest, &bytes,
		       manifest_edit_layers(manifest->data, manifest->len, list, count,
					    &bytes, err));
}

int image_rewrite_config(struct buf *config, struct buf *manifest,
			 const struct digest *diffids, const struct layer_blob *layers,
			 size_t count, struct digest *ret_id, bool *ret_changed,
			 struct err *err)
{
	auto_free struct digest *now = calloc(count + 1, sizeof(*now));
	struct buf bytes;
	struct digest id;
	int rc;

	if (!now)
		return err_nomem(err);
	*ret_changed = false;
	for (size_t k = 0; k < count; k++) {
		now[k] = layers[k].diffid;
		if (!digest_equal(&now[k], &diffids[k]))
			*ret_changed = true;
	}
	if (!*ret_changed)
		return 0;
	buf_init(&bytes, DOCUMENT_MAX);
	rc = replace(
		config, &bytes,
		config_edit_diffids(config->data, config->len, now, count, &bytes, err));
	if (rc)
		return rc;
	digest_of(config->data, config->len, &id);
	buf_init(&bytes, DOCUMENT_MAX);
	rc = replace(manifest, &bytes,
		     manifest_edit_config(manifest->data, manifest->len, &id, config->len,
					  &bytes, err));
	if (!rc)
		*ret_id = id;
	return rc;
}
