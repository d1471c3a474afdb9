/* SPDX-License-Identifier: Apache-2.0
 * Steps written down and read back: a line that says what the document is, then fields of a
 * word, a length and that many bytes, in one fixed order. */
#include "store/step_key.h"

#include <string.h>

#define HEAD_STEP "layercache step 1\n"
#define HEAD_USER "layercache own key 1\n"

static const struct field {
	const char *name;
	unsigned order; /* fields come in this order; those that repeat share one */
	unsigned kinds; /* 1 << enum step_key_kind: in which documents */
	bool many;      /* any number of times, else just once */
} fields[] = {
	[STEP_KEY_SCOPE] = {"scope", 0, 1 << STEP_KEY_OF_STEP | 1 << STEP_KEY_OF_USER},
	[STEP_KEY_PARENT] = {"parent", 1, 1 << STEP_KEY_OF_STEP},
	[STEP_KEY_INSTRUCTION] = {"instruction", 2, 1 << STEP_KEY_OF_STEP},
	[STEP_KEY_COMMAND] = {"command", 3, 1 << STEP_KEY_OF_STEP, true},
	[STEP_KEY_ENV] = {"env", 4, 1 << STEP_KEY_OF_STEP, true},
	[STEP_KEY_ARG] = {"arg", 5, 1 << STEP_KEY_OF_STEP, true},
	[STEP_KEY_WORKDIR] = {"workdir", 6, 1 << STEP_KEY_OF_STEP},
	[STEP_KEY_USER] = {"user", 7, 1 << STEP_KEY_OF_STEP},
	[STEP_KEY_NETWORK] = {"network", 8, 1 << STEP_KEY_OF_STEP},
	[STEP_KEY_PLATFORM] = {"platform", 9, 1 << STEP_KEY_OF_STEP},
	[STEP_KEY_INPUT] = {"input", 10, 1 << STEP_KEY_OF_STEP, true},
	[STEP_KEY_TEXT] = {"key", 11, 1 << STEP_KEY_OF_USER},
};

const char *step_key_field_name(enum step_key_field field)
{
	return fields[field].name;
}

/* ---- writing ---- */

static int add(struct buf *out, enum step_key_field field, const char *text, size_t len,
	       struct err *err)
{
	int r = buf_printf(out, err, "%s %zu:", fields[field].name, len);

	if (r == 0)
		r = buf_append(out, text, len, err);
	return r < 0 ? r : buf_append_u8(out, '\n', err);
}

static int add_text(struct buf *out, enum step_key_field field, const char *text,
		    struct err *err)
{
	return add(out, field, text ? text : "", text ? strlen(text) : 0, err);
}

static int add_parent(struct buf *out, const struct step_key *s, struct err *err)
{
	static const char *const words[] = {
		[STEP_KEY_PARENT_KEY] = "key",
		[STEP_KEY_PARENT_CHAIN] = "chain",
	};
	char digest[DIGEST_TEXT_SIZE], text[DIGEST_TEXT_SIZE + 8];

	if (s->parent_kind == STEP_KEY_PARENT_NONE)
		return add_text(out, STEP_KEY_PARENT, "none", err);
	snprintf(text, sizeof(text), "%s %s", words[s->parent_kind],
		 digest_format(&s->parent, digest));
	return add_text(out, STEP_KEY_PARENT, text, err);
}

/* NAME=VALUE with its place in what was given. */
struct variable {
	const char *text;
	size_t name_len, place;
};

static int variable_cmp(const void *va, const void *vb)
{
	const struct variable *a = va, *b = vb;
	size_t n = a->name_len < b->name_len ? a->name_len : b->name_len;
	int c = memcmp(a->text, b->text, n);

	if (c == 0)
		c = (a->name_len > b->name_len) - (a->name_len < b->name_len);
	return c ? c : (a->place > b->place) - (a->place < b->place);
}

static bool same_name(const struct variable *a, const struct variable *b)
{
	return a->name_len == b->name_len && memcmp(a->text, b->text, a->name_len) == 0;
}

/* By name; of each the last one that was given. */
static int add_variables(struct buf *out, enum step_key_field field,
			 const struct step_key_texts *texts, struct err *err)
{
	auto_free struct variable *v = calloc(texts->count + 1, sizeof(*v));
	int r = 0;

	if (!v)
		return err_nomem(err);
	for (size_t i = 0; i < texts->count; i++)
		v[i] = (struct variable){texts->items[i], strcspn(texts->items[i], "="),
					 i};
	qsort(v, texts->count, sizeof(*v), variable_cmp);
	for (size_t i = 0; i < texts->count && r == 0; i++)
		if (i + 1 == texts->count || !same_name(&v[i], &v[i + 1]))
			r = add_text(out, field, v[i].text, err);
	return r;
}

