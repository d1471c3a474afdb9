/* SPDX-License-Identifier: Apache-2.0
 * Finds the documents of two keys and prints how they differ.
 */
#include "tools/key_explain.h"

#include "store/content_listing.h"
#include "store/step_explain.h"
#include "tools/output.h"
#include "tools/subject.h"

#define OBJECTS_CACHE (4u << 20)
#define LINE_BYTES    (1u << 20)
#define DEPTH_MAX     4096 /* steps, one on the other */

struct explaining {
	struct command_reader reader;
	struct objects *objects;
	const struct step
		*step; /* its listings are known without the store; may be NULL */
	json_t *json;  /* array; NULL: print lines */
};

/* One side of a comparison. */
struct side {
	struct buf bytes;
	struct step_key_document document;
};

static void side_release(struct side *s)
{
	step_key_document_release(&s->document);
	buf_release(&s->bytes);
}

static void explaining_close(struct explaining *x)
{
	objects_free(x->objects);
	command_reader_close(&x->reader);
	json_decref(x->json);
}

static int explaining_open(struct explaining *x, const struct command_call *call,
			   struct err *err)
{
	int rc = command_reader_open(call, &x->reader, err);

	if (!rc)
		rc = objects_new(x->reader.store, OBJECTS_CACHE, &x->objects, err);
	if (!rc && call->json) {
		x->json = json_array();
		rc = x->json ? 0 : err_nomem(err);
	}
	return rc;
}

/* The digest of a key as a user writes it, or the start of one. */
static int find_key(struct explaining *x, const char *text, struct digest *ret,
		    struct err *err)
{
	auto_buf struct buf document = {0};
	struct subject subject;

	if (subject_find(x->reader.txn, text, NULL, 0, &subject, NULL) == 0 &&
	    subject.kind == SUBJECT_KEY) {
		*ret = subject.key.key;
		return 0;
	}
	return step_own_key(text, NULL, ret, &document, err);
}

static int read_key(struct explaining *x, const struct digest *key, struct side *ret,
		    struct err *err)
{
	char text[DIGEST_TEXT_SIZE];
	int rc;

	buf_init(&ret->bytes, STEP_KEY_DOCUMENT_MAX);
	rc = objects_read_all(x->objects, key, &ret->bytes, err);
	if (rc == -ERR_NOTFOUND)
		return err_set(err, ERR_NOTFOUND, "nothing says what key '%s' stands for",
			       digest_format(key, text));
	if (!rc)
		rc = step_key_decode(ret->bytes.data, ret->bytes.len, &ret->document,
				     err);
	return rc ? err_wrap(err, "key '%s'", digest_format(key, text)) : 0;
}

static int load_listing(void *arg, const struct digest *d, struct buf *ret,
			struct err *err)
{
	const struct explaining *x = arg;

	for (size_t i = 0; x->step && i < x->step->input_count; i++) {
		const struct buf *listing = &x->step->inputs[i].content.listing;
		struct digest have;

		digest_of(listing->data, listing->len, &have);
		if (digest_equal(&have, d))
			return buf_append(ret, listing->data, listing->len, err);
	}
	return objects_read_all(x->objects, d, ret, err);
}

/* ---- printing ---- */

static int add_quoted(struct buf *line, const struct buf *text, bool has, struct err *err)
{
	auto_buf struct buf copy;
	int rc;

	if (!has)
		return buf_append_u8(line, '-', err);
	buf_init(&copy, text->len + 1);
	rc = buf_append(&copy, text->data, text->len, err);
	if (!rc)
		rc = buf_append_u8(&copy, 0, err);
	return rc ? rc : output_quote(line, (const char *)copy.data, err);
}

static int print_line(const struct step_explain *e, struct err *err)
{
	auto_buf struct buf line;
	int rc;

	buf_init(&line, LINE_BYTES);
	rc = buf_printf(&line, err, "%s", e->what);
	if (!rc && e->name.len)
		rc = buf_append_u8(&line, ' ', err);
	if (!rc && e->name.len)
		rc = add_quoted(&line, &e->name, true, err);
	if (!rc && e->attribute.len)
		rc = buf_append_u8(&line, ' ', err);
	if (!rc && e->attribute.len)
		rc = add_quoted(&line, &e->attribute, true, err);
	if (!rc)
		rc = buf_append(&line, ": ", 2, err);
	if (!rc)
		rc = add_quoted(&line, &e->a, e->has_a, err);
	if (!rc)
		rc = buf_append(&line, " -> ", 4, err);
	if (!rc)
		rc = add_quoted(&line, &e->b, e->has_b, err);
	if (!rc)
		output_line("%.*s", (int)line.len, (char *)line.data);
	return rc;
}

static int set_text(json_t *item, const char *key, const struct buf *text, bool has,
		    struct err *err)
{
	auto_free char *copy = NULL;

	if (!has)
		return output_json_set(item, key, json_null(), err);
	copy = strndup(text->len ? (const char *)text->data : "", text->len);
	return copy ? output_json_set_text(item, key, copy, err) : err_nomem(err);
}

