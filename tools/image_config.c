/* SPDX-License-Identifier: Apache-2.0
 * Picks from config and manifest.
 */
#include "tools/image_config.h"

#include <string.h>

#define DOCUMENT_MAX (16u << 20)

static int read_document(struct objects *objects, const struct digest *d,
			 const char *what, json_t **ret, struct err *err)
{
	auto_buf struct buf text;
	char id[DIGEST_TEXT_SIZE];
	json_t *json;
	int rc;

	buf_init(&text, DOCUMENT_MAX);
	rc = objects_read_all(objects, d, &text, err);
	if (rc == -ERR_NOTFOUND)
		return err_set(err, ERR_CORRUPT, "%s '%s' is missing", what,
			       digest_format(d, id));
	if (rc)
		return rc;
	json = json_loadb((const char *)text.data, text.len, 0, NULL);
	if (json && !json_is_object(json)) {
		json_decref(json);
		json = NULL;
	}
	*ret = json;
	return 0;
}

int image_config_read(struct objects *objects, const struct record_image *image,
		      struct image_config *ret, struct err *err)
{
	struct image_config c = {0};
	int rc;

	rc = read_document(objects, &image->config, "image config", &c.config, err);
	if (!rc)
		rc = read_document(objects, &image->manifest, "manifest", &c.manifest,
				   err);
	if (rc)
		image_config_release(&c);
	else
		*ret = c;
	return rc;
}

void image_config_release(struct image_config *c)
{
	json_decref(c->config);
	json_decref(c->manifest);
	*c = (struct image_config){0};
}

const char *image_config_text(const struct image_config *c, const char *key)
{
	return json_string_value(json_object_get(c->config, key));
}

size_t image_config_steps(const struct image_config *c)
{
	return json_array_size(json_object_get(c->config, "history"));
}

void image_config_step(const struct image_config *c, size_t i,
		       struct image_config_step *ret)
{
	const json_t *step = json_array_get(json_object_get(c->config, "history"), i);
	const char *by = json_string_value(json_object_get(step, "created_by"));

	ret->created_by = by ? by : "";
	ret->empty = json_is_true(json_object_get(step, "empty_layer"));
}

bool image_config_layer_size(const struct image_config *c, size_t i, size_t count,
			     uint64_t *ret)
{
	const json_t *layers = json_object_get(c->manifest, "layers");
	const json_t *size = json_object_get(json_array_get(layers, i), "size");

	if (json_array_size(layers) != count || !json_is_integer(size) ||
	    json_integer_value(size) < 0)
		return false;
	*ret = (uint64_t)json_integer_value(size);
	return true;
}
