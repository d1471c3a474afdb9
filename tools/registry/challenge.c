/* SPDX-License-Identifier: Apache-2.0
 * Lists in headers: tokens, quoted strings, parameters. */
#include "tools/registry/challenge.h"

#include <string.h>
#include <strings.h>

#define NAME_MAX_LEN 64

static bool is_token(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
	       (c >= 'a' && c <= 'z') || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static const char *skip_blank(const char *p)
{
	return p + strspn(p, " \t");
}

/* A word; false if there is none here or it is too long (it is passed over all the same). */
static bool take_token(const char **p, char *out, size_t size)
{
	const char *start = *p;
	size_t len;

	while (is_token(**p))
		++*p;
	len = (size_t)(*p - start);
	if (len == 0 || len >= size)
		return false;
	memcpy(out, start, len);
	out[len] = '\0';
	return true;
}

/* What stands behind '=': quoted, with '\' before what would end it, or bare. Bare ones are
 * read up to a comma or blank, as some servers quote nothing. */
static bool take_value(const char **p, char *out, size_t size)
{
	bool quoted = **p == '"', fits = true;
	size_t len = 0;

	if (quoted)
		++*p;
	while (**p && (quoted ? **p != '"' : !strchr(", \t", **p))) {
		if (quoted && **p == '\\' && (*p)[1])
			++*p;
		if (len + 1 < size)
			out[len++] = **p;
		else
			fits = false;
		++*p;
	}
	out[len] = '\0';
	if (!quoted)
		return fits;
	if (**p != '"')
		return false;
	++*p;
	return fits;
}

static void set_parameter(struct challenge *c, const char *name, const char *value)
{
	char *to = NULL;

	if (strcasecmp(name, "realm") == 0)
		to = c->realm;
	else if (strcasecmp(name, "service") == 0)
		to = c->service;
	else if (strcasecmp(name, "scope") == 0)
		to = c->scope;
	if (to && !*to)
		memcpy(to, value, strlen(value) + 1);
}

/* "name = value" if that is what stands here: else a new challenge begins. */
static bool is_parameter(const char *p)
{
	const char *start = p;

	while (is_token(*p))
		p++;
	if (p == start)
		return false;
	p = skip_blank(p);
	return *p == '=' && p[1] != '=';
}

static void take_parameters(const char **p, struct challenge *c)
{
	char name[NAME_MAX_LEN], value[CHALLENGE_VALUE_MAX];

	for (;;) {
		bool named;

		*p += strspn(*p, " \t,");
		if (!is_parameter(*p))
			return;
		named = take_token(p, name, sizeof(name));
		*p = skip_blank(*p) + 1;
		*p = skip_blank(*p);
		if (!take_value(p, value, sizeof(value)))
			c->scheme = CHALLENGE_NONE;
		else if (named)
			set_parameter(c, name, value);
	}
}

void challenge_parse(const char *header, struct challenge *ret)
{
	const char *p = header;

	while (*p) {
		struct challenge c = {0};
		char scheme[NAME_MAX_LEN];

		p += strspn(p, " \t,");
		if (!take_token(&p, scheme, sizeof(scheme))) {
			p += strcspn(p, ",");
			continue;
		}
		if (strcasecmp(scheme, "bearer") == 0)
			c.scheme = CHALLENGE_BEARER;
		else if (strcasecmp(scheme, "basic") == 0)
			c.scheme = CHALLENGE_BASIC;
		p = skip_blank(p);
		/* "Negotiate <base64>": what is no parameter is not ours. */
		if (*p && *p != ',' && !is_parameter(p))
			p += strcspn(p, ",");
		take_parameters(&p, &c);
		if (c.scheme == CHALLENGE_BEARER && !*c.realm)
			c.scheme = CHALLENGE_NONE;
		if (c.scheme > ret->scheme)
			*ret = c;
	}
}

/* ---- Link ---- */

/* Whether one of the words of VALUE is "next". */
static bool has_next(const char *value)
{
	while (*value) {
		size_t len = strcspn(value, " \t");

		if (len == 4 && strncasecmp(value, "next", 4) == 0)
			return true;
		value += len;
		value = skip_blank(value);
	}
	return false;
}

/* The parameters behind a target, up to the comma that ends them. */
static bool take_link_parameters(const char **p)
{
	char name[NAME_MAX_LEN], value[CHALLENGE_VALUE_MAX];
	bool next = false;

	for (*p = skip_blank(*p); **p == ';'; *p = skip_blank(*p)) {
		bool named;

		*p = skip_blank(*p + 1);
		named = take_token(p, name, sizeof(name));
		*p = skip_blank(*p);
		if (**p != '=')
			continue;
		*p = skip_blank(*p + 1);
		if (take_value(p, value, sizeof(value)) && named &&
		    strcasecmp(name, "rel") == 0)
			next = next || has_next(value);
	}
	return next;
}

bool challenge_next_link(const char *header, struct buf *ret)
{
	const char *p = header;

	while ((p = strchr(p, '<'))) {
		const char *start = p + 1, *end = strchr(start, '>');

		if (!end)
			return false;
		p = end + 1;
		if (!take_link_parameters(&p))
			continue;
		return !buf_append(ret, start, (size_t)(end - start), NULL) &&
		       !buf_append_u8(ret, 0, NULL);
	}
	return false;
}
