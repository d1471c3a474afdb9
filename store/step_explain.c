/* SPDX-License-Identifier: Apache-2.0
 * Two key documents side by side, and two listings side by side. */
#include "store/step_explain.h"

#include <string.h>

#include "store/content_listing.h"

struct explaining {
	const struct step_key_document *a, *b;
	step_explain_load_fn *load;
	void *arg;
	struct step_explain *out;
};

/* ---- what was found ---- */

static int set_text(struct buf *to, const char *text, size_t len, struct err *err)
{
	buf_clear(to);
	return buf_append(to, text,
			  len < STEP_EXPLAIN_TEXT_MAX ? len : STEP_EXPLAIN_TEXT_MAX, err);
}

static int set_a(struct step_explain *e, const char *text, size_t len, struct err *err)
{
	e->has_a = true;
	return set_text(&e->a, text, len, err);
}

static int set_b(struct step_explain *e, const char *text, size_t len, struct err *err)
{
	e->has_b = true;
	return set_text(&e->b, text, len, err);
}

static int set_both(struct step_explain *e, const char *a, const char *b, struct err *err)
{
	int r = set_a(e, a, strlen(a), err);

	return r < 0 ? r : set_b(e, b, strlen(b), err);
}

/* A and B differ (NULL: one has none). */
static int found(struct step_explain *e, enum step_key_field field,
		 const struct step_key_value *a, const struct step_key_value *b,
		 struct err *err)
{
	int r = 0;

	e->what = step_key_field_name(field);
	if (a)
		r = set_a(e, a->text, a->len, err);
	if (b && r == 0)
		r = set_b(e, b->text, b->len, err);
	return r;
}

/* ---- fields ---- */

static bool equal(const struct step_key_value *a, const struct step_key_value *b)
{
	return a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
}

/* Those of one field, which are together. */
struct span {
	const struct step_key_value *at, *end;
};

static struct span span_of(const struct step_key_document *d, enum step_key_field field)
{
	const struct step_key_value *v = d->values, *end = d->values + d->count;
	struct span s;

	while (v < end && v->field != field)
		v++;
	s.at = v;
	while (v < end && v->field == field)
		v++;
	s.end = v;
	return s;
}

static const struct step_key_value *first(const struct span *s)
{
	return s->at < s->end ? s->at : NULL;
}

/* One by one; with NUMBERED the name says which one. */
static int compare_list(struct explaining *x, enum step_key_field field, bool numbered,
			struct err *err)
{
	struct span a = span_of(x->a, field), b = span_of(x->b, field);
	unsigned n = 1;

	for (; a.at < a.end && b.at < b.end && equal(a.at, b.at); n++) {
		a.at++;
		b.at++;
	}
	if (!first(&a) && !first(&b))
		return 0;
	if (numbered) {
		int r = buf_printf(&x->out->name, err, "%u", n);

		if (r < 0)
			return r;
	}
	return found(x->out, field, first(&a), first(&b), err);
}

static size_t name_len(const struct step_key_value *v)
{
	const char *sign = memchr(v->text, '=', v->len);

	return sign ? (size_t)(sign - v->text) : v->len;
}

/* Absent ones come last. */
static int name_cmp(const struct step_key_value *a, const struct step_key_value *b)
{
	size_t m, n;
	int c;

	if (!a || !b)
		return !a - !b;
	m = name_len(a);
	n = name_len(b);
	c = memcmp(a->text, b->text, m < n ? m : n);
	return c ? c : (m > n) - (m < n);
}

static struct step_key_value value_of(const struct step_key_value *v)
{
	size_t n = name_len(v);

	n += n < v->len;
	return (struct step_key_value){v->field, v->text + n, v->len - n};
}

static int compare_variables(struct explaining *x, enum step_key_field field,
			     struct err *err)
{
	struct span a = span_of(x->a, field), b = span_of(x->b, field);
	const struct step_key_value *named;
	struct step_key_value value_a, value_b;
	int c, r;

	for (; a.at < a.end && b.at < b.end && equal(a.at, b.at); a.at++)
		b.at++;
	if (!first(&a) && !first(&b))
		return 0;
	c = name_cmp(first(&a), first(&b));
	named = c <= 0 ? a.at : b.at;
	r = set_text(&x->out->name, named->text, name_len(named), err);
	if (c <= 0)
		value_a = value_of(a.at);
	if (c >= 0)
		value_b = value_of(b.at);
	return r < 0 ? r
		     : found(x->out, field, c <= 0 ? &value_a : NULL,
			     c >= 0 ? &value_b : NULL, err);
}