static int add_command(struct buf *out, const struct step_key_texts *texts,
		       struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < texts->count && r == 0; i++)
		r = add_text(out, STEP_KEY_COMMAND, texts->items[i], err);
	return r;
}

static int add_input(struct buf *out, const struct step_key_input *in, struct err *err)
{
	char content[DIGEST_TEXT_SIZE], listing[DIGEST_TEXT_SIZE] = "-";
	auto_buf struct buf text;
	int r;

	buf_init(&text, STEP_KEY_DOCUMENT_MAX);
	if (!digest_is_zero(&in->listing))
		digest_format(&in->listing, listing);
	r = buf_printf(&text, err, "%s %s %s", digest_format(&in->content, content),
		       listing, in->dest);
	return r < 0 ? r : add(out, STEP_KEY_INPUT, (char *)text.data, text.len, err);
}

static int start(struct buf *document, const char *head, const char *scope,
		 struct err *err)
{
	int r;

	buf_release(document);
	buf_init(document, STEP_KEY_DOCUMENT_MAX);
	r = buf_append(document, head, strlen(head), err);
	return r < 0 ? r : add_text(document, STEP_KEY_SCOPE, scope, err);
}

int step_key_encode(const struct step_key *s, struct buf *document, struct err *err)
{
	int r = start(document, HEAD_STEP, s->scope, err);

	if (r == 0)
		r = add_parent(document, s, err);
	if (r == 0)
		r = add_text(document, STEP_KEY_INSTRUCTION, s->instruction, err);
	if (r == 0)
		r = add_command(document, &s->command, err);
	if (r == 0)
		r = add_variables(document, STEP_KEY_ENV, &s->env, err);
	if (r == 0)
		r = add_variables(document, STEP_KEY_ARG, &s->args, err);
	if (r == 0)
		r = add_text(document, STEP_KEY_WORKDIR, s->workdir, err);
	if (r == 0)
		r = add_text(document, STEP_KEY_USER, s->user, err);
	if (r == 0)
		r = add_text(document, STEP_KEY_NETWORK, s->network, err);
	if (r == 0)
		r = add_text(document, STEP_KEY_PLATFORM, s->platform, err);
	for (size_t i = 0; i < s->input_count && r == 0; i++)
		r = add_input(document, &s->inputs[i], err);
	return r < 0 ? err_wrap(err, "a step") : 0;
}

int step_key_own(const char *scope, const char *text, struct buf *document,
		 struct err *err)
{
	int r = start(document, HEAD_USER, scope, err);

	return r < 0 ? r : add_text(document, STEP_KEY_TEXT, text, err);
}

/* ---- reading ---- */

static int corrupt(struct err *err)
{
	return err_set(err, ERR_CORRUPT, "the document of a key is damaged");
}

static bool starts(struct cursor *c, const char *head)
{
	const uint8_t *bytes;

	if (c->left < strlen(head) || memcmp(c->p, head, strlen(head)) != 0)
		return false;
	return cursor_bytes(c, strlen(head), &bytes);
}

static int take_head(struct cursor *c, enum step_key_kind *ret, struct err *err)
{
	static const char any[] = "layercache ";

	if (starts(c, HEAD_STEP))
		*ret = STEP_KEY_OF_STEP;
	else if (starts(c, HEAD_USER))
		*ret = STEP_KEY_OF_USER;
	else if (c->left >= sizeof(any) - 1 && memcmp(c->p, any, sizeof(any) - 1) == 0)
		return err_set(err, ERR_INVALID,
			       "the document of a key is of another kind");
	else
		return corrupt(err);
	return 0;
}

/* "123:", without leading zeros. */
static bool take_length(struct cursor *c, size_t *ret)
{
	const uint8_t *start = c->p;
	size_t v = 0;

	for (; c->left && *c->p >= '0' && *c->p <= '9'; c->p++, c->left--) {
		v = v * 10 + (*c->p - '0');
		if (v > STEP_KEY_DOCUMENT_MAX)
			return false;
	}
	if (c->p == start || (*start == '0' && c->p != start + 1) || !c->left ||
	    *c->p != ':')
		return false;
	c->p++;
	c->left--;
	*ret = v;
	return true;
}

static bool take_field(struct cursor *c, enum step_key_kind kind,
		       struct step_key_value *ret)
{
	const uint8_t *text, *end;
	size_t i;

