/* SPDX-License-Identifier: Apache-2.0
 * Manifests and indexes, parsed from their verbatim bytes. */
#include "tools/oci/manifest.h"

#include <string.h>

void manifest_release(struct manifest *m)
{
	free(m->items);
	json_decref(m->json);
	*m = (struct manifest){0};
}

void manifest_forget_texts(struct manifest *m)
{
	m->media_type = m->what = NULL;
	m->config.media_type = m->config.tag = m->config.image_name = NULL;
	for (size_t i = 0; i < m->count; i++)
		m->items[i].media_type = m->items[i].tag = m->items[i].image_name = NULL;
	json_decref(steal_ptr(&m->json));
}

static int check_version(json_t *json, struct err *err)
{
	json_t *version = json_object_get(json, "schemaVersion");

	if (json_is_integer(version) && json_integer_value(version) == 1)
		return err_set(err, ERR_INVALID,
			       "manifest of schema version 1, which is obsolete");
	if (!json_is_integer(version) || json_integer_value(version) != 2)
		return err_set(err, ERR_INVALID, "schemaVersion is not 2");
	return 0;
}

/* What the document says of itself must be what it was announced as. */
static int check_media_type(struct manifest *m, const char *expected, struct err *err)
{
	enum descriptor_kind kind, announced = descriptor_kind(expected);
	int rc = document_text(m->json, "mediaType", &m->media_type, err);

	if (rc)
		return rc;
	kind = descriptor_kind(m->media_type);
	if (kind == DESCRIPTOR_NONE)
		kind = announced;
	else if (expected && *expected && strcmp(expected, m->media_type) != 0)
		return err_set(err, ERR_INVALID,
			       "media type '%.100s' was announced as '%.100s'",
			       m->media_type, expected);
	if (m->kind == MANIFEST_INDEX ? kind == DESCRIPTOR_MANIFEST
				      : kind == DESCRIPTOR_INDEX)
		return err_set(err, ERR_INVALID,
			       "media type does not fit: the document is %s",
			       m->kind == MANIFEST_INDEX ? "an index" : "a manifest");
	return 0;
}

static int parse_items(struct manifest *m, const json_t *array, const char *what,
		       struct err *err)
{
	m->items = calloc(json_array_size(array) + 1, sizeof(*m->items));
	if (!m->items)
		return err_nomem(err);
	for (size_t i = 0; i < json_array_size(array); i++) {
		int rc = descriptor_parse(json_array_get(array, i), &m->items[i], err);

		if (rc)
			return err_wrap(err, "%s %zu", what, i + 1);
	}
	m->count = json_array_size(array);
	return 0;
}

/* BuildKit's older caches list layers where an index has manifests. */
static enum manifest_kind kind_of_index(const struct manifest *m)
{
	for (size_t i = 0; i < m->count; i++)
		if (m->items[i].kind == DESCRIPTOR_CACHE_CONFIG)
			return MANIFEST_CACHE;
	return MANIFEST_INDEX;
}

static int parse_image(struct manifest *m, json_t *config, const json_t *layers,
		       struct err *err)
{
	int rc = descriptor_parse(config, &m->config, err);

	if (rc)
		return err_wrap(err, "config");
	rc = parse_items(m, layers, "layer", err);
	if (rc)
		return rc;
	if (m->config.kind == DESCRIPTOR_CACHE_CONFIG)
		m->kind = MANIFEST_CACHE;
	else if (m->config.kind != DESCRIPTOR_CONFIG)
		m->kind = MANIFEST_ARTIFACT;
	if (m->kind != MANIFEST_ARTIFACT)
		return 0;
	rc = document_text(m->json, "artifactType", &m->what, err);
	if (!rc && !m->what)
		m->what = m->config.media_type ? m->config.media_type : "unknown";
	return rc;
}

static int parse(struct manifest *m, const char *expected, struct err *err)
{
	static const char *const keys[] = {"schemaVersion", "mediaType", "config",
					   "layers",        "manifests", NULL};
	json_t *config, *layers, *manifests;
	int rc;

	if (!json_is_object(m->json))
		return err_set(err, ERR_INVALID, "the document is not an object");
	rc = document_check_case(m->json, keys, err);
	if (!rc)
		rc = check_version(m->json, err);
	if (!rc)
		rc = document_array(m->json, "manifests", &manifests, err);
	if (!rc)
		rc = document_array(m->json, "layers", &layers, err);
	if (!rc)
		rc = document_object(m->json, "config", &config, err);
	if (rc)
		return rc;
	if (manifests && (layers || config))
		return err_set(err, ERR_INVALID,
			       "ambiguous document: both manifests and layers");
	if (!manifests && !config)
		return err_set(err, ERR_INVALID,
			       "the document is neither an index nor a manifest");
	m->kind = manifests ? MANIFEST_INDEX : MANIFEST_IMAGE;
	rc = check_media_type(m, expected, err);
	if (rc)
		return rc;
	if (!manifests)
		return parse_image(m, config, layers, err);
	rc = parse_items(m, manifests, "manifest", err);
	m->kind = kind_of_index(m);
	return rc;
}

int manifest_parse(const void *bytes, size_t len, const char *expected,
		   struct manifest *ret, struct err *err)
{
	struct manifest m = {0};
	int rc = 0;

	if (descriptor_kind(expected) == DESCRIPTOR_SCHEMA1)
		return err_set(err, ERR_INVALID,
			       "manifest of schema version 1, which is obsolete");
	rc = document_parse(bytes, len, &m.json, err);
	if (!rc)
		rc = parse(&m, expected, err);
	if (rc)
		manifest_release(&m);
	else
		*ret = m;
	return rc;
}

static int append_descriptor(struct buf *ret, const char *media_type,
			     const struct digest *d, uint64_t size, struct err *err)
{
	char text[DIGEST_TEXT_SIZE];

	return buf_printf(ret, err,
			  "{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%ju}",
			  media_type, digest_format(d, text), (uintmax_t)size);
}

int manifest_make(const struct digest *config, uint64_t config_size,
		  const struct descriptor *layers, size_t count, struct buf *ret,
		  struct err *err)
{
	int rc = buf_printf(ret, err,
			    "{\"schemaVersion\":2,\"mediaType\":\"%s\",\"config\":",
			    DESCRIPTOR_OCI_MANIFEST);

	if (!rc)
		rc = append_descriptor(ret, DESCRIPTOR_OCI_CONFIG, config, config_size,
				       err);
	if (!rc)
		rc = buf_printf(ret, err, ",\"layers\":[");
	for (size_t i = 0; i < count && !rc; i++) {
		if (i)
			rc = buf_append_u8(ret, ',', err);
		if (!rc)
			rc = append_descriptor(ret, layers[i].media_type,
					       &layers[i].digest, layers[i].size, err);
	}
	return rc ? rc : buf_printf(ret, err, "]}");
}
