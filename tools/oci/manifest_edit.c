/* SPDX-License-Identifier: Apache-2.0
 * New documents for images that go out. */
#include "tools/oci/manifest_edit.h"

#include <string.h>

#define NOTE_TAG  "org.opencontainers.image.ref.name"
#define NOTE_NAME "io.containerd.image.name"

/* Appends the document, which is freed; NULL: memory ran out while it was made. */
static int append(struct buf *ret, json_t *json, struct err *err)
{
	auto_document json_t *document = json;
	auto_free char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

	return text ? buf_append(ret, text, strlen(text), err) : err_nomem(err);
}

static json_t *digest_json(const struct digest *d)
{
	char text[DIGEST_TEXT_SIZE];

	return json_string(digest_format(d, text));
}

static json_t *platform_json(const struct platform *p)
{
	json_t *json = json_pack("{s:s, s:s}", "architecture", p->arch, "os", p->os);

	if (json && *p->variant &&
	    json_object_set_new(json, "variant", json_string(p->variant)) < 0) {
		json_decref(json);
		return NULL;
	}
	return json;
}

/* A manifest or index as others name it. */
static json_t *descriptor_json(const struct descriptor *d)
{
	json_t *json = json_pack("{s:s, s:o, s:I}", "mediaType", d->media_type, "digest",
				 digest_json(&d->digest), "size", (json_int_t)d->size);

	if (json && platform_known(&d->platform) &&
	    json_object_set_new(json, "platform", platform_json(&d->platform)) < 0) {
		json_decref(json);
		return NULL;
	}
	return json;
}

/* ---- manifests ---- */

/* Annotations about the compressed bytes, which are others now. */
static void drop_notes(json_t *layer)
{
	static const char *const about[] = {
		"containerd.io/snapshot/stargz/",
		"io.containers.zstd-chunked.",
		"io.github.containers.zstd-chunked.",
		"io.containers.estargz.",
	};
	json_t *notes = json_object_get(layer, "annotations"), *value;
	const char *key;
	void *tmp;

	json_object_foreach_safe(notes, tmp, key, value)
	{
		for (size_t i = 0; i < ARRAY_LEN(about); i++) {
			if (strncmp(key, about[i], strlen(about[i])) == 0) {
				json_object_del(notes, key);
				break;
			}
		}
	}
	if (notes && json_object_size(notes) == 0)
		json_object_del(layer, "annotations");
}

static json_t *notes_of(json_t *layer)
{
	json_t *notes = json_object_get(layer, "annotations");

	if (notes)
		return notes;
	notes = json_object();
	return json_object_set_new(layer, "annotations", notes) ? NULL : notes;
}

static int add_stargz(json_t *layer, const struct descriptor_stargz *t)
{
	json_t *notes = t->given ? notes_of(layer) : NULL;

	if (!t->given)
		return 0;
	return json_object_set_new(notes, DESCRIPTOR_NOTE_STARGZ,
				   digest_json(&t->digest)) ||
	       (t->size && json_object_set_new(notes, DESCRIPTOR_NOTE_TARSIZE,
					       json_sprintf("%ju", (uintmax_t)t->size)));
}

static int add_toc(json_t *layer, const struct descriptor_toc *t)
{
	json_t *notes = t->given ? notes_of(layer) : NULL;
	char digest[DIGEST_TEXT_SIZE];

	if (!t->given)
		return 0;
	digest_format(&t->digest, digest);
	return json_object_set_new(notes, DESCRIPTOR_NOTE_CHECKSUM,
				   json_string(digest)) ||
	       json_object_set_new(notes, DESCRIPTOR_NOTE_POSITION,
				   json_sprintf("%ju:%ju:%ju:1", (uintmax_t)t->at,
						(uintmax_t)t->len, (uintmax_t)t->size)) ||
	       json_object_set_new(notes, DESCRIPTOR_NOTE_TARSPLIT,
				   json_sprintf("%ju:%ju:%ju", (uintmax_t)t->split_at,
						(uintmax_t)t->split_len,
						(uintmax_t)t->split_size));
}

