/* SPDX-License-Identifier: Apache-2.0
 * Reads a long JSON text value by value. */
#include "tools/chunked/json_reader.h"

#include <string.h>

#define READ_SIZE (256u << 10)
#define AHEAD     (64u << 10) /* most values are no longer */

void json_reader_init(struct json_reader *r, struct stream *in, uint64_t size)
{
	*r = (struct json_reader){.in = in, .left = size};
	buf_init(&r->window, JSON_READER_VALUE_MAX + READ_SIZE);
}

void json_reader_release(struct json_reader *r)
{
	stream_close(r->in);
	buf_release(&r->window);
}

static size_t waiting(const struct json_reader *r)
{
	return r->window.len - r->pos;
}

/* Has WANT bytes wait, or all there are. */
static int fill(struct json_reader *r, size_t want, struct err *err)
{
	size_t len;
	int rc;

	if (r->at_end || waiting(r) >= want)
		return 0;
	memmove(r->window.data, r->window.data + r->pos, waiting(r));
	r->window.len = waiting(r);
	r->pos = 0;
	want += READ_SIZE / 2;
	rc = buf_reserve(&r->window, want - r->window.len, err);
	if (!rc)
		rc = stream_read_full(r->in, r->window.data + r->window.len,
				      want - r->window.len, &len, err);
	if (rc)
		return rc;
	if (len > r->left)
		return err_set(err, ERR_INVALID, "it is longer than was said");
	r->left -= len;
	r->at_end = len < want - r->window.len;
	r->window.len += len;
	return 0;
}

int json_reader_peek(struct json_reader *r, char *ret, struct err *err)
{
	int rc;

	for (;;) {
		rc = fill(r, AHEAD, err);
		if (rc || !waiting(r))
			break;
		*ret = (char)r->window.data[r->pos];
		if (!*ret || !strchr(" \t\r\n", *ret))
			return 0;
		r->pos++;
	}
	*ret = '\0';
	return rc;
}

int json_reader_take(struct json_reader *r, char c, struct err *err)
{
	char is;
	int rc = json_reader_peek(r, &is, err);

	if (rc)
		return rc;
	if (is != c)
		return err_set(err, ERR_INVALID, "no '%c' where one belongs", c);
	r->pos++;
	return 0;
}

int json_reader_value(struct json_reader *r, json_t **ret, struct err *err)
{
	const size_t flags =
		JSON_DISABLE_EOF_CHECK | JSON_DECODE_ANY | JSON_REJECT_DUPLICATES;
	size_t want = AHEAD;
	json_error_t why;
	int rc;

	for (;;) {
		rc = fill(r, want, err);
		if (rc)
			return rc;
		*ret = json_loadb((const char *)r->window.data + r->pos, waiting(r),
				  flags, &why);
		if (*ret)
			break;
		/* It may only be cut by the end of the window. */
		if (r->at_end || want >= JSON_READER_VALUE_MAX)
			return err_set(err, ERR_INVALID, "not JSON: %.100s", why.text);
		want = waiting(r) * 4;
		if (want > JSON_READER_VALUE_MAX)
			want = JSON_READER_VALUE_MAX;
	}
	r->pos += (size_t)why.position;
	return 0;
}
