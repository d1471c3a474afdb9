/* SPDX-License-Identifier: Apache-2.0
 * The words of a Dockerfile's instructions: splitting, options, variables. */
#include <ctype.h>
#include <jansson.h>
#include <string.h>

#include "store/base/buf.h"
#include "tools/buildkit/dockerfile.h"

#define NESTED_MAX 8

void dockerfile_words_release(struct dockerfile_words *w)
{
	for (size_t i = 0; i < w->count; i++)
		free(w->items[i]);
	free(w->items);
	*w = (struct dockerfile_words){0};
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\v' || c == '\f' || c == '\r' || c == '\n';
}

static int add(struct dockerfile_words *w, const char *text, size_t len, struct err *err)
{
	char **items = reallocarray(w->items, w->count + 2, sizeof(*items));

	if (!items)
		return err_nomem(err);
	w->items = items;
	if (w->count == DOCKERFILE_WORDS_MAX)
		return err_set(err, ERR_LIMIT, "more than %d words",
			       DOCKERFILE_WORDS_MAX);
	items[w->count] = strndup(text, len);
	items[w->count + 1] = NULL;
	if (!items[w->count])
		return err_nomem(err);
	w->count++;
	return 0;
}

/* Where the word at TEXT ends. */
static size_t word_length(const char *text, char escape, bool quotes)
{
	char quote = 0;
	size_t n = 0;

	for (; text[n] && (quote || !is_space(text[n])); n++) {
		if (!quotes)
			continue;
		if (text[n] == escape && quote != '\'' && text[n + 1])
			n++;
		else if (quote && text[n] == quote)
			quote = 0;
		else if (!quote && (text[n] == '\'' || text[n] == '"'))
			quote = text[n];
	}
	return n;
}

int dockerfile_split(const char *text, char escape, bool quotes,
		     struct dockerfile_words *ret, struct err *err)
{
	struct dockerfile_words w = {0};
	int rc = 0;

	while (!rc) {
		size_t n;

		while (is_space(*text))
			text++;
		if (!*text)
			break;
		n = word_length(text, escape, quotes);
		rc = add(&w, text, n, err);
		text += n;
	}
	if (rc)
		dockerfile_words_release(&w);
	else
		*ret = w;
	return rc;
}

/* NULL: it is none, and the text means what it says. */
static json_t *parse_strings(const char *text)
{
	json_t *json = *text == '[' ? json_loads(text, 0, NULL) : NULL, *item;
	size_t i;

	json_array_foreach(json, i, item)
	{
		if (json_is_string(item))
			continue;
		json_decref(json);
		return NULL;
	}
	return json;
}

int dockerfile_split_json(const char *text, char escape, struct dockerfile_words *ret,
			  struct err *err)
{
	struct dockerfile_words w = {.json = true};
	json_t *json = parse_strings(text), *item;
	size_t i;
	int rc = 0;

	if (!json)
		return dockerfile_split(text, escape, false, ret, err);
	json_array_foreach(json, i, item) if (!rc) rc =
		add(&w, json_string_value(item), json_string_length(item), err);
	json_decref(json);
	if (rc)
		dockerfile_words_release(&w);
	else
		*ret = w;
	return rc;
}

int dockerfile_flags(const char *text, struct dockerfile_words *ret,
		     const char **ret_rest, struct err *err)
{
	struct dockerfile_words w = {0};
	int rc = 0;

	while (!rc && strncmp(text, "--", 2) == 0 && text[2] && !is_space(text[2])) {
		size_t n = word_length(text, '\\', true);

		rc = add(&w, text, n, err);
		text += n;
		while (is_space(*text))
			text++;
	}
	if (rc) {
		dockerfile_words_release(&w);
		return rc;
	}
	*ret = w;
	*ret_rest = text;
	return 0;
}

/* ---- variables ---- */

struct expansion {
	dockerfile_lookup_fn *lookup;
	void *arg;
	char escape;
	struct buf *out;
};

/* A text between two places. */
struct piece {
	const char *p, *end;
};

static int expand(struct expansion *e, struct piece in, unsigned depth, struct err *err);

static size_t name_length(const char *p, const char *end)
{
	size_t n = 0;

	while (p + n < end && (p[n] == '_' || isalpha((unsigned char)p[n]) ||
			       (n && isdigit((unsigned char)p[n]))))
		n++;
	return n;
}

