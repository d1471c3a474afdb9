/* SPDX-License-Identifier: Apache-2.0
 * Reads tar-split. */
#include "tools/chunked/tarsplit_read.h"

#include <string.h>

#include "store/inflate.h"
#include "tools/buildkit/base64.h"

enum {
	TYPE_FILE = 1,
	TYPE_SEGMENT = 2,
};

struct tarsplit_read {
	struct json_reader json;
	json_t *line;
	struct buf bytes;
};

int tarsplit_read_open(const void *packed, size_t len, uint64_t size,
		       struct tarsplit_read **ret, struct err *err)
{
	struct tarsplit_read *r;
	enum inflate_kind kind;
	struct stream *in;
	int rc = stream_from_bytes(packed, len, &in, err);

	if (!rc)
		rc = inflate_open(in, false, &kind, &in, err);
	if (rc)
		return rc;
	r = calloc(1, sizeof(*r));
	if (!r) {
		stream_close(in);
		return err_nomem(err);
	}
	json_reader_init(&r->json, in, size);
	buf_init(&r->bytes, JSON_READER_VALUE_MAX);
	*ret = r;
	return 0;
}

void tarsplit_read_close(struct tarsplit_read *r)
{
	if (!r)
		return;
	json_reader_release(&r->json);
	json_decref(r->line);
	buf_release(&r->bytes);
	free(r);
}

static int bad(struct err *err)
{
	return err_set(err, ERR_INVALID, "a line of tar-split is malformed");
}

static int read_file(const json_t *line, struct tarsplit_line *ret, struct err *err)
{
	const json_t *size = json_object_get(line, "size");

	ret->file = true;
	ret->name = json_string_value(json_object_get(line, "name"));
	if (!ret->name || (size && !json_is_integer(size)) ||
	    json_integer_value(size) < 0)
		return bad(err);
	ret->size = (uint64_t)json_integer_value(size);
	return 0;
}

int tarsplit_read_next(struct tarsplit_read *r, struct tarsplit_line *ret, bool *ret_end,
		       struct err *err)
{
	const json_t *payload;
	char c;
	int rc = json_reader_peek(&r->json, &c, err);

	*ret = (struct tarsplit_line){0};
	*ret_end = c == '\0';
	if (rc || *ret_end)
		return rc;
	json_decref(steal_ptr(&r->line));
	rc = json_reader_value(&r->json, &r->line, err);
	if (rc)
		return rc;
	payload = json_object_get(r->line, "payload");
	switch (json_integer_value(json_object_get(r->line, "type"))) {
	case TYPE_FILE:
		return read_file(r->line, ret, err);
	case TYPE_SEGMENT:
		buf_clear(&r->bytes);
		ret->bytes = &r->bytes;
		if (!json_is_string(payload))
			return json_is_null(payload) || !payload ? 0 : bad(err);
		return base64_decode(json_string_value(payload),
				     json_string_length(payload), &r->bytes, err);
	default:
		return bad(err);
	}
}
