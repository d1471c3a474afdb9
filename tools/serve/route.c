/* SPDX-License-Identifier: Apache-2.0
 * What the path of a request asks for. */
#include "tools/serve/route.h"

#include "tools/oci/reference.h"

/* A stretch of the path. */
struct part {
	const char *at;
	size_t len;
};

static bool is(const struct part *p, const char *text)
{
	return p->len == strlen(text) && memcmp(p->at, text, p->len) == 0;
}

/* Cuts what stands behind the last '/' off PATH. */
static bool cut_last(struct part *path, struct part *ret)
{
	const char *slash = path->len ? memrchr(path->at, '/', path->len) : NULL;

	if (!slash)
		return false;
	ret->at = slash + 1;
	ret->len = (size_t)(path->at + path->len - ret->at);
	path->len = (size_t)(slash - path->at);
	return true;
}

static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Length of ".", "_", "__" or dashes at the front; 0: none of these. */
static size_t separator(const char *text, size_t len)
{
	size_t n = 0;

	if (*text == '.')
		return 1;
	if (*text == '_')
		return len > 1 && text[1] == '_' ? 2 : 1;
	while (n < len && text[n] == '-')
		n++;
	return n;
}

static bool is_component(const char *text, size_t len)
{
	size_t i = 0;

	if (len == 0 || !is_plain(text[0]) || !is_plain(text[len - 1]))
		return false;
	while (i < len) {
		size_t n = is_plain(text[i]) ? 0 : separator(text + i, len - i);

		if (!is_plain(text[i]) && n == 0)
			return false;
		i += n;
		if (i >= len || !is_plain(text[i]))
			return false;
		i++;
	}
	return true;
}

bool route_is_name(const char *text, size_t len)
{
	if (len > ROUTE_NAME_MAX)
		return false;
	for (;;) {
		const char *slash = memchr(text, '/', len);
		size_t n = slash ? (size_t)(slash - text) : len;

		if (!is_component(text, n))
			return false;
		if (!slash)
			return true;
		text += n + 1;
		len -= n + 1;
	}
}

static void take_name(struct route *r, const struct part *name)
{
	if (!route_is_name(name->at, name->len)) {
		r->fault = ROUTE_BAD_NAME;
		return;
	}
	memcpy(r->name, name->at, name->len);
	r->name[name->len] = '\0';
}

static void take_digest(struct route *r, const struct part *text)
{
	if (!r->fault && digest_parse(text->at, text->len, &r->digest, NULL))
		r->fault = ROUTE_BAD_DIGEST;
}

static void take_reference(struct route *r, const struct part *text)
{
	if (memchr(text->at, ':', text->len)) {
		take_digest(r, text);
		return;
	}
	if (text->len <= ROUTE_TAG_MAX) {
		memcpy(r->tag, text->at, text->len);
		r->tag[text->len] = '\0';
	}
	if (!r->fault && !reference_is_tag(r->tag))
		r->fault = ROUTE_BAD_TAG;
}

static void take_id(struct route *r, const struct part *text)
{
	bool good = text->len == ROUTE_ID_SIZE - 1;

	for (size_t i = 0; good && i < text->len; i++)
		good = is_plain(text->at[i]) && text->at[i] <= 'f';
	if (good)
		memcpy(r->id, text->at, text->len);
	else if (!r->fault)
		r->fault = ROUTE_BAD_ID;
}

/* NAME is what stands before the last two parts. */
static void parse_blob(struct route *r, struct part *name, const struct part *last)
{
	if (is(last, "uploads")) {
		r->kind = ROUTE_START;
		take_name(r, name);
		return;
	}
	r->kind = ROUTE_BLOB;
	take_name(r, name);
	take_digest(r, last);
}

static void parse_upload(struct route *r, struct part *name, const struct part *last)
{
	struct part blobs;

	if (!cut_last(name, &blobs) || !is(&blobs, "blobs"))
		return;
	r->kind = last->len ? ROUTE_UPLOAD : ROUTE_START;
	take_name(r, name);
	if (last->len)
		take_id(r, last);
}

