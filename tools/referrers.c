/* SPDX-License-Identifier: Apache-2.0
 * What is about a manifest. */
#include "tools/referrers.h"

#include <string.h>

#include "tools/oci/manifest.h"

#define REFERRERS_MAX 4096

struct search {
	const struct digest *subject;
	struct buf found; /* struct digest */
};

static int on_artifact(void *arg, const struct record_artifact *a, struct err *err)
{
	struct search *s = arg;

	if (!digest_equal(&a->subject, s->subject))
		return 0;
	if (s->found.len == s->found.max)
		return 1; /* the rest is left out */
	return buf_append(&s->found, &a->manifest, sizeof(a->manifest), err);
}

static int find(struct store *store, struct search *s, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	int rc = catalog_begin(store_catalog(store), false, &t, err);

	if (!rc)
		rc = catalog_artifact_each(t, NULL, on_artifact, s, err);
	return rc < 0 ? rc : 0;
}

/* Of a manifest without a type of its own its config says what it is. */
static const char *type_of(const struct manifest *m)
{
	json_t *type = json_object_get(m->json, "artifactType");

	if (json_is_string(type))
		return json_string_value(type);
	return m->kind == MANIFEST_INDEX ? NULL : m->config.media_type;
}

/* NULL: memory ran out. */
static json_t *describe(const struct manifest *m, const struct digest *d, size_t size,
			const char *type)
{
	json_t *notes = json_object_get(m->json, "annotations");
	char text[DIGEST_TEXT_SIZE];
	json_t *json = json_pack("{s:s, s:s, s:I, s:s*}", "mediaType",
				 m->media_type ? m->media_type : DESCRIPTOR_OCI_MANIFEST,
				 "digest", digest_format(d, text), "size",
				 (json_int_t)size, "artifactType", type);

	if (json && json_is_object(notes) &&
	    json_object_set(json, "annotations", notes) < 0) {
		json_decref(json);
		return NULL;
	}
	return json;
}

static int add(struct objects *objects, const struct digest *d, const char *wanted,
	       json_t *list, struct err *err)
{
	auto_manifest struct manifest m = {0};
	auto_buf struct buf bytes;
	const char *type;
	int rc;

	buf_init(&bytes, DOCUMENT_MAX);
	rc = objects_read_all(objects, d, &bytes, err);
	if (!rc)
		rc = manifest_parse(bytes.data, bytes.len, NULL, &m, err);
	if (rc)
		return rc == -ERR_NOTFOUND ? 0 : rc;
	type = type_of(&m);
	if (wanted && (!type || strcmp(wanted, type) != 0))
		return 0;
	return json_array_append_new(list, describe(&m, d, bytes.len, type)) < 0
		       ? err_nomem(err)
		       : 0;
}

int referrers_index(struct store *store, struct objects *objects,
		    const struct digest *subject, const char *artifact_type, json_t **ret,
		    struct err *err)
{
	auto_document json_t *list = json_array();
	struct search s = {.subject = subject};
	int rc;

	buf_init(&s.found, REFERRERS_MAX * sizeof(struct digest));
	rc = find(store, &s, err);
	for (size_t i = 0; i < s.found.len / sizeof(struct digest) && !rc; i++)
		rc = add(objects, &((struct digest *)(void *)s.found.data)[i],
			 artifact_type, list, err);
	buf_release(&s.found);
	if (rc)
		return rc;
	*ret = json_pack("{s:i, s:s, s:O}", "schemaVersion", 2, "mediaType",
			 DESCRIPTOR_OCI_INDEX, "manifests", list);
	return *ret ? 0 : err_nomem(err);
}