/* ---- files ---- */

static int attribute(struct step_explain *e, const char *name, struct err *err)
{
	return set_text(&e->attribute, name, strlen(name), err);
}

static const char *type_word(char type)
{
	switch (type) {
	case '0':
		return "file";
	case '2':
		return "link";
	case '3':
		return "character device";
	case '4':
		return "block device";
	case '5':
		return "directory";
	default:
		return "fifo";
	}
}

static bool text_equal(const struct content_text *a, const struct content_text *b)
{
	return a->len == b->len && (a->len == 0 || memcmp(a->at, b->at, a->len) == 0);
}

static int xattr_found(struct step_explain *e, const struct content_text *name,
		       const struct digest *a, const struct digest *b, struct err *err)
{
	char text[DIGEST_TEXT_SIZE];
	int r = attribute(e, "xattr ", err);

	if (r == 0)
		r = buf_append(&e->attribute, name->at, name->len, err);
	if (a && r == 0)
		r = set_a(e, digest_format(a, text), DIGEST_TEXT_SIZE - 1, err);
	if (b && r == 0)
		r = set_b(e, digest_format(b, text), DIGEST_TEXT_SIZE - 1, err);
	return r;
}

/* Bytewise; both lists are sorted so. */
static int text_cmp(const struct content_text *a, const struct content_text *b)
{
	int c = memcmp(a->at, b->at, a->len < b->len ? a->len : b->len);

	return c ? c : (a->len > b->len) - (a->len < b->len);
}

/* The xattrs differ somewhere. */
static int compare_xattrs(struct step_explain *e, struct content_text a,
			  struct content_text b, struct err *err)
{
	for (;;) {
		struct content_text na = {0}, nb = {0};
		struct digest va, vb;
		bool has_a = content_listing_xattr(&a, &na, &va);
		bool has_b = content_listing_xattr(&b, &nb, &vb);
		int c = has_a && has_b ? text_cmp(&na, &nb) : has_b - has_a;

		if (!has_a && !has_b)
			return 0;
		if (c == 0 && digest_equal(&va, &vb))
			continue;
		return xattr_found(e, c <= 0 ? &na : &nb, c <= 0 ? &va : NULL,
				   c >= 0 ? &vb : NULL, err);
	}
}

static int content_found(struct step_explain *e, const struct content_entry *a,
			 const struct content_entry *b, struct err *err)
{
	char text[2][96], digest[DIGEST_TEXT_SIZE];
	const struct content_entry *both[2] = {a, b};
	int r = attribute(e, "content", err);

	for (int i = 0; i < 2; i++)
		snprintf(text[i], sizeof(text[i]), "%llu bytes %s",
			 (unsigned long long)both[i]->size,
			 digest_format(&both[i]->digest, digest));
	return r < 0 ? r : set_both(e, text[0], text[1], err);
}

static int mode_found(struct step_explain *e, uint32_t a, uint32_t b, struct err *err)
{
	char text[2][16];
	int r = attribute(e, "mode", err);

	snprintf(text[0], sizeof(text[0]), "%04o", a);
	snprintf(text[1], sizeof(text[1]), "%04o", b);
	return r < 0 ? r : set_both(e, text[0], text[1], err);
}

/* Two pairs of numbers. */
static int pair_found(struct step_explain *e, const char *name, const uint32_t a[2],
		      const uint32_t b[2], struct err *err)
{
	char text[2][32];
	int r = attribute(e, name, err);

	snprintf(text[0], sizeof(text[0]), "%u:%u", a[0], a[1]);
	snprintf(text[1], sizeof(text[1]), "%u:%u", b[0], b[1]);
	return r < 0 ? r : set_both(e, text[0], text[1], err);
}

static int link_found(struct step_explain *e, const struct content_entry *a,
		      const struct content_entry *b, struct err *err)
{
	int r = attribute(e, "link", err);

	if (r == 0)
		r = set_a(e, a->link.at, a->link.len, err);
	return r < 0 ? r : set_b(e, b->link.at, b->link.len, err);
}

