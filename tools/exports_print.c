/* SPDX-License-Identifier: Apache-2.0
 * What export and push have in common besides the work. */
#include "tools/exports_print.h"

#include "tools/output.h"

int exports_open_store(const struct command_call *call, bool registry, struct store **ret,
		       struct err *err)
{
	if (registry && command_open_store(call, STORE_WRITE, ret, NULL) == 0)
		return 0;
	return command_open_store(call, 0, ret, err);
}

static json_t *json_layer(const struct layer_blob *blob)
{
	static const char *const how[] = {
		[LAYER_BLOB_PLAIN] = "plain", [LAYER_BLOB_KEPT] = "kept",
		[LAYER_BLOB_MADE] = "made",   [LAYER_BLOB_ANEW] = "anew",
		[LAYER_BLOB_THERE] = "there",
	};

	return json_pack("{s:o, s:o, s:o, s:b, s:s}", "blob",
			 output_json_digest(&blob->digest), "diffid",
			 output_json_digest(&blob->diffid), "size",
			 output_json_u64(blob->size), "identical", blob->same, "how",
			 how[blob->how]);
}

static json_t *json_exported(const struct exported *item)
{
	auto_json json_t *layers = json_array();

	for (size_t i = 0; i < item->count; i++)
		if (json_array_append_new(layers, json_layer(&item->layers[i])) < 0)
			return NULL;
	return json_pack("{s:s?, s:o, s:o, s:s, s:O}", "name",
			 *item->name ? item->name : NULL, "image",
			 output_json_digest(&item->image.config), "manifest",
			 output_json_digest(&item->manifest), "platform",
			 item->image.platform, "layers", layers);
}

int exports_print(const struct exports *done, bool json, struct err *err)
{
	auto_json json_t *list = json ? json_array() : NULL;

	for (size_t i = 0; i < done->count; i++) {
		char id[DIGEST_TEXT_SIZE], manifest[DIGEST_TEXT_SIZE];
		const struct exported *item = &done->items[i];

		if (!json)
			output_line("%s %s %s", *item->name ? item->name : "-",
				    output_digest(&item->image.config, id),
				    output_digest(&item->manifest, manifest));
		else if (json_array_append_new(list, json_exported(item)) < 0)
			return err_nomem(err);
	}
	return json ? output_json(steal_ptr(&list), err) : 0;
}