/* Where the brace that was opened before P is closed; NULL: nowhere. */
static const char *closing(const char *p, const char *end, char escape)
{
	for (unsigned open = 1; p < end; p++) {
		if (*p == escape && p + 1 < end)
			p++;
		else if (*p == '{' && p[-1] == '$')
			open++;
		else if (*p == '}' && --open == 0)
			return p;
	}
	return NULL;
}

static int put_text(struct expansion *e, const char *text, struct err *err)
{
	return text ? buf_append(e->out, text, strlen(text), err) : 0;
}

/* "${NAME}", "${NAME:-WORD}", "${NAME:+WORD}" and these without the colon. */
static int expand_braces(struct expansion *e, const char *p, const char *end,
			 unsigned depth, struct err *err)
{
	size_t n = name_length(p, end);
	const char *value = n ? e->lookup(e->arg, p, n) : NULL;
	const char *op = p + n;
	bool colon = op < end && *op == ':';
	bool set = value && (!colon || *value);

	if (!n)
		return err_set(err, ERR_INVALID, "bad variable '${%.*s}'", (int)(end - p),
			       p);
	if (op == end)
		return put_text(e, value, err);
	op += colon;
	if (op < end && *op == '-')
		return set ? put_text(e, value, err)
			   : expand(e, (struct piece){op + 1, end}, depth + 1, err);
	if (op < end && *op == '+')
		return set ? expand(e, (struct piece){op + 1, end}, depth + 1, err) : 0;
	return err_set(err, ERR_INVALID, "'${%.*s}' is not understood", (int)(end - p),
		       p);
}

/* What begins with the dollar at P; *ret_next is behind it. */
static int expand_variable(struct expansion *e, const char *p, const char *end,
			   unsigned depth, const char **ret_next, struct err *err)
{
	size_t n = name_length(p + 1, end);
	const char *close;

	if (p + 1 < end && p[1] == '{') {
		close = closing(p + 2, end, e->escape);
		if (!close)
			return err_set(err, ERR_INVALID, "'${' without '}'");
		*ret_next = close + 1;
		return expand_braces(e, p + 2, close, depth, err);
	}
	*ret_next = p + 1 + n;
	if (!n)
		return buf_append_u8(e->out, '$', err);
	return put_text(e, e->lookup(e->arg, p + 1, n), err);
}

/* In double quotes only these lose their escape character. */
static bool is_escaped(char c, char quote, char escape)
{
	return quote != '"' || c == '"' || c == '$' || c == escape;
}

static int expand(struct expansion *e, struct piece in, unsigned depth, struct err *err)
{
	char quote = 0;
	int rc = 0;

	if (depth > NESTED_MAX)
		return err_set(err, ERR_LIMIT, "variables nested deeper than %d",
			       NESTED_MAX);
	for (const char *p = in.p; p < in.end && !rc;) {
		if (quote != '\'' && *p == e->escape && p + 1 < in.end) {
			rc = is_escaped(p[1], quote, e->escape)
				     ? buf_append_u8(e->out, (uint8_t)p[1], err)
				     : buf_append(e->out, p, 2, err);
			p += 2;
		} else if (quote != '\'' && *p == '$') {
			rc = expand_variable(e, p, in.end, depth, &p, err);
		} else if (quote ? *p == quote : *p == '\'' || *p == '"') {
			quote = quote ? 0 : *p;
			p++;
		} else {
			rc = buf_append_u8(e->out, (uint8_t)*p++, err);
		}
	}
	if (!rc && quote)
		rc = err_set(err, ERR_INVALID, "a quote is not closed");
	return rc;
}

int dockerfile_expand(const char *word, char escape, dockerfile_lookup_fn *lookup,
		      void *arg, char **ret, struct err *err)
{
	auto_buf struct buf out;
	struct expansion e = {lookup, arg, escape, &out};
	int rc;

	buf_init(&out, DOCKERFILE_MAX);
	rc = expand(&e, (struct piece){word, word + strlen(word)}, 0, err);
	if (!rc)
		rc = buf_append_u8(&out, 0, err);
	if (rc)
		return rc;
	*ret = (char *)out.data;
	out = (struct buf){0};
	return 0;
}
