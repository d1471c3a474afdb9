/* SPDX-License-Identifier: Apache-2.0
 * Patterns as small automata: all states that a path can be in are followed at once, so no
 * pattern makes matching slow. */
#include "store/ignore.h"

#include <limits.h>
#include <stdint.h>
#include <string.h>

#define PATTERN_MAX PATH_MAX

enum token_type {
	TOKEN_BYTE,   /* this byte */
	TOKEN_ANY,    /* one character but '/' */
	TOKEN_SET,    /* one of a set */
	TOKEN_RUN,    /* any number of bytes but '/' */
	TOKEN_ALL,    /* any number of bytes */
	TOKEN_DIRS,   /* nothing, or what TOKEN_INSIDE behind it takes */
	TOKEN_INSIDE, /* any bytes up to a '/' */
};

struct token {
	enum token_type type;
	unsigned char byte;
	bool negated;       /* TOKEN_SET */
	uint8_t (*set)[32]; /* TOKEN_SET: a bit per byte */
};

struct pattern {
	bool exception; /* "!..." */
	size_t count;
	struct token *tokens;
};

struct ignore {
	struct pattern *patterns;
	size_t count, room;
	bool exceptions;
};

int ignore_new(struct ignore **ret, struct err *err)
{
	struct ignore *g = calloc(1, sizeof(*g));

	if (!g)
		return err_nomem(err);
	*ret = g;
	return 0;
}

static void pattern_release(struct pattern *p)
{
	for (size_t i = 0; i < p->count; i++)
		free(p->tokens[i].set);
	free(p->tokens);
}

void ignore_free(struct ignore *g)
{
	if (!g)
		return;
	for (size_t i = 0; i < g->count; i++)
		pattern_release(&g->patterns[i]);
	free(g->patterns);
	free(g);
}

/* ---- reading patterns ---- */

/* Drops the last part of OUT. */
static size_t parent_len(const char *out, size_t len)
{
	while (len > 0 && out[len - 1] != '/')
		len--;
	return len > 0 ? len - 1 : 0;
}

/* PATH without ".", "..", empty parts and the slash in front. */
static void clean(const char *path, size_t len, char out[PATTERN_MAX])
{
	const char *end = path + len;
	size_t n = 0;

	while (path < end) {
		const char *slash = memchr(path, '/', (size_t)(end - path));
		size_t part = (size_t)((slash ? slash : end) - path);
		bool up = part == 2 && memcmp(path, "..", 2) == 0;

		if (up && n > 0) {
			n = parent_len(out, n);
		} else if (part > 0 && !(part == 1 && *path == '.')) {
			if (n > 0)
				out[n++] = '/';
			memcpy(out + n, path, part);
			n += part;
		}
		path += part + (slash != NULL);
	}
	out[n] = '\0';
}

static int bad(const char *pattern, const char *why, struct err *err)
{
	return err_set(err, ERR_INVALID, "pattern '%s' %s", pattern, why);
}

/* One byte of a set; moves *AT behind it. False: there is none. */
static bool set_byte(const char **at, unsigned char *ret)
{
	const char *p = *at;

	if (*p == '-' || *p == ']')
		return false;
	if (*p == '\\')
		p++;
	if (!*p)
		return false;
	*ret = (unsigned char)*p++;
	*at = p;
	return true;
}

/* Reads "a-z0]" or "^a-z]" at *AT into T and moves behind it. */
static bool set_read(const char **at, struct token *t)
{
	const char *p = *at;
	unsigned count = 0;

	t->negated = *p == '^';
	p += t->negated;
	for (; count == 0 || *p != ']'; count++) {
		unsigned char low, high;

		if (!set_byte(&p, &low))
			return false;
		high = low;
		if (*p == '-' && (p++, !set_byte(&p, &high)))
			return false;
		for (unsigned c = low; c <= high; c++)
			(*t->set)[c / 8] |= (uint8_t)(1u << c % 8);
	}
	*at = p + 1;
	return true;
}

static bool is_plain(const char *text)
{
	return !text[strcspn(text, "*?[]\\")];
}

static struct token *push(struct pattern *p, enum token_type type, unsigned char byte)
{
	struct token *t = &p->tokens[p->count++];

