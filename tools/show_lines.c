/* SPDX-License-Identifier: Apache-2.0
 * A document as lines for people and scripts.
 */
#include <inttypes.h>
#include <string.h>

#include "tools/output.h"
#include "tools/show.h"

#define LINE_BYTES (4u << 20)

static int append_value(struct buf *line, const json_t *v, struct err *err)
{
	int rc = buf_append_u8(line, ' ', err);

	if (rc)
		return rc;
	if (json_is_string(v) && *json_string_value(v))
		return output_quote(line, json_string_value(v), err);
	if (json_is_integer(v))
		return buf_printf(line, err, "%" JSON_INTEGER_FORMAT,
				  json_integer_value(v));
	if (json_is_boolean(v))
		return buf_printf(line, err, "%s", json_is_true(v) ? "yes" : "no");
	return buf_append_u8(line, '-', err);
}

/* A size that is alone on its line is also told in words. */
static int append_size(struct buf *line, const char *key, const json_t *v,
		       struct err *err)
{
	const char *end = strstr(key, "_size");
	char text[OUTPUT_SIZE_TEXT];

	if (!end || end[5] || !json_is_integer(v))
		return 0;
	return buf_printf(line, err, " (%s)",
			  output_size((uint64_t)json_integer_value(v), text));
}

static int print_line(struct buf *line, const char *key, size_t key_len, json_t *v,
		      struct err *err)
{
	const char *member;
	json_t *value;
	int rc;

	buf_clear(line);
	rc = buf_append(line, key, key_len, err);
	if (json_is_object(v)) {
		json_object_foreach(v, member, value) if (!rc) rc =
			append_value(line, value, err);
	} else if (!rc) {
		rc = append_value(line, v, err);
		if (!rc)
			rc = append_size(line, key, v, err);
	}
	if (!rc)
		output_line("%.*s", (int)line->len, (char *)line->data);
	return rc;
}

static int print_list(struct buf *line, const char *key, const json_t *list,
		      struct err *err)
{
	size_t len = strlen(key), i;
	json_t *item;
	int rc = 0;

	json_array_foreach(list, i, item) if (!rc) rc = print_line(
		line, key, len && key[len - 1] == 's' ? len - 1 : len, item, err);
	return rc;
}

int show_lines(json_t *document, struct err *err)
{
	auto_buf struct buf line;
	const char *key;
	json_t *v;
	int rc = 0;

	buf_init(&line, LINE_BYTES);
	json_object_foreach(document, key, v)
	{
		if (json_is_array(v))
			rc = print_list(&line, key, v, err);
		else
			rc = print_line(&line, key, strlen(key), v, err);
		if (rc)
			return rc;
	}
	return 0;
}