static bool is_blob(const json_t *layer, const struct digest *d)
{
	const char *text = json_string_value(json_object_get(layer, "digest"));
	struct digest is;

	return text && !digest_parse(text, strlen(text), &is, NULL) &&
	       digest_equal(&is, d);
}

static int edit_layer(json_t *layer, const struct descriptor *d)
{
	if (!is_blob(layer, &d->digest)) {
		drop_notes(layer);
		if (add_toc(layer, &d->toc) || add_stargz(layer, &d->stargz))
			return -1;
	}
	json_object_del(layer, "urls");
	json_object_del(layer, "data");
	return json_object_set_new(layer, "mediaType", json_string(d->media_type)) ||
	       json_object_set_new(layer, "digest", digest_json(&d->digest)) ||
	       json_object_set_new(layer, "size", json_integer((json_int_t)d->size));
}

int manifest_edit_layers(const void *bytes, size_t len, const struct descriptor *layers,
			 size_t count, struct buf *ret, struct err *err)
{
	auto_document json_t *json = NULL;
	json_t *array, *config;
	int rc = document_parse(bytes, len, &json, err);

	if (rc)
		return rc;
	array = json_object_get(json, "layers");
	config = json_object_get(json, "config");
	if (json_array_size(array) != count || !json_is_object(config))
		return err_set(err, ERR_INVALID, "the manifest has not %zu layers",
			       count);
	for (size_t i = 0; i < count; i++)
		if (edit_layer(json_array_get(array, i), &layers[i]))
			return err_nomem(err);
	if (json_object_set_new(json, "mediaType", json_string(DESCRIPTOR_OCI_MANIFEST)) <
		    0 ||
	    json_object_set_new(config, "mediaType", json_string(DESCRIPTOR_OCI_CONFIG)) <
		    0)
		return err_nomem(err);
	return append(ret, steal_ptr(&json), err);
}

/* What a descriptor leads to becomes another document of the same kind. */
static int redirect(json_t *desc, const struct digest *digest, uint64_t size)
{
	json_object_del(desc, "data");
	return json_object_set_new(desc, "digest", digest_json(digest)) ||
	       json_object_set_new(desc, "size", json_integer((json_int_t)size));
}

int manifest_edit_config(const void *bytes, size_t len, const struct digest *config,
			 uint64_t config_size, struct buf *ret, struct err *err)
{
	auto_document json_t *json = NULL;
	json_t *desc;
	int rc = document_parse(bytes, len, &json, err);

	if (rc)
		return rc;
	desc = json_object_get(json, "config");
	if (!json_is_object(desc))
		return err_set(err, ERR_INVALID, "the manifest has no config");
	if (redirect(desc, config, config_size))
		return err_nomem(err);
	return append(ret, steal_ptr(&json), err);
}

int manifest_edit_entry(const void *bytes, size_t len, const struct digest *was,
			const struct digest *is, uint64_t size, struct buf *ret,
			struct err *err)
{
	auto_document json_t *json = NULL;
	char text[DIGEST_TEXT_SIZE];
	bool found = false;
	json_t *entry;
	size_t i;
	int rc = document_parse(bytes, len, &json, err);

	if (rc)
		return rc;
	digest_format(was, text);
	json_array_foreach(json_object_get(json, "manifests"), i, entry)
	{
		const char *digest = json_string_value(json_object_get(entry, "digest"));

		if (!digest || strcmp(digest, text) != 0)
			continue;
		if (redirect(entry, is, size))
			return err_nomem(err);
		found = true;
	}
	if (!found)
		return err_set(err, ERR_INVALID, "the index has no entry '%s'", text);
	return append(ret, steal_ptr(&json), err);
}

int manifest_edit_index(const struct descriptor *manifests, size_t count, struct buf *ret,
			struct err *err)
{
	auto_document json_t *array = json_array();