	*t = (struct token){.type = type, .byte = byte};
	return t;
}

/* Behind "**"; FIRST: at the start of the pattern. */
static const char *compile_stars(struct pattern *p, const char *at, bool first)
{
	if (*at == '/')
		at++;
	else if (!*at || (first && is_plain(at))) {
		push(p, TOKEN_ALL, 0);
		return at;
	}
	if (!*at) {
		push(p, TOKEN_ALL, 0);
		return at;
	}
	push(p, TOKEN_DIRS, 0);
	push(p, TOKEN_INSIDE, 0);
	return at;
}

static int compile_set(struct pattern *p, const char **at, const char *text,
		       struct err *err)
{
	struct token *t = push(p, TOKEN_SET, 0);

	t->set = calloc(1, sizeof(*t->set));
	if (!t->set)
		return err_nomem(err);
	return set_read(at, t) ? 0 : bad(text, "has a bad bracket", err);
}

static int compile(struct pattern *p, const char *text, struct err *err)
{
	const char *at = text;
	int r = 0;

	while (*at && r == 0) {
		char c = *at++;

		if (c == '*' && *at == '*')
			at = compile_stars(p, at + 1, at == text + 1);
		else if (c == '*')
			push(p, TOKEN_RUN, 0);
		else if (c == '?')
			push(p, TOKEN_ANY, 0);
		else if (c == '[')
			r = compile_set(p, &at, text, err);
		else if (c == '\\' && !*at)
			return bad(text, "ends in a backslash", err);
		else
			push(p, TOKEN_BYTE, (unsigned char)(c == '\\' ? *at++ : c));
	}
	return r;
}

static int add_clean(struct ignore *g, const char *text, bool exception, struct err *err)
{
	struct pattern p = {.exception = exception};
	int r;

	if (g->count == IGNORE_PATTERNS_MAX)
		return err_set(err, ERR_LIMIT, "more than %d patterns",
			       IGNORE_PATTERNS_MAX);
	if (g->count == g->room) {
		size_t room = g->room ? 2 * g->room : 16;
		struct pattern *patterns =
			reallocarray(g->patterns, room, sizeof(*patterns));

		if (!patterns)
			return err_nomem(err);
		g->patterns = patterns;
		g->room = room;
	}
	p.tokens = calloc(strlen(text) + 1, sizeof(*p.tokens));
	if (!p.tokens)
		return err_nomem(err);
	r = compile(&p, text, err);
	if (r < 0) {
		pattern_release(&p);
		return r;
	}
	g->patterns[g->count++] = p;
	g->exceptions |= exception;
	return 0;
}

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static void trim(const char **text, size_t *len)
{
	for (; *len > 0 && is_space((*text)[0]); ++*text)
		--*len;
	while (*len > 0 && is_space((*text)[*len - 1]))
		--*len;
}

static int add_text(struct ignore *g, const char *text, size_t len, struct err *err)
{
	char path[PATTERN_MAX];
	bool exception;

	trim(&text, &len);
	exception = len > 0 && *text == '!';
	if (exception) {
		text++;
		len--;
		trim(&text, &len);
		if (len == 0)
			return err_set(err, ERR_INVALID, "pattern '!' excepts nothing");
	}
	if (len >= sizeof(path) || memchr(text, '\0', len))
		return err_set(err, ERR_INVALID,
			       "a pattern is too long or has a NUL in it");
	clean(text, len, path);
	return *path ? add_clean(g, path, exception, err) : 0;
}

int ignore_add(struct ignore *g, const char *pattern, struct err *err)
{
	return add_text(g, pattern, strlen(pattern), err);
}

int ignore_add_lines(struct ignore *g, const void *text, size_t len, struct err *err)
{
	const char *at = text, *end = at + len;
	int r = 0;

	if (len > IGNORE_FILE_MAX)
		return err_set(err, ERR_LIMIT, "more than %u bytes of patterns",
			       IGNORE_FILE_MAX);
	if (len >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0)
		at += 3;
	for (unsigned line = 1; at < end && r == 0; line++) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		const char *stop = newline ? newline : end;

		if (*at != '#')
			r = add_text(g, at, (size_t)(stop - at), err);
		if (r < 0)
			err_wrap(err, "line %u", line);
		at = stop + 1;
	}
	return r;
}

