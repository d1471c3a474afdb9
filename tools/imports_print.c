/* SPDX-License-Identifier: Apache-2.0
 * What import and pull say of the images that they brought. */
#include "tools/imports_print.h"

#include "tools/output.h"

static json_t *json_import(const struct imported *item)
{
	return json_pack("{s:s, s:o, s:o, s:o, s:s}", "name",
			 (const char *)item->name.data, "image",
			 output_json_digest(&item->image.config), "manifest",
			 output_json_digest(&item->image.manifest), "chain",
			 output_json_digest(&item->image.chainid), "platform",
			 item->image.platform);
}

int imports_print(const struct imports *done, bool json, bool quiet, struct err *err)
{
	auto_json json_t *list = json ? json_array() : NULL;

	for (size_t i = 0; i < done->count; i++) {
		char id[DIGEST_TEXT_SIZE], chain[DIGEST_TEXT_SIZE];
		const struct imported *item = &done->items[i];
		const char *name = (const char *)item->name.data;

		if (item->moved)
			output_notice(quiet, "'%s' now names another image", name);
		if (!json)
			output_line("%s %s %s", name,
				    output_digest(&item->image.config, id),
				    output_digest(&item->image.chainid, chain));
		else if (json_array_append_new(list, json_import(item)) < 0)
			return err_nomem(err);
	}
	return json ? output_json(steal_ptr(&list), err) : 0;
}
