/* SPDX-License-Identifier: Apache-2.0
 * A key: the step it stands for, as far as its document tells, and its result.
 */
#include "store/content_listing.h"
#include "store/object.h"
#include "store/step_key.h"
#include "tools/output.h"
#include "tools/show.h"
#include "tools/whereabouts.h"

#define OBJECTS_CACHE (4u << 20)

struct showing {
	struct command_reader *reader;
	struct objects *objects;
	const struct record_key *key;
	json_t *out;
	struct buf document;
	struct step_key_document decoded;
};

static int set_value(json_t *object, const char *name, const char *text, size_t len,
		     struct err *err)
{
	auto_free char *copy = strndup(text, len);

	return copy ? output_json_set_text(object, name, copy, err) : err_nomem(err);
}

/* ---- the step ---- */

/* An element of the list NAME, which is made with its first one: texts that are no UTF-8 are
 * shown as objects. */
static int add_element(json_t *out, const char *name, json_t *element, struct err *err)
{
	json_t *list = json_object_get(out, name);

	if (!list) {
		list = json_array();
		if (json_object_set_new(out, name, list) != 0)
			list = NULL;
	}
	if (!list || json_array_append_new(list, element) != 0)
		return err_nomem(err);
	return 0;
}

static int add_text(json_t *out, const char *name, const struct step_key_value *v,
		    struct err *err)
{
	auto_json json_t *holder = json_object();
	json_t *text;
	int rc = set_value(holder, "text", v->text, v->len, err);

	if (rc)
		return rc;
	text = json_object_get(holder, "text_hex") ? holder
						   : json_object_get(holder, "text");
	return add_element(out, name, json_incref(text), err);
}

static int count_entries(struct showing *s, const struct digest *listing, uint64_t *ret,
			 struct err *err)
{
	auto_buf struct buf bytes;
	struct content_entry e;
	uint64_t count = 0;
	struct cursor c;
	bool more = true;
	int rc;

	buf_init(&bytes, CONTENT_LISTING_MAX);
	rc = objects_read_all(s->objects, listing, &bytes, err);
	if (!rc)
		rc = content_listing_begin(bytes.data, bytes.len, &c, err);
	while (!rc && more) {
		rc = content_listing_next(&c, &e, &more, err);
		count += more;
	}
	if (!rc)
		*ret = count;
	return rc;
}

/* "DEST DIGEST ENTRIES" */
static int add_input(struct showing *s, const struct step_key_value *v, struct err *err)
{
	auto_json json_t *item = json_object();
	struct digest content, listing;
	bool known = false;
	uint64_t count = 0;
	const char *dest;
	size_t len;
	int rc = step_key_input_of(v, &content, &listing, &dest, &len, err);

	if (!rc && !digest_is_zero(&listing)) {
		rc = count_entries(s, &listing, &count, err);
		known = !rc;
		rc = rc == -ERR_NOTFOUND ? 0 : rc;
	}
	if (!rc)
		rc = set_value(item, "dest", dest, len, err);
	if (!rc)
		rc = output_json_set(item, "digest", output_json_digest(&content), err);
	if (!rc)
		rc = output_json_set(item, "entries",
				     known ? output_json_u64(count) : json_null(), err);
	return rc ? rc : add_element(s->out, "inputs", json_incref(item), err);
}

static int add_value(struct showing *s, const struct step_key_value *v, struct err *err)
{
	switch (v->field) {
	case STEP_KEY_SCOPE: /* told by the record */
		return 0;
	case STEP_KEY_PARENT:
		return set_value(s->out, "parent", v->text, v->len, err);
	case STEP_KEY_COMMAND:
		return add_text(s->out, "commands", v, err);
	case STEP_KEY_ENV:
		return add_text(s->out, "envs", v, err);
	case STEP_KEY_ARG:
		return add_text(s->out, "args", v, err);
	case STEP_KEY_INPUT:
		return add_input(s, v, err);
	case STEP_KEY_TEXT:
		return set_value(s->out, "text", v->text, v->len, err);
	case STEP_KEY_INSTRUCTION:
	case STEP_KEY_WORKDIR:
	case STEP_KEY_USER:
	case STEP_KEY_NETWORK:
	case STEP_KEY_PLATFORM:
		return set_value(s->out, step_key_field_name(v->field), v->text, v->len,
				 err);
	}
	abort();
}

/* "step", "own" or, where no document tells, "other". */
static int add_document(struct showing *s, struct err *err)
{
	static const char *const kinds[] = {
		[STEP_KEY_OF_STEP] = "step",
		[STEP_KEY_OF_USER] = "own",
	};
	const char *kind = "other";
	int rc = objects_read_all(s->objects, &s->key->key, &s->document, err);

	if (!rc)
		rc = step_key_decode(s->document.data, s->document.len, &s->decoded, err);
	if (!rc)
		kind = kinds[s->decoded.kind];
	else if (rc == -ERR_NOTFOUND || rc == -ERR_INVALID)
		rc = 0;
	if (!rc)
		rc = output_json_set_text(s->out, "kind", kind, err);
	for (size_t i = 0; i < s->decoded.count && !rc; i++)
		rc = add_value(s, &s->decoded.values[i], err);
	return rc;
}

/* ---- the result ---- */

static int image_id(const struct showing *s, struct digest *ret, struct err *err)
{
	struct record_image image;
	int rc;

	*ret = (struct digest){0};
	if (digest_is_zero(&s->key->manifest))
		return 0;
	rc = catalog_image_get(s->reader->txn, &s->key->manifest, &image, err);
	if (!rc)
		*ret = image.config;
	return rc == -ERR_NOTFOUND ? 0 : rc;
}

static int add_record(struct showing *s, struct err *err)
{
	const struct record_key *k = s->key;
	char created[OUTPUT_TIME_TEXT];
	struct digest image;
	int rc = image_id(s, &image, err);

	if (!rc)
		rc = output_json_set(s->out, "key", output_json_digest(&k->key), err);
	if (!rc)
		rc = output_json_set(s->out, "chain", output_json_digest(&k->chainid),
				     err);
	if (!rc)
		rc = output_json_set(s->out, "image", output_json_digest(&image), err);
	if (!rc)
		rc = output_json_set_text(s->out, "created",
					  output_time(k->created, created), err);
	if (!rc)
		rc = output_json_set_text(s->out, "scope", k->scope, err);
	if (!rc)
		rc = whereabouts_set(s->out, s->reader->store, "cache", &k->key, err);
	return rc;
}

int show_key(struct command_reader *r, const struct record_key *key, json_t **ret,
	     struct err *err)
{
	auto_objects struct objects *objects = NULL;
	auto_json json_t *out = json_object();
	struct showing s = {.reader = r, .key = key, .out = out};
	int rc = out ? objects_new(r->store, OBJECTS_CACHE, &objects, err)
		     : err_nomem(err);

	buf_init(&s.document, STEP_KEY_DOCUMENT_MAX);
	s.objects = objects;
	if (!rc)
		rc = add_record(&s, err);
	if (!rc)
		rc = add_document(&s, err);
	step_key_document_release(&s.decoded);
	buf_release(&s.document);
	if (!rc)
		*ret = steal_ptr(&out);
	return rc;
}