static int add_json(struct explaining *x, const struct step_explain *e, struct err *err)
{
	auto_json json_t *item = json_pack("{s:s}", "what", e->what);
	int rc = item ? 0 : err_nomem(err);

	if (!rc)
		rc = set_text(item, "name", &e->name, e->name.len > 0, err);
	if (!rc)
		rc = set_text(item, "attribute", &e->attribute, e->attribute.len > 0,
			      err);
	if (!rc)
		rc = set_text(item, "a", &e->a, e->has_a, err);
	if (!rc)
		rc = set_text(item, "b", &e->b, e->has_b, err);
	if (!rc && json_array_append(x->json, item) != 0)
		rc = err_nomem(err);
	return rc;
}

/* ---- comparing ---- */

static const struct step_key_value *parent_of(const struct side *s, struct digest *ret)
{
	for (size_t i = 0; i < s->document.count; i++) {
		const struct step_key_value *v = &s->document.values[i];
		enum step_key_parent kind;

		if (v->field == STEP_KEY_PARENT &&
		    step_key_parent_of(v, &kind, ret, NULL) == 0 &&
		    kind == STEP_KEY_PARENT_KEY)
			return v;
	}
	return NULL;
}

/* Puts the parents in their children's place; *ret_more false if that is not possible. */
static int go_up(struct explaining *x, struct side *a, struct side *b, bool *ret_more,
		 struct err *err)
{
	struct digest parent_a, parent_b;
	struct side up_a = {0}, up_b = {0};
	int rc;

	*ret_more = parent_of(a, &parent_a) && parent_of(b, &parent_b);
	if (!*ret_more)
		return 0;
	rc = read_key(x, &parent_a, &up_a, err);
	if (!rc)
		rc = read_key(x, &parent_b, &up_b, err);
	if (rc) {
		side_release(&up_a);
		side_release(&up_b);
		*ret_more = false;
		return rc == -ERR_NOTFOUND || rc == -ERR_INVALID ? 0 : rc;
	}
	side_release(a);
	side_release(b);
	*a = up_a;
	*b = up_b;
	return 0;
}

static int compare(struct explaining *x, struct side *a, struct side *b, bool *ret_more,
		   struct err *err)
{
	auto_step_explain struct step_explain e = {0};
	int rc = step_explain(&a->document, &b->document, load_listing, x, &e, err);

	*ret_more = false;
	if (rc || !e.what)
		return rc;
	rc = x->json ? add_json(x, &e, err) : print_line(&e, err);
	if (!rc && strcmp(e.what, "parent") == 0)
		rc = go_up(x, a, b, ret_more, err);
	return rc;
}

static int compare_all(struct explaining *x, struct side *a, struct side *b,
		       struct err *err)
{
	bool more = true;
	int rc = 0;

	for (int i = 0; i < DEPTH_MAX && more && !rc; i++)
		rc = compare(x, a, b, &more, err);
	if (!rc && x->json)
		rc = output_json(steal_ptr(&x->json), err);
	return rc;
}

int key_explain_keys(const struct command_call *call, const char *a, const char *b,
		     struct err *err)
{
	struct side side_a = {0}, side_b = {0};
	struct explaining x = {0};
	struct digest key;
	int rc = explaining_open(&x, call, err);

	if (!rc)
		rc = find_key(&x, a, &key, err);
	if (!rc)
		rc = read_key(&x, &key, &side_a, err);
	if (!rc)
		rc = find_key(&x, b, &key, err);
	if (!rc)
		rc = read_key(&x, &key, &side_b, err);
	if (!rc)
		rc = compare_all(&x, &side_a, &side_b, err);
	side_release(&side_a);
	side_release(&side_b);
	explaining_close(&x);
	return rc;
}

/* Of the step's documents the one whose parent is of the same kind. */
static int read_step(const struct step *s, const struct side *like, struct side *ret,
		     struct err *err)
{
	struct digest parent;
	bool by_key = parent_of(like, &parent) != NULL;
	size_t i = s->key_count > 1 && s->has_key && !by_key ? 1 : 0;
	const struct buf *from = &s->documents[i];
	int rc;

	buf_init(&ret->bytes, STEP_KEY_DOCUMENT_MAX);
	rc = buf_append(&ret->bytes, from->data, from->len, err);
	return rc ? rc
		  : step_key_decode(ret->bytes.data, ret->bytes.len, &ret->document, err);
}

int key_explain_step(const struct command_call *call, const char *a, const struct step *b,
		     struct err *err)
{
	struct side side_a = {0}, side_b = {0};
	struct explaining x = {.step = b};
	struct digest key;
	int rc = explaining_open(&x, call, err);

	if (!rc)
		rc = find_key(&x, a, &key, err);
	if (!rc)
		rc = read_key(&x, &key, &side_a, err);
	if (!rc)
		rc = read_step(b, &side_a, &side_b, err);
	if (!rc)
		rc = compare_all(&x, &side_a, &side_b, err);
	side_release(&side_a);
	side_release(&side_b);
	explaining_close(&x);
	return rc;
}