/* *ret_same: nothing of them differs (of a directory: not what is in it). */
static int compare_entries(struct step_explain *e, const struct content_entry *a,
			   const struct content_entry *b, bool *ret_same, struct err *err)
{
	const uint32_t owner[2][2] = {{a->uid, a->gid}, {b->uid, b->gid}};
	const uint32_t device[2][2] = {{a->major, a->minor}, {b->major, b->minor}};
	int r;

	*ret_same = false;
	if (a->type != b->type) {
		r = attribute(e, "type", err);
		return r < 0 ? r
			     : set_both(e, type_word(a->type), type_word(b->type), err);
	}
	if (a->mode != b->mode)
		return mode_found(e, a->mode, b->mode, err);
	if (memcmp(owner[0], owner[1], sizeof(owner[0])) != 0)
		return pair_found(e, "owner", owner[0], owner[1], err);
	if (memcmp(device[0], device[1], sizeof(device[0])) != 0)
		return pair_found(e, "device", device[0], device[1], err);
	if (!text_equal(&a->link, &b->link))
		return link_found(e, a, b, err);
	if (!text_equal(&a->xattrs, &b->xattrs))
		return compare_xattrs(e, a->xattrs, b->xattrs, err);
	if (a->type != '5' && !digest_equal(&a->digest, &b->digest))
		return content_found(e, a, b, err);
	*ret_same = true;
	return 0;
}

/* One side's next entry; `more` false behind the last one. */
struct side {
	struct buf bytes;
	struct cursor at;
	struct content_entry entry;
	bool more;
};

static int side_next(struct side *s, struct err *err)
{
	return content_listing_next(&s->at, &s->entry, &s->more, err);
}

static int side_open(struct side *s, const struct explaining *x, const struct digest *d,
		     struct err *err)
{
	int r = x->load(x->arg, d, &s->bytes, err);

	if (r == 0)
		r = content_listing_begin(s->bytes.data, s->bytes.len, &s->at, err);
	return r < 0 ? r : side_next(s, err);
}

/* DEST and the path below it. */
static int name_file(struct step_explain *e, const char *dest, size_t dest_len,
		     const struct content_text *path, struct err *err)
{
	int r = set_text(&e->name, dest, dest_len, err);

	if (r == 0 && path->len && dest_len && dest[dest_len - 1] != '/')
		r = buf_append_u8(&e->name, '/', err);
	return r < 0 ? r : buf_append(&e->name, path->at, path->len, err);
}

/* To the first entry that is not in both, or not the same in both. */
static int compare_sides(struct step_explain *e, struct side *a, struct side *b,
			 const char *dest, size_t dest_len, struct err *err)
{
	bool same = true;
	int c = 0, r = 0;

	while (r == 0 && (a->more || b->more)) {
		c = a->more && b->more
			    ? content_listing_cmp(&a->entry.path, &b->entry.path)
			    : b->more - a->more;
		if (c != 0)
			break;
		r = compare_entries(e, &a->entry, &b->entry, &same, err);
		if (r < 0 || !same)
			break;
		r = side_next(a, err);
		if (r == 0)
			r = side_next(b, err);
	}
	if (r < 0 || (c == 0 && same))
		return r;
	e->what = "file";
	r = name_file(e, dest, dest_len, c <= 0 ? &a->entry.path : &b->entry.path, err);
	if (c < 0 && r == 0)
		r = set_a(e, type_word(a->entry.type), strlen(type_word(a->entry.type)),
			  err);
	if (c > 0 && r == 0)
		r = set_b(e, type_word(b->entry.type), strlen(type_word(b->entry.type)),
			  err);
	return r;
}

/* ---- inputs ---- */

struct input {
	struct digest content, listing;
	const char *dest;
	size_t dest_len;
};

static int input_read(const struct step_key_value *v, struct input *ret, struct err *err)
{
	return step_key_input_of(v, &ret->content, &ret->listing, &ret->dest,
				 &ret->dest_len, err);
}

static int compare_listings(struct explaining *x, const struct input *a,
			    const struct input *b, struct err *err)
{
	struct side side_a = {0}, side_b = {0};
	struct err why;
	int r = -ERR_NOTFOUND;

	buf_init(&side_a.bytes, CONTENT_LISTING_MAX);
	buf_init(&side_b.bytes, CONTENT_LISTING_MAX);
	if (!digest_is_zero(&a->listing) && !digest_is_zero(&b->listing))
		r = side_open(&side_a, x, &a->listing, &why);
	if (r == 0)
		r = side_open(&side_b, x, &b->listing, &why);
	if (r == 0)
		r = compare_sides(x->out, &side_a, &side_b, a->dest, a->dest_len, &why);
	buf_release(&side_a.bytes);
	buf_release(&side_b.bytes);
	return r == 0 || r == -ERR_NOTFOUND ? 0 : err_copy(err, &why);
}

