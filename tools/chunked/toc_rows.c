/* SPDX-License-Identifier: Apache-2.0
 * Reads the rows of a table of contents. */
#include "tools/chunked/toc_rows.h"

#include <string.h>

#include "tools/oci/document.h"

int toc_rows_bad(struct err *err, const char *what)
{
	return err_set(err, ERR_INVALID, "a table of contents with %s", what);
}

/* The member of the document, all but the entries. */
static int read_member(struct toc_rows *r, const char *key, struct err *err)
{
	auto_document json_t *value = NULL;
	const char *text;
	int rc = json_reader_value(&r->json, &value, err);

	if (rc)
		return rc;
	if (strcmp(key, "version") == 0 && json_integer_value(value) != 1)
		return toc_rows_bad(err, "an unknown version");
	if (strcmp(key, "entries") == 0)
		return toc_rows_bad(err, "two lists");
	text = json_string_value(value);
	if (strcmp(key, "tarSplitDigest") == 0 && text)
		return digest_parse(text, strlen(text), &r->split, err);
	return 0;
}

/* Reads members up to the list of entries, or the end of the document. */
static int read_members(struct toc_rows *r, bool first, bool *ret_list, struct err *err)
{
	char c;
	int rc;

	*ret_list = false;
	for (;; first = false) {
		auto_document json_t *key = NULL;

		rc = json_reader_peek(&r->json, &c, err);
		if (!rc && c == '}')
			return json_reader_take(&r->json, '}', err);
		if (!rc && !first)
			rc = json_reader_take(&r->json, ',', err);
		if (!rc)
			rc = json_reader_value(&r->json, &key, err);
		if (!rc && !json_is_string(key))
			rc = toc_rows_bad(err, "a key that is no text");
		if (!rc)
			rc = json_reader_take(&r->json, ':', err);
		if (rc)
			return rc;
		if (!r->any && strcmp(json_string_value(key), "entries") == 0) {
			*ret_list = r->any = true;
			return json_reader_take(&r->json, '[', err);
		}
		rc = read_member(r, json_string_value(key), err);
		if (rc)
			return rc;
	}
}

/* Sets `next`. */
static int read_row(struct toc_rows *r, bool first, struct err *err)
{
	bool list;
	char c;
	int rc = json_reader_peek(&r->json, &c, err);

	r->next = NULL;
	if (!rc && c != ']') {
		if (!first)
			rc = json_reader_take(&r->json, ',', err);
		if (!rc)
			rc = json_reader_value(&r->json, &r->next, err);
		if (!rc && !json_is_object(r->next))
			rc = toc_rows_bad(err, "an entry that is none");
		return rc;
	}
	if (!rc)
		rc = json_reader_take(&r->json, ']', err);
	if (!rc)
		rc = read_members(r, false, &list, err);
	if (!rc)
		rc = json_reader_peek(&r->json, &c, err);
	return !rc && c ? toc_rows_bad(err, "something behind it") : rc;
}

const char *toc_rows_text(const json_t *row, const char *key)
{
	return json_string_value(json_object_get(row, key)) ?: "";
}

/* Absent: 0. */
int toc_rows_number(const json_t *row, const char *key, uint64_t *ret, struct err *err)
{
	const json_t *value = json_object_get(row, key);

	*ret = 0;
	if (!value)
		return 0;
	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return toc_rows_bad(err, "a bad number");
	*ret = (uint64_t)json_integer_value(value);
	return 0;
}

int toc_rows_digest(const json_t *row, const char *key, struct digest *ret,
		    struct err *err)
{
	const char *text = toc_rows_text(row, key);

	return digest_parse(text, strlen(text), ret, err);
}

int toc_rows_next(struct toc_rows *r, struct err *err)
{
	json_decref(steal_ptr(&r->next));
	return read_row(r, false, err);
}

void toc_rows_release(struct toc_rows *r)
{
	json_reader_release(&r->json);
	json_decref(r->next);
}

int toc_rows_init(struct toc_rows *r, struct stream *in, uint64_t size, struct err *err)
{
	bool list = false;
	int rc;

	*r = (struct toc_rows){0};
	json_reader_init(&r->json, in, size);
	rc = json_reader_take(&r->json, '{', err);
	if (!rc)
		rc = read_members(r, true, &list, err);
	if (!rc && !list)
		rc = toc_rows_bad(err, "no entries");
	if (!rc)
		rc = read_row(r, true, err);
	return rc;
}