	for (i = 0; i < ARRAY_LEN(fields); i++) {
		size_t n = strlen(fields[i].name);

		if (fields[i].kinds & 1u << kind && c->left > n && c->p[n] == ' ' &&
		    memcmp(c->p, fields[i].name, n) == 0)
			break;
	}
	if (i == ARRAY_LEN(fields))
		return false;
	cursor_bytes(c, strlen(fields[i].name) + 1, &text);
	if (!take_length(c, &ret->len) || !cursor_bytes(c, ret->len, &text) ||
	    !cursor_bytes(c, 1, &end) || *end != '\n' || memchr(text, '\0', ret->len))
		return false;
	ret->field = (enum step_key_field)i;
	ret->text = (const char *)text;
	return true;
}

/* Whether V may come after the field BEFORE (NULL: the head). */
static bool in_order(const struct step_key_value *before, const struct step_key_value *v)
{
	const struct field *b, *f = &fields[v->field];

	if (!before)
		return v->field == STEP_KEY_SCOPE;
	b = &fields[before->field];
	return f->order > b->order || (before->field == v->field && f->many);
}

/* Every field that comes once is there. */
static bool is_whole(const struct step_key_document *d)
{
	unsigned wanted = 0, have = 0;

	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		if (!fields[i].many && fields[i].kinds & 1u << d->kind)
			wanted++;
	for (size_t i = 0; i < d->count; i++)
		have += !fields[d->values[i].field].many;
	return have == wanted;
}

static int decode(struct cursor *c, struct step_key_document *d, struct err *err)
{
	size_t room = 0;

	while (c->left) {
		if (d->count == STEP_KEY_FIELDS_MAX)
			return err_set(err, ERR_LIMIT, "a key of more than %d fields",
				       STEP_KEY_FIELDS_MAX);
		if (d->count == room) {
			struct step_key_value *values;

			room = room ? 2 * room : 16;
			values = reallocarray(d->values, room, sizeof(*values));
			if (!values)
				return err_nomem(err);
			d->values = values;
		}
		if (!take_field(c, d->kind, &d->values[d->count]) ||
		    !in_order(d->count ? &d->values[d->count - 1] : NULL,
			      &d->values[d->count]))
			return corrupt(err);
		d->count++;
	}
	return is_whole(d) ? 0 : corrupt(err);
}

int step_key_decode(const void *bytes, size_t len, struct step_key_document *ret,
		    struct err *err)
{
	struct step_key_document d = {0};
	struct cursor c = {bytes, len};
	int r = take_head(&c, &d.kind, err);

	if (r == 0)
		r = decode(&c, &d, err);
	if (r < 0) {
		step_key_document_release(&d);
		return r;
	}
	*ret = d;
	return 0;
}

void step_key_document_release(struct step_key_document *d)
{
	free(d->values);
	*d = (struct step_key_document){0};
}

int step_key_parent_of(const struct step_key_value *v, enum step_key_parent *ret_kind,
		       struct digest *ret, struct err *err)
{
	static const struct {
		const char *word;
		enum step_key_parent kind;
	} words[] = {{"key ", STEP_KEY_PARENT_KEY}, {"chain ", STEP_KEY_PARENT_CHAIN}};

	if (v->len == 4 && memcmp(v->text, "none", 4) == 0) {
		*ret_kind = STEP_KEY_PARENT_NONE;
		*ret = (struct digest){0};
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		size_t n = strlen(words[i].word);

		if (v->len > n && memcmp(v->text, words[i].word, n) == 0 &&
		    digest_parse(v->text + n, v->len - n, ret, NULL) == 0) {
			*ret_kind = words[i].kind;
			return 0;
		}
	}
	return corrupt(err);
}

int step_key_input_of(const struct step_key_value *v, struct digest *ret_content,
		      struct digest *ret_listing, const char **ret_dest,
		      size_t *ret_dest_len, struct err *err)
{
	static const size_t n = DIGEST_TEXT_SIZE - 1;
	struct digest content, listing = {0};
	size_t second = v->len > n + 2 && v->text[n + 1] == '-' ? 1 : n;
	size_t head = n + 1 + second + 1;

	if (v->len < head || v->text[n] != ' ' || v->text[head - 1] != ' ' ||
	    digest_parse(v->text, n, &content, NULL) < 0 ||
	    (second == n && digest_parse(v->text + n + 1, n, &listing, NULL) < 0))
		return corrupt(err);
	*ret_content = content;
	*ret_listing = listing;
	*ret_dest = v->text + head;
	*ret_dest_len = v->len - head;
	return 0;
}