static void parse_rest(struct route *r, struct part rest)
{
	struct part last, before;

	if (!cut_last(&rest, &last) || !cut_last(&rest, &before))
		return;
	if (is(&before, "tags") && is(&last, "list")) {
		r->kind = ROUTE_TAGS;
		take_name(r, &rest);
	} else if (is(&before, "manifests")) {
		r->kind = ROUTE_MANIFEST;
		take_name(r, &rest);
		take_reference(r, &last);
	} else if (is(&before, "referrers")) {
		r->kind = ROUTE_REFERRERS;
		take_name(r, &rest);
		take_digest(r, &last);
	} else if (is(&before, "blobs")) {
		parse_blob(r, &rest, &last);
	} else if (is(&before, "uploads")) {
		parse_upload(r, &rest, &last);
	}
}

void route_parse(const char *path, struct route *ret)
{
	static const char base[] = "/v2/";
	size_t len = sizeof(base) - 1;

	*ret = (struct route){0};
	if (strcmp(path, "/v2") == 0 || strcmp(path, base) == 0) {
		ret->kind = ROUTE_BASE;
	} else if (strncmp(path, base, len) == 0) {
		path += len;
		if (strcmp(path, "_catalog") == 0)
			ret->kind = ROUTE_CATALOG;
		else
			parse_rest(ret, (struct part){path, strlen(path)});
	}
}

/* ---- numbers ---- */

bool route_number_parse(const char *text, size_t len, uint64_t *ret)
{
	uint64_t n = 0;

	for (size_t i = 0; i < len; i++)
		if (text[i] < '0' || text[i] > '9' || __builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(text[i] - '0'), &n))
			return false;
	*ret = n;
	return len > 0;
}

enum route_range route_range_parse(const char *text, uint64_t size, uint64_t *ret_from,
				   uint64_t *ret_length)
{
	static const char unit[] = "bytes=";
	const char *dash;
	uint64_t from, to;

	*ret_from = 0;
	*ret_length = size;
	if (!text || strncmp(text, unit, sizeof(unit) - 1) != 0)
		return ROUTE_WHOLE;
	text += sizeof(unit) - 1;
	dash = strchr(text, '-');
	if (!dash)
		return ROUTE_WHOLE;
	if (dash == text) { /* the last N bytes */
		if (!route_number_parse(dash + 1, strlen(dash + 1), &to))
			return ROUTE_WHOLE;
		if (to == 0 || size == 0)
			return ROUTE_OUTSIDE;
		*ret_length = to < size ? to : size;
		*ret_from = size - *ret_length;
		return ROUTE_PART;
	}
	if (!route_number_parse(text, (size_t)(dash - text), &from))
		return ROUTE_WHOLE;
	if (!dash[1])
		to = UINT64_MAX;
	else if (!route_number_parse(dash + 1, strlen(dash + 1), &to) || to < from)
		return ROUTE_WHOLE;
	if (from >= size)
		return ROUTE_OUTSIDE;
	*ret_from = from;
	*ret_length = to < size ? to - from + 1 : size - from;
	return ROUTE_PART;
}

bool route_piece_parse(const char *text, uint64_t *ret_from, uint64_t *ret_length)
{
	static const char unit[] = "bytes ";
	const char *dash, *end;
	uint64_t to;

	if (strncmp(text, unit, sizeof(unit) - 1) == 0)
		text += sizeof(unit) - 1;
	dash = strchr(text, '-');
	end = dash ? dash + strcspn(dash, "/") : NULL;
	if (!dash || !route_number_parse(text, (size_t)(dash - text), ret_from) ||
	    !route_number_parse(dash + 1, (size_t)(end - dash - 1), &to) ||
	    to < *ret_from || to == UINT64_MAX)
		return false;
	*ret_length = to - *ret_from + 1;
	return true;
}