/* ---- matching ---- */

/* Which tokens can be next; COUNT of them is the end of the pattern. Active ones are in
 * [low, high). */
struct states {
	uint8_t on[PATTERN_MAX + 1];
	size_t low, high;
};

static void states_clear(struct states *s, size_t count)
{
	memset(s->on, 0, count + 1);
	s->low = count + 1;
	s->high = 0;
}

static void states_set(struct states *s, size_t i)
{
	s->on[i] = 1;
	if (i < s->low)
		s->low = i;
	if (i >= s->high)
		s->high = i + 1;
}

/* Adds what can be reached without taking a byte. */
static void states_close(struct states *s, const struct pattern *p)
{
	for (size_t i = s->low; i < s->high && i < p->count; i++) {
		enum token_type type = p->tokens[i].type;

		if (!s->on[i])
			continue;
		if (type == TOKEN_RUN || type == TOKEN_ALL)
			states_set(s, i + 1);
		if (type == TOKEN_DIRS) {
			states_set(s, i + 1);
			states_set(s, i + 2);
		}
	}
}

/* A byte inside a character of several. */
static bool is_inner(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

static bool takes_character(const struct token *t)
{
	return t->type == TOKEN_ANY || (t->type == TOKEN_SET && t->negated);
}

/* From token I by byte C. */
static void step(const struct pattern *p, size_t i, unsigned char c, struct states *next)
{
	const struct token *t = &p->tokens[i];

	if (i > 0 && is_inner(c) && takes_character(t - 1))
		states_set(next, i); /* the rest of that character */
	if (i == p->count)
		return;
	switch (t->type) {
	case TOKEN_BYTE:
		if (c == t->byte)
			states_set(next, i + 1);
		break;
	case TOKEN_ANY:
		if (c != '/' && !is_inner(c))
			states_set(next, i + 1);
		break;
	case TOKEN_SET:
		if (!(t->negated && is_inner(c)) &&
		    !!((*t->set)[c / 8] & 1u << c % 8) != t->negated)
			states_set(next, i + 1);
		break;
	case TOKEN_RUN:
		if (c != '/')
			states_set(next, i);
		break;
	case TOKEN_ALL:
		states_set(next, i);
		break;
	case TOKEN_INSIDE:
		states_set(next, i);
		if (c == '/')
			states_set(next, i + 1);
		break;
	case TOKEN_DIRS:
		break;
	}
}

static void advance(const struct pattern *p, unsigned char c, const struct states *now,
		    struct states *next)
{
	states_clear(next, p->count);
	for (size_t i = now->low; i < now->high; i++)
		if (now->on[i])
			step(p, i, c, next);
	states_close(next, p);
}

/* Whether P matches PATH or a directory above it. *ret_alive: it may match something below
 * PATH. */
static bool match(const struct pattern *p, const char *path, bool *ret_alive)
{
	struct states a, b, *now = &a, *next = &b;

	states_clear(now, p->count);
	states_set(now, 0);
	states_close(now, p);
	*ret_alive = false;
	for (; now->high > 0; path++) {
		struct states *old = now;

		if ((!*path || *path == '/') && now->on[p->count])
			return true;
		advance(p, *path ? (unsigned char)*path : '/', now, next);
		if (!*path) {
			*ret_alive = next->high > 0;
			return false;
		}
		now = next;
		next = old;
	}
	return false;
}

bool ignore_match(const struct ignore *g, const char *path)
{
	bool matched = false, alive;

	for (size_t i = 0; g && i < g->count; i++) {
		const struct pattern *p = &g->patterns[i];

		if (p->exception == matched && match(p, path, &alive))
			matched = !p->exception;
	}
	return matched;
}

bool ignore_may_return(const struct ignore *g, const char *path)
{
	bool alive;

	for (size_t i = 0; g && g->exceptions && i < g->count; i++) {
		const struct pattern *p = &g->patterns[i];

		if (p->exception && (match(p, path, &alive) || alive))
			return true;
	}
	return false;
}
