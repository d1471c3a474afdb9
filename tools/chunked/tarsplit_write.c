/* SPDX-License-Identifier: Apache-2.0
 * Writes tar-split. */
#include "tools/chunked/tarsplit_write.h"

#include <jansson.h>
#include <string.h>

#include "tools/buildkit/base64.h"

#define LINE_MAX_BYTES (32u << 20)

enum {
	TYPE_FILE = 1,
	TYPE_SEGMENT = 2,
};

void tarsplit_write_init(struct tarsplit_write *w)
{
	w->position = 0;
	packed_text_init(&w->text);
}

void tarsplit_write_release(struct tarsplit_write *w)
{
	packed_text_release(&w->text);
}

int tarsplit_write_segment(struct tarsplit_write *w, const void *data, size_t len,
			   struct err *err)
{
	auto_buf struct buf line;
	int rc;

	buf_init(&line, LINE_MAX_BYTES);
	rc = buf_printf(&line, err, "{\"type\":%d,\"payload\":\"", TYPE_SEGMENT);
	if (!rc)
		rc = base64_encode(data, len, &line, err);
	if (!rc)
		rc = buf_printf(&line, err, "\",\"position\":%ju}\n",
				(uintmax_t)w->position++);
	return rc ? rc : packed_text_add(&w->text, line.data, line.len, err);
}

static json_t *crc_json(uint64_t crc)
{
	auto_buf struct buf text;
	uint8_t bytes[8];

	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(crc >> (56 - 8 * i));
	buf_init(&text, 16);
	if (base64_encode(bytes, sizeof(bytes), &text, NULL))
		return NULL;
	return json_stringn((const char *)text.data, text.len);
}

int tarsplit_write_file(struct tarsplit_write *w, const char *name, uint64_t size,
			uint64_t crc, struct err *err)
{
	json_t *line = json_pack("{s:i, s:s}", "type", TYPE_FILE, "name", name);
	auto_free char *text = NULL;
	int rc;

	if (size)
		json_object_set_new(line, "size", json_integer((json_int_t)size));
	json_object_set_new(line, "payload", size ? crc_json(crc) : json_null());
	json_object_set_new(line, "position", json_integer((json_int_t)w->position++));
	text = line ? json_dumps(line, JSON_COMPACT) : NULL;
	json_decref(line);
	rc = text ? packed_text_add(&w->text, text, strlen(text), err) : err_nomem(err);
	return rc ? rc : packed_text_add(&w->text, "\n", 1, err);
}