static int compare_input(struct explaining *x, const struct step_key_value *va,
			 const struct step_key_value *vb, struct err *err)
{
	char text[2][DIGEST_TEXT_SIZE];
	struct input a, b;
	int r = input_read(va, &a, err);

	if (r == 0)
		r = input_read(vb, &b, err);
	if (r < 0)
		return r;
	if (a.dest_len != b.dest_len || memcmp(a.dest, b.dest, a.dest_len) != 0) {
		x->out->what = "input";
		r = set_a(x->out, a.dest, a.dest_len, err);
		return r < 0 ? r : set_b(x->out, b.dest, b.dest_len, err);
	}
	r = compare_listings(x, &a, &b, err);
	if (r < 0 || x->out->what)
		return r;
	x->out->what = "input";
	r = set_text(&x->out->name, a.dest, a.dest_len, err);
	return r < 0 ? r
		     : set_both(x->out, digest_format(&a.content, text[0]),
				digest_format(&b.content, text[1]), err);
}

/* An input that only one side has. */
static int input_alone(struct explaining *x, const struct step_key_value *v, bool in_a,
		       struct err *err)
{
	struct input i;
	int r = input_read(v, &i, err);

	if (r < 0)
		return r;
	x->out->what = "input";
	return in_a ? set_a(x->out, i.dest, i.dest_len, err)
		    : set_b(x->out, i.dest, i.dest_len, err);
}

static int compare_inputs(struct explaining *x, struct err *err)
{
	struct span a = span_of(x->a, STEP_KEY_INPUT), b = span_of(x->b, STEP_KEY_INPUT);

	for (; a.at < a.end && b.at < b.end && equal(a.at, b.at); a.at++)
		b.at++;
	if (first(&a) && first(&b))
		return compare_input(x, a.at, b.at, err);
	if (first(&a))
		return input_alone(x, a.at, true, err);
	return first(&b) ? input_alone(x, b.at, false, err) : 0;
}

/* ---- all ---- */

static int compare(struct explaining *x, struct err *err)
{
	static const enum step_key_field plain[] = {
		STEP_KEY_PARENT,   STEP_KEY_INSTRUCTION, STEP_KEY_COMMAND,
		STEP_KEY_WORKDIR,  STEP_KEY_USER,        STEP_KEY_NETWORK,
		STEP_KEY_PLATFORM, STEP_KEY_SCOPE,       STEP_KEY_TEXT,
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_LEN(plain) && r == 0 && !x->out->what; i++)
		r = compare_list(x, plain[i], plain[i] == STEP_KEY_COMMAND, err);
	if (r == 0 && !x->out->what)
		r = compare_variables(x, STEP_KEY_ENV, err);
	if (r == 0 && !x->out->what)
		r = compare_variables(x, STEP_KEY_ARG, err);
	return r < 0 || x->out->what ? r : compare_inputs(x, err);
}

int step_explain(const struct step_key_document *a, const struct step_key_document *b,
		 step_explain_load_fn *load, void *arg, struct step_explain *ret,
		 struct err *err)
{
	struct explaining x = {a, b, load, arg, ret};

	*ret = (struct step_explain){0};
	buf_init(&ret->name, 2 * STEP_EXPLAIN_TEXT_MAX);
	buf_init(&ret->attribute, 2 * STEP_EXPLAIN_TEXT_MAX);
	buf_init(&ret->a, STEP_EXPLAIN_TEXT_MAX);
	buf_init(&ret->b, STEP_EXPLAIN_TEXT_MAX);
	if (a->kind != b->kind)
		return err_set(err, ERR_INVALID,
			       "a step's key and a user's own have nothing in common");
	return compare(&x, err);
}

void step_explain_release(struct step_explain *e)
{
	buf_release(&e->name);
	buf_release(&e->attribute);
	buf_release(&e->a);
	buf_release(&e->b);
	*e = (struct step_explain){0};
}