	for (size_t i = 0; i < count; i++)
		if (json_array_append_new(array, descriptor_json(&manifests[i])) < 0)
			return err_nomem(err);
	return append(ret,
		      json_pack("{s:i, s:s, s:O}", "schemaVersion", 2, "mediaType",
				DESCRIPTOR_OCI_INDEX, "manifests", array),
		      err);
}

/* ---- layouts ---- */

static const char *note(const json_t *entry, const char *key)
{
	return json_string_value(
		json_object_get(json_object_get(entry, "annotations"), key));
}

/* Whether the new root takes this entry's place. */
static bool is_replaced(const json_t *entry, const struct manifest_edit_root *root)
{
	const char *digest = json_string_value(json_object_get(entry, "digest"));
	const char *tag = note(entry, NOTE_TAG);
	char text[DIGEST_TEXT_SIZE];

	if (root->tag)
		return tag && strcmp(tag, root->tag) == 0;
	return !tag && digest &&
	       strcmp(digest, digest_format(&root->desc.digest, text)) == 0;
}

static int add_notes(json_t *entry, const struct manifest_edit_root *root)
{
	auto_document json_t *notes = json_object();

	if (!notes ||
	    (root->tag && json_object_set_new(notes, NOTE_TAG, json_string(root->tag))) ||
	    (root->name &&
	     json_object_set_new(notes, NOTE_NAME, json_string(root->name))))
		return -1;
	return json_object_size(notes) ? json_object_set(entry, "annotations", notes) : 0;
}

static bool is_listed(const json_t *array, const json_t *wanted)
{
	const json_t *one;
	size_t i;

	json_array_foreach(array, i, one)
	{
		if (json_equal(json_object_get(one, "digest"),
			       json_object_get(wanted, "digest")))
			return true;
	}
	return false;
}

static int add_besides(json_t *array, const json_t *besides, struct err *err)
{
	json_t *one;
	size_t i;

	json_array_foreach(besides, i, one)
	{
		if (!is_listed(array, one) && json_array_append(array, one) < 0)
			return err_nomem(err);
	}
	return 0;
}

int manifest_edit_layout(const void *old, size_t len,
			 const struct manifest_edit_root *root, struct buf *ret,
			 struct err *err)
{
	auto_document json_t *json = NULL, *entry = descriptor_json(&root->desc);
	json_t *array;
	int rc = 0;

	if (!entry || add_notes(entry, root) < 0)
		return err_nomem(err);
	if (len)
		rc = document_parse(old, len, &json, err);
	else
		json = json_pack("{s:i, s:s, s:[]}", "schemaVersion", 2, "mediaType",
				 DESCRIPTOR_OCI_INDEX, "manifests");
	if (rc)
		return err_wrap(err, "index.json");
	array = json_object_get(json, "manifests");
	if (json && !json_is_array(array))
		return err_set(err, ERR_INVALID, "index.json: not an index of images");
	for (size_t i = json_array_size(array); i-- > 0;)
		if (is_replaced(json_array_get(array, i), root))
			json_array_remove(array, i);
	if (!json || json_array_append(array, entry) < 0)
		return err_nomem(err);
	rc = add_besides(array, root->besides, err);
	return rc ? rc : append(ret, steal_ptr(&json), err);
}

/* ---- docker-archive ---- */

int manifest_edit_docker(const struct digest *config, const char *name,
			 const struct digest *diffids, size_t count, struct buf *ret,
			 struct err *err)
{
	auto_document json_t *layers = json_array(), *tags = json_array();
	char hex[DIGEST_HEX_SIZE];

	for (size_t i = 0; i < count; i++)
		if (json_array_append_new(
			    layers,
			    json_sprintf("%s.tar", digest_hex(&diffids[i], hex))) < 0)
			return err_nomem(err);
	if (!tags || (name && json_array_append_new(tags, json_string(name)) < 0))
		return err_nomem(err);
	return append(ret,
		      json_pack("[{s:o, s:O, s:O}]", "Config",
				json_sprintf("%s.json", digest_hex(config, hex)),
				"RepoTags", tags, "Layers", layers),
		      err);
}
